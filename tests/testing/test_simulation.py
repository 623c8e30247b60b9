"""Simulated searches: what a strategy is asked, and what is refused."""

from __future__ import annotations

import math

import pytest

from kerastune_lite import GoOn, Objective, Pause, Suggestion, TrialState
from kerastune_lite.space import Boolean, Choice, Condition, Float, Space
from kerastune_lite.stopping import SuccessiveHalving
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.population import PopulationStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.testing import made_up_trial, simulated_search

LINE = Space([Float(name="x", low=0.0, high=1.0)])
COMPLETED, STOPPED, FAILED, RUNNING = TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED, TrialState.RUNNING


def bowl(values, epoch):
    return (values["x"] - 0.3) ** 2 + 1.0 / epoch


class Scripted:
    """A strategy that gives prepared answers, one after the other, and then is done."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def suggest(self, space, trials, rng):
        return self.answers.pop(0) if self.answers else Pause.DONE


class ScriptedWithPauses(Scripted):
    """The same for trials that pause; `forgotten` aren't resumable."""

    ending = "all answers are given"

    def __init__(self, *answers, forgotten=()):
        super().__init__(*answers)
        self.forgotten = set(forgotten)

    def resumable(self, trials):
        return {trial.number for trial in trials if trial.is_paused} - self.forgotten


def test_trials_are_trained_by_the_formula():
    search = simulated_search(Scripted(Suggestion({"x": 0.5}), Suggestion({"x": 0.3})), LINE, bowl, epochs=4)

    assert [trial.values for trial in search.trials] == [{"x": 0.5}, {"x": 0.3}]
    assert [logs["score"] for logs in search.trials[1].curve] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert [trial.state for trial in search.trials] == [COMPLETED, COMPLETED]
    assert search.best.number == 1
    assert search.best.score == 1 / 4
    assert search.epochs_spent == 8
    assert search.is_done


def test_the_same_arguments_play_the_same_search():
    one, other = (simulated_search(RandomStrategy(), LINE, bowl, workers=3, seed=5) for _ in range(2))

    assert one == other
    assert one.trials != simulated_search(RandomStrategy(), LINE, bowl, workers=3, seed=6).trials


def test_a_search_ends_with_its_last_trial():
    search = simulated_search(RandomStrategy(), LINE, bowl, max_trials=7, workers=3)

    assert len(search.trials) == 7
    assert {trial.state for trial in search.trials} == {COMPLETED}
    assert not search.is_done


def test_several_workers_train_in_turn_and_the_strategy_sees_the_running_trials():
    search = simulated_search(RandomStrategy(), LINE, bowl, epochs=2, max_trials=4, workers=2)
    seen = [[trial.state for trial in step.trials] for step in search.steps]

    assert seen[:3] == [[], [RUNNING], [COMPLETED, COMPLETED]]


def test_a_paused_trial_is_continued_with_its_curve_and_another_may_take_it_over():
    answers = [
        Suggestion({"x": 0.5}, epochs=6, pause_at=2),
        GoOn(0, pause_at=4),
        Suggestion({"x": 0.3}, epochs=6, resume_from=0),
        GoOn(0),
    ]
    search = simulated_search(ScriptedWithPauses(*answers), LINE, bowl)
    continued, heir = search.trials

    assert [step.trials[0].state for step in search.steps[1:3]] == [STOPPED, STOPPED]
    assert search.steps[2].trials[0].epochs_spent == 4
    assert continued.state is COMPLETED
    assert len(continued.curve) == 6
    assert heir.parent == 0
    assert [logs["score"] for logs in heir.curve] == [
        bowl({"x": x}, n + 1) for n, x in enumerate([0.5] * 4 + [0.3] * 2)
    ]
    assert heir.epochs_spent == 2
    assert heir.score == bowl({"x": 0.3}, 6)


def test_a_score_that_is_not_finite_fails_its_trial_in_that_epoch():
    search = simulated_search(
        RandomStrategy(),
        LINE,
        lambda values, epoch: math.nan if epoch == 3 and values["x"] < 0.5 else bowl(values, epoch),
        epochs=4,
        max_trials=10,
    )

    assert {(trial.state, len(trial.curve)) for trial in search.trials if trial.values["x"] < 0.5} == {(FAILED, 2)}
    assert {(trial.state, len(trial.curve)) for trial in search.trials if trial.values["x"] >= 0.5} == {(COMPLETED, 4)}
    assert all((trial.score is None) == (trial.state is FAILED) for trial in search.trials)


