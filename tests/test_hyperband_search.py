"""Hyperband over real models: promoted trials go on from where they paused."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import threading
from typing import ClassVar

import keras
import numpy as np
import pytest
from pausing_searches import X, Y, build_fn, told

from kerastune_lite import (
    BayesianOptimization,
    FreezeThaw,
    Hyperband,
    HyperParameters,
    PopulationBasedTraining,
    Study,
    TrialState,
    Tuner,
)
from kerastune_lite.callbacks import EarlyStopping
from kerastune_lite.errors import BuildError, CallbackError, StudyError
from kerastune_lite.strategies.strategy import Suggestion


def build_much(hp):
    """A model with all that a training carries along: dropout, batch norms, moments, a schedule, an average."""
    decay = keras.optimizers.schedules.ExponentialDecay(hp.float("rate", 1e-3, 1e-1, log=True), 5, 0.9)
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.choice("units", [4, 6]), activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(decay, use_ema=True), "mse", metrics=["mae"])
    return model


def hyperband(directory, build_fn=build_fn, max_epochs=4, **settings):
    settings = {"factor": 2, "seed": 0, "verbose": 0} | settings
    return Hyperband(build_fn, "val_loss", max_epochs=max_epochs, directory=directory, **settings)


def search(directory, build_fn=build_fn, callbacks=(), **settings):
    return hyperband(directory, build_fn, **settings).search(X, Y, validation_split=0.2, callbacks=callbacks)


class Weights(keras.callbacks.Callback):
    """Keeps the weights and the optimizer's state that a training ends with."""

    kept: ClassVar[dict] = {}

    def __init__(self, number):
        super().__init__()
        self.number = number

    def on_epoch_end(self, epoch, logs=None):
        variables = [*self.model.variables, *self.model.optimizer.variables]
        Weights.kept[self.number] = [keras.ops.convert_to_numpy(variable) for variable in variables]


def watched(trial):
    stop = EarlyStopping("val_loss", patience=4, min_delta=0.01, mode="min", restore_best_weights=True)
    # A schedule's rate can't be reduced.
    reduce = [keras.callbacks.ReduceLROnPlateau("val_loss", patience=1)] if "dropout" in trial.values else []
    return [Weights(trial.number), stop, *reduce]


class Same:
    """Suggests one setting again and again, each to be trained in one go."""

    def __init__(self, values):
        self.values = values

    def suggest(self, space, trials, rng):
        return Suggestion(self.values[len(trials)])


