"""Freeze-thaw search over real models: trials pause and go on, also after a kill."""

from __future__ import annotations

import os
import shutil
from typing import ClassVar

import keras
import pytest
from pausing_searches import X, Y, build_fn, told

from kerastune_lite import FreezeThaw, Pause, Study, StudyMismatchError, TrialState, Tuner
from kerastune_lite.callbacks import EarlyStopping
from kerastune_lite.errors import BuildError
from kerastune_lite.strategies.strategy import GoOn, Suggestion


def build_cosine(hp):
    """A model with a schedule of the whole length: 8 epochs of 3 steps."""
    schedule = keras.optimizers.schedules.CosineDecay(hp.float("rate", 1e-3, 1e-1, log=True), 8 * 3)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4, activation="tanh")])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(schedule), "mse")
    return model


def freeze_thaw(directory, build_fn=build_fn, max_epochs=4, **settings):
    settings = {"seed": 0, "verbose": 0} | settings
    return FreezeThaw(build_fn, "val_loss", max_epochs=max_epochs, directory=directory, **settings)


def search(directory, build_fn=build_fn, callbacks=(), max_epochs_total=22, **settings):
    tuner = freeze_thaw(directory, build_fn, **settings)
    return tuner.search(X, Y, validation_split=0.2, callbacks=callbacks, max_epochs_total=max_epochs_total)


class Copying(keras.callbacks.Callback):
    """Copies the study's directory at some moments, as a killed process would have left it.

    Args:
        moments: The numbers of epochs, counted over all trials, before which it copies.
        directory: The study's.
    """

    epochs: ClassVar[int] = 0

    def __init__(self, moments, directory):
        super().__init__()
        self.moments, self.directory = moments, directory

    def on_epoch_begin(self, epoch, logs=None):
        if Copying.epochs in self.moments:
            copy = self.directory.with_name(f"copy_{Copying.epochs:02d}")
            shutil.copytree(self.directory, copy, ignore=shutil.ignore_patterns("*.lock"))
        Copying.epochs += 1


MOMENTS = tuple(range(1, 21, 2))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search, with copies of its directory beside it as kills at some moments would have left it."""
    directory = tmp_path_factory.mktemp("freeze_thaw") / "study"
    Copying.epochs = 0
    return search(directory, callbacks=lambda trial: [Copying(MOMENTS, directory)])


def test_trials_pause_at_their_steps_and_say_so(searched):
    paused = [trial for trial in searched.trials if trial.is_paused]

    assert paused
    assert {trial.stop_reason for trial in paused} <= {f"paused after {n} of 4 epochs" for n in (1, 2, 3)}
    assert any(len(trial.curve) == 4 and trial.state is TrialState.COMPLETED for trial in searched.trials)
    assert {trial.state for trial in searched.trials if not trial.is_paused} == {TrialState.COMPLETED}


def test_the_epochs_are_bounded_and_only_paused_trainings_lie_on_the_disk(searched):
    files = {path.name for path in (searched.directory / "checkpoints").iterdir()}

    assert searched.epochs_spent == 22
    assert files == {f"{t.number:04d}-{len(t.curve)}.npz" for t in searched.trials if t.is_paused}


@pytest.mark.drill
def test_a_search_that_is_called_again_goes_on_with_the_trial_that_the_bound_had_paused(tmp_path):
    """It pauses between its steps, where the epochs are over, and goes on from there."""
    settings = {"max_epochs": 8, "max_trials": 1}
    whole = search(tmp_path / "whole", max_epochs_total=None, **settings).trials[0]
    cut = search(tmp_path / "cut", max_epochs_total=7, **settings).trials[0]
    resumed = search(tmp_path / "cut", max_epochs_total=None, **settings).trials[0]

    assert cut.stop_reason == "paused after 7 of 8 epochs"
    assert len(whole.curve) == 8
    assert resumed.curve == whole.curve


def test_the_end_tells_of_paused_trials_and_what_they_take(tmp_path, capsys):
    study = search(tmp_path, max_epochs_total=3, verbose=1)
    printed = " ".join(capsys.readouterr().out.split())
    paused = sum(trial.is_paused for trial in study.trials)
    size = sum(path.stat().st_size for path in (tmp_path / "checkpoints").iterdir())

    assert f"{paused} trials are paused and may go on in a later search" in printed
    assert f"their training states take {size / 1e6:.1f} MB" in printed
    assert f"The best one, trial {study.best.number}, is among them: {study.best.stop_reason}" in printed


@pytest.mark.drill
def test_a_search_without_bounds_trains_as_many_epochs_as_ten_whole_trainings(tmp_path):
    study = freeze_thaw(tmp_path, max_epochs=2, keep_models=0).search(X, Y, validation_split=0.2)

    assert study.epochs_spent == 10 * 2


class Same:
    """Suggests settings, each to be trained in one go."""

    def __init__(self, values):
        self.values = values

    def suggest(self, space, trials, rng):
        return Suggestion(self.values[len(trials)])


def test_a_schedule_of_the_whole_length_is_the_one_of_a_training_in_one_go(tmp_path):
    """A trial that paused four times has the curve of one that never did."""
    study = search(tmp_path / "a", build_cosine, max_epochs=8, max_trials=2, max_epochs_total=None)
    last = next(trial.number for trial in study.trials if len(trial.curve) == 8)
    whole = Tuner(build_cosine, "val_loss", strategy=Same([t.values for t in study.trials]), seed=0, verbose=0)
    whole.max_trials, whole.directory = last + 1, tmp_path / "b"
    in_one_go = whole.search(X, Y, validation_split=0.2, epochs=8).trials[last]

    assert len(in_one_go.curve) == 8
    for one, other in zip(study.trials[last].curve, in_one_go.curve, strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_early_stopping_ends_a_training_for_good(tmp_path):
    stop = EarlyStopping("val_loss", patience=1, min_delta=10.0)
    study = search(tmp_path, callbacks=[stop], max_trials=2, max_epochs_total=None)
    longest = [trial for trial in study.trials if len(trial.curve) > 1]

    assert longest
    assert all(trial.state is TrialState.COMPLETED and len(trial.curve) == 2 for trial in longest)
    assert all(trial.stop_reason.startswith("EarlyStopping") for trial in longest)


class Counting(keras.callbacks.Callback):
    """Notes how many checkpoints there are when a training begins."""

    counts: ClassVar[list[int]] = []

    def __init__(self, directory):
        super().__init__()
        self.checkpoints = directory / "checkpoints"

    def on_train_begin(self, logs=None):
        self.counts.append(len(os.listdir(self.checkpoints)) if self.checkpoints.exists() else 0)


def test_no_more_checkpoints_lie_on_the_disk_than_asked_for(tmp_path):
    study = search(tmp_path, callbacks=lambda trial: [Counting(tmp_path)], keep_paused=3)

    assert sum(trial.is_paused for trial in study.trials) > 3
    # The training that has just begun may have a checkpoint of its own still.
    assert max(Counting.counts) <= 4
    assert len(os.listdir(tmp_path / "checkpoints")) <= 3


class Dropping:
    """Pauses a trial after an epoch, doesn't keep its state, and trains it to its end."""

    ending = "the trial has ended"

    def resumable(self, trials):
        return set()

    def suggest(self, space, trials, rng):
        if not trials:
            return Suggestion({"rate": 0.01, "dropout": 0.1}, epochs=3, pause_at=1)
        return GoOn(0, begins_again=True) if trials[0].is_paused else Pause.DONE


