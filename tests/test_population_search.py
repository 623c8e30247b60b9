"""Population based training over real models, and its schedule replayed in a plain fit."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest

from kerastune_lite import PopulationBasedTraining, RandomSearch, Study, TrialState
from kerastune_lite.callbacks import ReplaySchedule

RNG = np.random.default_rng(0)
WEIGHTS = 0.3 * RNG.normal(size=40)
X, XV = RNG.normal(size=(320, 40)).astype("float32"), RNG.normal(size=(100, 40)).astype("float32")
Y, YV = (X @ WEIGHTS).astype("float32"), (XV @ WEIGHTS).astype("float32")


def build_fn(hp):
    """A line found through noise, new at every step: far from the end a large rate is best, near it a small one."""
    model = keras.Sequential([keras.layers.Input((40,)), keras.layers.Dense(1), keras.layers.GaussianNoise(1.0)])
    model.compile(keras.optimizers.SGD(hp.float("rate", 1e-4, 2e-2, log=True)), loss="mse")
    return model


def tuner_of(directory, build_fn=build_fn, **settings):
    settings = {"population": 4, "seed": 0, "verbose": 0} | settings
    return PopulationBasedTraining(build_fn, "val_loss", directory=directory, **settings)


def search(tuner, epochs=4, **arguments):
    return tuner.search(X, Y, validation_data=(XV, YV), batch_size=8, epochs=epochs, **arguments)


def told(study):
    return [(t.values, t.state, t.score, t.best_epoch, t.curve, t.plan.resumed_from) for t in study.trials]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("population") / "study"
    tuner = tuner_of(directory, population=8)
    return tuner, search(tuner, epochs=16)


def test_every_turn_of_a_member_is_a_trial_that_goes_on_from_an_earlier_one(searched):
    _, study = searched

    assert len(study.trials) == 8 * 16
    assert [len(study.trials[n].curve) for n in (0, 8, 64, 127)] == [1, 2, 9, 16]
    assert {trial.plan.resumed_from // 8 - trial.number // 8 for trial in study.trials[8:]} == {-1}
    assert (study.epochs_spent, study.epochs_saved) == (8 * 16, 0)
    assert {t.state for t in study.trials[-8:]} == {TrialState.COMPLETED}
    assert Study.open(study.directory).trials == study.trials
    assert not list((study.directory / "checkpoints").iterdir())


def test_a_trials_score_is_of_its_own_epochs(searched):
    _, study = searched

    assert all(trial.best_epoch == len(trial.curve) - 1 for trial in study.trials)
    assert all(trial.score == trial.curve[-1]["val_loss"] for trial in study.trials)


def test_the_schedule_of_the_best_beats_the_best_constant_setting(searched, tmp_path):
    """At equal epochs, on a problem whose rate has to fall."""
    _, study = searched
    constant = RandomSearch(build_fn, "val_loss", directory=tmp_path, max_trials=8, seed=0, verbose=0)

    assert study.best.score < search(constant, epochs=16).best.score
    rates = [values["rate"] for _, values in study.schedule(study.best.number)]
    assert len(rates) > 2
    assert rates[-2] < 0.2 * rates[0]


@pytest.mark.drill
def test_the_schedule_replayed_in_a_plain_fit_gives_the_same_curve_within_noise(searched):
    """The search's own curve is the luckiest of eight at every turn, a replay is one draw."""
    tuner, study = searched
    schedule = tuner.best_schedule()
    keras.utils.set_random_seed(7)
    model = tuner.build(schedule.values_at(0))
    history = model.fit(
        X, Y, validation_data=(XV, YV), batch_size=8, epochs=16, verbose=0, callbacks=[schedule]
    ).history["val_loss"]

    assert float(model.optimizer.learning_rate) == pytest.approx(schedule.values_at(15)["rate"])
    np.testing.assert_allclose(np.log(history[8:]), np.log([e["val_loss"] for e in study.best.curve[8:]]), atol=1.3)


def test_the_lineage_leads_from_the_first_turn_to_the_trial(searched):
    _, study = searched
    line = study.lineage(study.best.number)

    assert [trial.number // 8 for trial in line] == list(range(len(line)))
    assert [trial.parent for trial in line] == [None, *(trial.number for trial in line[:-1])]
    for trial, parent in zip(line[1:], line, strict=False):
        assert trial.curve[: len(parent.curve)] == parent.curve
    assert study.schedule(3) == ((0, study.trials[3].values),)


MOMENTS = (3, 5, 14)
"""Trials of a population of four: of its first turn, its second and its last."""


class Copying(keras.callbacks.Callback):
    """Copies the study's directory as a killed process would have left it."""

    def __init__(self, trial, directory):
        super().__init__()
        self.number, self.directory = trial.number, directory

    def on_epoch_begin(self, epoch, logs=None):
        if self.number in MOMENTS:
            copy = self.directory.with_name(f"copy{self.number}")
            shutil.copytree(self.directory, copy, ignore=shutil.ignore_patterns("*.lock"))


@pytest.mark.drill
def test_a_killed_search_ends_with_the_same_trials(tmp_path):
    whole = search(tuner_of(tmp_path / "whole"), callbacks=lambda trial: [Copying(trial, tmp_path / "whole")])

    for number in MOMENTS:
        assert Study.open(tmp_path / f"copy{number}").trials[-1].state is TrialState.RUNNING
        assert told(search(tuner_of(tmp_path / f"copy{number}"))) == told(whole)


@pytest.mark.drill
def test_what_changes_the_weights_is_inherited_and_dropout_is_not(tmp_path):
    def build(hp):
        units = hp.int("units", 2, 8)
        model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dropout(hp.float("dropout", 0.1, 0.5))])
        model.add(keras.layers.Dense(1))
        adam = hp.boolean("adam")
        rate = hp.float("rate", 1e-3, 1e-1, log=True)
        model.compile(keras.optimizers.Adam(rate) if adam else keras.optimizers.SGD(rate, momentum=0.9), "mse")
        return model

    study = search(tuner_of(tmp_path, build))
    children = [(t, study.trials[t.plan.resumed_from]) for t in study.trials[4:]]

    assert all(child.state is not TrialState.FAILED for child, _ in children)
    assert all(child.values[name] == parent.values[name] for child, parent in children for name in ("units", "adam"))
    assert any(child.values["dropout"] != parent.values["dropout"] for child, parent in children)
    assert any(child.values["rate"] != parent.values["rate"] for child, parent in children)


