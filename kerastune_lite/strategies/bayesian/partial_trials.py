"""Estimated final scores of trials that aren't trained to the end, from the curves of completed trials.

A trial's score is its best so far. A trial that was stopped after e epochs would have improved further; by how much is
estimated as the median of what completed trials improved after their first e epochs. Without this estimate, the score
of a stopped trial would make its setting look worse than it is, the more so the earlier the trial was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Floats
from kerastune_lite.study.trial import Trial, TrialState


def expected_ends(trials: Sequence[Trial]) -> Floats:
    """(n,) the scores, to be minimised, that the trials would have if all were trained to the end.

    A completed trial has its own score. A trial that failed or has no finite score is NaN.
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


def has_score(trial: Trial) -> bool:
    """Whether a running trial has a finite score already."""
    return trial.state is TrialState.RUNNING and _reached(trial) is not None


def _reached(trial: Trial) -> float | None:
    """The best score that a trial has reached; None for a failed trial, and where there is no finite one."""
    score = trial.score if trial.state.ended or not trial.best_so_far else trial.best_so_far[-1]
    if trial.state is TrialState.FAILED or score is None or not math.isfinite(score):
        return None
    return float(score)


def _median_gain(curves: Sequence[Sequence[float]], epochs: int) -> float:
    """The median fall of best-so-far curves after that many epochs; 0 where no curve is as long."""
    gains = [curve[epochs - 1] - curve[-1] for curve in curves if len(curve) >= epochs > 0]
    gains = [gain for gain in gains if math.isfinite(gain)]
    return float(np.median(gains)) if gains else 0.0
