"""Functions whose source is changed before they run: the syntax tree is, and never the text.

A changed function has the globals of the one that it was made of, and the values of the variables around it, so that
helper functions, imports and closures are there. Its lines keep their numbers, so that a traceback shows the person's
own file.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from kerastune_lite.errors import BuildError

_FACTORY = "_made"


@dataclass(frozen=True)
class FunctionSource:
    """A function with its source.

    Attributes:
        function: The function.
        text: Its source.
        tree: The syntax tree of its definition.
        text_begins: The line of the function's file that the first line of `text` is, or stands before.
    """

    function: FunctionType
    text: str
    tree: ast.FunctionDef
    text_begins: int

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionSource:
        """The source of a function out of a module, a script or a notebook.

        Raises:
            BuildError: It isn't a function that was written with `def`, or its source can't be read.
        """
        unwrapped = inspect.unwrap(function)
        if not isinstance(unwrapped, FunctionType):
            raise BuildError(
                f"{function!r} ({type(function).__name__}) is no function, and its source is needed: pass a function "
                "that was written with def."
            )
        try:
            lines, first = inspect.getsourcelines(unwrapped)
        except (OSError, TypeError) as error:
            raise BuildError(
                f"The source of {unwrapped.__qualname__} can't be read ({error}). Write it in a file or in the cell of "
                "a notebook; source that was typed at Python's prompt, or that exec ran, isn't kept."
            ) from error
        # An indented function is parsed inside a block: its lines stay as they are, those of texts among them.
        is_indented = lines[0][:1].isspace()
        text = "".join(["if True:\n", *lines] if is_indented else lines)
        try:
            parsed: ast.stmt | None = ast.parse(text).body[0]
        except SyntaxError:  # the lines around a lambda are often no statement
            parsed = None
        tree = parsed.body[0] if is_indented and isinstance(parsed, ast.If) else parsed
        if not isinstance(tree, ast.FunctionDef):
            raise BuildError(f"{unwrapped.__qualname__} has to be written with def, since its source is looked at.")
        text_begins = first - 1 if is_indented else first
        ast.increment_lineno(tree, text_begins - 1)
        return cls(unwrapped, text, tree, text_begins)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The function's parameters by their names."""
        return inspect.signature(self.function).parameters

    @property
    def names_used(self) -> frozenset[str]:
        """Every name that stands in the function, whatever it belongs to."""
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))

    def compiled(self, tree: ast.FunctionDef, added: Iterable[str]) -> Callable[[Mapping[str, Any]], FunctionType]:
        """What makes the function of a changed tree, given the values of names that are added around it.

        Args:
            tree: The changed tree, with the line numbers of `self.tree`.
            added: The names. They hide globals and the variables around the function.
        """
        around = inspect.getclosurevars(self.function).nonlocals
        names = [*dict.fromkeys([*around, *added])]
        module = ast.parse(f"def {_FACTORY}({', '.join(names)}): pass")
        factory = module.body[0]
        assert isinstance(factory, ast.FunctionDef)
        factory.body = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
        ast.fix_missing_locations(module)
        code = self.function.__code__
        made: dict[str, Any] = {}
        # Whether annotations are evaluated is decided by the function's own module, not by this one.
        flags = code.co_flags & annotations.compiler_flag
        exec(compile(module, code.co_filename, "exec", flags, dont_inherit=True), self.function.__globals__, made)
        return lambda values: made[_FACTORY](**{**around, **values})

    def offset_of(self, node: ast.expr, *, end: bool = False) -> int:
        """Where a node begins, or ends, in the source text."""
        line = (node.end_lineno or node.lineno) if end else node.lineno
        column = (node.end_col_offset or node.col_offset) if end else node.col_offset
        lines = self.text.splitlines(keepends=True)
        line -= self.text_begins
        return sum(map(len, lines[:line])) + len(lines[line].encode()[:column].decode())


def without_comments(text: str) -> str:
    """Source text with spaces in the place of comments, so that everything else keeps its place."""
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start[0] - 1, token.start[1]
            line = lines[row]
            lines[row] = line[:column] + " " * len(token.string) + line[column + len(token.string) :]
    return "".join(lines)