def test_a_rule_may_stop_trials():
    search = simulated_search(
        RandomStrategy(), LINE, bowl, epochs=9, max_trials=20, stopping=SuccessiveHalving(min_epochs=1)
    )

    assert {(trial.state, len(trial.curve)) for trial in search.trials} == {(STOPPED, 1), (STOPPED, 3), (COMPLETED, 9)}


def test_a_conditional_space_is_known_or_learnt():
    space = Space([Boolean(name="flag"), Choice(name="n", options=(1, 2), conditions=(Condition("flag", (True,)),))])

    def build(hp):
        if hp.boolean("flag"):
            hp.choice("n", [1, 2])

    settings = [{"flag": False}, {"flag": True, "n": 1}, {"flag": True, "n": 2}]
    known, learnt = (simulated_search(GridStrategy(), given, lambda values, epoch: 1.0) for given in (space, build))

    assert [trial.values for trial in known.trials] == settings
    assert [trial.values for trial in learnt.trials] == settings
    assert len(learnt.steps[0].space) == 0
    assert [parameter.name for parameter in learnt.space] == ["flag", "n"]


def test_hyperband_and_a_population_are_played_to_their_ends():
    hyperband = simulated_search(HyperbandStrategy(RandomStrategy(), 9), LINE, bowl, workers=4)
    population = simulated_search(PopulationStrategy(RandomStrategy(), 4, 2, 8, lambda values: 0), LINE, bowl)

    assert (hyperband.is_done, population.is_done) == (True, True)
    assert hyperband.epochs_spent == HyperbandStrategy(RandomStrategy(), 9).planned_epochs
    assert population.epochs_spent == 4 * 8
    assert max(len(trial.curve) for trial in population.trials) == 8


@pytest.mark.parametrize(
    ("strategy", "error", "message"),
    [
        (Scripted(Pause.WAIT), ValueError, "Pause.WAIT although no trial runs"),
        (Scripted({"x": 0.5}), TypeError, "has to return a Suggestion, GoOn, or Pause. Received: {'x': 0.5}"),
        (Scripted(Suggestion({"x": 1.5})), ValueError, "suggests 1.5 for"),
        (Scripted(Suggestion(epochs=4, pause_at=2)), TypeError, "isn't a PausingStrategy"),
        (Scripted(GoOn(3)), ValueError, "continues trial 3, which isn't paused: there is none of that number"),
        (Scripted(Suggestion(), GoOn(0)), ValueError, "continues trial 0, which isn't paused: it is completed"),
        (ScriptedWithPauses(Suggestion(epochs=4, pause_at=4)), ValueError, "0 of 4 epochs.*pause_at=4"),
        (
            ScriptedWithPauses(Suggestion(epochs=4, pause_at=2), GoOn(0, pause_at=2)),
            ValueError,
            "2 of 4 epochs.*pause_at=2",
        ),
        (
            ScriptedWithPauses(Suggestion(epochs=4, pause_at=2), GoOn(0), forgotten=[0]),
            ValueError,
            "trial 0, whose training state was deleted: resumable",
        ),
    ],
    ids=lambda value: None if isinstance(value, (type, str)) else type(value).__name__,
)
def test_what_no_search_can_do_is_refused(strategy, error, message):
    with pytest.raises(error, match=message):
        simulated_search(strategy, LINE, bowl)


def test_a_trial_whose_training_state_was_deleted_may_begin_again():
    strategy = ScriptedWithPauses(Suggestion(epochs=4, pause_at=2), GoOn(0, begins_again=True), forgotten=[0])

    search = simulated_search(strategy, LINE, bowl)

    assert [(len(trial.curve), trial.state) for trial in search.trials] == [(4, COMPLETED)]
    assert search.trials[0].plan.resumed_from is None


def test_a_made_up_trial_is_one_of_a_study_with_the_objective():
    accuracy = Objective("val_accuracy", "max")
    trial = made_up_trial(3, [0.5, math.nan, 0.7, 0.6], accuracy, state=COMPLETED, epochs=9)

    assert trial.best_so_far == (0.5, 0.5, 0.7, 0.7)
    assert (trial.score, trial.best_epoch, trial.epochs) == (0.7, 2, 9)
    assert trial.curve[3] == {"val_accuracy": 0.6}
    assert made_up_trial(0, [0.5], accuracy).score is None
    assert made_up_trial(0, [math.nan], accuracy, state=COMPLETED).score is None
