"""A whole search in milliseconds: a strategy is asked as by a search, and a function makes up the learning curves."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kerastune_lite.space import HyperParameters, Parameter, Space, Value
from kerastune_lite.space.seeds import random_value, suggestion_rng
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.strategies.strategy import Answer, GoOn, Pause, PausingStrategy, Strategy, Suggestion
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Fill, Trial, TrialPlan, TrialState, best_first

OBJECTIVE = Objective("score", "min")
"""The objective of simulated searches."""

LearningCurve = Callable[[Mapping[str, Value], int], float]
"""The made-up score of a setting after an epoch, counted from 1; less is better."""

Build = Callable[[HyperParameters], object]
"""Asks for parameters, as a build_fn does; what it returns isn't used."""


@dataclass(frozen=True)
class Step:
    """One question to a strategy, and its answer.

    Attributes:
        space: The parameters that were known.
        trials: The trials until then.
        number: The number that the next new trial has; the strategy's generator is made from it.
        answer: What the strategy answered.
    """

    space: Space
    trials: tuple[Trial, ...]
    number: int
    answer: Answer


@dataclass(frozen=True)
class SimulatedSearch:
    """What came of a simulated search.

    Attributes:
        space: The parameters that are known at its end.
        trials: Every trial, in the order of their numbers.
        steps: Every question to the strategy, in order.
        is_done: Whether the strategy said that it is done; False where `max_trials` ended the search.
    """

    space: Space
    trials: tuple[Trial, ...]
    steps: tuple[Step, ...]
    is_done: bool

    @property
    def best(self) -> Trial:
        """The trial with the lowest score; an IndexError where no trial has one."""
        return best_first(self.trials, "min")[0]

    @property
    def epochs_spent(self) -> int:
        """How many epochs were trained in all."""
        return sum(trial.epochs_spent for trial in self.trials)


def simulated_search(
    strategy: Strategy,
    space: Space | Build,
    score: LearningCurve,
    *,
    epochs: int = 1,
    max_trials: int = 100,
    workers: int = 1,
    seed: int = 0,
    stopping: StoppingRule | None = None,
) -> SimulatedSearch:
    """Plays a whole search: the strategy's trials are trained by a formula, paused and continued as it says.

    Nothing is random that doesn't follow from the seed, so two simulations with the same arguments are equal.

    Args:
        strategy: What is searched with.
        space: The parameters, all known from the beginning; or a function of `hp` that asks for them, from which they
            are learnt trial by trial.
        score: The score of a setting after an epoch. One that isn't finite fails the trial in that epoch.
        epochs: How many epochs a training has where the strategy doesn't decide it.
        max_trials: How many trials may begin at most.
        workers: How many trials run at a time; each trains an epoch in turn.
        seed: The seed of the search.
        stopping: A rule that may stop trials early.

    Raises:
        ValueError: The strategy answered what no search can do: to continue a trial that isn't paused, or whose
            training state was deleted because `resumable` left it out; or to wait although no trial runs.
        TypeError: The strategy answered something that isn't an answer, or pauses trials without being a
            PausingStrategy.
    """
    simulation = _Simulation(strategy, space, score, epochs, max_trials, workers, seed, stopping)
    return simulation.played()


def made_up_trial(
    number: int,
    scores: Sequence[float],
    objective: Objective = OBJECTIVE,
    *,
    values: Mapping[str, Value] | None = None,
    state: TrialState = TrialState.RUNNING,
    epochs: int | None = None,
) -> Trial:
    """A trial with a learning curve, as a study with this objective has it.

    Args:
        number: The trial's number.
        scores: The objective after each epoch.
        objective: What is optimised.
        values: The setting.
        state: How far the trial got. A completed or stopped one has the best score of its curve.
        epochs: How many epochs the whole training has.
    """
    curve = tuple({objective.name: float(score)} for score in scores)
    best_epoch = objective.best_epoch([float(score) for score in scores])
    is_scored = state in (TrialState.COMPLETED, TrialState.STOPPED) and best_epoch is not None
    score = float(scores[best_epoch]) if is_scored and best_epoch is not None else None
    return Trial(
        number=number,
        values=dict(values or {}),
        state=state,
        score=score,
        scores=() if score is None else (score,),
        best_epoch=best_epoch if is_scored else None,
        curves=(curve,) if curve else (),
        best_so_far=tuple(objective.sign * best for best in objective.best_so_far(curve)),
        epochs=epochs,
    )


