"""Each fault that a contract is about is found by it."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from kerastune_lite import GoOn, Pause, Suggestion
from kerastune_lite.errors import StoppingError
from kerastune_lite.stopping import MedianRule
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.testing import StoppingRuleContract, StrategyContract


class Altered(RandomStrategy):
    """Random search whose answers are altered."""

    def suggest(self, space, trials, rng):
        return self.altered(super().suggest(space, trials, rng), space, trials)


class Counting(Altered):
    """It remembers how often it was asked."""

    asked = itertools.count()

    def altered(self, answer, space, trials):
        return Suggestion({"units": 4 + next(self.asked) % 60}) if "units" in space else answer


class Unseeded(Altered):
    """It draws from NumPy's global generator."""

    def altered(self, answer, space, trials):
        return Suggestion({"rate": float(np.random.uniform(1e-4, 1.0))}) if "rate" in space else answer


class Sorting(Altered):
    """It sorts the search's own list."""

    def altered(self, answer, space, trials):
        if isinstance(trials, list):
            trials.sort(key=lambda trial: -trial.number)
        return answer


class Outside(Altered):
    """It leaves the range of a parameter."""

    def altered(self, answer, space, trials):
        return Suggestion({"rate": 2.0}) if "rate" in space else answer


class Inventing(Altered):
    """It suggests a parameter that nobody asked for."""

    def altered(self, answer, space, trials):
        return Suggestion({**answer.values, "depth": 3}) if isinstance(answer, Suggestion) else answer


class Endless(Altered):
    """It suggests the first setting for ever."""

    def altered(self, answer, space, trials):
        return Suggestion({"kernel": 3, "pool": False}) if "kernel" in space else answer


class GivingUp(Altered):
    """It is done before anything is known."""

    def altered(self, answer, space, trials):
        return answer if len(space) else Pause.DONE


class Proud(Altered):
    """It takes for granted that trials have scores."""

    def altered(self, answer, space, trials):
        min((trial.score + 1.0 for trial in trials if trial.state.ended), default=0.0)
        return answer


class Forgetful(HyperbandStrategy):
    """It says that no paused trial is needed, and continues them."""

    def resumable(self, trials):
        return set()


class Hoarding(HyperbandStrategy):
    """It says that every trial may be continued."""

    def resumable(self, trials):
        return {trial.number for trial in trials}


class Insistent(HyperbandStrategy):
    """It continues trials that have ended."""

    def suggest(self, space, trials, rng):
        return GoOn(trials[0].number) if len(trials) == 5 else super().suggest(space, trials, rng)


class Unaware(HyperbandStrategy):
    """It takes trials outside the space for trials like all others."""

    def suggest(self, space, trials, rng):
        return super().suggest(space, [dataclasses.replace(trial, is_outside=False) for trial in trials], rng)


def hyperband(kind):
    return lambda: kind(RandomStrategy(), max_epochs=9)


@pytest.mark.parametrize(
    ("make", "test"),
    [
        (Counting, "test_the_same_question_gets_the_same_answer"),
        (Counting, "test_a_search_that_is_resumed_begins_with_the_questions_that_are_left"),
        (Unseeded, "test_the_same_question_gets_the_same_answer"),
        (Sorting, "test_it_changes_nothing_that_it_is_given"),
        (Outside, "test_suggested_values_lie_in_the_space"),
        (Inventing, "test_suggested_values_lie_in_the_space"),
        (Endless, "test_no_setting_is_tried_twice_while_another_one_is_left"),
        (GivingUp, "test_it_suggests_a_trial_before_anything_is_known"),
        (Proud, "test_it_answers_whatever_became_of_the_trials"),
        (hyperband(Forgetful), "test_it_continues_only_trials_whose_training_state_is_kept"),
        (hyperband(Unaware), "test_no_trial_outside_the_space_is_continued"),
        (hyperband(Hoarding), "test_what_is_resumable_is_paused"),
        (hyperband(Insistent), "test_it_continues_only_trials_whose_training_state_is_kept"),
    ],
    ids=lambda value: None if isinstance(value, str) else getattr(value, "__name__", value),
)
def test_a_strategy_with_a_fault_fails_the_test_about_it(make, test):
    contract = StrategyContract()
    contract.strategy = make
    contract.ENDS = make is not Endless

    with pytest.raises((AssertionError, TypeError, ValueError)):
        getattr(contract, test)()


