"""The trials of a study as a sequence of which each is made when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

from kerastune_lite.study.sorted_map import SortedMap
from kerastune_lite.study.trial import Trial


class Trials(Sequence[Trial]):
    """What a strategy or a stopping rule is given: trials in the order of their numbers, which never change.

    Args:
        records: The records of these trials.
        made: The trial of a number, as it is to be seen.
        basis: What decides how a record is seen, and which trials belong here.
        holders: How many of the trials have each parameter, where that is known.
    """

    def __init__(
        self,
        records: SortedMap[int, Trial],
        made: Callable[[int], Trial],
        basis: tuple[object, ...],
        holders: Mapping[str, int] | None = None,
    ) -> None:
        self._records = records
        self._made = made
        self._basis = basis
        self.holders = holders

    def changed_since(self, earlier: Sequence[Trial]) -> list[Trial] | None:
        """The trials that are new or other ones than in an earlier sequence; None where all may be other ones.

        Only what has changed in between is looked at.
        """
        if not isinstance(earlier, Trials) or len(earlier) > len(self):
            return None
        if any(one is not other for one, other in zip(self._basis, earlier._basis, strict=True)):
            return None
        return [self._made(number) for number, _ in self._records.changed_since(earlier._records)]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Trial]:
        return map(self._made, self._records)

    def __reversed__(self) -> Iterator[Trial]:
        return map(self._made, reversed(self._records))

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        places = range(len(self))[index]
        if isinstance(places, int):
            return self._made(self._records.value_at(places).number)
        return tuple(self._made(self._records.value_at(place).number) for place in places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Trials, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def all_have(trials: Sequence[Trial], name: str) -> bool:
    """Whether all of some trials have a parameter; of a study's trials without looking at each of them."""
    if isinstance(trials, Trials) and trials.holders is not None:
        return trials.holders.get(name, 0) == len(trials)
    return all(name in trial.values for trial in trials)