class _Simulation:
    """The state of a search that is simulated: its trials, which of them run, and whose training state is kept."""

    def __init__(
        self,
        strategy: Strategy,
        space: Space | Build,
        score: LearningCurve,
        epochs: int,
        max_trials: int,
        workers: int,
        seed: int,
        stopping: StoppingRule | None,
    ) -> None:
        self._strategy = strategy
        self._space = space if isinstance(space, Space) else Space()
        self._build = None if isinstance(space, Space) else space
        self._score = score
        self._epochs = epochs
        self._max_trials = max_trials
        self._workers = workers
        self._seed = seed
        self._stopping = stopping
        self._trials: dict[int, Trial] = {}
        self._running: list[int] = []
        self._kept: set[int] = set()
        self._steps: list[Step] = []

    def played(self) -> SimulatedSearch:
        """The search from its first question to its end."""
        ending: Pause | None = None
        is_limited = False
        while True:
            while ending is None and not is_limited and len(self._running) < self._workers:
                answer = self._asked()
                if answer is Pause.WAIT:
                    break
                if isinstance(answer, Pause):
                    ending = answer
                elif isinstance(answer, Suggestion) and self._number >= self._max_trials:
                    # A running trial may pause, and be one that the strategy wants to continue.
                    is_limited = not (isinstance(self._strategy, PausingStrategy) and self._running)
                    break
                else:
                    self._begin(answer)
            if not self._running:
                return SimulatedSearch(self._space, self._known, tuple(self._steps), ending is Pause.DONE)
            self._train_until_one_ends()

    @property
    def _known(self) -> tuple[Trial, ...]:
        return tuple(self._trials[number] for number in sorted(self._trials))

    @property
    def _number(self) -> int:
        return max(self._trials, default=-1) + 1

    def _asked(self) -> Answer:
        number, known = self._number, self._known
        answer = self._strategy.suggest(self._space, known, suggestion_rng(self._seed, number))
        self._steps.append(Step(self._space, known, number, answer))
        if not isinstance(answer, (Suggestion, GoOn, Pause)):
            raise TypeError(f"suggest() has to return a Suggestion, GoOn, or Pause. Received: {answer!r}.")
        if answer is Pause.WAIT and not self._running:
            raise ValueError("The strategy answers Pause.WAIT although no trial runs: a search would wait for ever.")
        return answer

    def _begin(self, answer: Suggestion | GoOn) -> None:
        if isinstance(answer, GoOn):
            paused = self._paused(answer.number, must_be_kept=not answer.begins_again)
            number, values, total, memory = paused.number, paused.values, paused.plan.epochs, paused.memory
            plan = dataclasses.replace(
                paused.plan, pause_at=answer.pause_at, resumed_from=number, resumed_at=len(paused.curve)
            )
            if answer.begins_again:
                plan = dataclasses.replace(plan, resumed_from=None, resumed_at=0)
        else:
            number, total, memory = self._number, answer.epochs, answer.memory
            values = self._asked_for(answer.values, answer.fill, number)
            plan = TrialPlan(
                epochs=answer.epochs,
                pause_at=answer.pause_at,
                resumed_from=answer.resume_from,
                resumed_at=0 if answer.resume_from is None else len(self._paused(answer.resume_from).curve),
                continues_as_new_trial=answer.continues_as_new_trial,
                fill=answer.fill,
            )
        total = total or self._epochs
        self._check(plan, total)
        source = None if plan.resumed_from is None else self._trials[plan.resumed_from]
        scores = () if source is None else tuple(logs[OBJECTIVE.name] for logs in source.curve)
        begun = made_up_trial(number, scores, values=values, epochs=total)
        if isinstance(answer, GoOn) and source is not None:  # a trial that begins again has no score meanwhile
            begun = dataclasses.replace(begun, score=source.score, scores=source.scores, best_epoch=source.best_epoch)
        self._trials[number] = dataclasses.replace(begun, plan=plan, memory=memory)
        self._running.append(number)

    def _asked_for(self, given: Mapping[str, Value], fill: Fill, number: int) -> dict[str, Value]:
        """The values of the parameters that a build asks for: those given, and others filled in."""

        def filled(parameter: Parameter) -> Value:
            return parameter.grid(2)[0] if fill == "first" else random_value(parameter, self._seed, number)

        if self._build is not None:
            hp = HyperParameters(given, self._space, filled)
            self._build(hp)
            self._space = hp.space
            return hp.values
        values: dict[str, Value] = {}
        for parameter in self._space:
            if all(condition.holds(values) for condition in parameter.conditions):
                value = given[parameter.name] if parameter.name in given else filled(parameter)
                if not parameter.contains(value):
                    raise ValueError(f"The strategy suggests {value!r} for {parameter}, which doesn't take it.")
                values[parameter.name] = value
        return values

    def _paused(self, number: int, *, must_be_kept: bool = True) -> Trial:
        trial = self._trials.get(number)
        if trial is None or not trial.is_paused:
            state = "there is none of that number" if trial is None else f"it is {trial.state.value}"
            raise ValueError(f"The strategy continues trial {number}, which isn't paused: {state}.")
        if must_be_kept and number not in self._kept:
            raise ValueError(
                f"The strategy continues trial {number}, whose training state was deleted: resumable() left it out "
                "after a trial had ended. It has to name every trial that a later answer may continue; another one can "
                "only be trained again, with begins_again=True."
            )
        return trial

    def _check(self, plan: TrialPlan, total: int) -> None:
        if plan.pause_at is None:
            return
        if not isinstance(self._strategy, PausingStrategy):
            raise TypeError(
                f"The strategy pauses a trial after {plan.pause_at} epochs, and isn't a PausingStrategy: it lacks "
                "`ending` or `resumable`, so no trial could be continued."
            )
        if not plan.resumed_at < plan.pause_at < total:
            raise ValueError(
                f"A trial that has {plan.resumed_at} of {total} epochs has to pause between them. "
                f"Received: pause_at={plan.pause_at}."
            )

    def _train_until_one_ends(self) -> None:
        running = len(self._running)
        while len(self._running) == running:
            for number in tuple(self._running):
                self._train_an_epoch(number)
        resumable = self._strategy.resumable(self._known) if isinstance(self._strategy, PausingStrategy) else ()
        sources = {self._trials[number].plan.resumed_from for number in self._running}
        self._kept &= {*resumable, *(number for number in sources if number is not None)}

    def _train_an_epoch(self, number: int) -> None:
        trial = self._trials[number]
        scores = [logs[OBJECTIVE.name] for logs in trial.curve]
        score = float(self._score(trial.values, len(scores) + 1))
        if not math.isfinite(score):
            self._end(dataclasses.replace(trial, score=None, scores=(), best_epoch=None), TrialState.FAILED)
            return
        longer = made_up_trial(number, [*scores, score])
        trial = dataclasses.replace(trial, curves=longer.curves, best_so_far=longer.best_so_far)
        self._trials[number] = trial
        epochs, total = len(trial.curve), trial.epochs or self._epochs
        if epochs == total:
            self._end(trial, TrialState.COMPLETED)
        elif epochs == trial.plan.pause_at or self._is_stopped(trial):
            self._end(trial, TrialState.STOPPED)

    def _is_stopped(self, trial: Trial) -> bool:
        rule = self._stopping
        return rule is not None and rule.should_stop(trial, self._known, OBJECTIVE) is not None

    def _end(self, trial: Trial, state: TrialState) -> None:
        own = [logs[OBJECTIVE.name] for logs in trial.curve[trial.first_epoch :]]
        if state is not TrialState.FAILED:
            best = min(own)
            trial = dataclasses.replace(
                trial, score=best, scores=(best,), best_epoch=trial.first_epoch + own.index(best)
            )
        trial = dataclasses.replace(trial, state=state)
        self._trials[trial.number] = trial
        self._running.remove(trial.number)
        if trial.is_paused:
            self._kept.add(trial.number)
