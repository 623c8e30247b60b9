"""The tree of choices that trials have been through.

build_fn asks one question after another, and which it asks next depends only on the answers before. So the settings
tried so far are the paths of a tree, learnt from what each trial asked for: a node is a question, an edge one of its
answers, a leaf the end of a build. The tree knows conditional spaces exactly, without anybody declaring a condition,
and tells which settings were tried and when every one was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerastune_lite.space import Parameter, Space, Value, label_of
from kerastune_lite.study.trial import Trial, TrialState

Axis = Callable[[Parameter], Sequence[Value] | None]
"""The values of a parameter that are to be told apart, in order; None where they can't be counted."""


def _certainty(state: TrialState) -> int:
    """Trials in the order in which they are learnt from: those that went all the way through build_fn first."""
    if state in (TrialState.COMPLETED, TrialState.STOPPED):
        return 0
    return 1 if state is TrialState.FAILED else 2


@dataclass
class _Node:
    question: str | None = None
    answers: dict[Hashable, _Node] = field(default_factory=dict)
    is_leaf: bool = False


class ChoiceTree:
    """What a study's trials asked for and were answered.

    Args:
        space: Every parameter known.
        trials: The trials to learn from. Ended ones say what build_fn asked for; running ones occupy the setting
            that they were given, so that nobody else tries it.
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
        """What tells a value from the others: its place on the axis, or itself where it has none."""
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
        node = self._root
        for name, value in trial.values.items():
            if name not in self._space:
                return
            node.question = node.question or name
            if node.question != name:
                return
            node = node.answers.setdefault(self._key(name, value), _Node())
        # A build that failed early tells nothing where others came to ask more, or where it asked nothing.
        if trial.state is not TrialState.FAILED or (node is not self._root and node.question is None):
            node.is_leaf = True

    def _occupy(self, values: Mapping[str, Value]) -> None:
        """Takes a setting that is being tried. Where nobody has heard the questions, they are taken in its order."""
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
        """Whether a setting was tried, as far as its answers are given."""
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
        """The part of a setting that build_fn is known to ask for, and all of it from where that isn't known."""
        known: dict[str, Value] = {}
        node: _Node | None = self._root
        while node is not None and node.question is not None and node.question in values:
            known[node.question] = values[node.question]
            node = node.answers.get(self._key(node.question, values[node.question]))
        if node is not None and node.is_leaf:
            return known
        return known | dict(values)

    def first_open(self) -> dict[str, Value]:
        """The answers that lead to the first setting, in the order of the axes, that wasn't tried."""
        return self._descend(lambda name: range(len(self._points(name))))

    def random_open(self, rng: np.random.Generator) -> dict[str, Value]:
        """Answers that lead to a setting that wasn't tried, each drawn among those that still lead to one."""
        return self._descend(lambda name: rng.permutation(len(self._points(name))).tolist())

    def _points(self, name: str) -> Sequence[Value]:
        points = self._axis[name]
        if points is None:
            raise ValueError(f"the values of {self._space[name]} can't be counted")
        return points

    def _descend(self, order: Callable[[str], Sequence[int]]) -> dict[str, Value]:
        """Answers down to the first one that nobody gave; a question nobody heard yet is left to the build."""
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
