"""Studies made by hand for the figures: a conditional space, curves, stopped and failed trials."""

from __future__ import annotations

import dataclasses
import datetime
import math
from pathlib import Path

import numpy as np

from kerastune_lite import Objective, Study, Trial, TrialState
from kerastune_lite.space import Choice, Condition, Float, Int, Space
from kerastune_lite.study.trial import TrialFailure

BEGIN = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)
ACCURACY = Objective("val_accuracy", "max")
SPACE = Space(
    [
        Choice(name="optimizer", options=("adam", "sgd", "<script>alert(1)</script>")),
        Float(name="rate", low=1e-4, high=1e-1, log=True),
        Float(name="momentum", low=0.0, high=0.99, conditions=(Condition("optimizer", ("sgd",)),)),
        Int(name="units<b>", low=16, high=256, log=True),
        Int(name="layers", low=1, high=4),
    ]
)
ONE = Space([SPACE["rate"]])
MANY_OPTIONS = Space([Choice(name="seed", options=tuple(range(200))), Float(name="x", low=0.0, high=1.0)])


def study_of(count, space=SPACE, epochs=5, states=(TrialState.COMPLETED,), objective=ACCURACY):
    """A study of `count` trials, whose states take turns, and whose accuracy is best at a rate of 0.003."""
    rng = np.random.default_rng(0)
    trials = [
        _trial(number, space.decode(rng.random(len(space))), states[number % len(states)], epochs)
        for number in range(count)
    ]
    return Study(Path("by hand"), objective, 0, space, {trial.number: trial for trial in trials})


def with_scores(study, scores):
    """The study whose first trials have other scores."""
    records = dict(study.records)
    for number, score in enumerate(scores):
        records[number] = dataclasses.replace(records[number], score=score)
    return dataclasses.replace(study, records=records)


def _trial(number, values, state, epochs):
    quality = 0.9 - 0.1 * abs(math.log10(values.get("rate", 0.003) / 0.003)) - 0.001 * (number % 7)
    trained = epochs if state is TrialState.COMPLETED else max(epochs // 2, 1)
    curve = tuple({"val_accuracy": quality * (1.0 - math.exp(-(epoch + 1)))} for epoch in range(trained))
    is_failed = state is TrialState.FAILED
    return Trial(
        number=number,
        values=values,
        state=state,
        curves=(curve,),
        score=None if state in (TrialState.FAILED, TrialState.RUNNING) else curve[-1]["val_accuracy"],
        best_epoch=trained - 1,
        epochs=epochs,
        started=BEGIN + datetime.timedelta(seconds=2 * number),
        ended=None if state is TrialState.RUNNING else BEGIN + datetime.timedelta(seconds=2 * number + 3),
        seconds=3.0,
        stop_reason="worse than half" if state is TrialState.STOPPED else None,
        error=TrialFailure(type="OOM", message=f"tensor {number} <script>alert(2)</script>") if is_failed else None,
    )