def test_a_trial_whose_state_was_dropped_begins_again_to_the_same_end(tmp_path):
    def searched(strategy, directory):
        tuner = Tuner(build_fn, "val_loss", strategy=strategy, max_trials=1, seed=0, verbose=0, directory=directory)
        return tuner.search(X, Y, validation_split=0.2, epochs=3)

    again = searched(Dropping(), tmp_path / "a")
    whole = searched(Same([again.trials[0].values]), tmp_path / "b")

    assert "trained again from the first epoch, since its state after 1 epochs wasn't kept" in again.trials[0].notes
    assert len(again.trials[0].curve) == 3
    for one, other in zip(again.trials[0].curve, whole.trials[0].curve, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert Study.open(tmp_path / "a").trials == again.trials
    assert not list((tmp_path / "a" / "checkpoints").iterdir())


@pytest.mark.parametrize(
    "moment", [17, *(pytest.param(each, marks=pytest.mark.drill) for each in MOMENTS if each != 17)]
)
def test_a_killed_search_ends_with_the_same_trials(searched, moment):
    copy = searched.directory.with_name(f"copy_{moment:02d}")
    assert [trial.state for trial in Study.open(copy).trials].count(TrialState.RUNNING) == 1

    study = search(copy, callbacks=lambda trial: [Copying((), copy)])

    assert told(study) == told(searched)


@pytest.mark.drill
def test_two_workers_share_the_epochs(tmp_path):
    study = search(tmp_path, workers=2, engine="fit")

    assert study.epochs_spent >= 22
    assert not [trial for trial in study.trials if trial.error]
    assert any(len(trial.curve) > 2 for trial in study.trials)
    assert len({tuple(trial.values.items()) for trial in study.trials}) == len(study.trials)


def test_a_study_is_not_resumed_with_another_length(tmp_path):
    search(tmp_path, max_epochs_total=3)

    with pytest.raises(StudyMismatchError, match=r"max_epochs=4, and FreezeThaw has max_epochs=9 now"):
        search(tmp_path, max_epochs=9)


def test_enqueued_settings_begin_first(tmp_path):
    tuner = freeze_thaw(tmp_path)
    tuner.enqueue({"dropout": 0.25})
    study = tuner.search(X, Y, validation_split=0.2, max_epochs_total=2)

    assert study.trials[0].values["dropout"] == 0.25
    assert study.trials[0].plan.pause_at == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_epochs": 1}, "max_epochs has to be an integer of at least 2. Received: 1"),
        ({"keep_paused": 2}, "keep_paused has to be at least 3. Received: 2"),
        ({"executions_per_trial": 2}, "executions_per_trial has to be 1. Received: 2"),
    ],
)
def test_impossible_settings_are_refused_by_value(tmp_path, settings, told):
    with pytest.raises(ValueError, match=told):
        freeze_thaw(tmp_path, **settings)


def test_epochs_are_the_searchs_own(tmp_path):
    with pytest.raises(TypeError, match=r"FreezeThaw decides .*max_epochs=4: search\(\) takes no epochs"):
        freeze_thaw(tmp_path).search(X, Y, epochs=3)
    with pytest.raises(BuildError, match=r"epochs=3 among fit's arguments.*Leave epochs out"):
        search(tmp_path, lambda hp: (build_fn(hp), {"epochs": 3}))
