"""What the Gaussian process expects along one parameter, and over two, where all others are those of a good trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kerastune_lite import belief
from kerastune_lite.plots.axes import Axis
from kerastune_lite.plots.style import is_scored, sign_of
from kerastune_lite.space import Value
from kerastune_lite.strategies.bayesian.predictions import Prediction
from kerastune_lite.study.sorted_map import SortedMap
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, inside

MOST_TRIALS = 150
"""The model for a figure learns from at most this many trials: the better half of them the best, the others even."""
LINE_POINTS, PLANE_POINTS = 33, 25


def base_for(study: Study, names: Sequence[str]) -> Trial | None:
    """The best trial in which all of the parameters are active; None where there is none."""
    able = [t for t in inside(study.trials) if is_scored(t) and all(name in t.values for name in names)]
    return min(able, key=lambda trial: sign_of(study) * (trial.score or 0.0), default=None)


def predictions(study: Study, settings: Sequence[Mapping[str, Value]]) -> list[Prediction] | None:
    """What is expected of settings; None while there is no model, or where the model can't be made."""
    if not settings:
        return None
    try:
        return belief.predict_all(_thinned(study), settings)
    except (ArithmeticError, ValueError):
        # A figure without its band is worth more than none.
        return None


def along(axis: Axis, base: Trial, points: int = LINE_POINTS) -> list[dict[str, Value]]:
    """Settings along an axis that are otherwise those of a trial."""
    return [{**base.values, axis.parameter.name: value} for value in axis.grid(points)]


def over(one: Axis, other: Axis, base: Trial) -> list[dict[str, Value]]:
    """Settings over a plane, the values of `one` changing faster, that are otherwise those of a trial."""
    return [{**row, one.parameter.name: value} for row in along(other, base, PLANE_POINTS)
            for value in one.grid(PLANE_POINTS)]  # fmt: skip


def _thinned(study: Study) -> Study:
    """The study with few enough trials for a model that is made within a second or two."""
    known = sorted((t for t in study.trials if is_scored(t)), key=lambda trial: sign_of(study) * (trial.score or 0.0))
    if len(known) <= MOST_TRIALS:
        return study
    best, rest = known[: MOST_TRIALS // 2], known[MOST_TRIALS // 2 :]
    kept = [*best, *rest[:: -(-len(rest) // (MOST_TRIALS // 2))]]
    return dataclasses.replace(study, records=SortedMap({t.number: study.records[t.number] for t in kept}))
