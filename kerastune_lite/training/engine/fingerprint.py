"""Fingerprints of models: two models with equal fingerprints are the same computation and can share programs.

A fingerprint holds everything that decides how a model's steps are traced: classes, attributes, wiring, and the code,
defaults, closures and globals of every function. It is found by walking the objects themselves, since a Keras
configuration omits closures and attributes that were changed later. A model that holds something unknown is refused
with NotShareableError. Left out are the values of variables, the initializers and seeds that made them, and lifted
numbers (lifted.py).
"""

from __future__ import annotations

import dis
import functools
import inspect
import re
import sys
import types
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.lifted import LIFTED_ATTRIBUTES
from kerastune_lite.training.keras_internals import (
    BOOKKEEPING,
    SIGN_ONLY,
    excludes_from_weight_decay,
    global_switches,
    graph_of,
    is_functional,
    is_unbuilt,
    tensor_origin,
    variable_identity,
)

LARGEST_ARRAY = 1 << 20
"""The largest array in bytes that may be part of a fingerprint."""
MOST_OBJECTS = 200_000
"""How many objects of a model are visited before it is refused."""
PURE = ("keras", "tensorflow", "numpy", "ml_dtypes", "kerastune_lite")
"""Packages whose code doesn't change and depends on nothing but its arguments."""
PURE_MODULES = frozenset(
    """builtins math cmath functools _functools collections _collections itertools operator _operator re typing abc enum
    dataclasses""".split()
)
ATOMS = (type(None), bool, int, str, bytes, complex)
KERAS_PARTS = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
)
IMPURE_BUILTINS = frozenset(["open", "input", "eval", "exec", "globals", "vars", "id", "__import__"])
HEAP_TYPE = 1 << 9
"""CPython's type flag (Py_TPFLAGS_HEAPTYPE) of classes made by a class statement."""


@dataclass(frozen=True)
class LiftedNumber:
    """A number that a fingerprint leaves out, and the object and attribute that hold it."""

    owner: Any
    attribute: str
    value: float


def fingerprint(
    model: keras.Model, variables: Sequence[keras.Variable], *, lift: bool
) -> tuple[Hashable, list[LiftedNumber]]:
    """A hashable key that is equal for models that are the same computation, and the numbers left out of it.

    Args:
        model: A compiled model whose variables have all been made.
        variables: All variables of the model, its optimizer and its metrics.
        lift: Whether the key leaves out the numbers of `LIFTED_ATTRIBUTES`.

    Raises:
        NotShareableError: The model holds something of which it isn't known how it changes the computation.
    """
    walk = _Walk(variables, lift)
    try:
        key = (global_switches(), model.jit_compile, walk(model), tuple(walk(variable) for variable in variables))
    except RecursionError as error:
        raise NotShareableError("the model is nested too deeply") from error
    return key, walk.lifted


