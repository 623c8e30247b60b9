"""What the code of Python functions names: globals, attributes and imports."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator

LOADS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD", "IMPORT_FROM")
LOADS_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")
_STORES_LOCAL = ("STORE_FAST",)


def names_in(code: types.CodeType) -> Iterator[str]:
    """The names of globals and attributes in the code of a function and of the functions inside it."""
    yield from code.co_names
    for inner in _inner(code):
        yield from names_in(inner)


@functools.lru_cache(maxsize=4096)
def operands(code: types.CodeType, *operations: str) -> frozenset[str]:
    """The arguments of the given bytecode operations in the code of a function and of the functions inside it."""
    found = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in operations}
    return frozenset(found).union(*(operands(inner, *operations) for inner in _inner(code)))


@functools.lru_cache(maxsize=4096)
def imports_of(code: types.CodeType) -> frozenset[str]:
    """The modules that code imports while it runs, but those that it makes nothing of."""
    found: set[str] = set()
    instructions = list(dis.get_instructions(code))
    # LOAD_FAST_AND_CLEAR and the like hold the name as well; Python 3.13 loads and stores several names at once.
    loaded = {
        name
        for instruction in instructions
        if instruction.opname.startswith(("LOAD_FAST", "DELETE_FAST", "STORE_FAST_"))
        for name in (instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,))
    }
    for place, instruction in enumerate(instructions):
        if instruction.opname != "IMPORT_NAME":
            continue
        stored = list(_stored_after(instructions[place + 1 :]))
        if not all(is_local and name not in loaded for name, is_local in stored):
            found.add(str(instruction.argval))
    return frozenset(found).union(*(imports_of(inner) for inner in _inner(code)))


def _stored_after(instructions: list[dis.Instruction]) -> Iterator[tuple[str, bool]]:
    """The names that what was imported is given, and whether they are local ones."""
    for place, instruction in enumerate(instructions):
        name = instruction.opname
        if name.startswith("STORE_"):
            yield str(instruction.argval), name in _STORES_LOCAL
            if place + 1 == len(instructions) or instructions[place + 1].opname != "IMPORT_FROM":
                # `import a.b as c` and `from a import b, c` go on with IMPORT_FROM; what follows else isn't the import.
                return
        elif name not in ("IMPORT_FROM", "SWAP", "COPY", "POP_TOP", "ROT_TWO", "CACHE", "EXTENDED_ARG"):
            yield name, False  # an import with a star, or one that is used at once
            return


def attributes_taken(code: types.CodeType, name: str) -> frozenset[str] | None:
    """The attributes that code takes of a global or free variable; None where it may do anything else with it."""
    found: set[str] = set()
    instructions = list(dis.get_instructions(code))
    for instruction, following in zip(instructions, [*instructions[1:], None], strict=True):
        if instruction.argval != name or not instruction.opname.startswith("LOAD_"):
            continue
        if instruction.opname.startswith(LOADS_ATTRIBUTE):
            continue
        if following is None or following.opname not in LOADS_ATTRIBUTE:
            return None
        found.add(str(following.argval))
    for inner in _inner(code):
        taken = attributes_taken(inner, name)
        if taken is None:
            return None
        found |= taken
    return frozenset(found)


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
