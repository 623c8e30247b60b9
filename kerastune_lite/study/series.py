"""A sequence that never changes, and that is made longer without being copied."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Series(Sequence[T], Generic[T]):
    """A tuple's behaviour, for what grows by an item at a time: a learning curve, the best score after each epoch.

    A longer one that is made with `extended` holds its items in the same list, of which each knows how much is its own.
    So does a slice from the beginning.

    Args:
        items: The items.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    @classmethod
    def _of(cls, items: list[T], length: int) -> Series[T]:
        series: Series[T] = cls.__new__(cls)
        series._items, series._length = items, length
        return series

    @classmethod
    def of(cls, items: Sequence[T]) -> Series[T]:
        """The items as a series; a series itself as it is."""
        return items if isinstance(items, Series) else cls(items)

    def extended(self, items: Iterable[T]) -> Series[T]:
        """The series with more items at its end."""
        new = list(items)
        # Where another one was made out of this already, the list holds that one's items next.
        shared = self._items if len(self._items) == self._length else self._items[: self._length]
        shared.extend(new)
        return Series._of(shared, len(shared))

    def replaced(self, index: int, item: T) -> Series[T]:
        """A copy with another item at a place."""
        items = list(self)
        items[index] = item
        return Series(items)

    def begins_with(self, other: Sequence[T]) -> bool:
        """Whether this was made out of another series by `extended`, as far as that is known without comparing."""
        return isinstance(other, Series) and other._items is self._items and other._length <= self._length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return itertools.islice(self._items, self._length)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            if start == 0 and step == 1:
                return Series._of(self._items, max(stop, 0))
            return tuple(self._items[place] for place in range(start, stop, step))
        place = range(self._length)[index]
        return self._items[place]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Series, tuple)):
            return NotImplemented
        if isinstance(other, Series) and other._items is self._items:
            return other._length == self._length
        return self._length == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[type[Series[T]], tuple[tuple[T, ...]]]:
        return Series, (tuple(self),)
