"""The process of learning curves, against a direct computation, scikit-learn and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from kerastune_lite.strategies.bayesian.curve_process import (
    APART,
    JITTER,
    PRIOR_DEVIATIONS,
    PRIOR_MEANS,
    TREND,
    TREND_VARIANCE,
    VARIANCE_BOUNDS,
    CurvePoints,
    fit_map,
    negative_log_posterior,
    posterior,
    predict,
    start,
)
from kerastune_lite.strategies.bayesian.gaussian_process import LENGTH_BOUNDS, length_mean
from kerastune_lite.strategies.bayesian.kernel import column_differences

LEVEL, TREND_LENGTHS = np.array([0.4, 0.9]), np.array([0.7, 0.5])
S1, S2, S3, S4, NOISE = 1.3, 0.7, 0.05, 0.2, 0.01
P = np.log([*LEVEL, *TREND_LENGTHS, S1, S2, S3, S4, NOISE])
GROUP = np.arange(2)


def curves(count=6, length=4, seed=0):
    """Falling curves of settings, each with a point at its first epochs of eight."""
    rng = np.random.default_rng(seed)
    settings = rng.random((count, 2))
    epochs = np.tile(np.arange(1, length + 1), count)
    training = np.repeat(np.arange(count), length)
    points = CurvePoints(settings[training], np.log(epochs) / math.log(8), training)
    t = (
        2.0 * settings[training, 0]
        - points.tau * (1.0 + settings[training, 1])
        + 0.1 * rng.standard_normal(len(epochs))
    )
    return points, t


def covariance_of(one, other):
    """The covariance without noise, point by point, with scikit-learn's Matérn kernel."""
    level = Matern(length_scale=LEVEL, nu=2.5)(one.features, other.features)
    trend = Matern(length_scale=TREND_LENGTHS, nu=2.5)(one.features, other.features)
    covariance = np.empty(level.shape)
    for i, (a, c) in enumerate(zip(one.tau, one.training, strict=True)):
        for j, (b, e) in enumerate(zip(other.tau, other.training, strict=True)):
            walk = min(a, b)
            covariance[i, j] = S1 * level[i, j] + S2 * trend[i, j] * (walk + a * b) / 2 + TREND_VARIANCE * walk
            covariance[i, j] += (S3 + S4 * walk) * (c == e)
    return covariance


def mean_of(points, t, covariance):
    """The mean at points by generalised least squares."""
    weights = np.linalg.solve(covariance, np.ones(len(t)))
    return weights @ (t + TREND * points.tau) / weights.sum() - TREND * points.tau


def test_mean_and_deviation_are_those_of_a_direct_computation():
    points, t = curves()
    noisy = covariance_of(points, points) + (NOISE + JITTER) * np.eye(len(t))
    # The next epochs of known trainings, and any epochs of new ones.
    ahead = CurvePoints(
        np.concatenate([points.features[::4], np.random.default_rng(1).random((3, 2))]),
        np.array([0.8, 0.9, 1.0] * 3),
        np.array([*range(6), -1, -1, -1]),
    )
    cross = covariance_of(ahead, points)
    centre = mean_of(points, t, noisy)
    expected = centre[0] + TREND * (points.tau[0] - ahead.tau) + cross @ np.linalg.solve(noisy, t - centre)
    variance = np.diag(covariance_of(ahead, ahead)) - np.sum(cross * np.linalg.solve(noisy, cross.T).T, axis=1)

    mean, deviation = predict(posterior(P, GROUP, points, t), ahead)

    np.testing.assert_allclose(mean, expected, atol=1e-9)
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-9)


