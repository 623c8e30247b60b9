"""The contract of a strategy."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kerastune_lite.space import Boolean, Choice, Condition, Float, HyperParameters, Int, Space, Value
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.strategy import GoOn, Pause, PausingStrategy, Strategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.testing.simulation import SimulatedSearch, Step, made_up_trial, simulated_search

SPACE = Space(
    [
        Float(name="rate", low=1e-4, high=1.0, log=True),
        Int(name="units", low=4, high=64),
        Choice(name="optimizer", options=("adam", "sgd", "rmsprop")),
        Float(name="momentum", low=0.0, high=0.9, conditions=(Condition("optimizer", ("sgd",)),)),
    ]
)
"""A space with continuous, discrete and conditional parameters."""

SMALL_SPACE = Space([Choice(name="kernel", options=(3, 5, 7)), Boolean(name="pool")])
"""A space of six settings."""

MANY = 10_000
"""More trials than any search of the small space has."""


def learning_curve(values: Mapping[str, Value], epoch: int) -> float:
    """A score that falls with the epochs, and depends on every parameter of the two spaces."""
    score = 1.0 / epoch
    for name, value in values.items():
        place = SMALL_SPACE.get(name) or SPACE[name]
        score += (place.encode(value) - 0.3) ** 2
    return score


def failing_curve(values: Mapping[str, Value], epoch: int) -> float:
    """The score of `learning_curve`, but about a third of all settings fail in their first or second epoch."""
    score = learning_curve(values, epoch)
    return math.nan if int(1000.0 * (score - 1.0 / epoch)) % 3 == 0 and epoch <= 2 else score


class StrategyContract:
    """What every strategy has to satisfy. Derive from it, and return yours from `strategy`.

    Attributes:
        EPOCHS: How many epochs a training has where the strategy doesn't decide it.
        TRIALS: How many trials the searches of a large space have.
        ENDS: Whether a search of a discrete space ends with Pause.DONE. A strategy that repeats settings for ever sets
            it to False; `max_trials` has to end its searches.
        REPEATS: Whether a setting of a discrete space may be tried again before all were tried.
    """

    EPOCHS = 9
    TRIALS = 20
    ENDS = True
    REPEATS = False

    def strategy(self) -> Strategy:
        """The strategy to test; a new and equal one at each call."""
        raise NotImplementedError("Define strategy(self), which returns the strategy to test.")

    def searched(self, space: Space = SPACE, *, workers: int = 1, fails: bool = False) -> SimulatedSearch:
        """A simulated search with the strategy."""
        return simulated_search(
            self.strategy(),
            space,
            failing_curve if fails else learning_curve,
            epochs=self.EPOCHS,
            max_trials=MANY if self.ENDS and space is SMALL_SPACE else self.TRIALS,
            workers=workers,
        )

    def test_it_follows_the_protocol(self) -> None:
        """It has `suggest`, and where it has one of a pausing strategy's other names, it has both."""
        strategy = self.strategy()
        names = [name for name in ("ending", "resumable") if hasattr(strategy, name)]

        assert isinstance(strategy, Strategy), f"{strategy!r} has no suggest(space, trials, rng)"
        assert len(names) != 1, f"{strategy!r} has {names[0]} alone; a pausing strategy has `ending` and `resumable`"
        if isinstance(strategy, PausingStrategy):
            assert isinstance(strategy.ending, str), f"`ending` has to be a text, not {strategy.ending!r}"
            assert strategy.ending, "`ending` has to say why the search is over; it is empty"

    def test_the_same_question_gets_the_same_answer(self) -> None:
        """Nothing is remembered between two questions, and no other generator than the given one is drawn from."""
        asked, fresh = self.strategy(), self.strategy()
        for step in self._steps():
            answers = [answer_to(step, strategy) for strategy in (asked, fresh, asked)]

            assert answers == [step.answer] * 3, (
                f"asked for trial {step.number} again, with the same trials and an equal generator, it answers "
                f"{next(answer for answer in answers if answer != step.answer)!r} instead of {step.answer!r}"
            )

    def test_a_search_that_is_resumed_begins_with_the_questions_that_are_left(self) -> None:
        """Questions are answered without those that came before them, in any order."""
        strategy = self.strategy()
        for step in reversed(self._steps()):
            answer = answer_to(step, strategy)

            assert answer == step.answer, f"for trial {step.number}: {answer!r} instead of {step.answer!r}"

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        """Trials and space are the search's own."""
        strategy = self.strategy()
        for step in self._steps():
            trials, space = list(step.trials), Space(step.space)
            before = copy.deepcopy(trials)
            strategy.suggest(space, trials, suggestion_rng(0, step.number))
            if isinstance(strategy, PausingStrategy):
                strategy.resumable(trials)

            assert trials == before, f"asked for trial {step.number}, it changed the list of trials"
            assert space == step.space, f"asked for trial {step.number}, it changed the space"

    def test_it_suggests_a_trial_before_anything_is_known(self) -> None:
        """The first build is asked for without a space."""
        answer = self.strategy().suggest(Space(), (), suggestion_rng(0, 0))

        assert isinstance(answer, Suggestion), f"for an empty space and no trials it answers {answer!r}"

    def test_suggested_values_lie_in_the_space(self) -> None:
        """A setting holds known parameters, with values inside their ranges, whose conditions hold."""
        for step in self._steps():
            if isinstance(step.answer, Suggestion):
                assert_inside(step.answer.values, step.space)

    def test_it_learns_the_space_while_it_searches(self) -> None:
        """At first the space is empty; a parameter may be asked for late."""

        def build(hp: HyperParameters) -> None:
            if hp.choice("optimizer", ["adam", "sgd", "rmsprop"]) == "sgd":
                hp.float("momentum", 0.0, 0.9)

        search = simulated_search(
            self.strategy(), build, learning_curve, epochs=self.EPOCHS, max_trials=self.TRIALS, workers=2
        )

        assert len(search.trials) > 1

    def test_it_answers_whatever_became_of_the_trials(self) -> None:
        """Trials that failed, run, were interrupted, or have no finite score are a part of every search."""
        for name, trials in odd_histories().items():
            answer = self.strategy().suggest(SPACE, trials, suggestion_rng(0, len(trials)))

            assert isinstance(answer, (Suggestion, GoOn, Pause)), f"{name}: it answers {answer!r}"
            if isinstance(answer, Suggestion):
                assert_inside(answer.values, SPACE)

    def test_it_searches_on_when_trials_fail(self) -> None:
        """A search in which a third of the trials fail is played to its end."""
        for workers in (1, 3):
            search = self.searched(workers=workers, fails=True)

            assert search.is_done or len(search.trials) == self.TRIALS

    def test_a_search_of_a_small_space_ends(self) -> None:
        """With one worker or several: it waits while trials run that it needs, and is done when nothing is left."""
        for workers in (1, 3) if self.ENDS else ():
            for fails in (False, True):
                search = self.searched(SMALL_SPACE, workers=workers, fails=fails)

                assert search.is_done, f"with {workers} workers, {MANY} trials of six settings were begun"
                assert search.steps[-1].answer is Pause.DONE

    def test_no_setting_is_tried_twice_while_another_one_is_left(self) -> None:
        """A discrete space is searched without repeats."""
        for workers in (1, 3) if not self.REPEATS else ():
            tried = [tuple(sorted(t.values.items())) for t in self.searched(SMALL_SPACE, workers=workers).trials]
            twice = [dict(setting) for setting in set(tried) if tried.count(setting) > 1]

            assert not twice, f"with {workers} workers, {twice} were tried more than once"

    def test_it_continues_only_trials_whose_training_state_is_kept(self) -> None:
        """A continued trial is paused, and `resumable` named it after the end of each trial before."""
        for space in (SPACE, SMALL_SPACE):
            for workers in (1, 3):
                for fails in (False, True):
                    self.searched(space, workers=workers, fails=fails)  # raises where it isn't so

    def test_no_trial_outside_the_space_is_continued(self) -> None:
        """Where a study was resumed with another space, trials outside of it can't be trained further."""
        strategy = self.strategy()
        for step in self._steps()[::5] if isinstance(strategy, PausingStrategy) else ():
            trials = [dataclasses.replace(t, is_outside=t.number % 2 == 0) for t in step.trials]
            answer = strategy.suggest(step.space, trials, suggestion_rng(0, len(trials)))
            is_continued = isinstance(answer, GoOn) and any(t.is_outside and t.number == answer.number for t in trials)

            assert not is_continued, f"{answer!r} continues a trial whose is_outside is true"

    def test_what_is_resumable_is_paused(self) -> None:
        """`resumable` names no trial that isn't paused."""
        strategy = self.strategy()
        if isinstance(strategy, PausingStrategy):
            for step in self._steps():
                paused = {trial.number for trial in step.trials if trial.is_paused}
                named = set(strategy.resumable(step.trials))

                assert named <= paused, f"resumable() names {sorted(named - paused)}, which aren't paused"

    def _steps(self) -> Sequence[Step]:
        return [*self.searched().steps, *self.searched(SMALL_SPACE, workers=3, fails=True).steps]


