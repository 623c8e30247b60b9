"""A Gaussian process of learning curves: fit and prediction.

Settings resemble each other in where their curves begin and in how they go on, and a training's past tells its future.
The process has a part for each. Arrays of float64 only, without trials and spaces. Symbols:

    n, m    observed points of curves, candidate points      E      (n, f) features of the points' settings
    d       columns; each has two lengthscales               group  (f,) the column of each feature
    τ       (n,) log(epoch) / log(epochs of a whole training), in [0, 1]
    c       (n,) which training a point belongs to; points of no known training have -1
    t       (n,) standardised outputs
    D       (d, n, n) column_differences(E, group, d)
    p       (2d + 5,) log hyperparameters: log l₁ … log l_d, log h₁ … log h_d, log s₁, log s₂, log s₃, log s₄, log n²
    w, v    min(τ, τ'), the covariance of Brownian motion; ½(w + ττ')
    K       s₁ Matérn(Σ D/l²) + s₂ v Matérn(Σ D/h²) + TREND_VARIANCE w + [c = c'] (s₃ + s₄ w) + n² I
    mean    μ - TREND τ, with μ by generalised least squares: 1ᵀK⁻¹(t + TREND τ) / 1ᵀK⁻¹1

s₁ and s₂ are the variances of what settings have in common at the first epoch, and of how they go on from there. Each
has lengthscales of its own, l and h: a learning rate may decide how fast a training begins, and its schedule where it
ends. TREND_VARIANCE is the variance of the trend that all curves share. s₃ and s₄ are a training's own: its luck at the
first epoch, and a random walk from there, so that the latest epoch says most about the next. The walk runs over the
logarithm of the epochs, since curves flatten.

Sources: Swersky, Snoek & Adams 2014, arXiv:1406.3896, for a joint process of settings and curves (their curves decay
exponentially; ours are Brownian motion with a drift, which assumes less of their shape); Rasmussen & Williams 2006
("RW"), Algorithm 2.1 and Eqs. 2.25, 2.26, 5.8, 5.9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import fmin_l_bfgs_b

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats, Integers
from kerastune_lite.strategies.bayesian.gaussian_process import (
    LEAST_VARIANCE,
    LENGTH_BOUNDS,
    inverse_from,
    length_mean,
    noisy_cholesky,
)
from kerastune_lite.strategies.bayesian.kernel import column_differences, matern52, squared_distances

TREND, TREND_VARIANCE = 1.0, 0.5
"""By how much outputs fall from the first epoch to the last, and the variance of that."""
PRIOR_MEANS = np.log([1.0, 1.0, 0.02, 0.1, 1e-3])
PRIOR_DEVIATIONS = np.array([1.0, 0.5, 1.0, 0.5, 1.5])
"""The normal priors of log s₁, log s₂, log s₃, log s₄ and log n². Lengthscales have the prior of gaussian_process.py,
with deviation 1."""
APART = 0.5
"""The deviation of the normal prior of log h - log l of a column: what matters in one part mostly does in the other."""
VARIANCE_BOUNDS = ((-4.0, 4.0), (-6.0, 3.0), (-9.0, 2.0), (-9.0, 2.0), (-12.0, 0.0))
JITTER = 1e-8
"""Added to n², so that points that repeat each other don't make K singular."""
ITERATIONS = 25
"""The most iterations of a fit."""


@dataclass(frozen=True, eq=False)
class CurvePoints:
    """Points of learning curves.

    Attributes:
        features: (n, f) the features of their settings.
        tau: (n,) τ.
        training: (n,) c.
    """

    features: Floats
    tau: Floats
    training: Integers

    def __len__(self) -> int:
        return len(self.tau)

    def taken(self, places: Integers) -> CurvePoints:
        """Some of the points, by their indices."""
        return CurvePoints(self.features[places], self.tau[places], self.training[places])

    def with_others(self, others: CurvePoints) -> CurvePoints:
        """These points, and others after them."""
        return CurvePoints(
            np.concatenate([self.features, others.features]),
            np.concatenate([self.tau, others.tau]),
            np.concatenate([self.training, others.training]),
        )


def start(d: int) -> Floats:
    """The start of a fit, (2d + 5,): the prior's mean."""
    return np.concatenate([np.full(2 * d, length_mean(d)), PRIOR_MEANS])


