"""The tree of the settings that were tried, which also represents undeclared conditional spaces exactly.

build_fn asks for one parameter after another, and which one it asks for next depends only on the values before. So the
settings that were tried are the paths of a tree, learnt from what each trial asked for: a node is a question (a
parameter), an edge one of its answers (a value), a leaf the end of a build. From the tree it is known which settings
were tried, and whether all were.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerastune_lite.space import Parameter, Space, Value, label_of
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.study.trials import Trials

Axis = Callable[[Parameter], Sequence[Value] | None]
"""The values of a parameter that count as different, in order; None where they can't be enumerated."""


def _certainty(state: TrialState) -> int:
    """The sort key of the order in which trials are learnt from: those that reached the end of build_fn come first."""
    if state in (TrialState.COMPLETED, TrialState.STOPPED):
        return 0
    return 1 if state is TrialState.FAILED else 2


@dataclass(eq=False)
class _Node:
    """What is known after some answers: the next question and its answers, or that a build ends there.

    Attributes:
        question: The parameter that is asked for next, where a trial was asked for one.
        answers: What follows each answer, by its key.
        is_root: Whether no question was answered yet.
        has_end: Whether a build that didn't fail ended here.
        goes_on: Whether a build that didn't fail was asked for more.
        failed_end: The lowest number of a trial whose build failed here; inf without one.
        failed_beyond: The lowest number of a trial that was asked for more and failed; inf without one.
        occupants: How many running trials have just this setting, as far as is known.
        is_complete: Whether every setting that begins like this was tried or is running.
        complete_answers: How many answers that lie on the axis are complete.
        first_open: An index on the axis before which all answers are complete.
    """

    question: str | None = None
    answers: dict[Hashable, _Node] = field(default_factory=dict)
    is_root: bool = False
    has_end: bool = False
    goes_on: bool = False
    failed_end: float = math.inf
    failed_beyond: float = math.inf
    occupants: int = 0
    is_complete: bool = False
    complete_answers: int = 0
    first_open: int = 0

    @property
    def is_leaf(self) -> bool:
        """Whether a setting ends here.

        A build that failed may have ended early: where other trials asked for more, or where it asked for nothing, it
        doesn't show the end of a build.
        """
        may_end_by_failure = not self.is_root and not self.goes_on and self.failed_end < self.failed_beyond
        return self.has_end or self.occupants > 0 or may_end_by_failure


_Path = list[tuple[_Node, Hashable]]
"""Nodes, each with the key of the answer that leads to the next one."""


@dataclass(frozen=True, eq=False)
class _Occupied:
    """What a running trial has changed in the tree, so that it can be taken back.

    Attributes:
        path: The way to its place.
        place: The node at which its setting ends.
        asked: The nodes that had no question before.
        grown: The nodes that had no such answer before.
    """

    path: _Path
    place: _Node
    asked: list[_Node]
    grown: _Path


