"""Gaussian-process regression: fit, uncertainty of the fit, and prediction.

Arrays of float64 only, without trials and spaces. Symbols:

    n, m    observed rows, candidate rows      E      (n, f) features of rows
    d       columns; each has a lengthscale    group  (f,) the column of each feature
    t       (n,) standardised outputs          D      (d, n, n) column_differences(E, group, d)
    p       (d + 2,) log hyperparameters: log l₁ … log l_d, log s² (signal), log n² (noise)
    K       s² Matérn(Σ D/l²) + n² I           L      lower Cholesky factor of K
    μ       the constant mean, by generalised least squares: 1ᵀK⁻¹t / 1ᵀK⁻¹1

Sources: Rasmussen & Williams 2006 ("RW"), Algorithm 2.1 and Eqs. 2.25, 2.26, 5.8, 5.9; the constant mean is their
Section 2.7 in the limit of a vague prior, without its small part in the variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dpotri, dtrtri
from scipy.optimize import fmin_l_bfgs_b

from kerastune_lite.strategies.bayesian.arrays import Floats, Integers
from kerastune_lite.strategies.bayesian.kernel import matern52, squared_distances

LENGTH_MEAN = -1.2
"""Prior of log l: normal around LENGTH_MEAN + ½ log d, of deviation 1 (Hvarfner et al. 2024 scale it so by d)."""
NOISE_SHAPE, NOISE_RATE = 0.1, 15.0
"""Prior of n²: its density in log n² is proportional to n² ** NOISE_SHAPE · exp(-NOISE_RATE n²)."""
LENGTH_BOUNDS, SIGNAL_BOUNDS, NOISE_BOUNDS = (-5.0, 6.0), (-4.0, 4.0), (math.log(1e-8), 1.0)
HESSIAN_STEP = 1e-3
MAX_DEVIATION = 1.5
"""The largest deviation of hyperparameter draws, along axes that the data don't determine."""
LEAST_VARIANCE = 1e-12


def bounds(d: int) -> Floats:
    """The lower and upper bounds of p, (d + 2, 2)."""
    return np.array([LENGTH_BOUNDS] * d + [SIGNAL_BOUNDS, NOISE_BOUNDS])


def length_mean(d: int) -> float:
    """The prior mean of every log lengthscale."""
    return LENGTH_MEAN + 0.5 * math.log(d)


def start(d: int, noise: float = 1e-2, shift: float = 0.0) -> Floats:
    """The start of a fit, (d + 2,): the prior's mean, with lengthscales `exp(shift)` times as long."""
    return np.array([length_mean(d) + shift] * d + [0.0, math.log(noise)])


def negative_log_posterior(p: Floats, differences: Floats, t: Floats) -> tuple[float, Floats]:
    """-log p(t | p) p(p) up to a constant, and its gradient in p, (d + 2,).

    RW Eq. 5.8 at the best μ, which needs no gradient of its own since the derivative in μ is zero there; Eq. 5.9
    for the gradient, ½ tr((K⁻¹ - ααᵀ) ∂K/∂p), with α = K⁻¹(t - μ).
    """
    d, n = len(p) - 2, len(t)
    inverse_squares, signal, noise = np.exp(-2.0 * p[:d]), math.exp(p[d]), math.exp(p[d + 1])
    correlation, slope = matern52(np.tensordot(inverse_squares, differences, 1))
    covariance = signal * correlation
    covariance.flat[:: n + 1] += noise
    try:
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        # Rounding can make K singular where the noise is tiny; a high value makes the line search step back.
        return 1e10, np.zeros_like(p)
    inverse = inverse_from(factor)
    sums = inverse.sum(axis=1)
    centred = t - float(sums @ t) / float(sums.sum())
    alpha = inverse @ centred
    weights = 0.5 * (inverse - np.outer(alpha, alpha))
    away = p[:d] - length_mean(d)

    value = 0.5 * float(centred @ alpha) + float(np.log(np.diag(factor)).sum())
    value += 0.5 * float(away @ away) + 0.5 * p[d] ** 2 - NOISE_SHAPE * p[d + 1] + NOISE_RATE * noise
    gradient = np.empty_like(p)
    gradient[:d] = -2.0 * inverse_squares * signal * (differences.reshape(d, -1) @ (weights * slope).ravel()) + away
    gradient[d] = signal * float((weights * correlation).sum()) + p[d]
    gradient[d + 1] = noise * float(np.trace(weights)) - NOISE_SHAPE + NOISE_RATE * noise
    return float(value), gradient


def fit_map(differences: Floats, t: Floats, starts: Sequence[Floats], iterations: int) -> Floats:
    """The p, (d + 2,), of the highest posterior density that L-BFGS-B reaches from any of the starts."""
    box = bounds(len(starts[0]) - 2)
    fits = [
        fmin_l_bfgs_b(negative_log_posterior, p, args=(differences, t), bounds=box, maxiter=iterations, factr=1e9)
        for p in starts
    ]
    best, _, _ = min(fits, key=lambda fit: float(fit[1]))
    return np.asarray(best, dtype=np.float64)


