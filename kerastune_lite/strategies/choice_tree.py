"""The tree of the settings that were tried, which also represents undeclared conditional spaces exactly.

build_fn asks for one parameter after another, and which one it asks for next depends only on the values before. So the
settings that were tried are the paths of a tree, learnt from what each trial asked for: a node is a question (a
parameter), an edge one of its answers (a value), a leaf the end of a build. From the tree it is known which settings
were tried, and whether all were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerastune_lite.space import Parameter, Space, Value, label_of
from kerastune_lite.study.trial import Trial, TrialState

Axis = Callable[[Parameter], Sequence[Value] | None]
"""The values of a parameter that count as different, in order; None where they can't be enumerated."""


def _certainty(state: TrialState) -> int:
    """The sort key of the order in which trials are learnt from: those that reached the end of build_fn come first."""
    if state in (TrialState.COMPLETED, TrialState.STOPPED):
        return 0
    return 1 if state is TrialState.FAILED else 2


@dataclass
class _Node:
    question: str | None = None
    answers: dict[Hashable, _Node] = field(default_factory=dict)
    is_leaf: bool = False


class ChoiceTree:
    """The questions that a study's trials were asked by build_fn, and their answers.

    Args:
        space: Every parameter known.
        trials: The trials to learn from. Ended ones show what build_fn asked for; running ones occupy the setting that
            they were given, so that no other trial tries it.
        axis: The values of each parameter that count as different.
    """

    def __init__(self, space: Space, trials: Sequence[Trial], axis: Axis) -> None:
        self._space = space
        self._axis = {parameter.name: axis(parameter) for parameter in space}
        self._root = _Node()
        for trial in sorted(trials, key=lambda trial: _certainty(trial.state)):
            if trial.state in (TrialState.RUNNING, TrialState.INTERRUPTED):
                self._occupy(trial.values)
            else:
                self._learn(trial)

    def _key(self, name: str, value: Value) -> Hashable:
        """What identifies a value among those of its parameter: its place on the axis, or its label if it has none."""
        parameter, points = self._space[name], self._axis[name]
        try:
            if parameter.size < math.inf:
                return parameter.index_of(value)
            if points is not None:
                return points.index(value)
        except ValueError:
            pass
        return label_of(value)

    def _learn(self, trial: Trial) -> None:
        node, left = self._root, dict(trial.values)
        while left:
            # Questions whose order has changed since the first trial lead to the same settings.
            question = node.question or next(iter(left))
            if question not in left or question not in self._space:
                return
            node.question = question
            node = node.answers.setdefault(self._key(question, left.pop(question)), _Node())
        # A build that failed may have ended early: where other trials asked for more, or where it asked for nothing, it
        # doesn't show the end of a build.
        if trial.state is not TrialState.FAILED or (node is not self._root and node.question is None):
            node.is_leaf = True

    def _occupy(self, values: Mapping[str, Value]) -> None:
        """Marks a setting that is being tried; questions that no trial was asked yet are taken in its order."""
        node, left = self._root, {name: value for name, value in values.items() if name in self._space}
        while left:
            node.question = node.question or next(iter(left))
            if node.question not in left:
                break
            node = node.answers.setdefault(self._key(node.question, left.pop(node.question)), _Node())
        node.is_leaf = True

    @property
    def is_exhausted(self) -> bool:
        """Whether every setting has been tried or is running."""
        return self._is_complete(self._root)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a setting is known to be tried; False where it lacks an answer that decides about that."""
        node = self._root
        while not node.is_leaf:
            if node.question is None or node.question not in values:
                return False
            child = node.answers.get(self._key(node.question, values[node.question]))
            if child is None:
                return False
            node = child
        return True

    def asked(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The part of a setting that build_fn is known to ask for, and the whole setting where that isn't known."""
        known: dict[str, Value] = {}
        node: _Node | None = self._root
        while node is not None and node.question is not None and node.question in values:
            known[node.question] = values[node.question]
            node = node.answers.get(self._key(node.question, values[node.question]))
        if node is not None and node.is_leaf:
            return known
        return known | dict(values)

    def first_open(self) -> dict[str, Value]:
        """The answers that lead to the first setting that wasn't tried, in the order of the axes."""
        return self._descend(lambda name: range(len(self._points(name))))

    def random_open(self, rng: np.random.Generator) -> dict[str, Value]:
        """Answers that lead to a setting that wasn't tried, each drawn from those that still lead to one."""
        return self._descend(lambda name: rng.permutation(len(self._points(name))).tolist())

    def _points(self, name: str) -> Sequence[Value]:
        points = self._axis[name]
        if points is None:
            raise ValueError(f"The values of {self._space[name]} can't be enumerated.")
        return points

    def _descend(self, order: Callable[[str], Sequence[int]]) -> dict[str, Value]:
        """Answers down to the first one that no trial gave; later questions are unknown, and left to the build."""
        answers: dict[str, Value] = {}
        node = self._root
        while node.question is not None:
            name = node.question
            for index in order(name):
                value = self._points(name)[index]
                child = node.answers.get(self._key(name, value))
                if child is None:
                    return answers | {name: value}
                if not self._is_complete(child):
                    answers[name] = value
                    node = child
                    break
            else:
                return answers
        return answers

    def _is_complete(self, node: _Node) -> bool:
        if node.is_leaf:
            return True
        if node.question is None:
            return False
        points = self._axis[node.question]
        if points is None or len(node.answers) < len(points):
            return False
        keys = (self._key(node.question, value) for value in points)
        return all(key in node.answers and self._is_complete(node.answers[key]) for key in keys)
