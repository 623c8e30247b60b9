"""A person ends a search: by `tuner.stop()`, or by raising SearchTerminated in code of their own."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest

from kerastune_lite import GridSearch, RandomSearch, SearchTerminated
from kerastune_lite.study.events import EpochEnded, SearchBegun, SearchEnded, TrialEnded

X, Y = np.zeros((8, 4), "float32"), np.zeros(8, "float32")


def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.choice("rate", [0.1, 0.2, 0.3])), "mse")
    return model


def tuner_in(directory, build_fn=build_fn, **settings):
    return GridSearch(build_fn, "loss", directory=directory, seed=0, **{"verbose": 0, **settings})


def states(study):
    return [trial.state.value for trial in study.trials]


class StopInEpoch(keras.callbacks.Callback):
    """Stops a tuner in an epoch of one of its trials."""

    def __init__(self, tuner, epoch):
        super().__init__()
        self.tuner, self.epoch = tuner, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch and len(self.tuner.study.trials) == 2:
            self.tuner.stop()


@pytest.mark.parametrize("engine", ["auto", "fit"])
def test_stop_in_a_callback_ends_the_trial_with_its_epoch_and_the_search_with_the_trial(tmp_path, engine, capsys):
    tuner = tuner_in(tmp_path, engine=engine, verbose=1)

    study = tuner.search(X, Y, epochs=4, callbacks=[StopInEpoch(tuner, 1)])

    assert states(study) == ["completed", "stopped"]
    assert [len(trial.curve) for trial in study.trials] == [4, 2]
    assert (study.trials[1].stop_reason, study.trials[1].score is None) == ("tuner.stop() was called", False)
    assert "Search ended: tuner.stop() was called (1 completed, 1 stopped" in capsys.readouterr().out
    assert states(tuner.search(X, Y, epochs=4)) == ["completed", "stopped", "completed"]


@pytest.mark.parametrize("event", [SearchBegun, EpochEnded, TrialEnded])
def test_stop_in_a_view_begins_no_further_trial(tmp_path, event):
    tuner = tuner_in(tmp_path, views=[lambda shown, study: tuner.stop() if isinstance(shown, event) else None])

    study = tuner.search(X, Y, epochs=2)

    assert len(study.trials) == (event is not SearchBegun)
    assert all(trial.state.ended for trial in study.trials)


@pytest.mark.drill
def test_stop_from_another_thread_reaches_trials_in_worker_processes(tmp_path):
    class Slow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            time.sleep(0.05)

    running = threading.Event()
    tuner = tuner_in(tmp_path, workers=2, views=[lambda e, s: running.set() if isinstance(e, EpochEnded) else None])
    threading.Thread(target=lambda: (running.wait(), tuner.stop()), daemon=True).start()

    study = tuner.search(X, Y, epochs=400, callbacks=[Slow()])

    assert set(states(study)) == {"stopped"}
    assert all(0 < len(trial.curve) < 400 for trial in study.trials)


def test_stop_without_a_search_does_nothing(tmp_path):
    tuner = tuner_in(tmp_path)
    tuner.stop()

    assert states(tuner.search(X, Y)) == ["completed"] * 3


def test_a_search_that_was_stopped_gives_its_study_back_also_where_all_trials_failed(tmp_path):
    def fail(hp):
        tuner.stop()
        raise ValueError(hp.choice("x", [1, 2]))

    tuner = tuner_in(tmp_path, fail)

    assert states(tuner.search()) == ["failed"]


@pytest.mark.drill
def test_stop_in_a_callback_in_a_worker_process_ends_the_search_at_once(tmp_path):
    tuner = tuner_in(tmp_path, trial_timeout=600, max_trials=2)  # one process of its own

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tuner.stop()

    study = tuner.search(X, Y, epochs=2, callbacks=lambda trial: [Stop()] if trial.number == 1 else [])

    assert states(study) == ["completed", "interrupted"]
    assert str(study.trials[1].error) == "SearchTerminated: tuner.stop() was called in a worker process"
    assert states(tuner.search(X, Y, epochs=2)) == ["completed", "completed"]


def test_a_copy_of_a_tuner_is_the_tuner():
    tuner = RandomSearch(build_fn, "loss")

    assert copy.deepcopy({"tuner": tuner})["tuner"] is tuner


def in_build(hp):
    if hp.choice("x", [1, 2, 3]) == 2:
        raise SearchTerminated("that is enough")
    return 1.0


class InCallback(keras.callbacks.Callback):
    """Ends the search in the second epoch of its second setting."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and abs(float(self.model.optimizer.learning_rate) - 0.2) < 1e-6:
            raise SearchTerminated("that is enough")


WAYS = {"in build_fn": (in_build, None, {}), "in a callback": (build_fn, InCallback(), {"x": X, "y": Y, "epochs": 3})}


@pytest.mark.parametrize("engine", ["auto", "fit"])
@pytest.mark.parametrize(("build", "callback", "data"), WAYS.values(), ids=WAYS)
def test_search_terminated_in_a_trial_ends_the_search_which_gives_its_study_back(
    tmp_path, build, callback, data, engine
):
    ends = []
    tuner = tuner_in(
        tmp_path, build, engine=engine, views=[lambda e, s: ends.append(e) if isinstance(e, SearchEnded) else None]
    )

    study = tuner.search(**data, callbacks=callback)

    assert states(study) == ["completed", "interrupted"]
    assert study.trials[1].error.type == "SearchTerminated"
    assert [end.reason for end in ends] == ["SearchTerminated was raised: that is enough"]
    if callback is not None:  # what was interrupted is run again
        assert states(tuner.search(**data)) == ["completed"] * 3


@pytest.mark.drill
def test_search_terminated_in_a_worker_process_ends_the_search_in_the_same_way(tmp_path):
    study = tuner_in(tmp_path, in_build, trial_timeout=600).search()  # one process of its own

    assert states(study) == ["completed", "interrupted"]


def test_search_terminated_while_an_enqueued_setting_is_checked_ends_the_search(tmp_path):
    tuner = tuner_in(tmp_path, in_build)
    tuner.enqueue({"x": 2})

    assert states(tuner.search()) == []


def test_search_terminated_in_a_confirmation_ends_it(tmp_path):
    is_enough = []

    def build(hp):
        if is_enough:
            raise SearchTerminated
        return float(hp.choice("x", [1, 2]))

    tuner = tuner_in(tmp_path, build)
    tuner.search()
    is_enough.append(True)

    assert len(tuner.confirm(n=1)) == 0


PROGRAM = """
import sys, os, signal
from kerastune_lite import GridSearch

def build_fn(hp):
    if hp.choice("x", [1, 2]) == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return 1.0

GridSearch(build_fn, "loss", directory=sys.argv[1], verbose=0).search()
print("search gave its study back")
"""


def test_a_process_that_is_told_to_end_ends_with_its_search(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )

    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "")
    assert states(tuner_in(tmp_path, lambda hp: 1.0).study) == ["completed", "interrupted"]
