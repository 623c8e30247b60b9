"""Templates: the double braces of a model function, `Dropout({{uniform(0, 1)}})`, and the names that they get.

`{{…}}` is a set in a set to Python, so that a function with templates can be parsed. In its syntax tree each template
becomes a question, `_ask(place, …)`. The options of a choice that are more than plain values become functions without
arguments: only the option that is chosen is evaluated, in the place where it stands.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kerastune_lite.compat.hyperas.function_source import FunctionSource, without_comments

ASK = "_ask"
"""The name by which a changed function asks."""
DISTRIBUTIONS = (
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "pchoice",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
    "uniformint",
)
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
    """An option of a choice: a plain value, or source that is evaluated once it is chosen.

    Attributes:
        value: The plain value, or the source as a text.
        make: Evaluates the source; None of a plain value.
    """

    value: object
    make: Callable[[], object] | None = None


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
        lazy = {"choice": _lazy_option, "pchoice": _lazy_pair}.get(call.func.id)
        if lazy is not None:
            call.args = [_each(argument, lazy) for argument in call.args]
            call.keywords = [ast.keyword(word.arg, _each(word.value, lazy)) for word in call.keywords]
        asked = [ast.Constant(self._places[id(node)]), *call.args]
        return ast.copy_location(ast.Call(ast.Name(ASK, ast.Load()), asked, call.keywords), node)
