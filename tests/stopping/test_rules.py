"""The stopping rules as pure functions of learning curves."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from kerastune_lite import Objective, Trial, TrialState
from kerastune_lite.errors import StoppingError
from kerastune_lite.stopping import MedianRule, Plateau, SuccessiveHalving, rule_of
from kerastune_lite.stopping.plateau import optimistic_end

LOSS = Objective("val_loss", "min")
ACCURACY = Objective("val_accuracy", "max")


def trial(number, values, name="val_loss", epochs=27, state=TrialState.COMPLETED):
    curve = tuple({name: float(value)} for value in values)
    objective = LOSS if name == "val_loss" else ACCURACY
    best = tuple(objective.sign * score for score in objective.best_so_far(curve))
    return Trial(number=number, curves=(curve,), best_so_far=best, epochs=epochs, state=state)


def decision(rule, values, others, name="val_loss", epochs=27):
    objective = LOSS if name == "val_loss" else ACCURACY
    running = trial(99, values, name, epochs, TrialState.RUNNING)
    trials = [*(trial(number, curve, name) for number, curve in enumerate(others)), running]
    return rule.should_stop(running, trials, objective)


def test_the_median_rule_stops_what_is_worse_than_half_of_the_others():
    others = [[value] * 5 for value in (1.0, 2.0, 3.0, 4.0, 5.0)]

    assert decision(MedianRule(), [3.1] * 3, others) == (
        "MedianRule: after 3 epochs the best val_loss was 3.1; the median of 5 other trials was 3"
    )
    assert decision(MedianRule(), [3.0] * 3, others) is None
    assert decision(MedianRule(), [9.0, 2.9, 9.0], others) is None  # its best epoch counts


def test_the_median_rule_leaves_the_first_epochs_and_the_first_trials_alone():
    others = [[1.0] * 5 for _ in range(5)]

    assert decision(MedianRule(grace_epochs=3), [9.0] * 2, others) is None
    assert decision(MedianRule(min_trials=6), [9.0] * 3, others) is None
    assert decision(MedianRule(min_trials=5), [9.0] * 3, others) is not None


def test_like_is_compared_with_like_when_trials_end_after_different_epochs():
    """Others are far better in the end, and no better after as many epochs."""
    falling = [[5.0, 4.0, 3.0, 0.1, 0.1][:length] for length in (5, 5, 4, 3, 3)]
    rule = MedianRule(grace_epochs=3, min_trials=5)

    assert decision(rule, [5.0, 4.0, 3.0], falling) is None
    assert decision(rule, [5.0, 4.0, 3.5], falling) is not None
    # Only three of the others have a fourth epoch.
    assert decision(rule, [5.0, 4.0, 3.0, 3.0], falling) is None


@pytest.mark.parametrize("rule", [MedianRule(grace_epochs=1, min_trials=1), SuccessiveHalving(min_epochs=1)])
def test_a_rule_follows_the_direction_of_the_objective(rule):
    others = [[0.7], [0.8]]

    assert decision(rule, [0.9], others, "val_accuracy") is None
    assert "val_accuracy was 0.6" in decision(rule, [0.6], others, "val_accuracy")


def test_halving_keeps_the_best_third_of_a_rung():
    others = [[value] * 3 for value in (1.0, 2.0, 3.0, 4.0, 5.0)]
    rule = SuccessiveHalving(min_epochs=3, factor=3)

    assert decision(rule, [1.5] * 3, others) is None  # second of six: two places
    assert decision(rule, [2.5] * 3, others) == (
        "SuccessiveHalving: after 3 epochs the best val_loss was 2.5, behind 2 of 5 other trials; 2 may go on"
    )


def test_halving_judges_at_its_rungs_only():
    rule = SuccessiveHalving(min_epochs=2, factor=3)
    others = [[0.0] * 27]
    judged = [epochs for epochs in range(1, 27) if decision(rule, [1.0] * epochs, others)]

    assert judged == [2, 6, 18]


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(27, [3, 9]), (10, [2, 6]), (100, [12, 36]), (4, [1, 3]), (None, [1, 3, 9])]
)
def test_halving_has_two_rungs_in_a_training_by_default(epochs, rungs):
    others = [[0.0] * 200]
    rule = SuccessiveHalving(factor=3)
    judged = [n for n in range(1, epochs or 27) if decision(rule, [1.0] * n, others, epochs=epochs)]

    assert judged == rungs


def test_the_first_trial_of_a_rung_continues_and_equals_do_too():
    assert decision(SuccessiveHalving(min_epochs=1), [9.0], []) is None
    assert decision(SuccessiveHalving(min_epochs=1), [1.0], [[1.0], [1.0]]) is None


@pytest.mark.parametrize("rule", [MedianRule(grace_epochs=1, min_trials=1), SuccessiveHalving(min_epochs=1)])
def test_a_curve_without_a_number_ranks_last(rule):
    assert decision(rule, [math.nan], [[1.0]]) is not None
    assert decision(rule, [1.0], [[math.nan]]) is None
    assert decision(rule, [math.nan], [[math.nan]]) is None


@pytest.mark.parametrize(("grace", "is_stopped"), [(5, True), (8, False)])
def test_a_flat_curve_far_behind_is_at_its_plateau_once_the_grace_is_over(grace, is_stopped):
    flat = [1.0 + 0.5 * epoch**-2.0 for epoch in range(1, 8)]

    assert (decision(Plateau(grace_epochs=grace), flat, [[0.9]]) is not None) == is_stopped


def test_a_curve_that_will_overtake_the_best_continues():
    falling = [0.5 + 2.0 * epoch**-0.5 for epoch in range(1, 8)]  # 1.26 now, 0.88 after 27 epochs

    assert decision(Plateau(), falling, [[0.9]]) is None
    assert "forecast of val_loss is 0.88" in decision(Plateau(), falling, [[0.85]])


def test_the_best_trial_ends_too_once_it_only_repeats_itself():
    noise = 0.01 * np.random.default_rng(0).normal(size=20)
    flat = 1.0 + noise
    flat[3] = 0.9

    assert "no better than the best so far, 0.9" in decision(Plateau(), flat, [])
    assert decision(Plateau(), 3.0 / np.arange(1, 10), []) is None


def test_the_forecast_of_a_power_law_is_the_law():
    values = [0.3 + 1.7 * epoch**-0.5 for epoch in range(1, 11)]

    assert optimistic_end(values, 100, 0.0) == pytest.approx(0.3 + 1.7 * 0.1, abs=1e-9)


def test_a_forecast_survives_epochs_without_a_number():
    values = [math.inf, *(0.3 + 1.7 * epoch**-1.0 for epoch in range(2, 11)), math.inf]

    assert optimistic_end(values, 100, 0.0) == pytest.approx(0.317, abs=1e-9)
    assert optimistic_end([math.inf] * 8 + [1.0] * 3, 27, 2.0) is None


@pytest.mark.parametrize(
    ("rule", "arguments", "received"),
    [
        (MedianRule, {"grace_epochs": 0}, "grace_epochs=0"),
        (MedianRule, {"min_trials": 0}, "min_trials=0"),
        (SuccessiveHalving, {"factor": 1}, "factor=1"),
        (SuccessiveHalving, {"min_epochs": 0}, "min_epochs=0"),
        (Plateau, {"grace_epochs": 3}, "grace_epochs=3"),
        (Plateau, {"deviations": -1.0}, "deviations=-1.0"),
    ],
)
def test_impossible_settings_are_refused_by_value(rule, arguments, received):
    with pytest.raises(ValueError, match=received):
        rule(**arguments)


@pytest.mark.parametrize("rule", [MedianRule(grace_epochs=5), SuccessiveHalving(min_epochs=5), Plateau(grace_epochs=5)])
def test_a_rule_that_begins_after_the_training_says_so(rule):
    with pytest.raises(StoppingError, match="=5 lets every trial train for 5 epochs, and a whole training has 5"):
        rule.check(5)
    rule.check(6)


@pytest.mark.parametrize("rule", [MedianRule(), SuccessiveHalving(min_epochs=3), Plateau()])
def test_other_trials_are_judged_by_the_best_scores_that_the_study_has_accumulated(rule):
    """Their curves are not gone through again at each epoch of each trial."""
    running = trial(99, [9.0] * 6 if isinstance(rule, Plateau) else [9.0] * 3, state=TrialState.RUNNING)
    others = [trial(number, [1.0] * 9) for number in range(5)]
    without_curves = [dataclasses.replace(other, curves=()) for other in others]

    assert rule.should_stop(running, [*others, running], LOSS) is not None
    assert rule.should_stop(running, [*without_curves, running], LOSS) == rule.should_stop(running, others, LOSS)


def test_a_rule_may_be_given_by_name():
    assert rule_of("asha") == SuccessiveHalving()
    assert rule_of("median") == MedianRule()
    assert rule_of(None) is None
    with pytest.raises(ValueError, match="Not 'hyperband'"):
        rule_of("hyperband")
    with pytest.raises(TypeError, match="should_stop"):
        rule_of(MedianRule)