@pytest.mark.parametrize("build", [pytest.param(build_fn, marks=pytest.mark.drill), build_much])
def test_a_trial_promoted_twice_is_the_one_trained_in_one_go(tmp_path, build):
    """Weights, optimizer, generators, schedule, order of samples and callbacks go on as if there had been no pause."""
    study = search(tmp_path / "a", build, watched, max_epochs=8, max_trials=4)
    paused, weights = study.trials, dict(Weights.kept)
    promoted = [t for t in paused if t.state is TrialState.COMPLETED and t.plan.resumed_at == 4]
    assert promoted

    last = promoted[0].number
    whole = Tuner(build, "val_loss", strategy=Same([t.values for t in paused]), max_trials=last + 1, seed=0, verbose=0)
    whole.directory = tmp_path / "b"
    in_one_go = whole.search(X, Y, validation_split=0.2, epochs=8, callbacks=watched).trials[last]

    assert len(promoted[0].curve) == len(in_one_go.curve)
    for one, other in zip(promoted[0].curve, in_one_go.curve, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert promoted[0].best_epoch == in_one_go.best_epoch
    for one, other in zip(weights[last], Weights.kept[last], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_every_trial_ends_where_its_bracket_says(tmp_path, capsys):
    study = search(tmp_path, verbose=1)

    assert sorted(len(trial.curve) for trial in study.trials[:4]) == [1, 1, 2, 4]
    assert [len(trial.curve) for trial in study.trials[6:]] == [4, 4, 4]
    assert study.trials[0].stop_reason in ("paused after 1 of 4 epochs", "paused after 2 of 4 epochs", None)
    assert study.epochs_spent == (4 + 2 + 2) + (4 + 2) + 12
    told = capsys.readouterr().out
    assert "; 26 epochs in " in told
    assert "Trials that ended early left out 10 epochs" in told
    assert Study.open(tmp_path).trials == study.trials
    assert not list((tmp_path / "checkpoints").iterdir())


def test_the_stored_best_model_gives_the_recorded_score(tmp_path):
    tuner = hyperband(tmp_path)
    study = tuner.search(X, Y, validation_split=0.2)

    loss, _ = tuner.best_model().evaluate(X[72:], Y[72:], verbose=0)
    assert loss == pytest.approx(study.best.score, rel=1e-5)


class Copying(keras.callbacks.Callback):
    """Copies the study's directory at some moments, as a killed process would have left it."""

    # The first epochs of legs, epochs in their middle, and (added when they come) their ends.
    MOMENTS: ClassVar[set] = {(1, 0), (0, 1), (2, 1), (1, 3), (2, 3), (6, 2)}

    def __init__(self, trial, directory):
        super().__init__()
        self.number, self.directory = trial.number, directory

    def _copy(self, moment):
        copies = self.directory.with_name("copies")
        if moment in self.MOMENTS and not (copies / f"{moment}").exists():
            shutil.copytree(self.directory, copies / f"{moment}", ignore=shutil.ignore_patterns("*.lock"))

    def on_epoch_begin(self, epoch, logs=None):
        self._copy((self.number, epoch))

    def on_train_end(self, logs=None):
        if self.number in (2, 8):
            self.MOMENTS.add((self.number, "end"))
            self._copy((self.number, "end"))


@pytest.mark.drill
def test_a_killed_search_ends_with_the_same_trials(tmp_path):
    whole = search(tmp_path / "whole", callbacks=lambda trial: [Copying(trial, tmp_path / "whole")])
    copies = sorted((tmp_path / "copies").iterdir())
    assert len(copies) >= 5

    for copy in copies:
        assert [t.state for t in Study.open(copy).trials].count(TrialState.RUNNING) == 1
        study = search(copy, callbacks=lambda trial: [Copying(trial, copy)])  # noqa: B023
        assert told(study) == told(whole), copy.name
        assert not list((copy / "checkpoints").iterdir())


@pytest.mark.drill
def test_an_interrupted_promotion_goes_on_and_keeps_its_earlier_score_meanwhile(tmp_path):
    class Pressing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    callbacks = [EarlyStopping("val_loss", patience=9)]
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, callbacks=lambda trial: [*callbacks, Pressing()])
    cut = next(trial for trial in Study.open(tmp_path).trials if trial.state is TrialState.INTERRUPTED)
    assert cut.plan.resumed_at == 2
    assert cut.score == min(logs["val_loss"] for logs in cut.curve[:2])
    assert cut in Study.open(tmp_path).leaderboard()

    whole = search(tmp_path / "whole", callbacks=callbacks)
    assert told(search(tmp_path, callbacks=callbacks)) == told(whole)


def build_wide(hp):
    """A model whose weights take more than LARGEST_FILE."""
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4000), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.float("rate", 1e-4, 1e-3, log=True)), "mse")
    return model


