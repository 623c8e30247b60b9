"""Freeze-thaw search as a pure function of trials: searches are simulated, no model is trained."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from kerastune_lite.space import Choice, Float, Space
from kerastune_lite.strategies.bayesian.freeze_thaw import FreezeThawStrategy, pause_steps
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import GoOn, Pause, PausingStrategy, PlannedStrategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialPlan, TrialState
from kerastune_lite.testing import made_up_trial, simulated_search

SPACE = Space((Float(name="x", low=0.0, high=1.0), Float(name="y", low=0.0, high=1.0)))
RNG = np.random.default_rng


def bowl(values, epoch):
    """It is least at x = 0.3 and y = 0.7, and every setting learns at the same pace."""
    return (values["x"] - 0.3) ** 2 + (values["y"] - 0.7) ** 2 + 1.0 / epoch


def strategy(max_epochs=27, **settings):
    return FreezeThawStrategy(max_epochs, seed=1, **settings)


def paused(number, scores, x=0.5, y=0.5, max_epochs=27):
    plan = TrialPlan(epochs=max_epochs, pause_at=len(scores))
    trial = made_up_trial(number, scores, values={"x": x, "y": y}, state=TrialState.STOPPED, epochs=max_epochs)
    return dataclasses.replace(trial, plan=plan)


def ended(number, scores, x=0.5, y=0.5):
    trial = made_up_trial(number, scores, values={"x": x, "y": y}, state=TrialState.COMPLETED, epochs=27)
    return dataclasses.replace(trial, plan=TrialPlan(epochs=27))


def eight(reached=1.2):
    """A first design: eight settings after an epoch, those with small x better."""
    return [paused(number, [reached + number / 8], x=number / 8, y=(3 * number % 8) / 8) for number in range(8)]


@pytest.mark.parametrize(
    ("max_epochs", "steps"),
    [
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (5, (1, 2, 3, 5)),
        (10, (1, 2, 3, 5, 8, 10)),
        (27, (1, 2, 3, 5, 8, 12, 18, 27)),
        (30, (1, 2, 3, 5, 8, 12, 18, 30)),
        (100, (1, 2, 3, 5, 8, 12, 18, 27, 41, 62, 100)),
    ],
)
def test_each_step_is_about_half_as_long_again_as_the_one_before(max_epochs, steps):
    assert pause_steps(max_epochs) == steps


def test_the_first_settings_are_spread_evenly_and_train_one_step():
    search = simulated_search(strategy(), SPACE, bowl, max_trials=8)
    answers = [step.answer for step in search.steps[:8]]

    assert all(isinstance(answer, Suggestion) and (answer.epochs, answer.pause_at) == (27, 1) for answer in answers)
    # In each quarter of the square lie two of eight points of a Sobol sequence.
    quarters = sorted((a.values["x"] >= 0.5, a.values["y"] >= 0.5) for a in answers)
    assert quarters == [(False, False)] * 2 + [(False, True)] * 2 + [(True, False)] * 2 + [(True, True)] * 2


def test_a_trial_that_goes_on_pauses_at_its_next_step():
    search = simulated_search(strategy(), SPACE, bowl, max_trials=20)
    trained = {number: [(0, 1)] for number in range(20)}
    for step in search.steps:
        if isinstance(step.answer, GoOn):
            before = trained[step.answer.number][-1][1]
            trained[step.answer.number].append((before, step.answer.pause_at or 27))

    legs = {leg for number in trained for leg in trained[number]}
    assert legs == {(0, 1), *pairwise(pause_steps(27))}


def epochs_until(search, target):
    """How many epochs a search with one worker had trained when it held a score."""
    for step in search.steps:
        if any(min(trial.best_so_far, default=math.inf) <= target for trial in step.trials):
            return sum(len(trial.best_so_far) for trial in step.trials)
    return math.inf


def test_it_needs_half_of_the_epochs_of_hyperband_to_the_bottom_of_a_bowl():
    hyperband = simulated_search(HyperbandStrategy(RandomStrategy(), 27), SPACE, bowl)
    search = simulated_search(strategy(), SPACE, bowl, max_trials=30)

    assert epochs_until(search, hyperband.best.score) <= hyperband.epochs_spent // 2


def test_the_training_that_is_much_better_than_all_others_goes_on():
    trials = [*eight(), paused(8, [0.1], x=0.05, y=0.1)]

    assert strategy(spread=8, factor=100).suggest(SPACE, trials, RNG(0)) == GoOn(8, pause_at=2)


def test_where_every_curve_is_flat_a_new_setting_begins():
    """Nothing is to be gained from training on, and one corner of the space was never tried."""
    trials = [
        ended(number, [1.0 + x - 0.001 * epoch for epoch in range(27)], x=x, y=y)
        for number, (x, y) in enumerate([(0.6 + i / 20, j / 8) for i in range(6) for j in (0, 2, 5, 8)])
    ]
    trials += [paused(24, [1.9], x=0.9, y=0.1)]

    answer = strategy().suggest(SPACE, trials, RNG(0))

    assert isinstance(answer, Suggestion)
    assert answer.values["x"] < 0.5


def test_a_slow_beginner_is_found_where_it_ends_best():
    """The smaller x is, the worse a training begins and the better it ends."""

    def crossing(values, epoch):
        x, done = values["x"], math.log(epoch) / math.log(27)
        return (1.2 - 0.4 * x) * (1.0 - done) + (0.2 + 0.5 * x) * done + 0.1 * (values["y"] - 0.7) ** 2

    search = simulated_search(strategy(), SPACE, crossing, max_trials=30)

    assert search.best.values["x"] < 0.1
    assert search.best.state is TrialState.COMPLETED


@pytest.mark.drill
def test_at_least_a_third_of_the_trials_pass_each_rung():
    for trials in [step.trials for step in simulated_search(strategy(), SPACE, bowl, max_trials=60).steps[60:]]:
        reached = [len(trial.best_so_far) for trial in trials]
        assert sum(r >= 3 for r in reached) >= len(reached) // 3 - 1
        assert sum(r >= 9 for r in reached) >= sum(r >= 3 for r in reached) // 3 - 1


def test_two_workers_are_given_different_trials():
    trials = eight()
    first = strategy(spread=8).suggest(SPACE, trials, RNG(0))
    assert isinstance(first, GoOn)
    running = dataclasses.replace(
        trials[first.number],
        state=TrialState.RUNNING,
        plan=TrialPlan(epochs=27, pause_at=2, resumed_from=first.number, resumed_at=1),
    )
    second = strategy(spread=8).suggest(SPACE, [running if t.number == first.number else t for t in trials], RNG(0))

    assert isinstance(second, (GoOn, Suggestion))
    assert second != first


@pytest.mark.drill
def test_no_more_states_are_kept_than_asked_for_and_the_others_begin_again():
    """What was dropped stays dropped, or the search would name a training state that isn't on the disk any more."""
    few = strategy(9, keep_paused=8)
    search = simulated_search(few, SPACE, bowl, max_trials=60)
    dropped: set[int] = set()
    for step in search.steps:
        kept = few.resumable(step.trials)
        assert len(kept) <= 8
        assert not kept & dropped
        dropped |= {trial.number for trial in step.trials if trial.is_paused} - kept

    again = {step.answer.number for step in search.steps if isinstance(step.answer, GoOn) and step.answer.begins_again}
    assert dropped
    assert again <= dropped
    assert all(trial.plan.resumed_from is None for trial in search.trials if len(trial.best_so_far) == 1)


