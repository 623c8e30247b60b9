"""The model of a search: posteriors of the Gaussian process at what was tried and at what is running.

Arrays only. Everything is a function of the rows and outputs given: a fit begins at fixed starts, never at the last
one, so that a resumed search computes the same. Symbols as in gaussian_process.py and columns.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats, Integers
from kerastune_lite.strategies.bayesian.columns import Columns, features
from kerastune_lite.strategies.bayesian.gaussian_process import (
    Posterior,
    fit_map,
    laplace_draws,
    leave_one_out,
    posterior,
    predict,
    start,
)
from kerastune_lite.strategies.bayesian.kernel import column_differences

DRAWS = 3
"""Hyperparameter vectors drawn around the fit; each is a posterior of its own."""
DRAWS_UNTIL = 100
"""With more rows the hyperparameters are settled, and the fit alone is used."""
TWO_STARTS_UNTIL, ITERATIONS_OF_FEW, ITERATIONS_OF_MANY = 120, 40, 15
"""Up to so many rows a fit begins twice, and how long it goes on with fewer and with more."""
FIT_ROWS, MODEL_ROWS = 200, 1000
"""The most rows that hyperparameters are fitted to, and that a posterior holds."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Posteriors, and the rows that they know.

    Attributes:
        posteriors: One for each hyperparameter vector, the best fit first.
        z: (k, d) the rows: observed ones, then running ones.
        observed: How many of them were observed.
    """

    posteriors: tuple[Posterior, ...]
    z: Floats
    observed: int

    @property
    def fitted(self) -> Floats:
        """(k,) the mean over posteriors of the posterior mean at each row."""
        return np.asarray(np.mean([post.fitted for post in self.posteriors], axis=0))


def fitted_surrogate(
    columns: Columns,
    observed: tuple[Floats, Flags],
    t: Floats,
    running: tuple[Floats, Flags],
    rng: np.random.Generator,
    fit: Floats | None = None,
) -> Surrogate:
    """The model of outputs t, (n,), at observed rows and their activity, (n, d) each, with running ones, (r, d) each.

    `fit`, (d + 2,), are the hyperparameters of the best fit where they are known already.
    A running row enters each posterior with its own mean as value: the kriging believer of Ginsbourger et al. 2010.
    So it draws no second trial to its place, and tells nothing about the function.
    """
    kept = best_and_spread(t, MODEL_ROWS)
    z, on, t = observed[0][kept], observed[1][kept], t[kept]
    known, believed = features(columns, z, on), features(columns, *running)
    posteriors = []
    for p in hyperparameters(columns, known, t, rng, fit):
        post = posterior(p, columns.group, known, t)
        if len(believed):
            values = np.concatenate([t, predict(post, believed)[0]])
            post = posterior(p, columns.group, np.concatenate([known, believed]), values)
        posteriors.append(post)
    return Surrogate(tuple(posteriors), np.concatenate([z, running[0]]), len(z))


def hyperparameters(
    columns: Columns, known: Floats, t: Floats, rng: np.random.Generator, fit: Floats | None = None
) -> list[Floats]:
    """The best fit to outputs t, (n,), at features (n, f), and with few rows some draws around it: (d + 2,) each."""
    kept = best_and_spread(t, FIT_ROWS)
    differences = column_differences(known[kept], columns.group, columns.count)
    best = best_fit(differences, t[kept]) if fit is None else fit
    if len(kept) > DRAWS_UNTIL:
        return [best]
    return [best, *laplace_draws(best, differences, t[kept], DRAWS, rng)]


def best_fit(differences: Floats, t: Floats) -> Floats:
    """The most probable hyperparameters, (d + 2,), of outputs t, (n,), at rows of such differences, (d, n, n)."""
    d, few = len(differences), len(t) <= TWO_STARTS_UNTIL
    starts = [start(d), start(d, noise=1e-5, shift=0.5)] if few else [start(d)]
    return fit_map(differences, t, starts, ITERATIONS_OF_FEW if few else ITERATIONS_OF_MANY)


def best_told(
    columns: Columns, observed: tuple[Floats, Flags], outputs: Sequence[tuple[Floats, float]], matter: Flags
) -> tuple[int, Floats]:
    """Which of several warps of the scores a process fits best, and the hyperparameters of that fit, (d + 2,).

    Each is given as its outputs, (n,), and how many of a unit that all share one unit of them is worth. What counts is
    how probable the outputs that `matter`, (n,), are given all others, as densities in the shared unit (RW Section
    5.4.2): the likelihood itself would compare different data.
    """
    known = features(columns, *observed)
    differences = column_differences(known, columns.group, columns.count)
    fits = [best_fit(differences, t) for t, _ in outputs]
    densities = []
    for p, (t, unit) in zip(fits, outputs, strict=True):
        mean, variance = leave_one_out(posterior(p, columns.group, known, t), t)
        density = -0.5 * ((t - mean) ** 2 / variance + np.log(variance)) - math.log(unit)
        densities.append(float(density[matter].mean()))
    best = int(np.argmax(densities))
    return best, fits[best]


def best_and_spread(t: Floats, count: int) -> Integers:
    """The places, rising, of at most `count` outputs (n,): half of them the lowest, half evenly among the others."""
    if len(t) <= count:
        return np.arange(len(t))
    order = np.argsort(t, kind="stable")
    best, others = order[: count // 2], order[count // 2 :]
    spread = np.linspace(0, len(others) - 1, count - len(best)).round().astype(np.intp)
    return np.sort(np.concatenate([best, others[spread]]))