LARGEST_FILE = 50_000
"""Bytes: the journal fits."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a ZipFile that is left half-written
def test_a_training_that_cannot_be_written_ends_the_search_which_goes_on_where_there_is_room(tmp_path):
    """It would be no trial's fault, and a trial that pauses isn't tried again once it has failed."""
    settings = {"max_epochs": 2, "keep_models": 0}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, before[1]))  # what a full disk does, to this process alone
    try:
        with pytest.raises(StudyError, match=r"can't be written to .*checkpoints.*: File too large.*make room"):
            search(tmp_path / "cut", build_wide, **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [trial.state.value for trial in Study.open(tmp_path / "cut").trials] == ["interrupted"]
    assert not list((tmp_path / "cut" / "checkpoints").iterdir())
    whole = search(tmp_path / "whole", build_wide, **settings)
    assert told(search(tmp_path / "cut", build_wide, **settings)) == told(whole)


@pytest.mark.parametrize("damage", [pytest.param("missing", marks=pytest.mark.drill), "cut"])
def test_a_damaged_checkpoint_costs_its_trial_a_new_beginning(tmp_path, damage, capsys):
    """The second epoch of trial 0 is trained from the first epoch on, by the same seed, to the same end."""

    class Damaging(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            for path in (tmp_path / "cut" / "checkpoints").glob("*-1.npz"):
                path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-100])

    study = search(tmp_path / "cut", callbacks=lambda trial: [Damaging()] if trial.number == 3 else [], verbose=1)
    whole = search(tmp_path / "whole")

    again = [trial for trial in study.trials if trial.notes]
    assert again
    problem = f"it is {damage.replace('cut', 'damaged')}"
    assert f"from the first epoch, since its checkpoint after 1 epochs can't be used: {problem}" in again[0].notes[0]
    assert "trained again from the first epoch" in capsys.readouterr().out
    assert [t.score for t in study.trials] == pytest.approx([t.score for t in whole.trials], rel=1e-6)


def test_no_more_checkpoints_lie_on_the_disk_than_rungs_can_need(tmp_path):
    counts = []

    class Counting(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            counts.append(len(os.listdir(tmp_path / "checkpoints")) if (tmp_path / "checkpoints").exists() else 0)

    search(tmp_path, callbacks=lambda trial: [Counting()], max_epochs=9, factor=3)

    # Nine trials of one epoch: the best three of them may go on; then they do, and the best one of those.
    assert counts == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1, 0, 1, 1, 1, 0, 0, 0]


def test_a_trial_goes_on_past_epochs_that_were_not_validated(tmp_path):
    """The first rung lies after two epochs, of which only the second has a score."""
    study = hyperband(tmp_path, max_epochs=6).search(X, Y, validation_data=(X, Y), validation_freq=2)
    promoted = [trial for trial in study.trials if trial.plan.resumed_at == 2]

    assert promoted
    assert all(trial.state is not TrialState.FAILED for trial in study.trials)
    assert all("val_loss" not in trial.curve[0] and trial.best_epoch % 2 == 1 for trial in promoted)


def test_all_trainings_of_a_trial_pause_at_a_rung_and_go_on_as_a_loop_over_fit_trains_them(tmp_path):
    tuner = hyperband(tmp_path, max_trials=4, executions_per_trial=2)
    study = tuner.search(X, Y, validation_split=0.2, shuffle=False)

    assert sorted([len(curve) for curve in trial.curves] for trial in study.trials) == [[1, 1], [1, 1], [2, 2], [4, 4]]
    after_one = {trial.number: sum(curve[0]["val_loss"] for curve in trial.curves) for trial in study.trials}
    promoted = {trial.number for trial in study.trials if len(trial.curve) > 1}
    assert promoted == set(sorted(after_one, key=after_one.__getitem__)[:2])
    for number in promoted:
        trial, bests = study.trials[number], []
        for run, curve in enumerate(trial.curves):
            keras.utils.set_random_seed(study.seed_of(number, run))
            model = build_fn(HyperParameters(trial.values))
            fitted = model.fit(X, Y, validation_split=0.2, shuffle=False, epochs=len(curve), verbose=0).history
            assert [logs["val_loss"] for logs in curve] == pytest.approx(fitted["val_loss"], rel=1e-5)
            bests.append(min(fitted["val_loss"]))
        assert trial.score == pytest.approx(sum(bests) / 2, rel=1e-5)
    assert study.epochs_spent == 2 * (4 + 2 + 2)
    assert not list((tmp_path / "checkpoints").iterdir())


def raising(error, *, at):
    """Callbacks that raise an error when the search's training of that number begins, from 1."""
    begun = itertools.count(1)

    class Raising(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            if next(begun) == at:
                raise error

    return lambda trial: [Raising()]


@pytest.mark.drill
def test_a_search_of_repeated_trainings_that_is_cut_between_them_ends_with_the_same_trials(tmp_path):
    repeated = {"max_trials": 4, "executions_per_trial": 2}
    # Four trials are trained twice for an epoch; then one of them is promoted, and this is its second training.
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", callbacks=raising(KeyboardInterrupt, at=10), **repeated)
    cut = next(trial for trial in Study.open(tmp_path / "cut").trials if trial.state is TrialState.INTERRUPTED)
    assert [len(curve) for curve in cut.curves] == [2, 1]

    study = search(tmp_path / "cut", **repeated)
    assert told(study) == told(search(tmp_path / "whole", **repeated))


def test_a_trial_of_which_one_training_ended_by_itself_is_not_promoted(tmp_path):
    class EndingSecond(keras.callbacks.Callback):
        trained: ClassVar[list] = []

        def __init__(self, number):
            super().__init__()
            self.number = number

        def on_epoch_end(self, epoch, logs=None):
            self.trained.append(self.number)
            if self.trained.count(self.number) == 2:
                self.model.stop_training = True

    study = search(tmp_path, callbacks=lambda trial: [EndingSecond(trial.number)], max_trials=4, executions_per_trial=2)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETED] * 4
    assert [[len(curve) for curve in trial.curves] for trial in study.trials] == [[1, 1]] * 4
    assert all(len(trial.scores) == 2 for trial in study.trials)


