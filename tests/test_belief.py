"""What the Gaussian process believes of a study: here studies made by hand, in the units of their objectives."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastune_lite import NoResultError, Objective, Study, Trial, TrialState, belief
from kerastune_lite.space import Boolean, Float, Space
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy

LINE = Space([Float(name="x", low=0.0, high=1.0)])
LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")


def scored(number, score, **values):
    return Trial(number=number, values=values, score=float(score), state=TrialState.COMPLETED)


def study_of(trials, objective=LOSS, space=LINE, seed=4):
    return Study(Path("by hand"), objective, seed, space, {trial.number: trial for trial in trials})


def valley(objective=LOSS, count=12):
    """Trials that are best at x = 0.4, where a loss is 3, and an accuracy is -3."""
    return [
        scored(number, objective.sign * (3.0 + (x - 0.4) ** 2), x=float(x))
        for number, x in enumerate(np.linspace(0.0, 1.0, count))
    ]


def noisy_with_a_lucky_trial(objective):
    """Forty noisy trials that are best at x = 0.3, and trial 40, which is far away and has the best score by luck."""
    rng = np.random.default_rng(0)
    trials = [
        scored(number, objective.sign * ((x - 0.3) ** 2 + 0.02 * rng.standard_normal()), x=float(x))
        for number, x in enumerate(np.linspace(0.0, 1.0, 40))
    ]
    return study_of([*trials, scored(40, -0.05 * objective.sign, x=0.95)], objective)


@pytest.mark.parametrize("objective", [LOSS, ACCURACY])
def test_a_tried_setting_is_predicted_at_its_score_in_the_objectives_units(objective):
    trials = valley(objective)
    study = study_of(trials, objective)

    for trial in trials:
        assert belief.predict(study, trial.values).mean == pytest.approx(trial.score, abs=0.01)


def test_turning_the_objective_turns_the_mean_and_nothing_else():
    loss, accuracy = (
        belief.predict(study_of(valley(objective), objective), {"x": 0.4}) for objective in (LOSS, ACCURACY)
    )

    assert loss == dataclasses.replace(accuracy, mean=-accuracy.mean)
    assert loss.deviation > 0
    assert loss.expected_improvement > 0


def test_nothing_is_predicted_while_all_trials_are_alike():
    assert belief.predict(study_of([]), {"x": 0.5}) is None
    assert belief.predict(study_of([scored(0, 1.0, x=0.1), scored(1, 1.0, x=0.9)]), {"x": 0.5}) is None


@pytest.mark.parametrize("objective", [LOSS, ACCURACY])
def test_the_first_suggestion_is_what_a_bayesian_search_tries_next(objective):
    study = study_of(valley(objective), objective)
    asked = BayesianStrategy(seed=4).suggest(LINE, study.to_minimise(), suggestion_rng(4, 12))

    first, second = belief.suggestions(study, 2)

    assert first.values == asked.values
    assert first.prediction == belief.predict(study, first.values)
    assert second.values != first.values


def test_suggestions_before_there_is_a_model_have_no_prediction_and_end_with_the_space():
    prospects = belief.suggestions(study_of([], space=Space([Boolean(name="flag")]), seed=None), 5)

    assert sorted(prospect.values["flag"] for prospect in prospects) == [False, True]
    assert [prospect.prediction for prospect in prospects] == [None, None]


@pytest.mark.parametrize("objective", [LOSS, ACCURACY])
def test_a_lucky_trial_is_the_best_one_and_not_the_recommended_one(objective):
    study = noisy_with_a_lucky_trial(objective)

    assert study.best.number == 40
    assert belief.recommended(study).values["x"] == pytest.approx(0.3, abs=0.15)


def test_confirmations_overrule_the_model():
    study = study_of(
        [dataclasses.replace(trial, confirmations=(3.5, 3.6)) if trial.number == 9 else trial for trial in valley()]
    )

    assert belief.recommended(study).number == 9


def test_the_best_of_several_confirmed_trials_is_recommended_in_the_objectives_direction():
    confirmed = {3: (0.4, 0.5), 7: (0.7, 0.6), 8: (0.5, 0.5)}
    trials = [dataclasses.replace(trial, confirmations=confirmed.get(trial.number, ())) for trial in valley(ACCURACY)]

    assert belief.recommended(study_of(trials, ACCURACY)).number == 7


def test_finalists_are_the_best_expected_trials_and_the_best_scored_one():
    study = noisy_with_a_lucky_trial(LOSS)
    numbers = [trial.number for trial in belief.finalists(study, 4)]

    assert numbers[0] == belief.recommended(study).number
    assert numbers[-1] == 40
    assert all(study.trial(number).values["x"] == pytest.approx(0.3, abs=0.2) for number in numbers[:-1])
    assert [trial.number for trial in belief.finalists(study, 1)] == numbers[:1]


def test_finalists_are_the_studys_own_trials_in_its_own_units():
    study = study_of(valley(ACCURACY), ACCURACY)

    assert all(trial is study.trial(trial.number) for trial in belief.finalists(study, 3))


@pytest.mark.parametrize("asked", [belief.recommended, lambda study: belief.finalists(study, 3)])
def test_a_study_without_a_score_has_nothing_to_recommend(asked):
    failed = Trial(number=0, values={"x": 0.5}, state=TrialState.FAILED)

    with pytest.raises(NoResultError, match="1 failed"):
        asked(study_of([failed]))


def test_a_study_answers_what_the_model_believes():
    study = noisy_with_a_lucky_trial(ACCURACY)

    assert study.predict({"x": 0.5}) == belief.predict(study, {"x": 0.5})
    assert study.suggestions(1) == belief.suggestions(study, 1)
    assert study.recommended is belief.recommended(study)
    assert list(study.finalists(3)) == list(belief.finalists(study, 3))


def test_opening_a_study_loads_no_model_and_the_model_loads_no_keras():
    program = (
        "import sys, kerastune_lite.study; assert 'kerastune_lite.belief' not in sys.modules;"
        "import kerastune_lite.belief; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
