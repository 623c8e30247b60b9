"""Scores made outputs and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from kerastune_lite.strategies.bayesian.output_warp import half_rank, logarithmic, median_and_scale, straight, warped

SCORES = np.array([3.0, 1.0, 100.0, 2.0, 1e9])


def test_the_better_half_keeps_its_shape():
    t, _ = warped(SCORES)

    # 1, 2 and the median 3 stay evenly apart.
    assert t[3] - t[1] == pytest.approx(t[0] - t[3])


def test_the_worse_half_keeps_only_its_order():
    t, _ = warped(SCORES)
    tamer, _ = warped(np.array([3.0, 1.0, 4.0, 2.0, 5.0]))

    np.testing.assert_allclose(t, tamer)


def test_the_worse_half_gets_gaussian_quantiles_of_its_ranks():
    u = half_rank(SCORES, *median_and_scale(SCORES))

    np.testing.assert_allclose(u[[2, 4]], norm.ppf([3.5 / 5, 4.5 / 5]))


def test_equal_scores_get_equal_outputs():
    t, _ = warped(np.array([1.0, 5.0, 2.0, 5.0, 5.0]))

    assert len(set(t[[1, 3, 4]])) == 1


def test_outputs_are_standardised():
    t, _ = warped(SCORES)

    assert t.mean() == pytest.approx(0.0, abs=1e-12)
    assert t.std() == pytest.approx(1.0)


def test_a_failure_counts_as_the_worst_score():
    t, _ = warped(np.array([1.0, np.nan, 2.0, 7.0]))

    assert t[1] == t[3]


def test_failures_leave_the_outputs_of_the_others_alone():
    alone, _ = warped(SCORES)

    with_failures, _ = warped(np.concatenate([SCORES, np.full(50, np.nan)]))

    np.testing.assert_array_equal(with_failures[:5], alone)


def test_the_warp_leads_back_to_the_scores():
    scores = np.random.default_rng(0).standard_normal(40) ** 3

    t, warp = warped(scores)

    np.testing.assert_allclose(warp.scores(t), scores, atol=1e-12)


def test_no_score_is_predicted_worse_than_the_worst_and_better_ones_go_straight_on():
    _, warp = warped(SCORES)

    assert warp.scores(np.array([50.0])) == pytest.approx([1e9])
    steps = np.diff(warp.scores(np.array([-9.0, -8.0, -7.0])))
    np.testing.assert_allclose(steps, warp.slope)


@pytest.mark.parametrize("scores", [[], [1.0], [2.0, 2.0, 2.0], [np.nan, np.nan]])
def test_nothing_is_learnt_from_outcomes_that_are_all_alike(scores):
    assert warped(np.array(scores)) is None


def test_one_score_and_a_failure_have_different_outputs():
    t, _ = warped(np.array([4.0, np.nan, 4.0]))

    assert t[0] == t[2] < t[1]


@pytest.mark.parametrize(
    "scores",
    [
        [1e300, 1e-300, 2e-300],
        [1.7e308, -1.7e308, 1.7e308, -1.7e308, 0.0],
        [0.0, 5e-324],
        [1e308, 1e308, -1e308, np.nan],
        [1.0, 1.0 + 2**-52],
    ],
)
def test_scores_at_the_ends_of_the_floats_stay_finite_both_ways(scores):
    t, warp = warped(np.array(scores))

    assert np.isfinite(t).all()
    assert np.isfinite(warp.scores(np.linspace(-9.0, 9.0, 50))).all()


def test_a_straight_warp_keeps_the_shape_of_all_scores_and_leads_back():
    scores = np.array([3.0, 1.0, 4.0, 2.0, 9.0])
    t, warp = straight(scores)

    np.testing.assert_allclose(np.diff(t[[1, 3, 0, 2, 4]]), np.array([1.0, 1.0, 1.0, 5.0]) / warp.slope)
    np.testing.assert_allclose(warp.scores(t), scores)
    assert t.std() == pytest.approx(1.0)


@pytest.mark.parametrize("scores", [[], [1.0], [2.0, 2.0], [1.0, 1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 1e300], [np.nan]])
def test_there_is_no_straight_warp_where_it_would_tell_nothing(scores):
    assert straight(np.array(scores)) is None


def test_scores_near_the_best_stay_evenly_apart_and_those_far_from_it_are_drawn_together():
    t = logarithmic(np.array([1.0, 1.001, 1.002, *[3.0] * 6, 100.0, 1000.0, 2000.0]))

    assert t[2] - t[1] == pytest.approx(t[1] - t[0], rel=0.01)
    assert t[11] - t[10] < t[10] - t[9]


def test_the_logarithm_begins_at_the_lower_quartile():
    """u = log(1 + (y - best) / (quartile - best)): with a best of 0 and a quartile of 1 the logarithm of 1 + y."""
    y = np.array([0.0, 1.0, 3.0, 7.0, 15.0])
    u = np.log2(1.0 + y)

    np.testing.assert_allclose(logarithmic(y), (u - u.mean()) / u.std(), atol=1e-12)


@pytest.mark.parametrize(
    "y", [[1.0, 1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 1.0, 5.0, 2.0, 3.0], [-1e308, 1e308, 0.0], [0.0, 5e-324]]
)
def test_it_is_finite_and_keeps_the_order_whatever_the_scores(y):
    t = logarithmic(np.array(y))

    assert np.isfinite(t).all()
    assert (np.diff(t[np.argsort(y, kind="stable")]) >= 0.0).all()


def test_in_a_logarithmic_warp_too_a_failure_counts_as_the_worst_score():
    t = logarithmic(np.array([1.0, np.nan, 2.0, 7.0, np.inf]))

    assert t[1] == t[4] == t[3]


@pytest.mark.parametrize("y", [[], [1.0], [2.0, 2.0], [np.nan, 3.0], [np.nan, np.inf]])
def test_without_two_different_scores_there_is_no_logarithmic_warp(y):
    assert logarithmic(np.array(y)) is None
