"""Warps between scores and the outputs that a Gaussian process is fitted to.

There are two warps for the scores of trials. `warped` keeps the distances within the better half of the scores and only
the order within the worse half, so that very bad scores do no harm. `straight` keeps all distances, which is more
informative where the worse half has no outliers. A third one, `logarithmic`, is for the points of learning curves.

Arrays of float64 only. Symbols:

    y    (n,) scores to minimise; NaN where a trial failed
    m    the median of the finite scores
    s    √mean((m - y)²) over the scores that are at most m
    u    (y - m)/s where that is at most 0; above, the Gaussian quantile of (rank + ½)/n
    t    u standardised: the outputs that the process is fitted to

The half-rank warp is Vizier's (Song et al. 2024, arXiv:2408.11527). Equal scores share the mean of their ranks.
Failures are left out of m, s, the ranks and the standardisation, so that they can't distort the scale of the other
scores however many there are; each failure counts as the worst score seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from kerastune_lite.strategies.bayesian.arrays import Floats

LARGEST = float(np.finfo(np.float64).max)
FARTHEST = 1e4
"""`straight` isn't used where the worst score is more than this many s above the median."""

FARTHEST_LOG = 6.0
"""`logarithmic` doesn't tell scores apart that are worse than this u."""


@dataclass(frozen=True, eq=False)
class Warp:
    """The map from scores to outputs, kept to turn predicted outputs back into scores.

    Attributes:
        median: m.
        scale: s; 0 where the better half of the scores are all equal.
        shift: The mean of u.
        spread: The standard deviation of u.
        knots_u: (k,) u of the worse half, increasing from 0.
        knots_y: (k,) the scores of the worse half, increasing from m.
    """

    median: float
    scale: float
    shift: float
    spread: float
    knots_u: Floats
    knots_y: Floats

    @property
    def slope(self) -> float:
        """How much the score changes with one unit of t in the better half."""
        return min(self.scale * self.spread, LARGEST)

    def scores(self, t: Floats) -> Floats:
        """The scores of outputs t, of their shape; linear in and below the better half, at most the worst score."""
        u = t * self.spread + self.shift
        # Scores near the largest float can't be extrapolated beyond it.
        with np.errstate(over="ignore"):
            better = np.clip(self.median + np.minimum(u, 0.0) * self.scale, -LARGEST, LARGEST)
        place = np.interp(u, self.knots_u, np.arange(len(self.knots_u), dtype=float))
        left = place.astype(np.intp)
        right = np.minimum(left + 1, len(self.knots_y) - 1)
        # A weighted sum, since the difference of two scores may be infinite.
        worse = (1.0 - (place - left)) * self.knots_y[left] + (place - left) * self.knots_y[right]
        return np.where(u <= 0.0, better, worse)


def warped(y: Floats) -> tuple[Floats, Warp] | None:
    """Outputs t, (n,), that keep only the order of the worse half, and their warp; None without two different outcomes.

    If there is one finite score, or all of them are equal, only failures differ from the rest: t is then 0 for scores
    and 1 for failures, standardised.
    """
    fine = np.isfinite(y)
    good = y[fine]
    if not len(good):
        return None
    if good.min() == good.max():
        failed = float(np.mean(~fine))
        if failed == 0.0:
            return None
        spread = math.sqrt(failed * (1.0 - failed))
        only = Warp(float(good[0]), 0.0, failed, spread, np.zeros(1), good[:1])
        return (np.where(fine, 0.0, 1.0) - failed) / spread, only

    median, scale = median_and_scale(good)
    return _standardised(y, half_rank(good, median, scale), median, scale)


def straight(y: Floats) -> tuple[Floats, Warp] | None:
    """Outputs t, (n,), that keep all distances between scores, and their warp; None where that is uninformative.

    That is where the scores have no scale, or the worst is so far from all others that those would look alike.
    """
    good = y[np.isfinite(y)]
    if not len(good) or good.min() == good.max():
        return None
    median, scale = median_and_scale(good)
    if scale == 0.0:
        return None
    u = (0.5 * good - 0.5 * median) / (0.5 * scale)
    return _standardised(y, u, median, scale) if u.max() <= FARTHEST else None


def _standardised(y: Floats, u: Floats, median: float, scale: float) -> tuple[Floats, Warp]:
    """t, (n,), and the warp of scores y, (n,), given u, (k,), of the finite ones; failures count as the worst."""
    fine = np.isfinite(y)
    good = y[fine]
    shift, spread = float(u.mean()), float(u.std())
    t = np.full(len(y), (u.max() - shift) / spread)
    t[fine] = (u - shift) / spread
    worse, first = np.unique(good, return_index=True)
    above = worse > median
    knots_u, knots_y = np.r_[0.0, u[first[above]]], np.r_[median, worse[above]]
    return t, Warp(median, scale, shift, spread, knots_u, knots_y)


def logarithmic(y: Floats) -> Floats | None:
    """Outputs t, (n,), that are nearly straight near the best of the scores, and logarithmic far from it.

    u = log(1 + (y - best) / (lower quartile - best)), standardised; where the lower quartile is the best, the median or
    the worst takes its place. Scores of early epochs are much worse than those of late ones and say less of what is to
    be found, so they are drawn together. A failure counts as the worst score seen. None if no two scores differ.
    """
    fine = np.isfinite(y)
    good = y[fine]
    if not len(good) or good.min() == good.max():
        return None
    # Scores may be as far apart as floats can be, and nearly all of them equal.
    with np.errstate(over="ignore"):
        gaps = np.minimum(good - good.min(), LARGEST)
        scale = next(s for s in (*np.quantile(gaps, [0.25, 0.5]), gaps.max()) if s > 0.0)
        u = np.full(len(y), np.log1p(gaps.max() / scale))
        u[fine] = np.log1p(gaps / scale)
    u = np.minimum(u, FARTHEST_LOG)
    return np.asarray((u - u.mean()) / u.std())


def median_and_scale(y: Floats) -> tuple[float, float]:
    """m and s of finite scores (n,)."""
    ordered = np.sort(y)
    # Scores may be as far apart as floats can be, so halves are subtracted, and ratios are squared.
    median = 0.5 * float(ordered[(len(y) - 1) // 2]) + 0.5 * float(ordered[len(y) // 2])
    below = 0.5 * median - 0.5 * ordered[ordered <= median]
    widest = float(below.max(initial=0.0))
    if widest == 0.0:
        return median, 0.0
    return median, min(2.0 * widest * math.sqrt(float(np.mean((below / widest) ** 2))), LARGEST)


def half_rank(y: Floats, median: float, scale: float) -> Floats:
    """u, (n,), of finite scores (n,)."""
    n = len(y)
    _, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - 0.5 * (counts + 1))[place]
    is_worse = y > median
    better = np.where(is_worse, median, y)
    u = (0.5 * better - 0.5 * median) / (0.5 * scale) if scale > 0.0 else np.zeros(n)
    return np.where(is_worse, ndtri((ranks + 0.5) / n), u)
