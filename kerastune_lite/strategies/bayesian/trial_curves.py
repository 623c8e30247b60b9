"""The learning curves of trials as points of the curve process, and those that lie ahead of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Floats, Integers
from kerastune_lite.strategies.bayesian.columns import features
from kerastune_lite.strategies.bayesian.curve_process import CurvePoints
from kerastune_lite.strategies.bayesian.rows import Table
from kerastune_lite.study.trial import Trial, TrialState


def tau_of(epochs: Floats | Integers, max_epochs: int) -> Floats:
    """τ, in [0, 1], of numbers of epochs, of their shape."""
    return np.asarray(np.log(epochs) / math.log(max_epochs))


def observed_points(table: Table, steps: Sequence[int], max_epochs: int) -> tuple[CurvePoints, Floats]:
    """The points of the trials' curves, n of them, and their scores, (n,).

    A curve has a point at each step that it has passed, and at its last epoch; the score there is the best so far. A
    failed trial has one at the end of a whole training, with a score that is NaN: as bad as the worst is at the first
    epoch, it would look like any slow beginner. The training c of a point is the trial's place in the table.
    """
    places, epochs, scores = [], [], []
    for place, trial in enumerate(table.tried):
        curve = trial.best_so_far
        if trial.state is TrialState.FAILED:
            at, reached = [max_epochs], [math.nan]
        else:
            at = [*(step for step in steps if step < len(curve)), *([len(curve)] if curve else [])]
            at = [epoch for epoch in at if math.isfinite(curve[epoch - 1])]
            reached = [curve[epoch - 1] for epoch in at]
        places += [place] * len(at)
        epochs += at
        scores += reached
    at_places = np.array(places, dtype=np.intp)
    x = features(table.columns, table.z, table.on)[at_places]
    return CurvePoints(x, tau_of(np.array(epochs, dtype=np.float64), max_epochs), at_places), np.array(scores)


def running_points(table: Table, first_step: int, max_epochs: int) -> CurvePoints:
    """The points at which the trials that run now will pause or end; trials without a score are new trainings."""
    ahead = [
        (place, trial.plan.pause_at or max_epochs)
        for place, trial in enumerate(table.tried)
        if _is_ahead(trial, max_epochs)
    ]
    new = np.arange(len(table.running_z))
    places = np.array([place for place, _ in ahead], dtype=np.intp)
    epochs = np.array([*(epoch for _, epoch in ahead), *[first_step] * len(new)], dtype=np.float64)
    x = np.concatenate(
        [
            features(table.columns, table.z, table.on)[places],
            features(table.columns, table.running_z, table.running_on),
        ]
    )
    return CurvePoints(x, tau_of(epochs, max_epochs), np.concatenate([places, len(table.tried) + new]))


def _is_ahead(trial: Trial, max_epochs: int) -> bool:
    """Whether a trial runs, and hasn't reached the epoch yet at which it pauses or ends."""
    return not trial.state.ended and len(trial.best_so_far) < (trial.plan.pause_at or max_epochs)
