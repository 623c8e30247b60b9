"""What a person says of parameters outside of build_fn, with `fixed=` and `space=`, checked before any training."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kerastune_lite.errors import SpaceError
from kerastune_lite.running.task import Shared
from kerastune_lite.space import HyperParameters, Parameter, Presets, Space, Value
from kerastune_lite.space.presets import checked_fixed, checked_others, checked_ranges
from kerastune_lite.space.seeds import random_value
from kerastune_lite.study.study import Study

MOST_BUILDS, MOST_SECONDS = 20, 10.0
"""How many random settings build_fn is asked with, and how long at most, before a name counts as one that it never asks
for: it may ask for that name with some settings only."""


def checked(fixed: Any, space: Any, others: Any) -> Presets:
    """What a person gave as `fixed=`, `space=` and `others=`.

    Raises:
        TypeError: `fixed` is no dict of names, or `space` has no parameters.
        ValueError: `others` is none of its words.
        SpaceError: `space` has a name twice.
    """
    ranges = checked_ranges(_asked_by(space) if callable(space) else space)
    return Presets(checked_fixed(fixed), ranges, checked_others(others))


def check(shared: Shared, study: Study) -> None:
    """Asks build_fn for the parameters that a person said something of, without training.

    Raises:
        SpaceError: A value is outside its parameter's range, a range has values that build_fn can't use, a name is none
            that build_fn asks for, or nothing was said of a parameter where others are refused.
    """
    if not shared.presets:
        return
    asked = _Asked()
    started = time.monotonic()
    for build in range(MOST_BUILDS):
        asked = _ask(shared, asked, build)
        missing = [name for name in shared.presets.names if name not in asked.names and name not in study.space]
        if not missing or time.monotonic() - started > MOST_SECONDS:
            return
    if asked.is_always_the_same:
        raise SpaceError(_unknown(missing[0], shared.presets, asked.names))


def never_asked_for(presets: Presets, study: Study) -> list[str]:
    """What a person is told at the end of a search of the names in `fixed=` and `space=` that no trial asked for."""
    remarks = []
    for argument, given in (("fixed", presets.fixed), ("space", [parameter.name for parameter in presets.ranges])):
        names = [name for name in given if name not in study.space]
        if names:
            remarks.append(f"{argument}: no build has asked for {', '.join(map(repr, names))}")
    return remarks


@dataclass(frozen=True)
class _Asked:
    """What the builds so far have asked for.

    Attributes:
        names: The names, in the order in which they were asked for.
        is_always_the_same: Whether all builds came to their end, and each asked for the same names. Where builds ask
            for different ones, or not all is known, another setting may still lead to a name.
    """

    names: Sequence[str] = ()
    is_always_the_same: bool = True


def _ask(shared: Shared, asked: _Asked, build: int) -> _Asked:
    from kerastune_lite.training.asking import End, ask

    def drawn(parameter: Parameter) -> Value:
        return random_value(parameter, 0, build)

    hp = HyperParameters(fill=drawn, presets=shared.presets)
    is_complete = ask(shared, hp) is End.COMPLETE
    names = [parameter.name for parameter in hp.asked]
    is_same = build == 0 or set(names) == set(asked.names)
    return _Asked(
        names=list(dict.fromkeys([*asked.names, *names])),
        is_always_the_same=asked.is_always_the_same and is_complete and is_same,
    )


def _asked_by(function: Callable[..., Any]) -> Space:
    hp = HyperParameters()
    function(hp)
    return hp.asked


def _unknown(name: str, presets: Presets, known: Sequence[str]) -> str:
    given = f"fixed={{{name!r}: {presets.fixed[name]!r}}}" if name in presets.fixed else f"space= has {name!r}"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{given}: build_fn doesn't ask for {name!r}.{hint} It asks for: {', '.join(known) or 'nothing'}."
