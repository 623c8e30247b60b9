"""Templates: the double braces of a model function, `Dropout({{uniform(0, 1)}})`, and the names that they get.

`{{…}}` is a set in a set to Python, so that a function with templates can be parsed. In its syntax tree each template
becomes a question, `_ask(place, …)`. The options of a choice that are more than plain values become functions without
arguments: only the option that is chosen is evaluated, in the place where it stands.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kerastune_lite.compat.hyperas import distributions
from kerastune_lite.compat.hyperas.function_source import FunctionSource, without_comments
from kerastune_lite.space.values import is_data

ASK, OPTION = "_ask", "_option"
"""The names by which a changed function asks, and makes the options of a choice."""
DISTRIBUTIONS = tuple(name for name in distributions.__all__ if name != "conditional")
"""What may stand in a template."""


@dataclass(frozen=True)
class Template:
    """One template of a function.

    Attributes:
        name: The name of its parameter.
        distribution: What is called in the braces.
    """

    name: str
    distribution: str


@dataclass(frozen=True)
class Option:
    """An option of a choice that is more than a plain value: it is evaluated once it is chosen.

    Attributes:
        source: The option's source, which is its name in the records.
        make: Evaluates it.
    """

    source: str
    make: Callable[[], object]


def templates_of(source: FunctionSource) -> tuple[list[Template], ast.FunctionDef]:
    """The templates of a function in the order of its source, and its tree with questions in their places."""
    found = sorted(
        (node for node in ast.walk(source.tree) if isinstance(node, ast.Set) and _call_in(node) is not None),
        key=lambda node: (node.lineno, node.col_offset),
    )
    calls = [call for node in found if (call := _call_in(node)) is not None]
    distributions = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
    names = names_of(source, found, distributions)
    places = {id(node): place for place, node in enumerate(found)}
    tree = _Questions(places).visit(source.tree)
    return [Template(name, distribution) for name, distribution in zip(names, distributions, strict=True)], tree


def _call_in(node: ast.AST) -> ast.Call | None:
    """The call of a distribution that a set in a set holds and nothing else; None of any other node."""
    match node:
        case ast.Set(elts=[ast.Set(elts=[ast.Call(func=ast.Name(id=name)) as call])]) if name in DISTRIBUTIONS:
            return call
    return None


def names_of(source: FunctionSource, templates: Sequence[ast.Set], distributions: Sequence[str]) -> list[str]:
    """The names of templates, as Hyperas gives them.

    A template is named by the word directly before "=" or "(" in front of it: `Dense({{…}})` is "Dense". Where there
    is none it has the name of the template before it. A name that comes again gets "_1", "_2" and so on. Hyperas looks
    for the word in the whole text, so that templates with equal texts all get the first word that stands in front of
    one of them.
    """
    text = without_comments(source.text)
    spans = [(source.offset_of(node), source.offset_of(node, end=True)) for node in templates]
    texts = [text[start:end] for start, end in spans]
    words: dict[str, str] = {}
    for template, (start, _) in zip(texts, spans, strict=True):
        word = re.search(r"(\w+)\s*[=(]\s*$", text[:start])
        if word is not None:
            words.setdefault(template, word[1])
    bare: list[str] = []
    for template, distribution in zip(texts, distributions, strict=True):
        # Hyperas fails where the first template of all has no word.
        bare.append(words.get(template) or (bare[-1] if bare else distribution))
    seen: Counter[str] = Counter()
    names = []
    for name in bare:
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


class _Questions(ast.NodeTransformer):
    """Puts a question in the place of each template."""

    def __init__(self, places: dict[int, int]) -> None:
        self._places = places

    def visit_Set(self, node: ast.Set) -> ast.AST:
        """The question of a template; any other set is left as it is."""
        if id(node) not in self._places:
            return self.generic_visit(node)
        call = _call_in(node)
        assert call is not None
        assert isinstance(call.func, ast.Name)
        change = {"choice": _as_option, "pchoice": _as_weighted_option}.get(call.func.id)
        if change is not None:
            call.args = [_each(argument, change) for argument in call.args]
            call.keywords = [ast.keyword(word.arg, _each(word.value, change)) for word in call.keywords]
        asked = [ast.Constant(self._places[id(node)]), *call.args]
        return ast.copy_location(ast.Call(ast.Name(ASK, ast.Load()), asked, call.keywords), node)


def _each(options: ast.expr, change: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """A list of options with each of them changed; any other expression as it is."""
    if isinstance(options, (ast.List, ast.Tuple)):
        options.elts = [change(option) for option in options.elts]
    return options


def _as_weighted_option(pair: ast.expr) -> ast.expr:
    """A pair of a weight and an option."""
    if isinstance(pair, (ast.List, ast.Tuple)) and len(pair.elts) == 2:
        pair.elts[1] = _as_option(pair.elts[1])
    return pair


def _as_option(node: ast.expr) -> ast.expr:
    """The node of a plain value as it is, and of anything else an `Option`."""
    if isinstance(node, ast.Starred) or _is_plain(node):
        return node
    made = ast.parse("lambda: None", mode="eval").body
    assert isinstance(made, ast.Lambda)
    source, made.body = ast.unparse(node), node
    call = ast.Call(ast.Name(OPTION, ast.Load()), [ast.Constant(source), made], [])
    return ast.copy_location(call, node)


def _is_plain(node: ast.expr) -> bool:
    """Whether a node is a number, a text, None, or a list, tuple or dict of them."""
    try:
        return is_data(ast.literal_eval(node))
    except (ValueError, TypeError):
        return False