class _Walk:
    """Walks through everything that a model refers to; an object that is met again is named by its number."""

    def __init__(self, variables: Sequence[keras.Variable], lift: bool) -> None:
        self._place = {id(variable): place for place, variable in enumerate(variables)}
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that is freed could give its id to another one
        self._lift = lift
        self.lifted: list[LiftedNumber] = []

    def __call__(self, thing: Any) -> Any:
        if isinstance(thing, ATOMS):
            return (type(thing).__name__, thing)
        if isinstance(thing, float):
            return ("float", thing.hex())
        if isinstance(thing, (np.generic, np.dtype, tf.DType, tf.TensorShape, range, slice, re.Pattern)):
            return (type(thing).__name__, repr(thing))
        if isinstance(thing, np.ndarray):
            if thing.dtype == object or thing.nbytes > LARGEST_ARRAY:
                raise NotShareableError("it holds a large array or one of objects")
            return ("array", thing.dtype.str, thing.shape, thing.tobytes())
        if id(thing) in self._met:
            return ("met", self._met[id(thing)])
        self._met[id(thing)] = len(self._met)
        self._kept.append(thing)
        if len(self._met) > MOST_OBJECTS:
            raise NotShareableError("it holds too many objects")
        return self._new(thing)

    def _new(self, thing: Any) -> Any:
        kind = type(thing)
        if isinstance(thing, keras.Variable):
            return self._variable(thing)
        if isinstance(thing, (tf.Variable, tf.Tensor)):
            raise NotShareableError("it holds a tensor or variable of TensorFlow")
        if isinstance(thing, keras.initializers.Initializer) and _is_pure(kind.__module__):
            return ("initializer",)
        if isinstance(thing, keras.KerasTensor):
            return ("symbol", tuple(thing.shape), str(thing.dtype), bool(getattr(thing, "sparse", False)))
        if isinstance(thing, (list, tuple)):
            return (kind.__name__, len(thing), *map(self, thing))
        if isinstance(thing, dict):
            return (kind.__name__, len(thing), *((self(key), self(value)) for key, value in thing.items()))
        if isinstance(thing, (set, frozenset)):
            if not all(isinstance(item, ATOMS) for item in thing):
                raise NotShareableError("it holds a set of objects")
            return (kind.__name__, *sorted(map(repr, thing)))
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, types.MethodType):
            return ("method", self(thing.__func__), self(thing.__self__))
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, types.BuiltinFunctionType):
            module = getattr(thing, "__module__", None)
            if not _is_pure(module) and module not in PURE_MODULES:
                raise NotShareableError(f"its code calls {thing.__qualname__}() of {module or type(thing.__self__)}")
            return ("builtin", thing)
        if isinstance(thing, np.ufunc):
            return ("ufunc", thing.__name__)
        if isinstance(thing, types.ModuleType):
            return self._module(thing, None)
        if isinstance(thing, inspect.Signature):
            return ("signature", str(thing))
        if isinstance(thing, functools.partial):
            return ("partial", self(thing.func), self(thing.args), self(thing.keywords))
        if not hasattr(thing, "__dict__") or getattr(kind, "__slots__", None):
            raise NotShareableError(f"it holds a {kind.__module__}.{kind.__qualname__}")
        if not (_is_pure(kind.__module__) or isinstance(thing, KERAS_PARTS) or _is_of_the_user(kind)):
            raise NotShareableError(f"it holds a {kind.__module__}.{kind.__qualname__}")
        return self._instance(thing)

    def _variable(self, variable: Any) -> Any:
        if id(variable) not in self._place:
            raise NotShareableError(f"it uses the variable {variable.path}, which isn't its own")
        regularizer, constraint = self(variable.regularizer), self(variable.constraint)
        return ("variable", self._place[id(variable)], *variable_identity(variable), regularizer, constraint)

    def _instance(self, thing: Any) -> Any:
        kind = type(thing)
        is_pure = _is_pure(kind.__module__)
        found: list[Any] = [self(kind)]
        lifted = LIFTED_ATTRIBUTES.get(kind, ()) if self._lift else ()
        for name, value in vars(thing).items():
            if name in BOOKKEEPING or name.startswith("_self_"):
                continue
            if is_pure and name == "seed" and isinstance(value, (int, type(None))):
                continue
            if name in lifted and isinstance(value, float) and value > 0.0:
                self.lifted.append(LiftedNumber(thing, name, value))
                found.append((name, "lifted"))
            elif name in SIGN_ONLY.get(kind.__name__, ()) and is_pure:
                found.append((name, value > 0))
            else:
                found.append((name, self(value)))
        if is_unbuilt(thing):
            raise NotShareableError("it is not built")
        if is_functional(thing):
            found.append(self._wiring(thing))
        if excludes_from_weight_decay(thing):
            raise NotShareableError("its optimizer excludes variables from weight decay")
        return tuple(found)

    def _wiring(self, functional: Any) -> Any:
        """The wiring of a functional model: every call of a layer, and where its arguments come from."""
        operations, calls, ends = graph_of(functional)
        places = {id(operation): place for place, operation in enumerate(operations)}

        def source(argument: Any) -> Any:
            origin = tensor_origin(argument)
            if origin is None:
                return self(argument)
            operation, node, tensor = origin
            return ("from", places.get(id(operation), -1), node, tensor)

        layers = tuple(map(self, operations))
        joined = tuple((*place, repr(keras.tree.map_structure(source, arguments))) for place, arguments in calls)
        return (layers, joined, repr(keras.tree.map_structure(source, ends)))

    def _class(self, kind: type) -> Any:
        if _is_pure(kind.__module__) or kind.__module__ in PURE_MODULES:
            return kind
        found: list[Any] = [kind]
        for base in kind.__mro__:
            if _is_pure(base.__module__) or base.__module__ in PURE_MODULES:
                continue
            for name, value in vars(base).items():
                if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__") or name.startswith(
                    "_abc"
                ):
                    continue
                if isinstance(value, property):
                    found.append((name, *(self(part) for part in (value.fget, value.fset) if part is not None)))
                elif isinstance(value, (classmethod, staticmethod)):
                    found.append((name, self(value.__func__)))
                else:
                    found.append((name, self(value)))
        return tuple(found)

    def _function(self, function: Any) -> Any:
        is_pure = _is_pure(function.__module__)
        if is_pure and function.__closure__ is None:
            return function
        wrapped = getattr(function, "__wrapped__", None)
        if is_pure and isinstance(wrapped, types.FunctionType):
            return ("wrapped", function.__code__, self(wrapped))
        found = [function.__code__, self(function.__defaults__), self(function.__kwdefaults__)]
        names = frozenset(_names(function.__code__))
        for cell in function.__closure__ or ():
            try:
                found.append(self._named(cell.cell_contents, names))
            except ValueError:  # a cell that was never filled
                continue
        if not is_pure:
            found += self._globals(function, names)
        return ("function", *found)

    def _globals(self, function: Any, names: frozenset[str]) -> Iterator[Any]:
        for name in sorted(_operands(function.__code__, "IMPORT_NAME")):
            if name not in sys.modules:
                raise NotShareableError(f"its code imports {name}")
            yield (name, self._module(sys.modules[name], names))
        for name in sorted(_operands(function.__code__, "LOAD_GLOBAL", "LOAD_NAME")):
            if name in function.__globals__:
                yield (name, self._named(function.__globals__[name], names))
            elif name in IMPURE_BUILTINS:
                raise NotShareableError(f"its code calls {name}()")

    def _named(self, value: Any, names: frozenset[str]) -> Any:
        """The key of a value that code can reach; of a module, only what the names in that code can reach."""
        return self._module(value, names) if isinstance(value, types.ModuleType) else self(value)

    def _module(self, module: types.ModuleType, names: frozenset[str] | None) -> Any:
        """The key of a module: its name and, of a user's module, what the code's `names` refer to (None: unknown)."""
        root = module.__name__.partition(".")[0]
        if root == "numpy" and (names is None or "random" in names or module.__name__.startswith("numpy.random")):
            raise NotShareableError("its code uses numpy.random")
        if root in PURE or module.__name__ in PURE_MODULES:
            return ("module", module.__name__)
        if root in sys.stdlib_module_names:
            raise NotShareableError(f"its code uses the module {module.__name__}")
        if names is None:
            raise NotShareableError(f"it holds the module {module.__name__}")
        inside = [(name, self._named(vars(module)[name], names)) for name in sorted(names & vars(module).keys())]
        return ("module", module.__name__, *inside)


def _is_pure(module: str | None) -> bool:
    return bool(module) and str(module).partition(".")[0] in PURE


def _is_of_the_user(kind: type) -> bool:
    """Whether a class was made by a class statement outside the standard library."""
    root = kind.__module__.partition(".")[0]
    return bool(kind.__flags__ & HEAP_TYPE) and (root == "__main__" or root not in sys.stdlib_module_names)


def _names(code: types.CodeType) -> Iterator[str]:
    """The names of globals and attributes in the code of a function and of the functions inside it."""
    yield from code.co_names
    for inner in _inner(code):
        yield from _names(inner)


def _operands(code: types.CodeType, *operations: str) -> set[str]:
    """The arguments of the given bytecode operations in the code of a function and of the functions inside it."""
    found = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in operations}
    return found.union(*(_operands(inner, *operations) for inner in _inner(code)))


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
