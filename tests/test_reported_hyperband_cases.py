"""Situations that users of other tuners' Hyperband and pruners reported, each with the right outcome."""

from __future__ import annotations

import keras
import pytest

from kerastune_lite import Hyperband, Objective, RandomSearch, Study, TrialState
from kerastune_lite.stopping import MedianRule, SuccessiveHalving


def softmax_model(*hidden, rate=0.01):
    model = keras.Sequential([keras.layers.Input((4,)), *hidden, keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def hyperband(build_fn, directory, objective="val_accuracy", **settings):
    settings = {"max_epochs": 3, "seed": 0, "verbose": 0} | settings
    return Hyperband(build_fn, objective, directory=directory, **settings)


@pytest.mark.parametrize("strategy", [pytest.param("random", marks=pytest.mark.drill), "bayesian"])
def test_every_kind_works_under_a_condition(tmp_path, iris, strategy):
    """keras-tuner#341: inside a conditional scope choices work, and floats and fixed values raise."""

    def build_fn(hp):
        layers = [keras.layers.Dense(4, activation="relu")]
        for index in range(hp.int("layers", 1, 2)):
            with hp.when("layers", list(range(index + 1, 3))):
                rate = hp.float(f"step_{index}", 0.0, 0.5, step=0.25)
                rate = rate * hp.float(f"plain_{index}", 0.1, 1.0) * hp.choice(f"one_{index}", [1.0])
                layers.append(keras.layers.Dropout(rate))
        return softmax_model(*layers)

    study = hyperband(build_fn, tmp_path, strategy=strategy).search(*iris, validation_split=0.3)

    assert all(trial.state is not TrialState.FAILED for trial in study.trials)
    assert all(("plain_1" in trial.values) == (trial.values["layers"] == 2) for trial in study.trials)


def test_the_step_of_a_float_is_kept(tmp_path, iris):
    """keras-tuner#61: Hyperband ignores the step of a float."""

    def build_fn(hp):
        value = hp.float("b", 0.0, 2.0, step=0.5)
        assert value in (0.0, 0.5, 1.0, 1.5, 2.0)
        return softmax_model(rate=0.01 + 0.01 * value)

    study = hyperband(build_fn, tmp_path).search(*iris, validation_split=0.3)

    assert all(trial.state is not TrialState.FAILED for trial in study.trials)


@pytest.mark.parametrize(("choices", "settings"), [([8], 1), ([4, 8], 2)])
def test_a_space_that_is_smaller_than_a_bracket_still_promotes_and_ends(tmp_path, iris, choices, settings):
    """keras-tuner#606, #676 and #844: errors, no promotion, or no end where the space has few settings."""

    def build_fn(hp):
        return softmax_model(keras.layers.Dense(hp.choice("units", choices), activation="relu"))

    study = hyperband(build_fn, tmp_path).search(*iris, validation_split=0.3)

    assert len(study.trials) == settings
    assert max(len(trial.curve) for trial in study.trials) == 3


@pytest.mark.drill
def test_nine_settings_are_each_tried_once(tmp_path, iris):
    """keras-tuner#844: Hyperband in a space of nine settings repeats them without end."""

    def build_fn(hp):
        units = hp.choice("units", [2, 4, 8])
        return softmax_model(keras.layers.Dense(units), rate=hp.choice("rate", [0.1, 0.01, 0.001]))

    study = hyperband(build_fn, tmp_path, max_epochs=9, factor=3).search(*iris, validation_split=0.3)

    assert len({tuple(trial.values.values()) for trial in study.trials}) == len(study.trials) == 9
    assert sorted(len(trial.curve) for trial in study.trials) == [1] * 6 + [3, 3, 9]


@pytest.mark.drill
def test_a_promoted_trial_begins_where_it_ended(tmp_path, iris):
    """keras-tuner#372: promotion trains from random weights although the epochs are counted on."""
    first_batches = {}

    class Watching(keras.callbacks.Callback):
        def __init__(self, number):
            super().__init__()
            self.number, self.epoch = number, 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if batch == 0:
                evaluated = self.model.evaluate(*iris, verbose=0)[0]
                first_batches[self.number, self.epoch] = evaluated

        def on_epoch_end(self, epoch, logs=None):
            first_batches[self.number, f"after {epoch}"] = self.model.evaluate(*iris, verbose=0)[0]

    def build_fn(hp):
        return softmax_model(rate=hp.float("rate", 0.01, 0.1))

    study = hyperband(build_fn, tmp_path).search(
        *iris, validation_split=0.3, callbacks=lambda trial: [Watching(trial.number)]
    )
    promoted = next(trial for trial in study.trials if trial.plan.resumed_at == 1)

    assert len(promoted.curve) == 3
    assert first_batches[promoted.number, 1] == pytest.approx(first_batches[promoted.number, "after 0"], rel=1e-5)


@pytest.mark.parametrize(("direction", "best"), [("max", max), ("min", min)])
def test_promotion_follows_the_direction(tmp_path, iris, direction, best):
    """keras-tuner#693, autokeras#1917: Hyperband sorted in the wrong direction."""

    class Scripted(keras.callbacks.Callback):
        def __init__(self, quality):
            super().__init__()
            self.quality = quality

        def on_epoch_end(self, epoch, logs=None):
            logs["quality"] = self.quality

    def build_fn(hp):
        hp.float("quality", 0.0, 1.0)
        return softmax_model()

    study = hyperband(build_fn, tmp_path, Objective("quality", direction)).search(
        *iris, callbacks=lambda trial: [Scripted(trial.values["quality"])]
    )
    first = study.trials[:3]

    assert [trial.number for trial in first if len(trial.curve) == 3] == [
        best(first, key=lambda trial: trial.values["quality"]).number
    ]
    assert study.best.values["quality"] == best(trial.values["quality"] for trial in study.trials)


@pytest.mark.parametrize("rule", [MedianRule(grace_epochs=2, min_trials=3), SuccessiveHalving(min_epochs=2)])
def test_a_rule_compares_like_epochs_and_honours_the_least_number_of_trials(tmp_path, iris, rule):
    """optuna#2441, #1936: a pruner is too keen, or never prunes, when trials have different lengths."""

    class Scripted(keras.callbacks.Callback):
        """Every curve rises alike; they end after two to five epochs."""

        def __init__(self, number):
            super().__init__()
            self.number = number

        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = epoch + (-0.5 if self.number == 5 else 0.1 * self.number)
            if epoch + 1 == 2 + self.number % 4:
                self.model.stop_training = True

    def build_fn(hp):
        hp.float("x", 0.0, 1.0)
        return softmax_model()

    tuner = RandomSearch(
        build_fn, Objective("score", "max"), directory=tmp_path, max_trials=6, seed=0, verbose=0, stopping=rule
    )
    study = tuner.search(*iris, epochs=6, callbacks=lambda trial: [Scripted(trial.number)])

    # The last one is the worst after two epochs; all before it were the best when they came.
    assert [trial.state.value for trial in study.trials] == ["completed"] * 5 + ["stopped"]
    assert [len(trial.curve) for trial in study.trials] == [2, 3, 4, 5, 2, 2]


def test_a_stray_folder_and_a_torn_journal_do_not_stop_a_resumed_hyperband(tmp_path, iris):
    """keras-tuner#835, #987: a half-written file makes the resumed search fail."""

    def build_fn(hp):
        return softmax_model(rate=hp.float("rate", 0.01, 0.1))

    whole = hyperband(build_fn, tmp_path / "whole").search(*iris, validation_split=0.3)
    cut = tmp_path / "cut"
    hyperband(build_fn, cut, max_trials=3).search(*iris, validation_split=0.3)
    journal = cut / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    (cut / "checkpoints").mkdir(exist_ok=True)
    (cut / "checkpoints" / "stray.npz").write_bytes(b"torn")
    (cut / "stray").mkdir()
    again = hyperband(build_fn, cut).search(*iris, validation_split=0.3)

    assert [trial.values for trial in again.trials] == [trial.values for trial in whole.trials]
    assert [trial.score for trial in again.trials] == [trial.score for trial in whole.trials]
    assert (cut / "checkpoints" / "stray.npz").read_bytes() == b"torn"
    assert Study.open(cut).trials == again.trials
