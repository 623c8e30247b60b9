"""Hyperband as a pure function of trials: a search is simulated, no model is trained."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from kerastune_lite.space import Choice, Float, Space
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.hyperband import HyperbandStrategy, brackets
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import GoOn, Pause, PausingStrategy
from kerastune_lite.study.trial import Trial, TrialPlan, TrialState

SPACE = Space((Float(name="x", low=0.0, high=1.0),))
RUNNING, STOPPED, COMPLETED, FAILED = TrialState.RUNNING, TrialState.STOPPED, TrialState.COMPLETED, TrialState.FAILED


def score_of(values, epoch):
    return (values["x"] - 0.3) ** 2 + 1.0 / epoch


class Simulation:
    """A search without Keras: trials train by a formula."""

    def __init__(self, strategy, space=SPACE, score_of=score_of):
        self.strategy, self.space, self.score_of = strategy, space, score_of
        self.trials: dict[int, Trial] = {}
        self.legs: list[tuple[int, int, int]] = []  # number, epochs before, epochs after
        self.most_kept = {}

    @property
    def known(self):
        return tuple(self.trials[number] for number in sorted(self.trials))

    def ask(self):
        return self.strategy.suggest(self.space, self.known, np.random.default_rng([0, len(self.trials)]))

    def begin(self, answer):
        if isinstance(answer, GoOn):
            paused = self.trials[answer.number]
            before = paused.best_so_far
            plan = dataclasses.replace(
                paused.plan, pause_at=answer.pause_at, resumed_from=paused.number, resumed_at=len(before)
            )
            number, values = answer.number, paused.values
        else:
            number, values, before = len(self.trials), answer.values, ()
            plan = TrialPlan(epochs=answer.epochs, pause_at=answer.pause_at)
        self.trials[number] = Trial(number=number, values=values, plan=plan, best_so_far=before)
        return number

    def end(self, number, state=None):
        trial = self.trials[number]
        until = trial.plan.pause_at or trial.plan.epochs
        values = [self.score_of(trial.values, epoch + 1) for epoch in range(until)]
        curve = tuple(np.minimum.accumulate(values).tolist())
        state = state or (COMPLETED if trial.plan.pause_at is None else STOPPED)
        self.legs.append((number, trial.plan.resumed_at, until))
        self.trials[number] = dataclasses.replace(
            trial, state=state, best_so_far=curve, curves=(({},) * until,), score=curve[-1]
        )

    def run(self):
        while not isinstance(answer := self.ask(), Pause):
            self.end(self.begin(answer))
            kept = len(self.strategy.resumable(self.known))
            self.most_kept[len(self.legs)] = kept
        return answer


def strategy(max_epochs=81, **settings):
    return HyperbandStrategy(RandomStrategy(), max_epochs, **settings)


def test_the_brackets_are_those_of_the_papers_table():
    """Li et al. 2018, Table 1: R = 81, factor 3."""
    table = [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]

    assert [[(rung.trials, rung.epochs) for rung in bracket] for bracket in brackets(81, 3)] == table


def test_a_whole_run_trains_what_the_table_says():
    simulation = Simulation(strategy())

    assert simulation.run() is Pause.DONE
    trained = {}
    for _, before, after in simulation.legs:
        trained[before, after] = trained.get((before, after), 0) + 1
    assert trained == {
        (0, 1): 81,
        (1, 3): 27,
        (0, 3): 27,
        (3, 9): 9 + 9,
        (0, 9): 9,
        (9, 27): 3 + 3 + 3,
        (0, 27): 6,
        (27, 81): 1 + 1 + 1 + 2,
        (0, 81): 5,
    }


def test_the_best_of_each_rung_are_promoted():
    simulation = Simulation(strategy(9))
    simulation.run()
    first = simulation.known[:9]
    ranked = sorted(first, key=lambda trial: score_of(trial.values, 1))

    assert {t.number for t in ranked[:3]} == {t.number for t in first if len(t.best_so_far) >= 3}
    assert [t.number for t in first if t.state is COMPLETED] == [ranked[0].number]


def test_iterations_run_all_brackets_again():
    simulation = Simulation(strategy(9, iterations=2))
    simulation.run()

    assert len(simulation.trials) == 2 * (9 + 3 + 3)


def test_no_more_is_kept_than_rungs_can_still_need():
    simulation = Simulation(strategy())
    simulation.run()
    legs, kept = simulation.legs, simulation.most_kept

    # While the first rung fills, the best 27; while those are promoted, they and the best nine of the next rung.
    assert max(kept.values()) == 27
    assert kept[len(legs)] == 0
    at_27 = next(n for n, (_, before, _) in enumerate(legs) if before == 3)
    assert kept[at_27] == 9


def test_trials_that_fail_rank_last_and_are_not_promoted():
    simulation = Simulation(strategy(9))
    for _ in range(9):
        number = simulation.begin(simulation.ask())
        simulation.end(number, FAILED if number < 7 else None)
        if number < 7:
            simulation.trials[number] = dataclasses.replace(simulation.trials[number], best_so_far=(), score=None)
    promoted = []
    while isinstance(answer := simulation.ask(), GoOn):
        promoted.append(answer.number)
        simulation.end(simulation.begin(answer))

    assert sorted(set(promoted)) == [7, 8]


def test_a_trial_that_ended_by_itself_keeps_its_rank_and_is_not_trained_further():
    simulation = Simulation(strategy(9))
    for _ in range(9):
        simulation.end(simulation.begin(simulation.ask()))
    best = min(simulation.known, key=lambda trial: trial.score)
    simulation.trials[best.number] = dataclasses.replace(best, state=COMPLETED)
    simulation.run()

    assert best.number not in [number for number, before, _ in simulation.legs if before > 0]
    # It holds one of the three places of the rung above, where the two others overtake it.
    assert sum(before == 1 for number, before, _ in simulation.legs if number < 9) == 2
    assert sum(before == 3 for number, before, _ in simulation.legs if number < 9) == 1


def test_a_diverged_curve_ranks_last():
    def score_of(values, epoch):
        return math.inf if values["x"] < 0.5 else values["x"]

    simulation = Simulation(strategy(9), score_of=score_of)
    simulation.run()

    assert all(trial.values["x"] >= 0.5 for trial in simulation.known[:9] if len(trial.best_so_far) > 1)


def test_a_rung_waits_for_its_trials_and_the_next_bracket_begins_meanwhile():
    simulation = Simulation(strategy(9))
    simulation.end(simulation.begin(simulation.ask()))
    running = [simulation.begin(simulation.ask()) for _ in range(8)]
    for number in running[1:]:
        simulation.end(number)
    later = [simulation.begin(simulation.ask()) for _ in range(6)]

    assert later == [9, 10, 11, 12, 13, 14]
    assert simulation.ask() is Pause.WAIT
    simulation.end(running[0])
    assert simulation.ask() in [GoOn(number, pause_at=3) for number in range(9)]


@pytest.mark.parametrize("options", [2, 9])
def test_a_space_with_few_settings_still_gets_one_to_the_end(options):
    space = Space((Choice(name="x", options=tuple(range(options))),))
    simulation = Simulation(strategy(9), space)

    assert simulation.run() is Pause.DONE
    assert len(simulation.trials) == options
    assert max(len(trial.best_so_far) for trial in simulation.known) == 9
    assert simulation.known[0].best_so_far  # x = 0 is the nearest to 0.3
    assert min(simulation.known, key=lambda t: t.values["x"]).state is COMPLETED


def test_fewer_trials_than_the_brackets_ask_for_shrink_the_last_one():
    simulation = Simulation(strategy(9, max_trials=6))
    simulation.run()

    assert len(simulation.trials) == 6
    assert sorted(len(trial.best_so_far) for trial in simulation.known) == [1, 1, 1, 1, 3, 9]


@pytest.mark.parametrize(
    "settings", [{}, {"max_epochs": 10, "iterations": 2}, {"factor": 2}, {"max_trials": 6}, {"max_trials": 88}]
)
def test_the_epochs_of_a_whole_run_are_known_before_it(settings):
    planned = strategy(**settings)
    simulation = Simulation(planned)
    simulation.run()

    assert planned.planned_epochs == sum(after - before for _, before, after in simulation.legs)


def test_settings_may_come_from_a_gaussian_process():
    simulation = Simulation(HyperbandStrategy(BayesianStrategy(seed=0), 9))
    simulation.run()

    assert min(abs(trial.values["x"] - 0.3) for trial in simulation.known) < 0.02


def test_it_says_that_its_trials_pause():
    assert isinstance(strategy(), PausingStrategy)
    assert not isinstance(RandomStrategy(), PausingStrategy)


@pytest.mark.parametrize(("settings", "received"), [({"factor": 1}, "factor=1"), ({"max_epochs": 2}, "max_epochs=2")])
def test_impossible_settings_are_refused(settings, received):
    with pytest.raises(ValueError, match=received):
        strategy(**settings)


def narrowed(simulation, low):
    """Marks the trials below `low` as outside, as a study does that is resumed with a narrower space."""
    for number, trial in simulation.trials.items():
        simulation.trials[number] = dataclasses.replace(trial, is_outside=trial.values["x"] < low)


def test_trials_that_leave_the_space_make_room_for_others_and_are_never_continued():
    simulation = Simulation(HyperbandStrategy(RandomStrategy(), max_epochs=9, factor=3))
    for _ in range(6):
        simulation.end(simulation.begin(simulation.ask()))
    narrowed(simulation, 0.5)
    simulation.space = Space((Float(name="x", low=0.5, high=1.0),))
    gone = {number for number, trial in simulation.trials.items() if trial.is_outside}
    assert gone

    while not isinstance(answer := simulation.ask(), Pause):
        assert not (isinstance(answer, GoOn) and answer.number in gone)
        simulation.end(simulation.begin(answer))

    assert answer is Pause.DONE
    assert len(simulation.trials) - len(gone) == 9 + 3 + 3
    assert not simulation.strategy.resumable(simulation.known) & gone


def test_a_trial_that_moves_to_a_later_bracket_is_trained_as_long_as_the_others_there():
    simulation = Simulation(HyperbandStrategy(RandomStrategy(), max_epochs=9, factor=3))
    for _ in range(6):
        simulation.end(simulation.begin(simulation.ask()))
    narrowed(simulation, 0.5)
    while not isinstance(answer := simulation.ask(), Pause):
        simulation.end(simulation.begin(answer))
    narrowed(simulation, 0.0)
    while not isinstance(answer := simulation.ask(), Pause):
        simulation.end(simulation.begin(answer))

    assert answer is Pause.DONE
    ends = [len(trial.best_so_far) for trial in simulation.known]
    assert all(end >= 3 for end in ends[9:12])
    assert all(end == 9 for end in ends[12:15])


@pytest.mark.parametrize("plan", [{}, {"epochs": 27}, {"epochs": 9, "pause_at": 2}])
def test_a_trial_of_another_plan_has_no_place(plan):
    strategy = HyperbandStrategy(RandomStrategy(), max_epochs=9, factor=3)

    assert not strategy.has_place_for(Trial(number=0, plan=TrialPlan(**plan)))
    assert strategy.has_place_for(Trial(number=0, plan=TrialPlan(epochs=9, pause_at=3)))
    assert strategy.plan == {"max_epochs": 9, "factor": 3}