def test_a_trial_of_which_one_training_failed_takes_no_place_on_the_next_rung(tmp_path):
    study = search(tmp_path, callbacks=raising(ValueError("no"), at=2), max_trials=4, executions_per_trial=2)

    assert study.trials[0].state is TrialState.FAILED
    assert [len(curve) for curve in study.trials[0].curves] == [1]
    assert sorted(len(trial.curve) for trial in study.trials) == [1, 1, 2, 4]


@pytest.mark.drill
def test_a_search_goes_on_with_one_training_of_trials_that_had_two(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, callbacks=raising(KeyboardInterrupt, at=9), max_trials=4, executions_per_trial=2)
    study = search(tmp_path, max_trials=4)

    assert sorted([len(curve) for curve in trial.curves] for trial in study.trials) == [[1, 1], [1, 1], [2, 1], [4, 1]]


def test_settings_may_come_from_the_gaussian_process(tmp_path):
    study = search(tmp_path, strategy="bayesian")

    assert len(study.trials) == 9
    with pytest.raises(ValueError, match=r"'random', 'bayesian', or a strategy\. Received: 'grid'"):
        hyperband(tmp_path, strategy="grid")


@pytest.mark.parametrize(
    ("max_epochs", "factor", "max_trials", "even"),
    [(27, 3, None, 27), (27, 3, 100, 27), (4, 2, None, 8), (81, 3, 40, 20), (81, 3, 10, 8)],
)
def test_the_gaussian_process_is_asked_once_the_first_rung_is_spread_evenly(
    tmp_path, max_epochs, factor, max_trials, even
):
    tuner = hyperband(tmp_path, max_epochs=max_epochs, factor=factor, max_trials=max_trials, strategy="bayesian")

    assert tuner.strategy(seed=0).inner.design == even


@pytest.mark.drill
def test_a_stopping_rule_may_end_a_trial_between_its_rungs(tmp_path):
    class AtThree:
        def should_stop(self, trial, trials, objective):
            return "enough" if len(trial.curve) == 3 else None

    study = search(tmp_path, stopping=AtThree())

    assert {(len(t.curve), t.stop_reason) for t in study.trials if len(t.curve) > 2} == {(3, "enough")}


