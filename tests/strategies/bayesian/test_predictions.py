"""Predictions in the objective's units, what would be tried next, and which setting to recommend."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from kerastune_lite.space import Boolean, Float, Space
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.bayesian.output_warp import warped
from kerastune_lite.strategies.bayesian.predictions import (
    best_expected_first,
    predict,
    predict_all,
    scores_of,
    suggestions,
)
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.study.trial import Trial, TrialState

LINE = Space([Float(name="x", low=0.0, high=1.0)])


def scored(number, x, score):
    return Trial(number=number, values={"x": float(x)}, score=float(score), state=TrialState.COMPLETED)


def valley(count=12, scale=1.0):
    return [scored(n, x, scale * (3.0 + (x - 0.4) ** 2)) for n, x in enumerate(np.linspace(0.0, 1.0, count))]


def test_a_tried_setting_is_predicted_at_its_score():
    for trial in valley():
        prediction = predict(LINE, valley(), trial.values)
        assert prediction.mean == pytest.approx(trial.score, abs=0.01)


def test_the_model_is_surer_near_trials_than_far_from_them():
    trials = [scored(number, x, math.sin(9 * x)) for number, x in enumerate(np.linspace(0.0, 0.5, 9))]

    near, far = predict_all(LINE, trials, [{"x": 0.3}, {"x": 0.9}])

    assert near.deviation < 0.2 * far.deviation


def test_predictions_come_in_the_units_of_the_objective():
    one, thousand = (predict(LINE, valley(scale=scale), {"x": 0.55}) for scale in (1.0, 1000.0))

    np.testing.assert_allclose(dataclasses.astuple(thousand), 1000.0 * np.array(dataclasses.astuple(one)), rtol=1e-4)


def test_improvement_is_expected_at_the_bottom_and_not_at_the_top():
    bottom, top = predict_all(LINE, valley(), [{"x": 0.4}, {"x": 1.0}])

    assert bottom.expected_improvement > 100 * top.expected_improvement


def test_mean_and_deviation_of_a_score_agree_with_quadrature():
    _, warp = warped(np.random.default_rng(0).standard_normal(15) ** 3)
    outputs = np.array([[-0.4, 0.9]]), np.array([[0.5, 0.3]])

    means, deviations = scores_of(*outputs, warp)

    for index, (mean, deviation) in enumerate(zip(outputs[0][0], outputs[1][0], strict=True)):

        def moment(power, mean=mean, deviation=deviation):
            def integrand(t):
                return float(warp.scores(np.array([t]))[0]) ** power * norm.pdf(t, mean, deviation)

            return quad(integrand, mean - 8 * deviation, mean + 8 * deviation, limit=300)[0]

        assert means[index] == pytest.approx(moment(1), abs=0.01)
        assert deviations[index] == pytest.approx(math.sqrt(moment(2) - moment(1) ** 2), abs=0.02)


def test_two_posteriors_that_disagree_make_a_wide_prediction():
    _, warp = warped(np.arange(9.0))

    means, deviations = scores_of(np.array([[-1.0], [-0.5]]), np.full((2, 1), 1e-9), warp)

    assert means[0] == pytest.approx(warp.scores(np.array([-0.75]))[0])
    assert deviations[0] == pytest.approx(0.25 * warp.slope)


def test_nothing_is_predicted_while_all_scores_are_alike():
    assert predict(LINE, [], {"x": 0.5}) is None
    assert predict(LINE, [scored(0, 0.1, 1.0), scored(1, 0.2, 1.0)], {"x": 0.5}) is None


@pytest.mark.parametrize("pair", [(1e300, 1e-300), (1.7e308, -1.7e308)])
def test_scores_at_the_ends_of_the_floats_give_finite_predictions(pair):
    trials = [scored(number, number / 10, pair[number % 2]) for number in range(10)]

    for prediction in predict_all(LINE, trials, [{"x": x} for x in np.linspace(0.0, 1.0, 7).tolist()]):
        assert all(map(math.isfinite, dataclasses.astuple(prediction)))


def test_a_parameter_that_is_switched_off_changes_no_prediction():
    space = Space([Boolean(name="flag"), Float(name="x", low=0.0, high=1.0)])
    trials = [
        Trial(
            number=n,
            values={"flag": True, "x": n / 8} if n % 2 else {"flag": False},
            score=float(n),
            state=TrialState.COMPLETED,
        )
        for n in range(8)
    ]

    one, other = predict_all(space, trials, [{"flag": False, "x": 0.1}, {"flag": False, "x": 0.9}])

    assert one == other


def test_the_first_suggestion_is_what_the_search_tries_next():
    trials = valley(10)

    prospects = suggestions(LINE, trials, 3, BayesianStrategy(seed=4))

    assert prospects[0].values == BayesianStrategy(seed=4).suggest(LINE, trials, suggestion_rng(4, 10)).values
    assert prospects[0].prediction == predict(LINE, trials, prospects[0].values)


def test_suggestions_differ_and_are_explained():
    prospects = suggestions(LINE, valley(10), 4, BayesianStrategy())

    assert len({prospect.values["x"] for prospect in prospects}) == 4
    assert all(prospect.prediction.deviation >= 0.0 for prospect in prospects)


def test_suggestions_before_there_is_a_model_have_no_prediction():
    assert [prospect.prediction for prospect in suggestions(LINE, [], 2, BayesianStrategy())] == [None, None]


def test_suggestions_end_with_the_space():
    space = Space([Boolean(name="flag")])

    assert len(suggestions(space, [], 5, BayesianStrategy())) == 2


def test_a_lucky_draw_is_not_recommended():
    rng = np.random.default_rng(0)
    spots = np.linspace(0.0, 1.0, 40)
    trials = [scored(number, x, (x - 0.3) ** 2 + 0.02 * rng.standard_normal()) for number, x in enumerate(spots)]
    lucky = scored(40, 0.95, -0.05)

    chosen = best_expected_first(LINE, [*trials, lucky])[0]

    assert chosen.values["x"] == pytest.approx(0.3, abs=0.15)


def test_without_noise_the_best_trial_is_recommended():
    assert best_expected_first(LINE, valley(11))[0].values["x"] == pytest.approx(0.4)


def test_without_a_model_the_best_trial_is_recommended():
    assert best_expected_first(LINE, []) == []
    assert best_expected_first(LINE, [scored(0, 0.1, 5.0)])[0].number == 0


def test_a_failed_trial_is_never_recommended():
    trials = [Trial(number=0, values={"x": 0.4}, state=TrialState.FAILED), scored(1, 0.9, 5.0)]

    assert [trial.number for trial in best_expected_first(LINE, trials)] == [1]