def test_at_the_first_epoch_it_is_sklearns_process_of_settings():
    rng = np.random.default_rng(2)
    features, candidates = rng.random((20, 2)), rng.random((15, 2))
    t = np.sin(4.0 * features[:, 0]) + features[:, 1]
    kernel, noise = ConstantKernel(S1) * Matern(LEVEL, nu=2.5), S3 + NOISE + JITTER
    weights = np.linalg.solve(kernel(features) + noise * np.eye(20), np.ones(20))
    constant = weights @ t / weights.sum()
    regressor = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(features, t - constant)
    expected, spread = regressor.predict(candidates, return_std=True)

    post = posterior(P, GROUP, CurvePoints(features, np.zeros(20), np.arange(20)), t)
    mean, deviation = predict(post, CurvePoints(candidates, np.zeros(15), np.full(15, -1)))

    np.testing.assert_allclose(mean, expected + constant, atol=1e-8)
    # A new training has luck of its own.
    np.testing.assert_allclose(deviation**2, spread**2 + S3, atol=1e-8)


def test_the_loss_is_scipys_likelihood_and_the_prior():
    points, t = curves()
    noisy = covariance_of(points, points) + (NOISE + JITTER) * np.eye(len(t))
    likelihood = multivariate_normal(mean_of(points, t, noisy), noisy).logpdf(t)
    prior = -0.5 * np.sum((P[:2] - length_mean(2)) ** 2)
    prior -= 0.5 * np.sum(((P[2:4] - P[:2]) / APART) ** 2)
    prior -= 0.5 * np.sum(((P[4:] - PRIOR_MEANS) / PRIOR_DEVIATIONS) ** 2)

    loss, _ = negative_log_posterior(P, column_differences(points.features, GROUP, 2), points, t)

    assert loss + 0.5 * len(t) * math.log(2 * math.pi) == pytest.approx(-likelihood - prior, abs=1e-8)


def test_the_losss_gradient_is_a_finite_difference():
    points, t = curves()
    differences = column_differences(points.features, GROUP, 2)

    def loss(p):
        return negative_log_posterior(p, differences, points, t)[0]

    numeric = [(loss(P + step) - loss(P - step)) / 2e-5 for step in 1e-5 * np.eye(len(P))]

    np.testing.assert_allclose(negative_log_posterior(P, differences, points, t)[1], numeric, rtol=1e-5, atol=1e-5)


def test_a_fit_is_no_worse_than_any_of_many_random_hyperparameters():
    points, t = curves(count=12)
    differences = column_differences(points.features, GROUP, 2)
    low, high = np.array([*[LENGTH_BOUNDS] * 4, *VARIANCE_BOUNDS]).T
    others = [start(2), *np.random.default_rng(0).uniform(low, high, (300, len(low)))]

    best = fit_map(points, t, GROUP, 2)

    assert (best >= low).all()
    assert (best <= high).all()
    assert negative_log_posterior(best, differences, points, t)[0] <= min(
        negative_log_posterior(p, differences, points, t)[0] for p in others
    )


def test_a_training_is_known_better_than_another_one_of_its_setting():
    points, t = curves()
    post = posterior(P, GROUP, points, t)
    x = points.features[[3, 3]]
    mean, deviation = predict(post, CurvePoints(x, np.array([points.tau[3], points.tau[3]]), np.array([0, -1])))

    assert deviation[0] < deviation[1]
    assert abs(mean[0] - t[3]) < abs(mean[1] - t[3])


def test_the_further_ahead_the_less_is_known():
    points, t = curves()
    ahead = np.linspace(points.tau[3], 1.0, 9)

    _, deviation = predict(
        posterior(P, GROUP, points, t), CurvePoints(points.features[[3] * 9], ahead, np.zeros(9, dtype=np.intp))
    )

    assert (np.diff(deviation) > 0.0).all()


def test_points_that_repeat_each_other_do_no_harm():
    points, t = curves()
    twice = points.with_others(points)
    p = np.array([*P[:-1], VARIANCE_BOUNDS[-1][0]])

    mean, deviation = predict(posterior(p, GROUP, twice, np.concatenate([t, t])), points)

    np.testing.assert_allclose(mean, t, atol=1e-2)
    assert np.isfinite(deviation).all()
