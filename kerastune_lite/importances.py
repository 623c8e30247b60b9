"""How much of the score's variance each parameter of a study explains.

This is functional analysis of variance (Hutter, Hoos, Leyton-Brown 2014, "An Efficient Approach for Assessing
Hyperparameter Importance"). A boosted forest of randomised trees learns the score from the trials, and its prediction
is integrated over the whole space, so that it doesn't matter that a search has looked at some regions more than at
others. The share of a parameter x is

    P(x is active) · Var( E[score | x, x is active] ) / Var(score)

where all settings are equally likely. A conditional parameter counts in the settings where it is active: whether it is
active at all is due to the parameter that decides about it. The shares of all parameters add up to at most 1; what is
left is due to interactions, which no single parameter explains.

The expectations are means over a sample of the space, in which the values of a parameter are put into BINS classes; the
variance of these means is freed of what chance adds to it. The interval of a share holds 90 % of the shares that
resampled trials give (the bootstrap).
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kerastune_lite.errors import NoResultError
from kerastune_lite.strategies.bayesian.arrays import Flags, Floats
from kerastune_lite.strategies.bayesian.columns import Columns, activity, features, random_rows
from kerastune_lite.strategies.bayesian.rows import table_of
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import inside

MIN_TRIALS = 8
"""With fewer scores a forest shows little but noise."""
SAMPLE = 8192
"""How many settings of the space the forest's prediction is averaged over."""
BINS = 16
"""Into how many classes of equal width the values of a continuous parameter are put."""
TREES, RESAMPLES, TREES_A_RESAMPLE, ROUNDS, TRIALS_A_TREE = 64, 16, 16, 4, 500
WIDTH = 24
"""The characters of the longest bar in the printed chart."""
FAR = 5.0
"""A score this many interquartile ranges beyond the worse quartile counts as if it were just there."""


@dataclass(frozen=True)
class Importance:
    """The share of the score's variance that one parameter explains.

    Attributes:
        share: The share, from 0 to 1.
        low: The lower end of the interval that holds 90 % of the shares of resampled trials.
        high: The upper end of that interval.
    """

    share: float
    low: float
    high: float


