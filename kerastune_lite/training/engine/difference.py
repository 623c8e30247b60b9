"""Says in words in what two fingerprints differ, for a person who wonders why a trial shares no program."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

ATOMS = ("NoneType", "bool", "int", "float", "str", "bytes", "complex")
"""The first items of the pairs by which a fingerprint holds plain values (fingerprint.py)."""
LAYERS = "_layers"
"""The attribute in which a model, and a layer made of others, keeps its layers."""
LONGEST_VALUE = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Difference:
    """One place in which two fingerprints differ.

    Attributes:
        owner: The name of the layer, metric or other named object around it; empty where there is none.
        attribute: The attribute that holds it; empty where it is in none.
        mine: What the one holds.
        theirs: What the other holds.
    """

    owner: str
    attribute: str
    mine: Any
    theirs: Any

    @property
    def is_plain(self) -> bool:
        """Whether it is a plain value in a public attribute, which a person knows from their own code."""
        return self.attribute != "" and self.attribute[0] != "_" and _is_atom(self.mine) and _is_atom(self.theirs)

    def __str__(self) -> str:
        place = f"{self.attribute} of {self.owner!r}" if self.owner else self.attribute
        if _is_atom(self.mine) and _is_atom(self.theirs):
            return f"{place} is {_shown(self.mine)} and was {_shown(self.theirs)}"
        return f"{place} is another"


def first_difference(mine: Hashable, theirs: Hashable) -> str:
    """In what a fingerprint differs from another, by the one place that says most to a person."""
    found = list(_differences(mine, theirs, "", ""))
    telling = next((each for each in found if each.is_plain or each.attribute == LAYERS), None)
    named = next((each for each in found if each.attribute and not each.attribute.startswith("_")), None)
    if telling is not None and telling.attribute == LAYERS:
        return "it has other layers"
    return str(telling or named or "its layers or its code are others")


def _differences(mine: Any, theirs: Any, owner: str, attribute: str) -> Iterator[Difference]:
    if mine == theirs:
        return
    are_tuples = isinstance(mine, tuple) and isinstance(theirs, tuple)
    if not are_tuples or len(mine) != len(theirs) or _is_atom(mine) or _is_atom(theirs):
        yield Difference(owner, attribute, mine, theirs)
        return
    owner = next((part[1][1] for part in mine if _is_pair(part) and part[0] == "name" and _is_atom(part[1])), owner)
    for one, other in zip(mine, theirs, strict=True):
        if _is_pair(one) and _is_pair(other) and one[0] == other[0] and not _is_atom(one):
            yield from _differences(one[1], other[1], owner, one[0])
        else:
            yield from _differences(one, other, owner, attribute)


def _is_pair(part: Any) -> bool:
    """Whether a part of a fingerprint is the name of an attribute and what it holds."""
    return isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str)


def _is_atom(part: Any) -> bool:
    return _is_pair(part) and part[0] in ATOMS


def _shown(atom: Any) -> str:
    kind, value = atom
    text = repr(float.fromhex(value)) if kind == "float" else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
