"""What to tell a person who used `hp` in a way that it doesn't have: an unknown name, other arguments, bare options."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from kerastune_lite.errors import SpaceError, UnknownNameError, WrongCallError
from kerastune_lite.other_tuners.of_hp import HP_ARGUMENTS, HP_CALLS, HP_NAMES, HP_WORDS, guide_of_hp

P = ParamSpec("P")
T = TypeVar("T")


def unknown_name(name: str, known: Iterable[str]) -> UnknownNameError:
    """The error of `hp.name`, which there is not."""
    if name in HP_WORDS:
        return UnknownNameError(HP_WORDS[name].told(f"There is no hp.{name}"))
    known = sorted(known)
    folded = name.casefold()
    near = [HP_NAMES[folded]] if folded in HP_NAMES else difflib.get_close_matches(folded, known, n=1)
    hint = f": did you mean hp.{near[0]}?" if near else "."
    call = f" Write {HP_CALLS[near[0]]}." if near and near[0] in HP_CALLS else ""
    guide = f" See {guide_of_hp(name)}." if guide_of_hp(name) else ""
    return UnknownNameError(f"There is no hp.{name}{hint} hp has: {', '.join(known)}.{call}{guide}")


def explained(method: Callable[P, T]) -> Callable[P, T]:
    """The method, whose wrong calls are told as a mistake that no other setting would mend."""

    @functools.wraps(method)
    def called(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return method(*arguments, **named)
        except TypeError as error:
            problem = _problem(method, arguments, named)
            if problem is None:
                raise
            raise WrongCallError(_wrong_call(method, problem, arguments[1:], named)) from error

    return called


def _problem(method: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> str | None:
    try:
        inspect.signature(method).bind(*arguments, **named)
    except TypeError as error:
        return str(error)
    return None


def _wrong_call(method: Callable[..., Any], problem: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    given = ", ".join([*map(repr, arguments), *(f"{name}={value!r}" for name, value in named.items())])
    call = f"hp.{method.__name__}({given})"
    if method.__name__ == "choice" and len(arguments) > 2 and not isinstance(arguments[1], (list, tuple)):
        options = ", ".join(map(repr, arguments[1:]))
        return f"{call}: {problem}. Give the options as one list: hp.choice({arguments[0]!r}, [{options}])."
    parameters = [each for each in inspect.signature(method).parameters.values() if each.name != "self"]
    hints = [hint for name in named if (hint := _argument_hint(name, [each.name for each in parameters]))]
    shown = [f"{each.name}=…" if each.kind is each.KEYWORD_ONLY else _bare(each) for each in parameters]
    return " ".join([f"{call}: {problem}.", *hints, f"Call it as hp.{method.__name__}({', '.join(shown)})."])


def _argument_hint(name: str, known: list[str]) -> str | None:
    if name in known:
        return None
    meant = HP_ARGUMENTS.get(name) or next(iter(difflib.get_close_matches(name, known, n=1)), None)
    return None if meant is None or meant == name else f"For {name} did you mean {meant}?"


def _bare(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def checked_options(name: str, values: Any) -> Iterable[Any]:
    """The options of a choice; SpaceError where they aren't a sequence, whose order is the same each time."""
    if isinstance(values, (str, bytes)):
        problem, way = "one text, not a list", f"[{values!r}, …], with each option in it"
    elif isinstance(values, Mapping):
        problem, way = "a dict", f"list(…) for its keys, as in options[hp.choice({name!r}, list(options))]"
    elif isinstance(values, (set, frozenset)):
        problem, way = "a set, whose order may be another one in each process", "a list, such as sorted(…)"
    elif isinstance(values, Iterator):
        problem, way = "an iterator, which is used up once it was read", "list(…)"
    elif not _is_iterable(values):
        problem, way = "one value, not a list", f"[{values!r}, …], with each option in it"
    else:
        return values  # type: ignore[no-any-return]
    raise SpaceError(
        f"hp.choice({name!r}, {values!r}): the options are {problem} ({type(values).__name__}). Pass {way}."
    )


def _is_iterable(values: Any) -> bool:
    try:
        iter(values)
    except TypeError:
        return False
    return True