class Importances(Mapping[str, Importance]):
    """The importance of each parameter of a study by its name, the greatest first; printed, a bar chart.

    Args:
        shares: The importances, in the order of the space.
        trials: How many trials they were estimated from.
        objective: The name of the objective.
    """

    def __init__(self, shares: Mapping[str, Importance], trials: int, objective: str) -> None:
        self._shares = dict(sorted(shares.items(), key=lambda item: -item[1].share))
        self.trials = trials
        self.objective = objective

    def __getitem__(self, name: str) -> Importance:
        return self._shares[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)

    @property
    def interactions(self) -> float:
        """The share that no parameter explains by itself: it depends on several of them together."""
        total = sum(importance.share for importance in self.values())
        return max(1.0 - total, 0.0) if total else 0.0

    def __repr__(self) -> str:
        if not self:
            return "The study has no parameters."
        length = max(len(name) for name in [*self, _REST])
        rows = [f"share of the variance of {self.objective}, from {self.trials} trials (with 90 % intervals)"]
        rows += [
            f"{name:<{length}}  {_bar(each.share):<{WIDTH}}  {each.share:4.0%}  ({each.low:.0%} to {each.high:.0%})"
            for name, each in self.items()
        ]
        return "\n".join([*rows, f"{_REST:<{length}}  {_bar(self.interactions):<{WIDTH}}  {self.interactions:4.0%}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td>"
            "<td style='text-align:left;min-width:12em'><div style='height:.8em;background:#0072B2;"
            f"width:{100 * each.share:.1f}%'></div></td>"
            f"<td>{each.share:.0%}</td><td>{each.low:.0%} to {each.high:.0%}</td></tr>"
            for name, each in self.items()
        )
        return (
            f"<table><caption>Share of the variance of {html.escape(self.objective)}, from {self.trials} trials"
            f"</caption><tr><th>parameter</th><th></th><th>share</th><th>90 % interval</th></tr>{rows}"
            f"<tr><td style='text-align:left'>{_REST}</td><td></td><td>{self.interactions:.0%}</td><td></td></tr>"
            "</table>"
        )


_REST = "(several together)"


def _bar(share: float) -> str:
    return "█" * round(WIDTH * share) or ("▏" if share > 0.0 else "")


def importances(study: Study) -> Importances:
    """The importance of each parameter in the study's space.

    Raises:
        NoResultError: Fewer than MIN_TRIALS trials ended with a score.
    """
    trials = [t for t in inside(study.to_minimise()) if t.score is not None and np.isfinite(t.score) and t.state.ended]
    if len(trials) < MIN_TRIALS:
        raise NoResultError(
            f"Importances need at least {MIN_TRIALS} trials that ended with a score; the study in {study.directory} "
            f"has {len(trials)}. Go on with the search, and ask again."
        )
    table = table_of(study.space, trials)
    # A trial that was stopped early counts with the score that its curve leads to: else the epochs that it was spared
    # would be taken for an effect of its setting.
    shares, lows, highs = shares_with_intervals(table.columns, table.z, table.on, table.scores)
    known = {
        parameter.name: Importance(float(share), float(low), float(high))
        for parameter, share, low, high in zip(table.parameters, shares, lows, highs, strict=True)
    }
    # A parameter with one value, or one that can never be active, has no column and explains nothing.
    complete = {p.name: known.get(p.name, Importance(0.0, 0.0, 0.0)) for p in study.space}
    return Importances(complete, len(trials), study.objective.name if study.objective else "score")


def shares_with_intervals(
    columns: Columns, z: Floats, on: Flags, scores: Floats, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """The share of each column, (d,), and the lower and the upper end, (d,) each, of its 90 % interval.

    Args:
        columns: The d columns.
        z: (n, d) the rows of the trials.
        on: (n, d) which columns are active in them.
        scores: (n,) their finite scores, where less is better.
        seed: What resamples, trees and the sample of the space are drawn from.
    """
    rng = np.random.default_rng(seed)
    outputs = _without_outliers(scores)
    if columns.count == 0 or np.ptp(outputs) == 0.0:
        return np.zeros(columns.count), np.zeros(columns.count), np.zeros(columns.count)
    sample_z = random_rows(columns, SAMPLE, rng)
    sample_on = activity(columns, sample_z)
    classes = _classes(columns, sample_z)
    # What a forest has never seen change explains nothing, whatever the chance of the sample says.
    varied = np.array([len(np.unique(z[on[:, column], column])) > 1 for column in range(columns.count)])
    inputs, sample = _inputs(columns, z, on), _inputs(columns, sample_z, sample_on)

    def shares_of(rows: np.ndarray, trees: int) -> Floats:
        predicted = _predictions(inputs[rows], outputs[rows], sample, trees, int(rng.integers(2**31)))
        return np.asarray(np.where(varied, explained(classes, sample_on, predicted), 0.0), dtype=np.float64)

    shares = shares_of(np.arange(len(scores)), TREES)
    resampled = [shares_of(rng.integers(len(scores), size=len(scores)), TREES_A_RESAMPLE) for _ in range(RESAMPLES)]
    lows, highs = np.quantile(resampled, [0.05, 0.95], axis=0)
    return shares, np.minimum(lows, shares), np.maximum(highs, shares)


def explained(classes: np.ndarray, on: Flags, outputs: Floats) -> Floats:
    """The share of the outputs' variance that each column explains, (d,).

    With the k classes of a column that hold n of the N rows, the variance between the classes' means is larger than
    that of their expectations by (k - 1) / n times the variance inside the classes. This is subtracted, as in
    Kelley's ε² (1935, "An unbiased correlation ratio measure").

    Args:
        classes: (N, d) the class of each column's value, a whole number from 0.
        on: (N, d) whether the column is active in the row.
        outputs: (N,) the outputs.
    """
    total = float(np.square(outputs - outputs.mean()).sum())
    shares = np.zeros(classes.shape[1])
    if total <= 1e-24 * max(float(np.square(outputs).sum()), np.finfo(np.float64).tiny):
        return shares
    for column in range(classes.shape[1]):
        active = outputs[on[:, column]]
        counts = np.bincount(classes[on[:, column], column])
        sums = np.bincount(classes[on[:, column], column], weights=active)
        filled = counts > 0
        if filled.sum() < 2 or len(active) <= filled.sum():
            continue
        between = float((counts[filled] * np.square(sums[filled] / counts[filled] - active.mean())).sum())
        within = max(float(np.square(active - active.mean()).sum()) - between, 0.0)
        by_chance = (filled.sum() - 1) * within / (len(active) - filled.sum())
        shares[column] = max(between - by_chance, 0.0) / total
    return shares / max(float(shares.sum()), 1.0)


def _classes(columns: Columns, z: Floats) -> np.ndarray:
    """The class of each value, (N, d): an option, or one of BINS intervals of equal width of a number's own scale."""
    bins = np.minimum((z * BINS).astype(np.intp), BINS - 1)
    return np.where(columns.is_category, z.astype(np.intp), bins)


def _inputs(columns: Columns, z: Floats, on: Flags) -> Floats:
    """What the forest sees of rows, (n, f + d): options one by one, numbers on their own scale, and what is active.

    The kernel's features put an inactive number in the middle of its range; a column that says so lets a tree tell it
    apart.
    """
    return np.concatenate([features(columns, z, on), on.astype(np.float64)], axis=1)


def _without_outliers(scores: Floats) -> Floats:
    """The scores, (n,), with those that are far worse than the others moved to where "far" begins.

    A training that diverges ends with a loss a million times larger than the others. It would be all of the variance.
    """
    middle, worse = np.quantile(scores, [0.25, 0.75]).tolist()
    reach = worse - middle
    return np.asarray(np.minimum(scores, worse + FAR * reach), dtype=np.float64) if reach > 0.0 else scores


def _predictions(inputs: Floats, outputs: Floats, sample: Floats, trees: int, seed: int) -> Floats:
    """What a boosted forest that has learnt the outputs, (n,), of inputs, (n, f), predicts of a sample, (N, f): (N,).

    One forest evens weak effects out, so that strong ones take their shares. Further forests learn what is left of each
    output once the trees that haven't seen it have predicted it (Ghosal and Hooker 2020, "Boosting Random Forests to
    Reduce Bias"); noise can't be predicted by them and isn't learnt.
    """
    # Looking at a study doesn't load scikit-learn, which takes a second.
    from sklearn.ensemble import ExtraTreesRegressor

    # In units of their own deviation, so that scores of any size are told apart.
    left = (outputs - outputs.mean()) / (float(outputs.std()) or 1.0)
    predicted = np.zeros(len(sample))
    for number in range(ROUNDS):
        forest = ExtraTreesRegressor(
            trees,
            bootstrap=True,
            max_samples=min(len(outputs), TRIALS_A_TREE),
            oob_score=True,
            random_state=seed + number,
        )
        with warnings.catch_warnings():
            # Of a trial that every tree has seen nothing is taken away.
            warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
            warnings.filterwarnings("ignore", message="invalid value encountered in divide")
            forest.fit(inputs, left)
        predicted += forest.predict(sample)
        left = left - np.nan_to_num(forest.oob_prediction_)
    return predicted
