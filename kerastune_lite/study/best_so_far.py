"""The best score after each epoch of a learning curve that grows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress

from kerastune_lite.errors import ObjectiveError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.series import Series


class BestSoFar:
    """The best scores of one curve; those of a longer one are made out of them, by looking at the new epochs only.

    Args:
        objective: What is optimised; its direction is known.

    Attributes:
        objective: The same.
        minimised: The best score after each epoch, turned so that less is better; inf before the first finite one.
        own: The same scores in the objective's own units.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.minimised: Series[float] = Series()
        self.own: Series[float] = self.minimised
        self._curve: Sequence[Mapping[str, float]] = Series()
        self._reported: frozenset[str] = frozenset()
        self._name: str | None = None

    def of(self, curve: Sequence[Mapping[str, float]]) -> BestSoFar:
        """The best scores of a curve, which may be this one's with more epochs."""
        if curve is self._curve:
            return self
        known = self if isinstance(curve, Series) and curve.begins_with(self._curve) else BestSoFar(self.objective)
        new = [curve[epoch] for epoch in range(len(known._curve), len(curve))]
        reported = known._reported.union(*new)
        name = known._name
        if reported != known._reported:
            name = self._name_among(reported)
            if name != known._name:
                # With more names reported, another one may be the objective's, of the first epochs too.
                known, new = BestSoFar(self.objective), list(curve)
        return known._extended(curve, new, reported, name)

    def averaged(self, others: Sequence[BestSoFar]) -> BestSoFar:
        """The mean of these scores and those of other curves, after each epoch that all of them have."""
        after_each_epoch = zip(*(run.minimised for run in (self, *others)), strict=False)
        mean = BestSoFar(self.objective)
        mean.minimised = mean.own = Series(map(statistics.fmean, after_each_epoch))
        if self.objective.sign < 0:
            mean.own = Series(-best for best in mean.minimised)
        return mean

    def _name_among(self, reported: frozenset[str]) -> str | None:
        with suppress(ObjectiveError):
            return self.objective.reported_name(reported)
        return None

    def _extended(
        self,
        curve: Sequence[Mapping[str, float]],
        new: Sequence[Mapping[str, float]],
        reported: frozenset[str],
        name: str | None,
    ) -> BestSoFar:
        best = self.minimised[-1] if self.minimised else math.inf
        bests = []
        for logs in new:
            value = math.nan if name is None else self.objective.sign * logs.get(name, math.nan)
            best = min(best, value) if math.isfinite(value) else best
            bests.append(best)
        longer = BestSoFar(self.objective)
        longer.minimised = longer.own = self.minimised.extended(bests)
        if self.objective.sign < 0:
            longer.own = self.own.extended(-best for best in bests)
        longer._curve, longer._reported, longer._name = curve, reported, name
        return longer
