"""Which code and which attributes belong to libraries whose code doesn't change, and which to the user."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

from kerastune_lite.training.engine.bytecode import operands

PURE = ("keras", "tensorflow", "numpy", "ml_dtypes", "kerastune_lite")
"""Packages whose code doesn't change and depends on nothing but its arguments."""
PURE_MODULES = frozenset(
    """builtins math cmath functools _functools collections _collections itertools operator _operator re typing abc enum
    dataclasses""".split()
)
HEAP_TYPE = 1 << 9
"""CPython's type flag (Py_TPFLAGS_HEAPTYPE) of classes made by a class statement."""


def is_pure(module: str | None) -> bool:
    """Whether a module is one of a library whose code depends on nothing but its arguments."""
    return bool(module) and str(module).partition(".")[0] in PURE


def is_of_a_library(module: str | None) -> bool:
    """Whether a class of a module is Python's own or one of a library."""
    return is_pure(module) or module in PURE_MODULES or module in ("types", "_thread", "_operator", "_abc", "inspect")


def is_of_the_user(kind: type) -> bool:
    """Whether a class was made by a class statement outside the standard library."""
    root = kind.__module__.partition(".")[0]
    return bool(kind.__flags__ & HEAP_TYPE) and (root == "__main__" or root not in sys.stdlib_module_names)


def set_by_keras(kind: type, name: str) -> bool:
    """Whether the code of a class of Keras or TensorFlow, or of such a base of a class, sets an attribute."""
    return any(name in _set_by(base) for base in kind.__mro__ if is_pure(base.__module__))


@functools.cache
def _set_by(kind: type) -> frozenset[str]:
    """The attributes that the methods of a class set."""
    found: set[str] = set()
    for value in vars(kind).values():
        parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for part in parts:
            function = inspect.unwrap(part) if isinstance(part, types.FunctionType) else None
            if isinstance(function, types.FunctionType):
                found |= operands(function.__code__, "STORE_ATTR")
    return frozenset(found)


def slots_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object that the classes of the user's keep in slots."""
    for kind in type(thing).__mro__:
        slots = () if is_of_a_library(kind.__module__) else vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, name):
                yield (name, getattr(thing, name))
