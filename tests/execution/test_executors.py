"""Trials in an executor of concurrent.futures."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import keras
import numpy as np
import pytest

from kerastune_lite import RandomSearch
from kerastune_lite.errors import ObjectiveError
from kerastune_lite.execution.clusters import SearchGone
from kerastune_lite.execution.clusters.executor_cluster import ExecutorCluster
from kerastune_lite.execution.messages import EpochLogs
from kerastune_lite.running.task import Request, Shared
from kerastune_lite.space import Space
from kerastune_lite.study.events import EpochEnded
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial

X = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
PATIENCE = 30.0
"""Seconds after which what should happen at once is a failure."""


class AfterTwo:
    """A rule that stops every trial after two epochs."""

    def should_stop(self, trial, trials, objective):
        return "two are enough" if len(trial.curve) == 2 else None


def build_linear(hp):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.float("rate", 1e-3, 1e-1, log=True)), "mse")
    return model


@pytest.mark.drill
def test_an_executor_reaches_the_settings_of_one_worker_and_obeys_the_rule(tmp_path):
    common = {"max_trials": 2, "seed": 0, "verbose": 0, "engine": "fit"}
    training = {"x": X, "y": X[:, :1], "validation_split": 0.2, "epochs": 3}
    expected = RandomSearch(build_linear, "val_loss", directory=tmp_path / "here", **common).search(**training)

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        common |= {"executor": executor, "stopping": AfterTwo()}
        tuner = RandomSearch(build_linear, "val_loss", directory=tmp_path / "there", **common)
        study = tuner.search(**training)
        wrong = RandomSearch(build_linear, "val_f1", directory=tmp_path / "wrong", **common)
        with pytest.raises(ObjectiveError, match="val_f1"):
            wrong.search(**training)

    assert [trial.values for trial in study.trials] == [trial.values for trial in expected.trials]
    assert [len(trial.curve) for trial in study.trials] == [2, 2]
    assert {trial.stop_reason for trial in study.trials} == {"two are enough"}
    scored = tuner.best_model().evaluate(X[40:], X[40:, :1], verbose=0)
    assert scored == pytest.approx(study.best.score, rel=1e-5)


class Slow(keras.callbacks.Callback):
    """Takes a moment for each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(0.05)


@pytest.mark.drill
def test_a_search_that_is_stopped_ends_the_trials_of_its_executor_with_their_epochs(tmp_path):
    def stop(event, study):
        if isinstance(event, EpochEnded):
            tuner.stop()

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        tuner = RandomSearch(
            build_linear, "loss", directory=tmp_path, seed=0, verbose=0, engine="fit", executor=executor, views=[stop]
        )
        study = tuner.search(X, X[:, :1], epochs=400, callbacks=Slow())

    assert [trial.stop_reason for trial in study.trials] == ["tuner.stop() was called"]
    assert len(study.trials[0].curve) < 400


def test_a_trial_whose_search_has_ended_ends_with_its_epoch_and_leaves_no_thread():
    before = set(threading.enumerate())
    request = Request(
        trial=Trial(number=0), space=Space(), objective=Objective("loss"), study_seed=0, awaits_stop_decision=True
    )
    until = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(1) as executor:
        cluster = ExecutorCluster.listening(executor, 1, Shared(lambda hp: {"loss": 0.5}, engine="fit"))
        future = cluster.submit("0", "0-0", request.portable(), {})
        while not any(isinstance(message, EpochLogs) for _, message in cluster.messages(0.1)):
            assert time.monotonic() < until
        cluster.close()
        result = future.result(timeout=PATIENCE)
    while set(threading.enumerate()) - before:
        assert time.monotonic() < until
        time.sleep(0.01)

    assert type(result.message.unpacked()) is SearchGone
