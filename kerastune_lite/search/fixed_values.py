"""The values that a person holds parameters at, with `fixed=`, checked before anything is trained."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerastune_lite.errors import SpaceError
from kerastune_lite.running.task import Shared
from kerastune_lite.space import HyperParameters, Parameter, Value, plain
from kerastune_lite.space.seeds import random_value
from kerastune_lite.study.study import Study

MOST_BUILDS, MOST_SECONDS = 20, 10.0
"""How many random settings build_fn is asked with, and how long at most, before a name counts as one that it never asks
for: it may ask for that name with some settings only."""


def plain_values(fixed: Any) -> dict[str, Value]:
    """What a person gave as `fixed=`, with plain Python values; TypeError where it is no dict of names."""
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping) or not all(isinstance(name, str) for name in fixed):
        raise TypeError(f"fixed takes a dict from names of parameters to values. Received: {fixed!r}.")
    return {name: plain(value) for name, value in fixed.items()}


def check(shared: Shared, study: Study) -> None:
    """Asks build_fn for the parameters that are held, without training.

    Raises:
        SpaceError: A value is outside its parameter's range, or a name is none that build_fn asks for.
    """
    if not shared.fixed:
        return
    asked = _Asked()
    started = time.monotonic()
    for build in range(MOST_BUILDS):
        asked = _ask(shared, asked, build)
        missing = [name for name in shared.fixed if name not in asked.names and name not in study.space]
        if not missing or time.monotonic() - started > MOST_SECONDS:
            return
    if asked.is_always_the_same:
        raise SpaceError(_unknown(missing[0], shared.fixed[missing[0]], asked.names))


def never_asked_for(fixed: Mapping[str, Value], study: Study) -> list[str]:
    """What a person is told at the end of a search of the held names that no trial's build has asked for."""
    names = [name for name in fixed if name not in study.space]
    return [f"fixed: no build has asked for {', '.join(map(repr, names))}"] if names else []


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

    hp = HyperParameters(fill=drawn, fixed=shared.fixed)
    is_complete = ask(shared, hp) is End.COMPLETE
    names = [parameter.name for parameter in hp.asked]
    is_same = build == 0 or set(names) == set(asked.names)
    return _Asked(
        names=list(dict.fromkeys([*asked.names, *names])),
        is_always_the_same=asked.is_always_the_same and is_complete and is_same,
    )


def _unknown(name: str, value: Value, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"fixed={{{name!r}: {value!r}}}: build_fn doesn't ask for {name!r}.{hint} "
        f"It asks for: {', '.join(known) or 'nothing'}."
    )