def test_a_member_that_fails_takes_over_from_another(tmp_path):
    class Failing(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise RuntimeError("broken")

    study = search(tuner_of(tmp_path), callbacks=lambda trial: [Failing()] if trial.number == 1 else [])

    assert study.trials[1].state is TrialState.FAILED
    assert study.trials[5].plan.resumed_from in (0, 2, 3)
    assert study.trials[5].state is not TrialState.FAILED


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"population": 3}, "population has to be an integer of at least 4. Received: 3"),
        ({"interval": 0}, "interval has to be an integer of at least 1. Received: 0"),
        ({"max_trials": 5}, "takes no max_trials. Received: max_trials=5"),
        ({"executions_per_trial": 2}, "executions_per_trial has to be 1"),
    ],
)
def test_impossible_settings_are_refused_by_value(tmp_path, settings, told):
    with pytest.raises(ValueError, match=told):
        tuner_of(tmp_path, **settings)


def test_an_interval_as_long_as_the_training_is_refused_before_any_training(tmp_path):
    with pytest.raises(ValueError, match=r"interval=4 epochs, and search\(epochs=4\)"):
        search(tuner_of(tmp_path, interval=4))
    assert not (tmp_path / "journal.jsonl").exists()


def dropout_model(values):
    layers = [
        keras.layers.Input((40,)),
        keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(values["decay"])),
    ]
    model = keras.Sequential([*layers, keras.layers.Dropout(values["dropout"]), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(values["rate"], momentum=values["momentum"]), "mse")
    return model


def test_a_replay_changes_the_numbers_of_layers_regularizers_and_the_optimizer():
    """The second epoch trains and validates exactly as a model of its values that begins with the same weights."""
    first = {"decay": 0.0, "dropout": 1e-9, "rate": 0.01, "momentum": 0.5}
    then = {"decay": 0.5, "dropout": 1e-9, "rate": 0.002, "momentum": 0.9}
    model, other = dropout_model(first), dropout_model(then)
    replay = ReplaySchedule([(0, first), (1, then), (2, then | {"dropout": 0.3})], dropout_model)
    model.fit(X, Y, epochs=1, verbose=0, shuffle=False)
    other.set_weights(model.get_weights())
    other.optimizer.build(other.trainable_variables)
    for own, theirs in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        own.assign(theirs)
    other.optimizer.learning_rate = then["rate"]
    again = model.fit(
        X, Y, validation_data=(XV, YV), initial_epoch=1, epochs=3, verbose=0, shuffle=False, callbacks=[replay]
    ).history
    expected = other.fit(X, Y, validation_data=(XV, YV), epochs=1, verbose=0, shuffle=False).history

    for name, values in expected.items():
        assert again[name][:1] == pytest.approx(values, rel=1e-5)
    assert replay.epochs == [1, 2]
    assert model.layers[1].rate == 0.3


def test_a_schedule_that_changes_more_than_numbers_says_so():
    def build(values):
        model = keras.Sequential([keras.layers.Input((40,)), keras.layers.Dense(1, activation=values["activation"])])
        model.compile("sgd", "mse")
        return model

    replay = ReplaySchedule([(0, {"activation": "tanh"}), (1, {"activation": "relu"})], build)
    with pytest.raises(ValueError, match=r"From epoch 1 on .*a callback can only change numbers"):
        build({"activation": "tanh"}).fit(X, Y, epochs=2, verbose=0, callbacks=[replay])


def test_a_schedule_that_needs_other_weights_says_so():
    """Without dropout the layer has no random generator, without momentum the optimizer has no moments."""
    values = {"decay": 0.0, "dropout": 0.0, "rate": 0.01, "momentum": 0.5}
    replay = ReplaySchedule([(0, values), (1, values | {"dropout": 0.5})], dropout_model)

    with pytest.raises(ValueError, match=r"From epoch 1 on .* other weights"):
        dropout_model(values).fit(X, Y, epochs=2, verbose=0, callbacks=[replay])


def test_a_schedule_begins_with_the_first_epoch():
    with pytest.raises(ValueError, match="begins with epoch 0"):
        ReplaySchedule([(1, {})], dropout_model)


def test_a_schedule_of_fits_own_arguments_is_not_replayed(tmp_path):
    def build(hp):
        batch = hp.choice("batch", [4, 8, 16, 32])
        return build_fn(hp), {"batch_size": batch}

    tuner = tuner_of(tmp_path, build)
    study = search(tuner)
    changing = [t for t in study.trials if len({v["batch"] for _, v in study.schedule(t.number)}) > 1]
    assert changing
    if study.best in changing:
        with pytest.raises(ValueError, match="changes batch_size at epoch"):
            tuner.best_schedule()