def answer_to(step: Step, strategy: Strategy) -> object:
    """What a strategy answers to the question of a step."""
    return strategy.suggest(step.space, step.trials, suggestion_rng(0, step.number))


def assert_inside(values: Mapping[str, Value], space: Space) -> None:
    """Fails where a setting holds a name that the space doesn't have, or a value outside of its range."""
    for name, value in values.items():
        parameter = space.get(name)

        assert parameter is not None, f"{name!r} was suggested, which the space doesn't have"
        assert parameter.contains(value), f"{value!r} was suggested for {parameter}"
        assert not isinstance(value, np.generic), (
            f"{name!r} was suggested as a {type(value).__name__}, not a plain value"
        )


def odd_histories() -> Mapping[str, Sequence[Trial]]:
    """Trials as searches have them when something went wrong, by what it was."""
    settings = [SPACE.decode(point) for point in np.random.default_rng(0).random((12, len(SPACE)))]

    def trials(state: TrialState, *curves: Sequence[float], asked: bool = True) -> Iterator[Trial]:
        for number, values in enumerate(settings):
            curve = curves[number % len(curves)] if curves else ()
            yield made_up_trial(number, curve, values=values if asked else {}, state=state, epochs=9)

    failed = tuple(trials(TrialState.FAILED, (1.0,)))
    completed = tuple(trials(TrialState.COMPLETED, (2.0, 1.0), (1.5, 0.5)))
    return {
        "all trials failed": tuple(trials(TrialState.FAILED)),
        "all trials failed before they asked for anything": tuple(trials(TrialState.FAILED, asked=False)),
        "all trials failed after an epoch": failed,
        "all trials run": tuple(trials(TrialState.RUNNING)),
        "all trials run and have a score": tuple(trials(TrialState.RUNNING, (1.0, 0.5), (2.0,))),
        "all trials were interrupted": tuple(trials(TrialState.INTERRUPTED)),
        "all scores are equal": tuple(trials(TrialState.COMPLETED, (1.0, 1.0))),
        "some scores are infinite": tuple(trials(TrialState.STOPPED, (math.inf,), (1.0,), (-math.inf,))),
        "no trial has a score": tuple(trials(TrialState.STOPPED, (math.nan, math.nan))),
        "some have failed, some run": (*completed[:4], *failed[4:8], *tuple(trials(TrialState.RUNNING))[8:]),
        "one trial is missing": (*completed[:3], *completed[4:]),
    }