class ChoiceTree:
    """The questions that a study's trials were asked by build_fn, and their answers.

    Args:
        space: Every parameter known.
        trials: The trials to learn from. Ended ones show what build_fn asked for; running ones occupy the setting that
            they were given, so that no other trial tries it.
        axis: The values of each parameter that count as different.
    """

    def __init__(self, space: Space, trials: Iterable[Trial], axis: Axis) -> None:
        self._space = space
        self._axis = {parameter.name: axis(parameter) for parameter in space}
        self._keys_of_axis: dict[str, frozenset[Hashable]] = {}
        self._root = _Node(is_root=True)
        self._learnt: dict[int, Trial] = {}
        self._running: dict[int, Trial] = {}
        self._occupied: list[_Occupied] = []
        self._is_in_order = True
        self._take_in(sorted(trials, key=lambda trial: _certainty(trial.state)))

    def follow(self, changed: Iterable[Trial]) -> bool:
        """Brings the tree up to date with trials that are new or have changed since it was grown.

        Returns:
            Whether it is the tree now that would be grown anew. If not, it can't be used any more: a trial that was
            learnt from is another one now, or trials were asked the same questions in different orders, so that it
            matters which of them is learnt from first.
        """
        changed = list(changed)
        if not self._is_in_order:
            return False
        if any(trial.number in self._learnt and not _is_same(self._learnt[trial.number], trial) for trial in changed):
            return False
        self._take_in(trial for trial in changed if trial.number not in self._learnt)
        return self._is_in_order

    def _take_in(self, trials: Iterable[Trial]) -> None:
        """Learns from trials that have ended, and occupies the settings of all that run, which come last."""
        while self._occupied:
            self._vacate(self._occupied.pop())
        for trial in trials:
            self._running.pop(trial.number, None)
            if trial.state in (TrialState.RUNNING, TrialState.INTERRUPTED):
                self._running[trial.number] = trial
            else:
                self._learnt[trial.number] = trial
                self._learn(trial)
        for number in sorted(self._running):
            self._occupied.append(self._occupy(self._running[number].values))

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
        path: _Path = []
        while left:
            # Questions whose order has changed since the first trial lead to the same settings.
            first = next(iter(left))
            question = node.question or first
            self._is_in_order &= question == first
            if question not in left or question not in self._space:
                break
            node.question = question
            if trial.state is TrialState.FAILED:
                node.failed_beyond = min(node.failed_beyond, trial.number)
            else:
                node.goes_on = True
            key = self._key(question, left.pop(question))
            path.append((node, key))
            node = node.answers.setdefault(key, _Node())
        else:
            if trial.state is TrialState.FAILED:
                node.failed_end = min(node.failed_end, trial.number)
            else:
                node.has_end = True
        self._refresh(path, node)

    def _occupy(self, values: Mapping[str, Value]) -> _Occupied:
        """Marks a setting that is being tried; questions that no trial was asked yet are taken in its order."""
        node, left = self._root, {name: value for name, value in values.items() if name in self._space}
        path: _Path = []
        asked: list[_Node] = []
        grown: _Path = []
        while left:
            if node.question is None:
                node.question = next(iter(left))
                asked.append(node)
            if node.question not in left:
                break
            key = self._key(node.question, left.pop(node.question))
            path.append((node, key))
            if key not in node.answers:
                node.answers[key] = _Node()
                grown.append((node, key))
            node = node.answers[key]
        node.occupants += 1
        self._refresh(path, node)
        return _Occupied(path, node, asked, grown)

    def _vacate(self, occupied: _Occupied) -> None:
        """Takes back what the trial has changed that occupied its setting last."""
        occupied.place.occupants -= 1
        for node in occupied.asked:
            node.question = None
        self._refresh(occupied.path, occupied.place)
        if occupied.grown:
            for node, key in occupied.grown:
                del node.answers[key]
            self._refresh(occupied.path[: -len(occupied.grown)], occupied.grown[0][0])

    def _refresh(self, path: _Path, end: _Node) -> None:
        """Notes which nodes of a path are complete now, after its end has changed."""
        node = end
        for parent, key in reversed(path):
            was_complete, node.is_complete = node.is_complete, self._is_complete(node)
            if isinstance(key, int) and was_complete != node.is_complete:
                parent.complete_answers += 1 if node.is_complete else -1
                if was_complete:
                    parent.first_open = min(parent.first_open, key)
            node = parent
        node.is_complete = self._is_complete(node)

    def _is_complete(self, node: _Node) -> bool:
        if node.is_leaf:
            return True
        if node.question is None:
            return False
        points = self._axis[node.question]
        if points is None or len(node.answers) < len(points):
            return False
        if node.question not in self._keys_of_axis:
            self._keys_of_axis[node.question] = frozenset(self._key(node.question, value) for value in points)
        return node.complete_answers >= len(self._keys_of_axis[node.question])

    @property
    def is_exhausted(self) -> bool:
        """Whether every setting has been tried or is running."""
        return self._root.is_complete

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
        return self._descend(self._from_first_open)

    def random_open(self, rng: np.random.Generator) -> dict[str, Value]:
        """Answers that lead to a setting that wasn't tried, each drawn from those that still lead to one."""
        return self._descend(lambda node, count: rng.permutation(count).tolist())

    def _from_first_open(self, node: _Node, count: int) -> Iterator[int]:
        """The indices of the axis, without the first ones that are known to be complete."""
        for index in range(node.first_open, count):
            node.first_open = index
            yield index

    def _points(self, name: str) -> Sequence[Value]:
        points = self._axis[name]
        if points is None:
            raise ValueError(f"The values of {self._space[name]} can't be enumerated.")
        return points

    def _descend(self, order: Callable[[_Node, int], Iterable[int]]) -> dict[str, Value]:
        """Answers down to the first one that no trial gave; later questions are unknown, and left to the build."""
        answers: dict[str, Value] = {}
        node = self._root
        while node.question is not None:
            name = node.question
            points = self._points(name)
            for index in order(node, len(points)):
                value = points[index]
                child = node.answers.get(self._key(name, value))
                if child is None:
                    return answers | {name: value}
                if not child.is_complete:
                    answers[name] = value
                    node = child
                    break
            else:
                return answers
        return answers


def _is_same(one: Trial, other: Trial) -> bool:
    """Whether two records of a trial say the same of what it was asked."""
    return one.values is other.values and _certainty(one.state) == _certainty(other.state)


class TreeMemory(threading.local):
    """The tree that was grown for the latest question of a strategy, for the next question to bring up to date.

    It holds nothing that the trials don't tell: without it the same tree is grown anew from all of them. Each thread
    has its own, and a copy begins without any.

    Args:
        axis: The values of each parameter that count as different.
    """

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._latest: tuple[Space, Trials, ChoiceTree] | None = None

    def __reduce__(self) -> tuple[type[TreeMemory], tuple[Axis]]:
        return TreeMemory, (self._axis,)

    def tree(self, space: Space, trials: Sequence[Trial]) -> ChoiceTree:
        """The tree of some trials, to be used before the next one is asked for."""
        if not isinstance(trials, Trials):
            return ChoiceTree(space, trials, self._axis)
        latest, self._latest = self._latest, None
        changed = None if latest is None or latest[0] is not space else trials.changed_since(latest[1])
        if latest is not None and changed is not None and latest[2].follow(changed):
            tree = latest[2]
        else:
            tree = ChoiceTree(space, trials, self._axis)
        self._latest = space, trials, tree
        return tree