def negative_log_posterior(p: Floats, differences: Floats, points: CurvePoints, t: Floats) -> tuple[float, Floats]:
    """-log p(t | p) p(p) up to a constant, and its gradient in p, (2d + 5,). RW Eqs. 5.8 and 5.9, as for settings."""
    d, n = len(differences), len(t)
    inverse_squares, (s1, s2, s3, s4, noise) = np.exp(-2.0 * p[: 2 * d]).reshape(2, d), np.exp(p[2 * d :])
    walk, drift, same = _over_time(points, points)
    (level, trend), slopes = matern52(np.tensordot(inverse_squares, differences, 1))
    covariance = s1 * level + s2 * drift * trend + TREND_VARIANCE * walk + same * (s3 + s4 * walk)
    covariance.flat[:: n + 1] += noise + JITTER
    try:
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        # A high value makes the line search step back from hyperparameters with which rounding makes K singular.
        return 1e10, np.zeros_like(p)
    inverse = inverse_from(factor)
    sums, untrended = inverse.sum(axis=1), t + TREND * points.tau
    centred = untrended - float(sums @ untrended) / float(sums.sum())
    alpha = inverse @ centred
    weights = 0.5 * (inverse - np.outer(alpha, alpha))
    away, apart = p - start(d), (p[d : 2 * d] - p[:d]) / APART**2
    # The gradient of the prior, which is quadratic in `away`: its value is half of their product.
    gradient = np.concatenate([away[:d] - apart, apart, away[2 * d :] / PRIOR_DEVIATIONS**2])

    value = 0.5 * float(centred @ alpha) + float(np.log(np.diag(factor)).sum()) + 0.5 * float(away @ gradient)
    of_parts = np.stack([s1 * weights, s2 * drift * weights])
    of_lengths = np.einsum("dm,km->kd", differences.reshape(d, -1), (of_parts * slopes).reshape(2, -1))
    gradient[: 2 * d] -= 2.0 * (inverse_squares * of_lengths).ravel()
    of_trainings = weights * same
    gradient[2 * d :] += np.array(
        [
            (of_parts[0] * level).sum(),
            (of_parts[1] * trend).sum(),
            s3 * of_trainings.sum(),
            s4 * (of_trainings * walk).sum(),
            noise * np.trace(weights),
        ]
    )
    return value, gradient


def fit_map(points: CurvePoints, t: Floats, group: Integers, d: int) -> Floats:
    """The p, (2d + 5,), of the highest posterior density that L-BFGS-B reaches from the prior's mean."""
    differences = column_differences(points.features, group, d)
    box = [*[LENGTH_BOUNDS] * (2 * d), *VARIANCE_BOUNDS]
    best, _, _ = fmin_l_bfgs_b(
        negative_log_posterior, start(d), args=(differences, points, t), bounds=box, maxiter=ITERATIONS, factr=1e10
    )
    return np.asarray(best, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class CurvePosterior:
    """The posterior process given outputs at points, for one hyperparameter vector.

    Attributes:
        weights: (2, f) 1/l and 1/h of each feature's lengthscales.
        variances: (4,) s₁, s₂, s₃ and s₄.
        points: The n points.
        factor: (n, n) the lower Cholesky factor of K.
        alpha: (n,) K⁻¹(t - mean).
        mean: μ.
    """

    weights: Floats
    variances: Floats
    points: CurvePoints
    factor: Floats
    alpha: Floats
    mean: float


def posterior(p: Floats, group: Integers, points: CurvePoints, t: Floats) -> CurvePosterior:
    """The posterior under p given outputs t, (n,), at points. RW Algorithm 2.1, lines 2 and 3."""
    d = (len(p) - len(PRIOR_MEANS)) // 2
    weights, variances = np.exp(-p[: 2 * d]).reshape(2, d)[:, group], np.exp(p[2 * d : -1])
    factor = noisy_cholesky(_covariance(weights, variances, points, points), float(np.exp(p[-1])) + JITTER)
    ones, untrended = _white(factor, np.ones(len(t))), _white(factor, t + TREND * points.tau)
    mean = float(ones @ untrended) / float(ones @ ones)
    alpha = solve_triangular(factor, untrended - mean * ones, lower=True, trans=1, check_finite=False)
    return CurvePosterior(weights, variances, points, factor, alpha, mean)


def predict(post: CurvePosterior, points: CurvePoints) -> tuple[Floats, Floats]:
    """Mean and deviation, each (m,), of the noise-free curves at points. RW Eqs. 2.25 and 2.26."""
    cross = _covariance(post.weights, post.variances, points, post.points)
    white = _white(post.factor, cross.T)
    s1, s2, s3, s4 = post.variances
    tau = points.tau
    prior = s1 + 0.5 * s2 * (tau + tau * tau) + TREND_VARIANCE * tau + s3 + s4 * tau
    variance = np.maximum(prior - np.einsum("nm,nm->m", white, white), LEAST_VARIANCE)
    return cross @ post.alpha + post.mean - TREND * tau, np.sqrt(variance)


def _over_time(one: CurvePoints, other: CurvePoints) -> tuple[Floats, Floats, Flags]:
    """w, v and [c = c'], each (m, n), between points."""
    walk = np.minimum.outer(one.tau, other.tau)
    return walk, 0.5 * (walk + np.multiply.outer(one.tau, other.tau)), one.training[:, None] == other.training


def _covariance(weights: Floats, variances: Floats, one: CurvePoints, other: CurvePoints) -> Floats:
    """K without noise, (m, n), between points."""
    s1, s2, s3, s4 = variances
    walk, drift, same = _over_time(one, other)
    level, trend = (matern52(squared_distances(one.features * w, other.features * w))[0] for w in weights)
    shared = s1 * level + s2 * drift * trend + TREND_VARIANCE * walk
    return np.asarray(shared + same * (s3 + s4 * walk))


def _white(factor: Floats, b: Floats) -> Floats:
    """L⁻¹ b."""
    return np.asarray(solve_triangular(factor, b, lower=True, check_finite=False))