@pytest.mark.drill
def test_enqueued_settings_take_places_in_the_first_bracket(tmp_path):
    tuner = hyperband(tmp_path)
    tuner.enqueue({"dropout": 0.25})
    study = tuner.search(X, Y, validation_split=0.2)

    assert study.trials[0].values["dropout"] == 0.25
    assert study.trials[0].notes == ("enqueued",)
    assert study.trials[0].plan.pause_at is not None or len(study.trials[0].curve) == 4


@pytest.mark.drill
def test_a_csv_log_and_a_tensorboard_go_on(tmp_path):
    callbacks = [keras.callbacks.CSVLogger(tmp_path / "log.csv")]
    with pytest.warns(UserWarning, match="CSVLogger begins anew"):
        study = search(tmp_path / "study", callbacks=callbacks)

    for trial in study.trials:
        lines = (tmp_path / f"trial_{trial.number:04d}" / "log.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in lines] == ["epoch", *map(str, range(len(trial.curve)))]


def test_a_callback_that_cannot_be_paused_ends_the_search_by_name(tmp_path):
    class Locked(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.turn = threading.Lock()

    with pytest.raises(CallbackError, match="Locked can't be paused"):
        search(tmp_path, callbacks=lambda trial: [Locked()])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"factor": 1}, "factor has to be an integer of at least 2"),
        ({"max_epochs": 2, "factor": 3}, "max_epochs=2"),
        ({"iterations": 0}, "iterations"),
    ],
)
def test_impossible_settings_are_refused_by_value(tmp_path, settings, told):
    with pytest.raises(ValueError, match=told):
        hyperband(tmp_path, **settings)


def test_epochs_are_the_searchs_own(tmp_path):
    with pytest.raises(TypeError, match=r"max_epochs=4: search\(\) takes no epochs\. Received: epochs=3"):
        hyperband(tmp_path).search(X, Y, epochs=3)
    with pytest.raises(BuildError, match=r"epochs=3 among fit's arguments.*Leave epochs out"):
        search(tmp_path, lambda hp: (build_fn(hp), {"epochs": 3}))


@pytest.mark.parametrize("tuner", [Hyperband, FreezeThaw, PopulationBasedTraining])
def test_trials_that_would_pause_before_they_are_validated_are_refused(tmp_path, tuner):
    # How long trials train is an argument of a population's search, and of the other tuners.
    given, searched = ({}, {"epochs": 4}) if tuner is PopulationBasedTraining else ({"max_epochs": 4}, {})
    searching = tuner(build_fn, "val_loss", directory=tmp_path, verbose=0, **given)

    told = r"pauses trials after epoch 1 already, and compares them by val_loss.* Received: validation_freq=\[2, 3\]"
    with pytest.raises(ValueError, match=told):
        searching.search(X, Y, validation_split=0.2, validation_freq=[2, 3], **searched)
    assert not list(tmp_path.iterdir())


def test_a_function_that_trains_by_itself_cannot_be_paused(tmp_path):
    with pytest.raises(BuildError, match="has to train by fit"):
        hyperband(tmp_path, lambda hp: hp.float("x", 0.0, 1.0)).search()


def test_a_model_with_optimizers_of_its_own_cannot_be_paused(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.own = keras.layers.Dense(1), keras.optimizers.SGD(0.1)

        def call(self, x):
            return self.dense(x)

    def build(hp):
        hp.float("x", 0.0, 1.0)
        model = Own()
        model.compile(optimizer=None, loss="mse")
        return model

    with pytest.raises(BuildError, match=r"can't be paused with its trial: it has no optimizer"):
        search(tmp_path, build)


def test_another_search_in_the_same_directory_leaves_no_checkpoints_behind(tmp_path):
    class Pressing(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, callbacks=lambda trial: [Pressing()] if trial.number == 3 else [])
    assert list((tmp_path / "checkpoints").iterdir())
    BayesianOptimization(build_fn, "val_loss", directory=tmp_path, overwrite=True, max_trials=1, verbose=0).search(
        X, Y, validation_split=0.2
    )

    assert not list((tmp_path / "checkpoints").iterdir())