def laplace_factor(p: Floats, differences: Floats, t: Floats) -> Floats:
    """S, (d + 2, d + 2), with S Sᵀ the covariance of the Gaussian around p: the inverse of the Hessian there.

    The Hessian is computed by central differences of the gradient. Along eigenvectors in which the posterior is nearly
    flat or not concave, the deviation is MAX_DEVIATION. Source: RW Section 3.4, there for latent values.
    """
    hessian = np.empty((len(p), len(p)))
    for i in range(len(p)):
        step = np.zeros_like(p)
        step[i] = HESSIAN_STEP
        above = negative_log_posterior(p + step, differences, t)[1]
        below = negative_log_posterior(p - step, differences, t)[1]
        hessian[i] = (above - below) / (2.0 * HESSIAN_STEP)
    curvatures, axes = np.linalg.eigh(0.5 * (hessian + hessian.T))
    return np.asarray(axes / np.sqrt(np.maximum(curvatures, 1.0 / MAX_DEVIATION**2)))


def laplace_draws(p: Floats, differences: Floats, t: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Hyperparameters, (count, d + 2), drawn from the Gaussian around p and clipped to the bounds."""
    low, high = bounds(len(p) - 2).T
    normal = rng.standard_normal((count, len(p)))
    return np.clip(p + normal @ laplace_factor(p, differences, t).T, low, high)


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior process given outputs, for one hyperparameter vector.

    Attributes:
        weights: (f,) 1/l of each feature's lengthscale l.
        signal: s².
        noise: n².
        scaled: (n, f) the rows' features times `weights`.
        whitener: (n, n) L⁻¹.
        alpha: (n,) K⁻¹(t - μ).
        mean: μ.
        fitted: (n,) the posterior mean at the rows themselves.
    """

    weights: Floats
    signal: float
    noise: float
    scaled: Floats
    whitener: Floats
    alpha: Floats
    mean: float
    fitted: Floats

    @cached_property
    def lowest(self) -> float:
        """The lowest posterior mean at a row."""
        return float(self.fitted.min())


def posterior(p: Floats, group: Integers, features: Floats, t: Floats) -> Posterior:
    """The posterior under p given outputs t, (n,), at rows of features (n, f). RW Algorithm 2.1, lines 2 and 3."""
    n, d = len(t), len(p) - 2
    weights, signal, noise = np.exp(-p[:d])[group], math.exp(p[d]), math.exp(p[d + 1])
    scaled = features * weights
    covariance = signal * matern52(squared_distances(scaled, scaled))[0]
    covariance.flat[:: n + 1] = signal
    whitener, _ = dtrtri(noisy_cholesky(covariance, noise).T, lower=0)
    whitener = whitener.T
    white_ones, white_t = whitener.sum(axis=1), whitener @ t
    mean = float(white_ones @ white_t) / float(white_ones @ white_ones)
    alpha = whitener.T @ (white_t - mean * white_ones)
    return Posterior(weights, signal, noise, scaled, whitener, alpha, mean, covariance @ alpha + mean)


def leave_one_out(post: Posterior, t: Floats) -> tuple[Floats, Floats]:
    """Mean and variance, (n,) each, of every output given all others, with μ unchanged. RW Eq. 5.12."""
    precision = np.einsum("nm,nm->m", post.whitener, post.whitener)
    return t - post.alpha / precision, 1.0 / precision


def predict(post: Posterior, features: Floats) -> tuple[Floats, Floats]:
    """Mean and variance, each (m,), of the noise-free function at rows of features (m, f). RW Eqs. 2.25, 2.26."""
    cross = post.signal * matern52(squared_distances(features * post.weights, post.scaled))[0]
    white = post.whitener @ cross.T
    variance = post.signal - np.einsum("nm,nm->m", white, white)
    return cross @ post.alpha + post.mean, np.maximum(variance, LEAST_VARIANCE)


def predict_with_gradient(post: Posterior, row: Floats) -> tuple[float, float, Floats, Floats]:
    """Mean and variance at one row of features (f,), and their gradients in the features, each (f,)."""
    apart = row * post.weights - post.scaled
    correlation, slope = matern52(np.einsum("nf,nf->n", apart, apart))
    cross = post.signal * correlation
    white = post.whitener @ cross
    mean = float(cross @ post.alpha) + post.mean
    variance = max(post.signal - float(white @ white), LEAST_VARIANCE)
    # ∂cross_i/∂row = 2 s² slope_i · apart_i · weights
    pulls = np.stack([slope * post.alpha, slope * (white @ post.whitener)])
    mean_pull, variance_pull = 2.0 * post.signal * (pulls @ apart) * post.weights
    return mean, variance, mean_pull, -2.0 * variance_pull


def noisy_cholesky(covariance: Floats, noise: float) -> Floats:
    """The lower Cholesky factor of `covariance` + noise I, with more noise where rounding would make that singular."""
    while True:
        noisy = covariance.copy()
        noisy.flat[:: len(noisy) + 1] += noise
        try:
            return np.asarray(np.linalg.cholesky(noisy), dtype=np.float64)
        except np.linalg.LinAlgError:
            noise = max(10.0 * noise, 1e-10)


def inverse_from(factor: Floats) -> Floats:
    """K⁻¹ from the lower Cholesky factor of K."""
    # The transpose of a C-ordered array is the upper factor in LAPACK's order, without a copy.
    inverse, _ = dpotri(factor.T, lower=0)
    inverse = np.triu(inverse)
    inverse = inverse + inverse.T
    inverse.flat[:: len(factor) + 1] *= 0.5
    return np.asarray(inverse)
