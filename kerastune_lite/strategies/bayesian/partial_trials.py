"""Where stopped and running trials would have ended: an honest estimate from the curves of those that did end.

A trial's score is its best so far. One that was stopped after e epochs would have become better: by how much is taken
to be the median of what the completed trials gained after their first e epochs. Left as it is, a stopped trial's score
would tell the model that its setting is worse than it is, the more so the earlier it was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Floats
from kerastune_lite.study.trial import Trial, TrialState


def expected_ends(trials: Sequence[Trial]) -> Floats:
    """(n,) the scores of trials, to be minimised, as they would be had all trained to the end.

    A completed trial's is its own. NaN where there is none: for a failed trial, and for one without a finite score.
    """
    completed = [
        trial.best_so_far
        for trial in trials
        if trial.state is TrialState.COMPLETED and trial.best_so_far and math.isfinite(trial.best_so_far[-1])
    ]
    gains: dict[int, float] = {}
    ends = np.full(len(trials), math.nan)
    for place, trial in enumerate(trials):
        reached = _reached(trial)
        if reached is None:
            continue
        if trial.state is not TrialState.COMPLETED:
            epochs = len(trial.best_so_far)
            if epochs not in gains:
                gains[epochs] = _median_gain(completed, epochs)
            reached -= gains[epochs]
        ends[place] = reached
    return ends


def has_shown_something(trial: Trial) -> bool:
    """Whether a trial is running and has a score by now."""
    return trial.state is TrialState.RUNNING and _reached(trial) is not None


def _reached(trial: Trial) -> float | None:
    """The best score that a trial has reached, or None."""
    score = trial.score if trial.state.ended or not trial.best_so_far else trial.best_so_far[-1]
    if trial.state is TrialState.FAILED or score is None or not math.isfinite(score):
        return None
    return float(score)


def _median_gain(curves: Sequence[Sequence[float]], epochs: int) -> float:
    """By how much curves of best scores so far fell after so many epochs, in the median; 0 where none is as long."""
    gains = [curve[epochs - 1] - curve[-1] for curve in curves if len(curve) >= epochs > 0]
    gains = [gain for gain in gains if math.isfinite(gain)]
    return float(np.median(gains)) if gains else 0.0
