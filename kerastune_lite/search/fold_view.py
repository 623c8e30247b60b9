"""Trials of a cross-validation as a stopping rule sees them: by the mean over the folds so far.

A rule knows one learning curve a trial. It is shown the mean of the curves of the first folds, as many for each trial
as the running one has begun: folds differ in how easy they are, so that a mean over others would not compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Curve, Trial


class FoldView:
    """What a stopping rule is shown of a study's trials; what it has made of a trial is kept until the trial changes.

    Args:
        objective: What is optimised; its direction is known.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._made: dict[tuple[int, int], tuple[tuple[Curve, ...], Trial]] = {}

    def running(self, trial: Trial, run: int, epoch: int) -> Trial:
        """The running trial after an epoch of a fold: of all folds so far as many epochs as of this one."""
        curves = tuple(curve[: epoch + 1] for curve in trial.curves[: run + 1])
        return self._over(trial, curves)

    def others(self, trials: Iterable[Trial], run: int) -> Sequence[Trial]:
        """All trials by the folds that the running one has begun, or by fewer where they have fewer."""
        return [self._kept(trial, run + 1) for trial in trials]

    def _kept(self, trial: Trial, folds: int) -> Trial:
        curves = trial.curves[:folds]
        key = trial.number, len(curves)
        before, made = self._made.get(key, ((), None))
        is_same = len(before) == len(curves) and all(one is other for one, other in zip(before, curves, strict=True))
        if made is None or not is_same or made.state is not trial.state:
            made = self._over(trial, curves)
            self._made[key] = curves, made
        return made

    def _over(self, trial: Trial, curves: tuple[Curve, ...]) -> Trial:
        if not any(curves):
            return trial.changed(curves=(), best_so_far=())
        begun = [curve for curve in curves if curve]
        bests = [self._objective.best_so_far(curve) for curve in begun]
        sign = self._objective.sign
        return trial.changed(
            curves=(mean_curve(begun),), best_so_far=tuple(sign * score for score in mean_of_series(bests))
        )


def mean_of_series(series: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean of several series at each place of the longest; the others keep their last value."""
    length = max(map(len, series))
    return tuple(sum(each[min(place, len(each) - 1)] for each in series) / len(series) for place in range(length))


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of several learning curves at each epoch of the longest; the others keep their last logs."""
    return tuple(
        _mean_logs([curve[min(epoch, len(curve) - 1)] for curve in curves]) for epoch in range(max(map(len, curves)))
    )


def _mean_logs(several: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    names = [name for name in several[0] if all(name in logs for logs in several)]
    return {name: sum(logs[name] for logs in several) / len(several) for name in names}
