"""Acquisition functions: the log of expected improvement, averaged over posteriors, and the posterior mean.

Arrays of float64 only. Symbols:

    μ, σ    posterior mean and deviation of the function at a candidate (it is minimised)
    n²      noise variance
    best    the incumbent: the lowest posterior mean at a known row
    z       (best - μ) / σ
    h(z)    φ(z) + z Φ(z), so that the expected improvement is σ h(z)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from kerastune_lite.strategies.bayesian.arrays import Floats
from kerastune_lite.strategies.bayesian.gaussian_process import Posterior, predict, predict_with_gradient

NOISY = 0.01
"""The noise variance, of outputs of variance 1, above which a second trial at a known row is worth little."""

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


def log_h(z: Floats) -> Floats:
    """log(φ(z) + z Φ(z)), of z's shape.

    Source: Ament et al. 2023, arXiv:2310.20708, Eq. 9. For z ≥ -1 the sum is evaluated as it is. Below, φ is factored
    out: log φ(z) + log(1 - |z| √(π/2) erfcx(|z|/√2)); the difference in it loses z² ulps. So for z < -100 that factor
    is its series (1 - 3/z² + 15/z⁴ - 105/z⁶)/z² (Abramowitz & Stegun 26.2.12), accurate to 1e-13.
    """
    near = np.maximum(z, -1.0)
    middle = np.clip(z, -100.0, -1.0)
    inverse_square = 1.0 / np.square(np.minimum(z, -100.0))
    direct = np.log(np.exp(-0.5 * near * near - LOG_SQRT_2PI) + near * ndtr(near))
    factored = np.log1p(SQRT_HALF_PI * middle * erfcx(-middle / math.sqrt(2.0)))
    series = np.log(inverse_square) + np.log1p(
        inverse_square * (-3.0 + inverse_square * (15.0 - 105.0 * inverse_square))
    )
    return np.where(z >= -1.0, direct, _log_density(np.minimum(z, -1.0)) + np.where(z >= -100.0, factored, series))


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> tuple[Floats, Floats, Floats]:
    """log E[max(best - f, 0)] for f ~ N(μ, σ²), and its derivatives in μ and in σ, all of the arguments' shape.

    With h' = Φ: ∂/∂μ = -Φ/(σ h) and ∂/∂σ = φ/(σ h); each ratio is computed in logs.
    """
    z = (best - mean) / deviation
    value = log_h(z)
    in_mean = -np.exp(log_ndtr(z) - value) / deviation
    in_deviation = np.exp(_log_density(z) - value) / deviation
    return value + np.log(deviation), in_mean, in_deviation


def log_novelty(deviation: Floats, noise: float) -> tuple[Floats, Floats]:
    """Huang's factor log(1 - √(n²/(σ² + n²))) and its derivative in σ, each of σ's shape.

    It lowers the value of rows that are known well, where a new observation would be mostly noise.
    Source: Huang et al. 2006, "Global optimization of stochastic black-box systems", Eq. 11.
    """
    # 1 - (1 + σ²/n²)^-½ is computed by expm1, since it is tiny where σ is.
    ratio = deviation * deviation / noise
    shrunk = np.exp(-0.5 * np.log1p(ratio))
    factor = -np.expm1(-0.5 * np.log1p(ratio))
    return np.log(factor), shrunk * deviation / (noise * (1.0 + ratio) * factor)


def log_value(post: Posterior, mean: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
    """Log expected improvement, times Huang's factor where there is noise, and its derivatives in μ and σ."""
    value, in_mean, in_deviation = log_expected_improvement(mean, deviation, post.lowest)
    if post.noise > NOISY:
        factor, in_factor = log_novelty(deviation, post.noise)
        value, in_deviation = value + factor, in_deviation + in_factor
    return value, in_mean, in_deviation


@dataclass(frozen=True)
class ExpectedImprovement:
    """The log of the mean over posteriors of expected improvement; higher is better."""

    posteriors: Sequence[Posterior]

    def values(self, features: Floats) -> Floats:
        """The acquisition, (m,), at rows of features (m, f)."""
        logs = []
        for post in self.posteriors:
            mean, variance = predict(post, features)
            logs.append(log_value(post, mean, np.sqrt(variance))[0])
        return np.asarray(_log_mean_exp(np.array(logs)))

    def value_and_gradient(self, row: Floats) -> tuple[float, Floats]:
        """The acquisition at one row of features (f,), and its gradient (f,)."""
        logs, gradients = [], []
        for post in self.posteriors:
            mean, variance, mean_gradient, variance_gradient = predict_with_gradient(post, row)
            deviation = math.sqrt(variance)
            value, in_mean, in_deviation = log_value(post, np.array(mean), np.array(deviation))
            logs.append(float(value))
            gradients.append(in_mean * mean_gradient + in_deviation / (2.0 * deviation) * variance_gradient)
        shares = np.exp(np.array(logs) - max(logs))
        return float(_log_mean_exp(np.array(logs))), (shares / shares.sum()) @ np.array(gradients)


@dataclass(frozen=True)
class LowestMean:
    """Minus the mean over posteriors of the posterior mean, which explores nothing; higher is better."""

    posteriors: Sequence[Posterior]

    def values(self, features: Floats) -> Floats:
        """The acquisition, (m,), at rows of features (m, f)."""
        return -np.asarray(np.mean([predict(post, features)[0] for post in self.posteriors], axis=0))

    def value_and_gradient(self, row: Floats) -> tuple[float, Floats]:
        """The acquisition at one row of features (f,), and its gradient (f,)."""
        parts = [predict_with_gradient(post, row) for post in self.posteriors]
        return -float(np.mean([part[0] for part in parts])), -np.mean([part[2] for part in parts], axis=0)


Acquisition = ExpectedImprovement | LowestMean


def _log_density(z: Floats) -> Floats:
    return np.asarray(-0.5 * z * z - LOG_SQRT_2PI)


def _log_mean_exp(logs: Floats) -> Floats:
    """log of the mean over the first axis of exp(logs)."""
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).mean(axis=0)))
