"""Searches that are killed at random moments again and again: killed_at_random.py DIRECTORY KIND KILLS SEED.

Importing Keras takes longer than such a search. So this process imports it once, and forks one that searches for each
attempt: it has no threads, for it never trains itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np

from kerastune_lite import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    PopulationBasedTraining,
    RandomSearch,
    Study,
)

TRIALS = 24
LOOK = 0.0005
"""Seconds between two looks at a journal."""
X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def score(hp):
    """Trains nothing, and so costs nothing: most of such a search is what the library does."""
    rate, units = hp.float("rate", 1e-3, 1e-1, log=True), hp.choice("units", [2, 3, 4])
    return {"loss": (np.log10(rate) + 2) ** 2 + units}


def model(hp):
    """A line, whose rate alone changes: all trials share a program."""
    line = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    line.compile(keras.optimizers.SGD(hp.float("rate", 1e-3, 1e-1, log=True), momentum=0.9), "mse")
    return line


def search(kind, directory):
    """The whole search of a kind, or what is left of it."""
    settings = {"directory": directory, "seed": 3, "verbose": 0, "max_attempts": 10_000}
    scored, data = settings | {"max_trials": TRIALS}, {"x": X, "y": X[:, :1], "validation_split": 0.2}
    match kind:
        case "random":
            RandomSearch(score, "loss", **scored).search()
        case "grid":
            GridSearch(score, "loss", **scored).search()
        case "bayesian":
            BayesianOptimization(score, "loss", **scored).search()
        case "workers":
            RandomSearch(score, "loss", workers=2, **scored).search()
        case "hyperband":
            Hyperband(model, "val_loss", max_epochs=4, factor=2, **settings).search(**data)
        case "population":
            PopulationBasedTraining(model, "val_loss", population=4, **settings).search(epochs=4, **data)


KINDS = ("random", "grid", "bayesian", "hyperband", "population", "workers")


def told(directory):
    """All that a study says of its trials, but for how long and how often they ran."""
    return [
        (t.number, t.values, t.state, t.score, t.scores, t.best_epoch, t.curve, t.seed, t.plan, t.stop_reason)
        for t in Study.open(directory).trials
    ]


def ended(directory):
    """The trials that have ended for good, by their numbers."""
    if not (directory / "journal.jsonl").exists() or not size(directory):
        return {}
    return {trial[0]: trial for trial in told(directory) if trial[2].value == "completed"}


def size(directory):
    """How many bytes the journal has."""
    journal = directory / "journal.jsonl"
    return journal.stat().st_size if journal.exists() else 0


def begun(kind, directory):
    """The process that goes on with a search."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        search(kind, directory)
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


def has_ended(process):
    """Whether a process has ended by itself, which it must do without an error."""
    waited, status = os.waitpid(process, os.WNOHANG)
    assert status == 0, "a search that went on ended with an error"
    return waited == process


def killed(process, directory, growth, delay):
    """Kills a search when its journal has grown, and a moment later; False where it has ended before."""
    until = size(directory) + growth
    while size(directory) < until:
        if has_ended(process):
            return False
        time.sleep(LOOK)
    time.sleep(delay)
    if has_ended(process):
        return False
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return True


def main(directory, kind, kills, seed):
    """Kills searches so often, and compares each that got to its end with the one that was left alone."""
    rng, directory, whole = random.Random(seed), Path(directory), Path(directory, "whole")
    began = time.monotonic()
    assert os.waitpid(begun(kind, whole), 0)[1] == 0
    seconds, expected, of_whole = time.monotonic() - began, told(whole), size(whole)
    done = searches = 0
    while done < kills:
        cut, searches = directory / f"cut{searches}", searches + 1
        is_whole = False
        while not is_whole:
            before, process = ended(cut), begun(kind, cut)
            # The last search that is begun is let go on to its end.
            growth = rng.uniform(-0.1, 0.5) * of_whole if done < kills else 2 * of_whole
            is_whole = not killed(process, cut, growth, rng.uniform(0, 2 * seconds / len(expected)))
            done += not is_whole
            after = ended(cut)
            lost = [number for number, trial in before.items() if after.get(number) != trial]
            assert not lost, f"{lost} had finished in {cut}, and a kill changed them"
        for one, other in zip(expected, found := told(cut), strict=True):
            assert one == other, f"{cut}: {other} differs from the uninterrupted {one}"
        assert len(found) == len(expected)
        shutil.rmtree(cut)
    print(json.dumps({"kind": kind, "kills": done, "searches": searches, "trials": len(expected)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
