"""A map in the order of its keys that never changes: a change makes a new one, which shares nearly all of it."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

LARGEST = 64
"""How many items a chunk holds at most."""
FEW = 8
"""How many times a map's own size changes may have before it is cheaper to sort everything again."""


class SortedMap(Mapping[K, V], Generic[K, V]):
    """A map of comparable keys, in chunks of neighbouring keys.

    A change copies one chunk and the tuple of all chunks, of which there are few: a map of 10,000 items is changed
    about as fast as one of 100. Two maps of which one was made out of the other share all other chunks, so that what
    is new in one is found by looking at the chunks that the other hasn't.

    Args:
        items: A mapping, or pairs of keys and values in any order; the last of several equal keys counts.
    """

    __slots__ = ("_chunks", "_firsts", "_length", "_starts")

    def __init__(self, items: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        known: dict[Any, V] = dict(items)
        keys = sorted(known)
        size = LARGEST * 3 // 4  # with room for some more
        parts = [tuple(keys[start : start + size]) for start in range(0, len(keys), size)]
        self._chunks: tuple[tuple[tuple[K, ...], tuple[V, ...]], ...] = tuple(
            (part, tuple(known[key] for key in part)) for part in parts
        )
        self._firsts: tuple[Any, ...] = tuple(part[0] for part in parts)
        self._length = len(keys)
        self._starts: list[int] | None = None

    def _with_parts(self, chunk: int, parts: list[tuple[tuple[K, ...], tuple[V, ...]]], length: int) -> SortedMap[K, V]:
        """The map with some chunks in the place of one."""
        changed: SortedMap[K, V] = SortedMap.__new__(SortedMap)
        changed._chunks = (*self._chunks[:chunk], *parts, *self._chunks[chunk + 1 :])
        changed._firsts = (*self._firsts[:chunk], *(keys[0] for keys, _ in parts), *self._firsts[chunk + 1 :])
        changed._length = length
        changed._starts = None
        return changed

    def _place_of(self, key: K) -> tuple[int, int, bool]:
        """The chunk in which a key belongs, its place there, and whether it is there."""
        chunk = max(bisect_right(self._firsts, key) - 1, 0)
        keys: tuple[Any, ...] = self._chunks[chunk][0] if self._chunks else ()
        place = bisect_left(keys, key)
        return chunk, place, place < len(keys) and keys[place] == key

    def with_item(self, key: K, value: V) -> SortedMap[K, V]:
        """The map with one more item, or another value for a key that it has."""
        if not self._chunks:
            return SortedMap([(key, value)])
        chunk, place, is_there = self._place_of(key)
        keys, values = self._chunks[chunk]
        after = place + is_there
        if not is_there:
            keys = (*keys[:place], key, *keys[place:])
        values = (*values[:place], value, *values[after:])
        middle = len(keys) // 2
        parts = [(keys, values)]
        if len(keys) > LARGEST:
            parts = [(keys[:middle], values[:middle]), (keys[middle:], values[middle:])]
        return self._with_parts(chunk, parts, self._length + (not is_there))

    def without(self, key: K) -> SortedMap[K, V]:
        """The map without a key; itself where it has no such key."""
        chunk, place, is_there = self._place_of(key)
        if not is_there:
            return self
        keys, values = self._chunks[chunk]
        keys, values = keys[:place] + keys[place + 1 :], values[:place] + values[place + 1 :]
        parts = [(keys, values)] if keys else []
        return self._with_parts(chunk, parts, self._length - 1)

    def updated(self, items: Mapping[K, V]) -> SortedMap[K, V]:
        """The map with the items of another one, which take the places of its own."""
        if len(items) * FEW > self._length + FEW:
            return SortedMap({**self, **items} if self._length else items)
        changed = self
        for key, value in items.items():
            changed = changed.with_item(key, value)
        return changed

    def __getitem__(self, key: K) -> V:
        chunk, place, is_there = self._place_of(key)
        if not is_there:
            raise KeyError(key)
        return self._chunks[chunk][1][place]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        return itertools.chain.from_iterable(keys for keys, _ in self._chunks)

    def __reversed__(self) -> Iterator[K]:
        return itertools.chain.from_iterable(reversed(keys) for keys, _ in reversed(self._chunks))

    def items(self) -> ItemsView[K, V]:
        """The items in the order of their keys."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """The values in the order of their keys."""
        return _Values(self)

    def last(self) -> K | None:
        """The greatest key; None of an empty map."""
        return self._chunks[-1][0][-1] if self._chunks else None

    def position_of(self, key: K) -> int:
        """How many keys come before a key, which needn't be in the map."""
        chunk, place, _ = self._place_of(key)
        return place + self._counts()[chunk] if self._chunks else 0

    def value_at(self, position: int) -> V:
        """The value of the key before which so many others come, from 0; IndexError where there is none."""
        if not 0 <= position < self._length:
            raise IndexError(position)
        starts = self._counts()
        chunk = bisect_right(starts, position) - 1
        return self._chunks[chunk][1][position - starts[chunk]]

    def _counts(self) -> list[int]:
        """How many items come before each chunk."""
        if self._starts is None:
            self._starts = list(itertools.accumulate((len(keys) for keys, _ in self._chunks), initial=0))[:-1]
        return self._starts

    def changed_since(self, earlier: SortedMap[K, V]) -> Iterator[tuple[K, V]]:
        """The items that an earlier map hasn't, or for which it holds another object."""
        shared = {id(chunk) for chunk in earlier._chunks}
        for chunk in self._chunks:
            if id(chunk) not in shared:
                for key, value in zip(*chunk, strict=True):
                    if earlier.get(key) is not value:
                        yield key, value

    def __repr__(self) -> str:
        return f"SortedMap({dict(self)!r})"

    def __reduce__(self) -> tuple[type[SortedMap[K, V]], tuple[dict[K, V]]]:
        return SortedMap, (dict(self),)


class _Items(ItemsView[K, V]):
    _mapping: SortedMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return itertools.chain.from_iterable(zip(*chunk, strict=True) for chunk in self._mapping._chunks)


class _Values(ValuesView[V]):
    _mapping: SortedMap[Any, V]

    def __iter__(self) -> Iterator[V]:
        return itertools.chain.from_iterable(values for _, values in self._mapping._chunks)