def test_a_dropped_trial_that_promises_most_begins_again():
    """Ten others were better after an epoch, and none of them will be after more."""
    first = [ended(number, [1.0 + number / 100] * 27, x=0.8 + number / 50, y=number / 10) for number in range(10)]
    slow = [
        ended(10 + number, [2.0 - 1.9 * math.log(epoch) / math.log(27) for epoch in range(1, 28)], x=0.1, y=number / 8)
        for number in range(8)
    ]
    last = paused(18, [1.8], x=0.1, y=0.55)

    assert strategy(max_trials=19, keep_paused=7).suggest(SPACE, [*first, *slow, last], RNG(0)) == GoOn(
        18, pause_at=2, begins_again=True
    )


def test_with_max_trials_it_ends_once_nothing_is_likely_to_improve():
    search = simulated_search(strategy(max_trials=10), SPACE, bowl)

    assert search.is_done
    assert len(search.trials) == 10
    assert any(trial.is_paused for trial in search.trials)
    assert search.best.state is TrialState.COMPLETED
    assert search.best.score == min(bowl(trial.values, 27) for trial in search.trials)


def test_a_space_of_one_setting_is_trained_to_the_end():
    search = simulated_search(strategy(), Space((Choice(name="only", options=(1,)),)), lambda values, epoch: 1 / epoch)

    assert search.is_done
    assert [(len(t.best_so_far), t.state) for t in search.trials] == [(27, TrialState.COMPLETED)]


