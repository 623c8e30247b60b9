"""Expected improvement against quadrature, far into the tail; gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from kerastune_lite.strategies.bayesian.acquisition import (
    ExpectedImprovement,
    LowestMean,
    log_expected_improvement,
    log_h,
    log_novelty,
    log_value,
)
from kerastune_lite.strategies.bayesian.gaussian_process import posterior, predict

GROUP = np.arange(2)


def posteriors(*noises):
    rng = np.random.default_rng(0)
    features = rng.random((20, 2))
    t = np.sin(6.0 * features[:, 0]) + features[:, 1]
    return [posterior(np.log([0.3 + 0.1 * k, 0.6, 1.2, noise]), GROUP, features, t) for k, noise in enumerate(noises)]


@pytest.mark.parametrize("z", [-1e5, -3e3, -101.0, -99.0, -20.0, -8.0, -1.001, -0.999, 0.0, 3.0])
def test_log_h_agrees_with_quadrature(z):
    # E[max(0, z + x)] for x ~ N(0, 1), with φ(z) taken out so that nothing underflows, in steps of 1/max(1, |z|).
    width = 1.0 / max(1.0, abs(z))
    integral, _ = quad(lambda gain: gain * np.exp(-0.5 * (gain * width) ** 2 + z * gain * width), 0, 60, epsrel=1e-11)

    assert log_h(np.array([z]))[0] == pytest.approx(norm.logpdf(z) + np.log(integral) + 2 * np.log(width), abs=1e-7)


def test_log_h_of_a_sure_improvement_is_the_improvement():
    z = np.array([40.0, 1e9])

    np.testing.assert_allclose(log_h(z), np.log(z), rtol=1e-14)


def test_log_h_is_smooth_where_its_branches_meet():
    z = np.array([-1.0, -100.0])

    np.testing.assert_allclose(log_h(z - 1e-12), log_h(z + 1e-12), rtol=1e-11)


@pytest.mark.parametrize("mean", [-1.0, 0.3, 4.0, 40.0, 3e3])
def test_the_derivatives_of_expected_improvement_are_finite_differences(mean):
    deviation, step = 0.7, 1e-5 * max(1.0, abs(mean))
    at = np.array([mean])

    _, in_mean, in_deviation = log_expected_improvement(at, np.array([deviation]), best=0.2)

    def value(shift, stretch):
        return log_expected_improvement(at + shift, np.array([deviation + stretch]), best=0.2)[0]

    np.testing.assert_allclose(in_mean, (value(step, 0) - value(-step, 0)) / (2 * step), rtol=1e-5)
    np.testing.assert_allclose(in_deviation, (value(0, 1e-6) - value(0, -1e-6)) / 2e-6, rtol=1e-5)


def test_huangs_factor_is_one_minus_the_share_of_noise():
    deviation = np.array([1e-3, 0.1, 2.0])

    value, gradient = log_novelty(deviation, noise=0.09)

    np.testing.assert_allclose(value, np.log(1.0 - 0.3 / np.sqrt(deviation**2 + 0.09)), rtol=1e-8)
    numeric = (log_novelty(deviation * 1.00001, 0.09)[0] - log_novelty(deviation * 0.99999, 0.09)[0]) / (
        2e-5 * deviation
    )
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5)


def test_huangs_factor_is_finite_at_a_row_that_is_known_exactly():
    assert np.isfinite(log_novelty(np.array([1e-6]), noise=2.0)[0]).all()


def test_noise_lowers_the_value_of_a_second_look():
    quiet, noisy = posteriors(1e-6, 0.2)
    mean, deviation = np.array([0.0]), np.array([0.1])

    plain = log_expected_improvement(mean, deviation, noisy.lowest)[0]

    assert log_value(noisy, mean, deviation)[0] < plain
    assert log_value(quiet, mean, deviation)[0] == log_expected_improvement(mean, deviation, quiet.lowest)[0]


def test_the_value_averages_improvements_and_not_their_logs():
    several = posteriors(1e-4, 1e-2, 0.3)
    rows = np.random.default_rng(1).random((5, 2))
    logs = []
    for post in several:
        mean, variance = predict(post, rows)
        logs.append(log_value(post, mean, np.sqrt(variance))[0])

    np.testing.assert_allclose(ExpectedImprovement(several).values(rows), np.log(np.mean(np.exp(logs), axis=0)))


def test_the_greedy_value_is_minus_the_mean():
    several = posteriors(1e-4, 1e-2)
    rows = np.random.default_rng(1).random((5, 2))
    means = [predict(post, rows)[0] for post in several]

    np.testing.assert_allclose(LowestMean(several).values(rows), -np.mean(means, axis=0))


@pytest.mark.parametrize("kind", [ExpectedImprovement, LowestMean])
def test_the_gradient_of_an_acquisition_is_a_finite_difference(kind):
    acquisition = kind(posteriors(1e-4, 1e-2, 0.3))
    row, step = np.array([0.42, 0.77]), 1e-6 * np.eye(2)

    value, gradient = acquisition.value_and_gradient(row)

    assert value == pytest.approx(acquisition.values(row[None])[0], rel=1e-9)
    numeric = (acquisition.values(row + step) - acquisition.values(row - step)) / 2e-6
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)
