"""How a class, a constructor and the package tell what a name of another tuner is here."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, ParamSpec, TypeVar

from kerastune_lite.other_tuners.of_package import PACKAGE_NAMES
from kerastune_lite.other_tuners.words import Words

P = ParamSpec("P")
T = TypeVar("T")


def told_names(owner: str, words: Words) -> Callable[[Any, str], NoReturn]:
    """A `__getattr__` for a class of which `owner` is the usual variable: tells what a name is called here.

    Python asks it for names that the object doesn't have. All that stand in no table are refused as Python does.
    """

    def __getattr__(self: Any, name: str) -> NoReturn:
        problem = f"There is no {owner}.{name}"
        if name in words:
            raise AttributeError(words[name].told(problem))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    return __getattr__


def told_package_name(name: str) -> NoReturn:
    """The `__getattr__` of the package, for its attributes and for what is imported from it.

    Raises:
        ImportError: Another tuner has the name, and it is imported (`from kerastune_lite import GridSearchCV`): Python
            would hide the message of an AttributeError.
        AttributeError: There is no such name.
    """
    problem = f"There is no kerastune_lite.{name}"
    if name not in PACKAGE_NAMES:
        raise AttributeError(f"module 'kerastune_lite' has no attribute {name!r}", name=name)
    is_imported = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    raise (ImportError if is_imported else AttributeError)(PACKAGE_NAMES[name].told(problem))


def told_arguments(words: Words) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a constructor that is called with arguments it doesn't have tell what they are called here."""

    def decorate(init: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(init)
        def told(*arguments: P.args, **named: P.kwargs) -> T:
            try:
                return init(*arguments, **named)
            except TypeError as error:
                made = type(arguments[0])
                problems = _problems(made, named, words) if _is_refused(init, arguments, named) else []
                twice = _GIVEN_TWICE.search(str(error))
                if twice and (own := twice["name"]) in named:
                    problems.append(f"It has a {own} of its own. Tuner(build_fn, objective, {own}=…) takes yours.")
                if not problems:
                    raise
                raise TypeError(f"{made.__name__}(…): {' '.join(problems)}") from error

        return told

    return decorate


_GIVEN_TWICE = re.compile(r"multiple values for keyword argument '(?P<name>\w+)'")
"""What Python says where a class passes on an argument that its caller has given as well."""


def class_with_told_arguments(words: Words) -> Callable[[type[T]], type[T]]:
    """The same for a class whose constructor is generated, as that of a dataclass is."""

    def decorate(made: type[T]) -> type[T]:
        setattr(made, "__init__", told_arguments(words)(vars(made)["__init__"]))  # noqa: B010 (mypy refuses a method)
        return made

    return decorate


def _is_refused(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a call's arguments don't suit the function's signature."""
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return True
    return False


def _problems(made: type, named: Mapping[str, Any], words: Words) -> list[str]:
    """A sentence for each argument that the constructor of a class doesn't have."""
    known = _arguments_of(made)
    return [
        words[name].told(f"There is no argument {name}={value!r}") if name in words else _unknown(name, known)
        for name, value in named.items()
        if name not in known
    ]


def _arguments_of(made: type) -> list[str]:
    """What a class's constructor takes, with what it passes on to those of its bases."""
    constructors = [vars(base)["__init__"] for base in made.__mro__[:-1] if "__init__" in vars(base)]
    parameters = [each for init in constructors for each in inspect.signature(init).parameters.values()]
    return list(
        dict.fromkeys(each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD)
    )


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"There is no argument {name}. " + (
        f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    )