def test_a_trial_that_ended_by_itself_is_not_trained_further():
    """EarlyStopping and its like end a training for good."""
    trials = [*eight(), ended(8, [0.1, 0.1], x=0.05, y=0.1)]

    assert strategy(spread=8, factor=100).suggest(SPACE, trials, RNG(0)) != GoOn(8, pause_at=3)
    assert 8 not in strategy().resumable(trials)


def test_failed_trials_keep_it_away_from_their_part_of_the_space():
    def half_fails(values, epoch):
        return math.nan if values["x"] < 0.5 else bowl(values, epoch)

    search = simulated_search(strategy(), SPACE, half_fails, max_trials=40)
    later = [trial for trial in search.trials if trial.number >= 16]

    assert sum(trial.state is TrialState.FAILED for trial in later) <= len(later) // 3


def test_it_is_asked_as_a_pausing_strategy_with_a_plan():
    assert isinstance(strategy(), PausingStrategy)
    assert isinstance(strategy(), PlannedStrategy)
    assert strategy().plan == {"max_epochs": 27}


@pytest.mark.parametrize(
    ("plan", "has_place"),
    [
        ({"epochs": 27, "pause_at": 3}, True),
        ({"epochs": 27}, True),
        ({}, False),
        ({"epochs": 9, "pause_at": 3}, False),
        ({"epochs": 27, "pause_at": 4}, False),
    ],
)
def test_a_trial_of_another_plan_has_no_place(plan, has_place):
    assert strategy().has_place_for(Trial(number=0, plan=TrialPlan(**plan))) is has_place


def test_trials_outside_the_space_are_neither_continued_nor_kept():
    trials = [dataclasses.replace(trial, is_outside=trial.number < 6) for trial in eight()]

    answer = strategy().suggest(SPACE, trials, RNG(0))

    assert isinstance(answer, Suggestion) or answer.number >= 6
    assert strategy().resumable(trials) == {6, 7}


def test_it_waits_while_all_that_is_left_runs():
    space = Space((Choice(name="x", options=(1, 2)),))
    running = [Trial(number=n, values={"x": n + 1}, plan=TrialPlan(epochs=27, pause_at=1)) for n in range(2)]

    assert strategy().suggest(space, running, RNG(0)) is Pause.WAIT


@pytest.mark.parametrize(
    ("settings", "received"),
    [
        ({"max_epochs": 1}, "max_epochs=1"),
        ({"design": 0}, "design=0"),
        ({"factor": 1}, "factor=1"),
        ({"keep_paused": 6}, "at least 7. Received: 6"),
    ],
)
def test_impossible_settings_are_refused(settings, received):
    with pytest.raises(ValueError, match=received):
        strategy(**settings)
