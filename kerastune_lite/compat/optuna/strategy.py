"""Any sampler of Optuna's as a strategy, which is made anew for each question from the trials alone."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from kerastune_lite.compat.optuna.distributions import Translated
from kerastune_lite.compat.optuna.quiet import quiet
from kerastune_lite.space import Space, Value
from kerastune_lite.strategies.strategy import Answer, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

SamplerSource: TypeAlias = BaseSampler | type[BaseSampler] | Callable[[int], BaseSampler]
"""A sampler, a class of samplers, or a function of a seed that makes one."""

_OF_THE_LIBRARY = {"GridSampler": "GridSearch", "BruteForceSampler": "GridSearch", "PartialFixedSampler": "fixed="}
"""Samplers that need what isn't known before a search begins, and what does the same here."""

_STATES = {
    TrialState.COMPLETED: optuna.trial.TrialState.COMPLETE,
    # A sampler may treat a pruned trial apart, and a stopped one counts with its score here.
    TrialState.STOPPED: optuna.trial.TrialState.COMPLETE,
    TrialState.RUNNING: optuna.trial.TrialState.RUNNING,
}


@dataclass(frozen=True)
class OptunaStrategy:
    """Tries what a sampler of Optuna's suggests: `Tuner(build_fn, objective, strategy=OptunaStrategy(TPESampler))`.

    For each trial the sampler is made anew, seeded for that trial, and told of all trials until then, so that a search
    that was killed goes on as it would have done. What a sampler notes of a trial (CMA-ES its optimiser, NSGA-II its
    generation) is kept in the journal with it. A sampler may suggest a setting that was tried already, and never says
    that a space is used up.

    Attributes:
        sampler: A class of samplers that takes `seed=`, such as `optuna.samplers.TPESampler`; a sampler, such as
            `TPESampler(n_startup_trials=5)`, of which copies are seeded anew; or a function of a seed that makes one.

    Raises:
        TypeError: It is none of these, or a sampler that a tuner of this library takes the place of.
    """

    sampler: SamplerSource

    def __post_init__(self) -> None:
        kind = self.sampler if isinstance(self.sampler, type) else type(self.sampler)
        if kind.__name__ in _OF_THE_LIBRARY:
            raise TypeError(
                f"{kind.__name__} has to know the space before the first trial, and here build_fn tells it. Use "
                f"{_OF_THE_LIBRARY[kind.__name__]} of this library."
            )
        if not isinstance(self.sampler, BaseSampler) and not callable(self.sampler):
            raise TypeError(
                "OptunaStrategy takes a sampler of Optuna's, a class of them, or a function of a seed that makes one. "
                f"Received: {self.sampler!r}."
            )

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """What the sampler suggests for each parameter that is active."""
        if not len(space):
            return Suggestion()
        translated = _translations(space, trials)
        remembered = [trial.memory for trial in trials if trial.memory]
        # Some samplers go through a sequence that their seed decides, which so is the same in all questions.
        seed = remembered[0]["seed"] if remembered else int(rng.integers(2**31))
        with quiet():
            storage = InMemoryStorage()
            study = optuna.create_study(storage=storage, sampler=_reseeded(self._made(seed), rng))
            number = storage.get_study_id_from_name(study.study_name)
            for name, value in (remembered[-1]["study"] if remembered else {}).items():
                storage.set_study_system_attr(number, name, value)
            study.add_trials([_told(trial, translated) for trial in trials])
            values = _asked(study.ask(), space, translated)
            noted = {"trial": study.trials[-1].system_attrs, "study": storage.get_study_system_attrs(number)}
        return Suggestion(values, memory={"seed": seed, **noted})

    def _made(self, seed: int) -> BaseSampler:
        if isinstance(self.sampler, BaseSampler):
            return copy.deepcopy(self.sampler)
        takes_seed = "seed" in inspect.signature(self.sampler).parameters
        make: Callable[..., BaseSampler] = self.sampler
        return make(seed=seed) if takes_seed else make(seed)


def _reseeded(sampler: BaseSampler, rng: np.random.Generator) -> BaseSampler:
    """A sampler whose random states, and those of the samplers that it is made of, are seeded."""
    sampler.reseed_rng()  # makes the states that a sampler makes when it first needs them
    seen: set[int] = set()
    left: list[Any] = [sampler]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, np.random.RandomState):
            part.seed(int(rng.integers(2**31)))
        elif type(part).__module__.partition(".")[0] == "optuna":
            left += vars(part).values() if hasattr(part, "__dict__") else ()
    return sampler


def _translations(space: Space, trials: Sequence[Trial]) -> dict[str, Translated]:
    values = {p.name: [trial.values[p.name] for trial in trials if p.name in trial.values] for p in space}
    return {p.name: Translated.of(p, [v for v in values[p.name] if p.contains(v)]) for p in space if p.size > 1}


def _told(trial: Trial, translated: Mapping[str, Translated]) -> FrozenTrial:
    """A trial as samplers are told of it. One that is to be run again is failed until then, and keeps its number."""
    known = {name: translated[name] for name in trial.values if name in translated}
    known = {name: t for name, t in known.items() if t.parameter.contains(trial.values[name])}
    is_scored = trial.score is not None and trial.state in (TrialState.COMPLETED, TrialState.STOPPED)
    state = _STATES.get(trial.state, optuna.trial.TrialState.FAIL)
    return optuna.trial.create_trial(
        state=state if is_scored or trial.state is TrialState.RUNNING else optuna.trial.TrialState.FAIL,
        value=trial.score if is_scored else None,
        params={name: t.to_optuna(trial.values[name]) for name, t in known.items()},
        distributions={name: t.distribution for name, t in known.items()},
        system_attrs=dict(trial.memory.get("trial", {})),
    )


def _asked(trial: optuna.Trial, space: Space, translated: Mapping[str, Translated]) -> dict[str, Value]:
    """The sampler's values of the parameters that are active, in the order in which build_fn asks for them."""
    values: dict[str, Value] = {}
    for parameter in space:
        if not all(condition.holds(values) for condition in parameter.conditions):
            continue
        if parameter.name not in translated:
            values[parameter.name] = parameter.decode(0.5)  # the only value
        else:
            values[parameter.name] = _suggested(trial, parameter.name, translated[parameter.name])
    return values


def _suggested(trial: optuna.Trial, name: str, translated: Translated) -> Value:
    distribution: Any = translated.distribution
    if isinstance(distribution, CategoricalDistribution):
        place = distribution.choices.index(trial.suggest_categorical(name, distribution.choices))
        return translated.parameter.value_at(place)
    suggest = trial.suggest_int if isinstance(distribution, IntDistribution) else trial.suggest_float
    step = {} if distribution.step is None else {"step": distribution.step}
    value = suggest(name, distribution.low, distribution.high, log=distribution.log, **step)
    return translated.from_optuna(value)
