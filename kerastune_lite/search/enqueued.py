"""The settings that a person wants tried before the strategy's own: the defaults, and what was enqueued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.running.task import Shared, own_fit_of
from kerastune_lite.space import UNSET, Choice, HyperParameters, Parameter, Value, same_value
from kerastune_lite.strategies.random_search import tree_memory, untried
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note
from kerastune_lite.study.writer import StudyWriter

Queue = Sequence[Mapping[str, Value]]
"""Enqueued settings in the order in which they are to be tried; each may leave parameters out."""


@dataclass(frozen=True)
class Enqueued:
    """A person's setting that is to be tried next.

    Attributes:
        values: The setting, filled up where it was partial.
        note: Where it comes from.
        taken: How many settings of the queue are used up with it.
    """

    values: Mapping[str, Value]
    note: Note
    taken: int


def checked(queue: Queue, shared: Shared, writer: StudyWriter) -> Queue:
    """The settings that the study hasn't tried, after each was built once without training.

    Raises:
        KeyError: build_fn doesn't ask for a name.
        KerastuneError: It refuses a value.
    """
    new = [given for given in queue if _is_new(given, writer.study)]
    for given in new:
        _check(given, shared, writer)
    return new


def next_enqueued(
    queue: Queue, study: Study, number: int, rng: np.random.Generator, *, has_defaults: bool = True
) -> Enqueued | None:
    """What is to be tried as the trial of this number before the strategy is asked; None where nothing is.

    Args:
        queue: The settings that a person enqueued.
        study: The study.
        number: The trial's number.
        rng: What draws the values that a setting leaves out.
        has_defaults: Whether the first trial has the defaults.
    """
    is_of_defaults = number == 0 and has_defaults
    defaults = {p.name: p.default for p in study.space if p.default is not UNSET} if is_of_defaults else {}
    if defaults:
        return Enqueued(defaults, Note("defaults", "setting"), taken=0)
    for place, given in enumerate(queue):
        if _is_new(given, study):
            tree = tree_memory().tree(study.space, study.in_space_to_minimise())
            values = untried(study.space, tree, rng, given)
            return Enqueued(values, Note("enqueued", "setting"), taken=place + 1)
    return None


def _is_new(given: Mapping[str, Value], study: Study) -> bool:
    given = {name: _option(study.space.get(name), value) for name, value in given.items()}
    return not any(
        all(name in trial.values and same_value(trial.values[name], value) for name, value in given.items())
        for trial in study.in_space
    )


def _option(parameter: Parameter | None, value: Value) -> Value:
    """The option that a value stands for: one that was kept as JSON has lists where the option has tuples."""
    if isinstance(parameter, Choice) and parameter.contains(value):
        return parameter.options[parameter.index_of(value)]
    return value


def _check(given: Mapping[str, Value], shared: Shared, writer: StudyWriter) -> None:
    from kerastune_lite.training.asking import End, ask

    # No earlier search's ranges: a value that only they had is refused.
    hp = HyperParameters(given, presets=shared.presets)
    if ask(shared, hp, may_train=own_fit_of(shared.build_fn) is None) is End.ERROR:
        return  # the trial itself will fail, and its record will say why
    for name in given:
        if name not in hp.asked:
            known = ", ".join(parameter.name for parameter in hp.asked)
            raise KeyError(f"enqueue({dict(given)!r}): build_fn doesn't ask for {name!r}. It asks for: {known}.")
    space = writer.study.space
    for parameter in hp.asked:
        space = space.with_parameter(parameter)
    writer.learn(space)
