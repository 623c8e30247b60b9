"""The model of a search: posteriors of the Gaussian process given the trials that were tried and are running.

Arrays only. Everything is a function of the rows and outputs given: a fit always begins at the same starts, not at the
fit before, so that a resumed search computes the same. Symbols as in gaussian_process.py and columns.py.
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
"""How many hyperparameter vectors are drawn around the fit; each gives a posterior of its own."""
DRAWS_UNTIL = 100
"""With more rows the data determine the hyperparameters, and the fit alone is used."""
TWO_STARTS_UNTIL, ITERATIONS_OF_FEW, ITERATIONS_OF_MANY = 120, 40, 15
"""Up to how many rows a fit has two starts, and the most iterations with as few rows and with more."""
FIT_ROWS, MODEL_ROWS = 200, 1000
"""The largest number of rows that hyperparameters are fitted to, and that a posterior holds."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Several posteriors given the same rows, one for each hyperparameter vector.

    Attributes:
        posteriors: The posteriors, that of the best fit first.
        z: (k, d) the rows: observed ones, then running ones.
        observed: How many of the rows were observed.
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
    """The model of outputs at observed rows, which also takes running rows into account.

    A running row enters each posterior with its predicted mean as its output (the kriging believer of Ginsbourger et
    al. 2010). This keeps further trials away from its place, and hardly changes the predicted means.

    Args:
        columns: The columns of the space.
        observed: Rows and their activity, (n, d) each.
        t: (n,) their outputs.
        running: Rows of running trials and their activity, (r, d) each.
        rng: The generator to draw hyperparameters with.
        fit: (d + 2,) the hyperparameters of the best fit, if they are known already.
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
    """The best fit to outputs t, (n,), at features (n, f), and with few rows some draws around it; (d + 2,) each."""
    kept = best_and_spread(t, FIT_ROWS)
    differences = column_differences(known[kept], columns.group, columns.count)
    best = best_fit(differences, t[kept]) if fit is None else fit
    if len(kept) > DRAWS_UNTIL:
        return [best]
    return [best, *laplace_draws(best, differences, t[kept], DRAWS, rng)]


def best_fit(differences: Floats, t: Floats) -> Floats:
    """The most probable hyperparameters, (d + 2,), given outputs t, (n,), and column differences, (d, n, n)."""
    d, few = len(differences), len(t) <= TWO_STARTS_UNTIL
    starts = [start(d), start(d, noise=1e-5, shift=0.5)] if few else [start(d)]
    return fit_map(differences, t, starts, ITERATIONS_OF_FEW if few else ITERATIONS_OF_MANY)


def choose_warp(
    columns: Columns, observed: tuple[Floats, Flags], outputs: Sequence[tuple[Floats, float]], matter: Flags
) -> tuple[int, Floats]:
    """The index of the warp whose outputs a process predicts best, and the hyperparameters of its fit, (d + 2,).

    Warps are compared by the mean log density of the outputs that `matter`, each given all others (RW Section 5.4.2),
    in a unit that all warps share. Their likelihoods can't be compared, since they are those of different data.

    Args:
        columns: The columns of the space.
        observed: Rows and their activity, (n, d) each.
        outputs: For each warp its outputs, (n,), and the size of one unit of them in the shared unit.
        matter: (n,) which rows the comparison is about.
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
    """Indices, increasing, of at most `count` of n outputs: half of them the lowest, half evenly from the others."""
    if len(t) <= count:
        return np.arange(len(t))
    order = np.argsort(t, kind="stable")
    best, others = order[: count // 2], order[count // 2 :]
    spread = np.linspace(0, len(others) - 1, count - len(best)).round().astype(np.intp)
    return np.sort(np.concatenate([best, others[spread]]))
