"""The posterior, the fit and its uncertainty, against scikit-learn, finite differences and direct sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from kerastune_lite.strategies.bayesian.gaussian_process import (
    LENGTH_MEAN,
    MAX_DEVIATION,
    NOISE_RATE,
    NOISE_SHAPE,
    bounds,
    fit_map,
    laplace_draws,
    laplace_factor,
    leave_one_out,
    negative_log_posterior,
    posterior,
    predict,
    predict_with_gradient,
    start,
)
from kerastune_lite.strategies.bayesian.kernel import column_differences, matern52, squared_distances

LENGTHS, SIGNAL, NOISE = np.array([0.3, 0.8, 1.7]), 1.4, 0.02
P = np.log([*LENGTHS, SIGNAL, NOISE])
GROUP = np.arange(3)


def data(n=30, d=3, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.random((n, d))
    t = np.sin(5.0 * features[:, 0]) + features[:, 1] ** 2 + 0.1 * rng.standard_normal(n)
    return features, (t - t.mean()) / t.std()


def test_the_kernel_is_sklearns_matern():
    features, _ = data()
    expected = Matern(length_scale=LENGTHS, nu=2.5)(features)

    correlation, _ = matern52(squared_distances(features / LENGTHS, features / LENGTHS))

    np.testing.assert_allclose(correlation, expected, atol=1e-12)


def test_the_kernels_derivative_is_a_finite_difference():
    squared = np.linspace(0.01, 9.0, 40)
    numeric = (matern52(squared + 1e-6)[0] - matern52(squared - 1e-6)[0]) / 2e-6

    np.testing.assert_allclose(matern52(squared)[1], numeric, atol=1e-8)


def test_the_shares_of_columns_add_up_to_the_squared_distance():
    features, _ = data(d=4)
    group = np.array([0, 1, 1, 2])

    shares = column_differences(features, group, 3)

    np.testing.assert_allclose(shares.sum(axis=0), squared_distances(features, features), atol=1e-12)
    np.testing.assert_allclose(shares[1], squared_distances(features[:, 1:3], features[:, 1:3]), atol=1e-12)


@pytest.mark.parametrize("noise", [1.0, 0.02, 1e-4])
def test_mean_and_variance_are_sklearns(noise):
    features, t = data()
    candidates = np.random.default_rng(1).random((50, 3))
    kernel = ConstantKernel(SIGNAL) * Matern(LENGTHS, nu=2.5)
    # The constant mean by generalised least squares, as a weighted average of its own.
    weights = np.linalg.solve(kernel(features) + noise * np.eye(len(t)), np.ones(len(t)))
    constant = weights @ t / weights.sum()
    regressor = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(features, t - constant)
    expected_mean, expected_deviation = regressor.predict(candidates, return_std=True)

    mean, variance = predict(posterior(np.log([*LENGTHS, SIGNAL, noise]), GROUP, features, t), candidates)

    np.testing.assert_allclose(mean, expected_mean + constant, atol=1e-8)
    np.testing.assert_allclose(variance, expected_deviation**2, atol=1e-8)


def test_the_fitted_values_are_predictions_at_the_rows():
    features, t = data()
    post = posterior(P, GROUP, features, t)

    np.testing.assert_allclose(post.fitted, predict(post, features)[0], atol=1e-9)


def test_the_gradients_of_a_prediction_are_finite_differences():
    features, t = data()
    post = posterior(P, GROUP, features, t)
    row, step = np.array([0.31, 0.62, 0.47]), 1e-6 * np.eye(3)
    above, below = predict(post, row + step), predict(post, row - step)

    mean, variance, mean_gradient, variance_gradient = predict_with_gradient(post, row)

    np.testing.assert_allclose([mean, variance], np.ravel(predict(post, row[None])), atol=1e-10)
    np.testing.assert_allclose(mean_gradient, (above[0] - below[0]) / 2e-6, atol=1e-5)
    np.testing.assert_allclose(variance_gradient, (above[1] - below[1]) / 2e-6, atol=1e-5)


def test_the_loss_is_the_likelihood_of_sklearn_and_the_prior():
    features, t = data()
    kernel = ConstantKernel(SIGNAL) * Matern(LENGTHS, nu=2.5) + WhiteKernel(NOISE)
    covariance = kernel(features)
    weights = np.linalg.solve(covariance, np.ones(len(t)))
    likelihood = multivariate_normal(np.full(len(t), weights @ t / weights.sum()), covariance).logpdf(t)
    centre = LENGTH_MEAN + 0.5 * math.log(3)
    prior = -0.5 * np.sum((P[:3] - centre) ** 2) - 0.5 * P[3] ** 2 + NOISE_SHAPE * P[4] - NOISE_RATE * NOISE

    loss, _ = negative_log_posterior(P, column_differences(features, GROUP, 3), t)

    assert loss + 0.5 * len(t) * math.log(2 * math.pi) == pytest.approx(-likelihood - prior, abs=1e-8)


def test_the_losss_gradient_is_a_finite_difference():
    features, t = data()
    differences = column_differences(features, GROUP, 3)
    numeric = [
        (negative_log_posterior(P + step, differences, t)[0] - negative_log_posterior(P - step, differences, t)[0])
        / 2e-5
        for step in 1e-5 * np.eye(5)
    ]

    np.testing.assert_allclose(negative_log_posterior(P, differences, t)[1], numeric, rtol=1e-5, atol=1e-5)


def test_a_fit_is_no_worse_than_any_of_many_random_hyperparameters():
    features, t = data(n=40)
    differences = column_differences(features, GROUP, 3)
    low, high = bounds(3).T
    others = np.random.default_rng(0).uniform(low, high, (300, 5))

    best = fit_map(differences, t, [start(3)], iterations=60)

    assert negative_log_posterior(best, differences, t)[0] <= min(
        negative_log_posterior(p, differences, t)[0] for p in others
    )


def test_the_laplace_covariance_inverts_a_numerical_hessian():
    features, t = data(n=60)
    differences = column_differences(features, GROUP, 3)
    best = fit_map(differences, t, [start(3)], iterations=100)

    def loss(p):
        return negative_log_posterior(p, differences, t)[0]

    steps = 1e-3 * np.eye(5)
    hessian = [
        [(loss(best + a + b) - loss(best + a - b) - loss(best - a + b) + loss(best - a - b)) / 4e-6 for b in steps]
        for a in steps
    ]
    factor = laplace_factor(best, differences, t)

    assert np.linalg.eigvalsh(hessian).min() > 1.0 / MAX_DEVIATION**2
    np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(hessian), rtol=1e-3, atol=1e-4)


def test_draws_are_spread_as_the_laplace_covariance_says():
    features, t = data(n=60)
    differences = column_differences(features, GROUP, 3)
    best = fit_map(differences, t, [start(3)], iterations=100)
    factor = laplace_factor(best, differences, t)

    draws = laplace_draws(best, differences, t, 20_000, np.random.default_rng(0))

    np.testing.assert_allclose(np.cov(draws.T), factor @ factor.T, atol=0.05)


def test_an_axis_that_the_data_do_not_settle_is_drawn_no_wider_than_allowed():
    features = np.zeros((4, 1))
    differences = column_differences(features, np.array([0]), 1)

    factor = laplace_factor(start(1), differences, np.array([-1.0, 1.0, -1.0, 1.0]))

    assert np.linalg.norm(factor, ord=2) <= MAX_DEVIATION + 1e-12


def test_duplicate_rows_without_noise_still_have_a_posterior():
    features = np.repeat(np.random.default_rng(0).random((5, 2)), 4, axis=0)
    t = np.random.default_rng(1).standard_normal(20)

    mean, variance = predict(posterior(np.log([5.0, 5.0, 50.0, 1e-8]), np.arange(2), features, t), features)

    assert np.isfinite(mean).all()
    assert (variance > 0.0).all()


def test_leaving_one_out_predicts_each_output_as_a_process_without_it_does():
    rng = np.random.default_rng(3)
    rows, group = rng.random((9, 2)), np.arange(2)
    t = rng.standard_normal(9)
    p = np.array([-0.7, -0.2, 0.1, -1.5])
    whole = posterior(p, group, rows, t)
    means, variances = leave_one_out(whole, t)

    for place in range(9):
        rest = np.arange(9) != place
        kernel = ConstantKernel(np.exp(p[2])) * Matern(np.exp(p[:2]), nu=2.5)
        process = GaussianProcessRegressor(kernel, alpha=np.exp(p[3]), optimizer=None)
        process.fit(rows[rest], t[rest] - whole.mean)
        mean, deviation = process.predict(rows[place : place + 1], return_std=True)
        assert means[place] == pytest.approx(mean[0] + whole.mean)
        assert variances[place] == pytest.approx(deviation[0] ** 2 + np.exp(p[3]))
