"""A model function with templates, and its data function, as the build_fn of a search."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kerastune_lite.compat.hyperas.function_source import FunctionSource
from kerastune_lite.compat.hyperas.parameters import options_of, parameter_of
from kerastune_lite.compat.hyperas.templates import ASK, OPTION, Option, Template, templates_of
from kerastune_lite.errors import BuildError, FailedTrial
from kerastune_lite.space import Choice, HyperParameters

STATUS_OK, STATUS_FAIL = "ok", "fail"
"""hyperopt's words for how a trial ended."""


@dataclass(frozen=True)
class Data:
    """What a data function gave: the values that it returned, and its local variables by their names."""

    returned: tuple[Any, ...]
    local: Mapping[str, Any]

    @classmethod
    def of(cls, data: Callable[..., Any], arguments: Sequence[Any]) -> Data:
        """Calls a data function once. Where its source can't be read, only what it returns is known."""
        function: Callable[..., Any] = data
        with suppress(BuildError):
            function = _telling_locals(FunctionSource.of(data))
        returned = function(*arguments)
        local: Mapping[str, Any] = {}
        if isinstance(returned, _WithLocals):
            returned, local = returned.value, returned.local
        return cls(tuple(returned) if isinstance(returned, (tuple, list)) else (returned,), local)

    def arguments_for(self, source: FunctionSource) -> dict[str, Any]:
        """The arguments of a model function by their names.

        Hyperas pastes the data function's body in front of the model, which so sees its variables by their names. Where
        a parameter has none of these names, what was returned is given in order.

        Raises:
            BuildError: Neither suits the function's parameters.
        """
        names = list(source.parameters)
        if all(name in self.local for name in names):
            return {name: self.local[name] for name in names}
        if len(names) == len(self.returned):
            return dict(zip(names, self.returned, strict=True))
        raise BuildError(
            f"{source.function.__name__}({', '.join(names)}) has {len(names)} parameters, and data() returned "
            f"{len(self.returned)} values. Return as many, or name the parameters as the variables of data(): "
            f"{', '.join(self.local) or 'none are known'}."
        )

    def seen_by(self, source: FunctionSource) -> dict[str, Any]:
        """The local variables of the data function that a model function mentions without taking them."""
        mentioned = source.names_used - set(source.parameters)
        return {name: value for name, value in self.local.items() if name in mentioned}


@dataclass(frozen=True)
class _WithLocals:
    value: Any
    local: Mapping[str, Any]


_TELL = "_with_locals"


def _telling_locals(source: FunctionSource) -> Callable[..., Any]:
    """A data function that returns its local variables too."""
    tree = _LocalsTold().visit(source.tree)
    return source.compiled(tree, [_TELL])({_TELL: _WithLocals})


class _LocalsTold(ast.NodeTransformer):
    """Adds the local variables to what the outermost function returns."""

    _is_inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """The outermost function changed, and those inside as they are."""
        if self._is_inside:
            return node
        self._is_inside = True
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Functions inside as they are."""
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Functions inside as they are."""
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """What is returned, together with the local variables."""
        value = node.value or ast.Constant(None)
        call = ast.Call(ast.Name(_TELL, ast.Load()), [value, ast.Call(ast.Name("locals", ast.Load()), [], [])], [])
        return ast.copy_location(ast.Return(call), node)


@dataclass
class BestModel:
    """The model of the least loss so far, as an object: what Hyperas gives back. Only one is kept in memory."""

    loss: float = math.inf
    model: Any = None

    def offer(self, loss: Any, model: Any) -> None:
        """Keeps a model whose loss is less than all before."""
        with suppress(TypeError, ValueError):
            if float(loss) < self.loss:
                self.loss, self.model = float(loss), model


@dataclass
class ModelFunction:
    """The build_fn of a model function with templates.

    Attributes:
        templates: The function's templates, in the order of its source.
        best: The best model that it has returned in this process.
    """

    templates: Sequence[Template]
    arguments: Mapping[str, Any]
    seen: Mapping[str, Any]
    made: Callable[[Mapping[str, Any]], Callable[..., Any]]
    best: BestModel = field(default_factory=BestModel)

    @classmethod
    def of(cls, model: Callable[..., Any], data: Data) -> ModelFunction:
        """The model function, with its data.

        Raises:
            BuildError: Its source can't be read, it holds no template, or the data don't suit it.
        """
        source = FunctionSource.of(model)
        arguments, seen = data.arguments_for(source), data.seen_by(source)
        templates, tree = templates_of(source)
        if not templates:
            raise BuildError(
                f"{source.function.__name__} has no template, so there is nothing to search. Write double braces "
                "around a distribution where a value is open: Dropout({{uniform(0, 1)}})."
            )
        return cls(templates, arguments, seen, source.compiled(tree, [*seen, ASK, OPTION]))

    def __call__(self, hp: HyperParameters) -> Any:
        """Calls the model function with the answers of `hp` in the places of its templates.

        Raises:
            FailedTrial: It returned the status "fail".
            Exception: Whatever it raises.
        """

        def ask(place: int, *arguments: Any, **named: Any) -> Any:
            return answer(hp, self.templates[place], arguments, named)

        result = self.made({**self.seen, ASK: ask, OPTION: Option})(**self.arguments)
        if not isinstance(result, Mapping):
            return result
        if result.get("status") == STATUS_FAIL:
            raise FailedTrial("the model function returned the status 'fail'")
        self.best.offer(result.get("loss"), result.get("model"))
        return result


def answer(hp: HyperParameters, template: Template, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What stands in the place of a template in one trial."""
    parameter = parameter_of(template.name, template.distribution, arguments, named)
    value = hp.ask(parameter)
    options = options_of(template.distribution, arguments, named)
    if options is None:
        return value
    assert isinstance(parameter, Choice)
    option = options[parameter.index_of(value)]
    return option.make() if isinstance(option, Option) else option
