"""What trials of several workers leave on disk, whichever of them is heard first."""

from __future__ import annotations

import pytest

from kerastune_lite import Hyperband, RandomSearch, Tuner
from kerastune_lite.execution.in_process import run_here
from kerastune_lite.execution.workers import Ended
from kerastune_lite.study_files import StudyFiles
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.whole_files import unfinished_path


class HeardTogether:
    """Workers whose trials have all written their files before the search hears that the first of them ended."""

    def __init__(self, workers):
        self._workers = workers
        self._given = []

    @property
    def has_room(self):
        return len(self._given) < self._workers

    def start(self, task, report):
        self._given.append((task, report))

    def wait(self):
        given, self._given = self._given, []
        return [Ended(task.trial.number, run_here(task, report, Engine("auto"))) for task, report in given]

    def close(self):
        pass


@pytest.fixture
def heard_together(monkeypatch):
    """Makes all tuners run on such workers."""

    def use(workers):
        monkeypatch.setattr(Tuner, "_workers", lambda *_: HeardTogether(workers))

    return use


def test_the_best_model_outlives_the_end_of_a_trial_that_is_heard_before_its_own(
    tmp_path, iris, build_iris, heard_together
):
    heard_together(4)
    x, y = iris
    for seed in range(3):
        tuner = RandomSearch(build_iris, "val_loss", max_trials=4, seed=seed, directory=tmp_path / str(seed), verbose=0)
        study = tuner.search(x, y, validation_split=0.2, epochs=2)

        scored = tuner.best_model().evaluate(x[120:], y[120:], verbose=0)[0]
        assert scored == pytest.approx(study.best.score, rel=1e-5)
        assert len(list((tmp_path / str(seed) / "models").iterdir())) == 1


def test_a_paused_training_outlives_the_end_of_a_trial_that_is_heard_before_its_own(
    tmp_path, iris, build_iris, heard_together
):
    heard_together(3)
    tuner = Hyperband(build_iris, "val_loss", max_epochs=9, seed=0, directory=tmp_path, verbose=0)
    study = tuner.search(*iris, validation_split=0.2)

    promoted = [trial for trial in study.trials if trial.attempts == 1 and len(trial.curve) > 1]
    assert promoted
    assert not [note for trial in study.trials for note in trial.notes if "checkpoint" in note]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_what_a_running_trial_is_writing_stays_when_another_ends(tmp_path):
    files = StudyFiles(tmp_path)
    models = [files.model(number) for number in range(4)]
    models[0].parent.mkdir()
    for path in (*models[:3], unfinished_path(models[1]), unfinished_path(models[3])):
        path.touch()

    files.keep_models([models[0]], running=[models[1]])

    assert set(models[0].parent.iterdir()) == {models[0], models[1], unfinished_path(models[1])}
