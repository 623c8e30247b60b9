"""The files that trials of several workers leave, whichever of them is heard first."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite import GridSearch, Hyperband
from kerastune_lite.execution.in_process import run_here
from kerastune_lite.execution.workers import Ended
from kerastune_lite.search.places import Places
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.study.atomic_files import unfinished_path
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.training.engine.engine import Engine

X = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
Y = X @ np.array([1.0, -2.0, 0.5], dtype="float32")


class HeardTogether:
    """Workers whose trials have all written their files before the search hears that the first of them has ended."""

    def __init__(self, workers, shared):
        self._workers = workers
        self._shared = shared
        self._given = []

    @property
    def has_room(self):
        return len(self._given) < self._workers

    def start(self, request, report):
        self._given.append((request, report))

    def wait(self):
        given, self._given = self._given, []
        return [
            Ended(request.trial.number, run_here(self._shared, request, report, Engine("fit")))
            for request, report in given
        ]

    def close(self):
        pass


@pytest.fixture
def heard_together(monkeypatch):
    """A function that makes all tuners run on so many of these workers."""

    def use(workers):
        monkeypatch.setattr(Places, "workers_for", lambda places, plan, writer: HeardTogether(workers, plan.shared))

    return use


def build_fn(hp):
    """The larger the rate, the better the model after an epoch or a few."""
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(hp.choice("rate", [1e-4, 1e-3, 1e-2, 1e-1])), "mse")
    return model


def test_the_best_model_outlives_the_end_of_a_trial_that_is_heard_before_its_own(tmp_path, heard_together):
    heard_together(4)
    tuner = GridSearch(build_fn, "val_loss", directory=tmp_path, seed=0, verbose=0)
    study = tuner.search(X, Y, validation_data=(X, Y), epochs=1)

    assert study.best.number == 3
    assert tuner.best_model().evaluate(X, Y, verbose=0) == pytest.approx(study.best.score, rel=1e-5)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["0003.keras"]


def test_a_paused_training_outlives_the_end_of_a_trial_that_is_heard_before_its_own(tmp_path, heard_together):
    heard_together(4)
    settings = {"max_epochs": 4, "factor": 2, "max_trials": 4, "directory": tmp_path, "seed": 0, "verbose": 0}
    study = Hyperband(build_fn, "val_loss", strategy=GridStrategy(2), **settings).search(X, Y, validation_data=(X, Y))

    assert sorted(len(trial.curve) for trial in study.trials) == [1, 1, 2, 4]
    assert not [note for trial in study.trials for note in trial.notes]
    assert study.epochs_spent == 8
    assert not list((tmp_path / "checkpoints").iterdir())


def test_what_a_running_trial_is_writing_stays_when_another_ends(tmp_path):
    files = StudyFiles(tmp_path)
    models = [files.model(number) for number in range(4)]
    models[0].parent.mkdir()
    for path in (*models[:3], unfinished_path(models[1]), unfinished_path(models[3])):
        path.touch()

    files.keep_models([0], running=[1], known=range(4))

    assert set(models[0].parent.iterdir()) == {models[0], models[1], unfinished_path(models[1])}
