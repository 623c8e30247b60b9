"""Searches in the processes of an executor of concurrent.futures."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from kerastune_lite import RandomSearch
from kerastune_lite.errors import ObjectiveError


class AfterTwo:
    """A rule that stops every trial after two epochs."""

    def should_stop(self, trial, trials, objective):
        return "two are enough" if len(trial.curve) == 2 else None


def test_an_executor_reaches_the_settings_of_one_worker_and_obeys_the_rule(tmp_path, iris, build_iris):
    here = RandomSearch(build_iris, "val_loss", max_trials=3, seed=0, directory=tmp_path / "here", verbose=0)
    expected = here.search(*iris, validation_split=0.2, epochs=3)

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        arguments = {"seed": 0, "verbose": 0, "executor": executor, "stopping": AfterTwo()}
        tuner = RandomSearch(build_iris, "val_loss", max_trials=3, directory=tmp_path / "there", **arguments)
        study = tuner.search(*iris, validation_split=0.2, epochs=3)
        wrong = RandomSearch(build_iris, "val_f1", max_trials=3, directory=tmp_path / "wrong", **arguments)
        with pytest.raises(ObjectiveError, match="val_f1"):
            wrong.search(*iris, validation_split=0.2, epochs=3)

    assert [trial.values for trial in study.trials] == [trial.values for trial in expected.trials]
    assert [len(trial.curve) for trial in study.trials] == [2, 2, 2]
    assert {trial.stop_reason for trial in study.trials} == {"two are enough"}
    x, y = iris
    scored = tuner.best_model().evaluate(x[120:], y[120:], verbose=0)[0]
    assert scored == pytest.approx(study.best.score, rel=1e-5)