def test_a_search_that_never_ends_is_found(monkeypatch):
    monkeypatch.setattr("kerastune_lite.testing.strategies.MANY", 50)
    contract = StrategyContract()
    contract.strategy = Endless

    with pytest.raises(AssertionError, match="50 trials of six settings were begun"):
        contract.test_a_search_of_a_small_space_ends()


class Rule:
    """A rule by a function of the running trial's curve and those of all others."""

    def __init__(self, decide):
        self.decide = decide

    def should_stop(self, trial, trials, objective):
        others = [other.best_so_far for other in trials if other.number != trial.number and other.best_so_far]
        return self.decide(trial.best_so_far, others)


def is_worst(curve, others):
    """Compares the last scores of all, as if less were better, and however long the others have trained."""
    return "the worst" if curve and others and curve[-1] > min(other[-1] for other in others) else None


class Moody(MedianRule):
    """It stops two of three trials, whatever they are."""

    asked = itertools.count()

    def should_stop(self, trial, trials, objective):
        return "unlucky" if next(self.asked) % 3 else None


class Impatient(MedianRule):
    """It says that it lets every trial train for three epochs, and doesn't."""

    def should_stop(self, trial, trials, objective):
        return "bad" if trial.best_so_far and abs(trial.best_so_far[-1]) > 50 else None


class Strict(MedianRule):
    """It refuses trainings in which it could stop trials."""

    def check(self, epochs):
        if epochs < 9:
            raise StoppingError("too short")


class Lenient(MedianRule):
    """It refuses nothing."""

    def check(self, epochs):
        pass


@pytest.mark.parametrize(
    ("rule", "test"),
    [
        (Rule(lambda curve, others: True), "test_it_answers_none_or_why_the_trial_ends"),
        (Rule(lambda curve, others: " "), "test_it_answers_none_or_why_the_trial_ends"),
        (Moody(), "test_the_same_question_gets_the_same_answer"),
        (Rule(is_worst), "test_it_follows_the_direction_of_the_objective"),
        (Rule(is_worst), "test_trials_are_compared_after_equally_many_epochs"),
        (Rule(lambda curve, others: str(curve[-1])), "test_it_answers_whatever_became_of_the_other_trials"),
        (Impatient(), "test_every_trial_gets_its_first_epochs"),
        (Strict(), "test_check_refuses_trainings_in_which_it_could_never_stop_a_trial"),
        (Lenient(), "test_check_refuses_trainings_in_which_it_could_never_stop_a_trial"),
        (object(), "test_it_follows_the_protocol"),
    ],
)
def test_a_rule_with_a_fault_fails_the_test_about_it(rule, test):
    contract = StoppingRuleContract()
    contract.rule = lambda: rule
    contract.GRACE_EPOCHS = 3

    with pytest.raises((AssertionError, IndexError)):
        getattr(contract, test)()


@pytest.mark.parametrize(
    ("contract", "message"), [(StrategyContract, "Define strategy"), (StoppingRuleContract, "Define rule")]
)
def test_a_contract_says_what_it_needs(contract, message):
    with pytest.raises(NotImplementedError, match=message):
        contract().test_it_follows_the_protocol()


def test_made_up_curves_are_finite_where_they_are_to_be():
    from kerastune_lite.testing.strategies import SMALL_SPACE, failing_curve, learning_curve

    settings = [{"kernel": kernel, "pool": pool} for kernel in (3, 5, 7) for pool in (False, True)]

    assert len(SMALL_SPACE) == 2
    assert all(math.isfinite(learning_curve(values, 1)) for values in settings)
    assert 0 < sum(math.isnan(failing_curve(values, 1)) for values in settings) < len(settings)
