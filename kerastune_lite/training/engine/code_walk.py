"""The part of a fingerprint that tells code apart: functions, classes, modules, and what their code reaches."""

from __future__ import annotations

import abc
import dataclasses
import functools
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.bytecode import (
    LOADS_ATTRIBUTE,
    LOADS_GLOBAL,
    attributes_taken,
    imports_of,
    names_in,
    operands,
)
from kerastune_lite.training.engine.libraries import PURE, PURE_MODULES, is_of_a_library, is_pure
from kerastune_lite.training.keras_internals import python_function_of, settings_of_function

BEFORE_TRAINING = frozenset(
    """__init__ __new__ build build_from_config get_build_config get_config from_config compile compute_output_shape
    compute_output_spec""".split()
)
"""Methods that no step calls: what their code alone refers to is no part of a step."""
LOOKS_UP = frozenset(["getattr", "__dict__", "vars", "attrgetter", "methodcaller", "getmembers", "__getattribute__"])
"""Names by which code reaches an attribute whose own name doesn't stand in the code."""
REACHES_ANYTHING = frozenset(
    ["__globals__", "__builtins__", "_getframe", "f_globals", "f_locals", "f_back", "gi_frame"]
)
IMPURE_BUILTINS = frozenset(["open", "input", "eval", "exec", "globals", "vars", "id", "__import__"])
KERAS_PARTS = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
)
"""Objects that a step calls, and never makes."""
_OF_A_CLASS_ITSELF = frozenset(
    """__dict__ __weakref__ __doc__ __module__ __qualname__ __dataclass_params__ __static_attributes__ __firstlineno__
    __annotate__ __annotate_func__ __annotations_cache__""".split()
)
"""Attributes of classes that no step depends on."""


class CodeWalk(abc.ABC):
    """How a walk tells functions, classes and modules apart.

    Some things are known only at the end, in `rest`: which attributes of the user's modules all the code names, and
    whether a step uses an initializer that an object holds. The methods that no step calls are walked then too.
    """

    def __init__(self, is_complete: bool) -> None:
        self._is_complete = is_complete
        self.has_own_code = False
        self._modules: dict[str, types.ModuleType] = {}
        self._attributes: set[str] = set()
        self._in_steps: set[str] = set()
        self._looks_up = False
        self._initializers: list[tuple[str, Any]] = []
        self._constructors: list[Any] = []
        self._before_training: list[Any] = []
        self._is_in_step = True

    @abc.abstractmethod
    def __call__(self, thing: Any) -> Any:
        """The key of anything."""

    @abc.abstractmethod
    def _attributes_of(self, thing: Any) -> Iterator[Any]: ...

    def _impure(self, reason: str) -> Any:
        """Refuses what depends on more than its arguments; code that no step runs may use it.

        Raises:
            NotShareableError: A step may use it.
        """
        if self._is_in_step or not self._is_complete:
            raise NotShareableError(reason)
        return ("impure", reason)

    @contextmanager
    def _outside_of_steps(self) -> Iterator[None]:
        self._is_in_step = False
        try:
            yield
        finally:
            self._is_in_step = True

    def _class(self, kind: type) -> Any:
        if is_of_a_library(kind.__module__):
            self._looks_up = self._looks_up or kind.__name__ in LOOKS_UP
            return kind
        self.has_own_code = True
        if not self._is_complete:
            found: list[Any] = [kind]
        else:
            # A class that is made anew with each model is the same where its code is.
            bases = tuple(base if is_of_a_library(base.__module__) else base.__qualname__ for base in kind.__mro__)
            found = [kind.__module__, kind.__qualname__, bases]
            if type(kind) is not type:
                found.append(self(type(kind)))
        for base in kind.__mro__:
            if not is_of_a_library(base.__module__):
                found.append(tuple(self._of_a_class(base)))
        return ("class", *found)

    def _of_a_class(self, kind: type) -> Iterator[Any]:
        for name, value in vars(kind).items():
            if name in _OF_A_CLASS_ITSELF or name.startswith("_abc"):
                continue
            if name == "__dataclass_fields__" and self._is_complete:
                yield (name, *map(self._field, value.values()))
            elif name in BEFORE_TRAINING and self._is_complete:
                code = getattr(value, "__func__", value)
                (self._before_training if issubclass(kind, KERAS_PARTS) else self._constructors).append(code)
            elif isinstance(value, property):
                yield (name, *(self(part) for part in (value.fget, value.fset) if part is not None))
            elif isinstance(value, (classmethod, staticmethod)):
                yield (name, self(value.__func__))
            elif type(value) is functools.cached_property:
                yield (name, "cached", self(value.func))
            else:
                yield (name, self(value))

    def _field(self, field: dataclasses.Field[Any]) -> Any:
        """The key of a field of a dataclass, which `dataclasses.replace` and the like look at."""
        settings = (field.name, field.init, field.repr, field.hash, field.compare, field.kw_only)
        return ("field", *settings, self(field.default), self(field.default_factory), self(dict(field.metadata)))

    def _function(self, function: Any) -> Any:
        # A decorator may have copied the name of another module.
        home = function.__globals__.get("__name__")
        pure = is_pure(home) or home in PURE_MODULES
        self.has_own_code = self.has_own_code or not pure
        pure = pure if self._is_complete else is_pure(function.__module__)
        if pure and function.__closure__ is None:
            return function
        wrapped = getattr(function, "__wrapped__", None)
        if (is_pure(home) or home == "dataclasses") and pure and isinstance(wrapped, types.FunctionType):
            return ("wrapped", function.__code__, self(wrapped))
        found = [function.__code__, self(function.__defaults__), self(function.__kwdefaults__)]
        names = frozenset(names_in(function.__code__))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                contents = cell.cell_contents
            except ValueError:  # a cell that was never filled
                continue
            found.append(self._named(contents, _taken(function.__code__, name, contents, names)))
        if not pure:
            self._note_names(function.__code__)
            found += self._globals(function, names)
            found += self._attributes_of(function)
        return ("function", *found)

    def _traced_function(self, function: Any) -> Any:
        """The key of a `tf.function`: its settings, and the Python function in it."""
        return ("tf.function", settings_of_function(function), self(python_function_of(function)))

    def _note_names(self, code: types.CodeType) -> None:
        """Notes which names of attributes stand in code."""
        attributes = operands(code, *LOADS_ATTRIBUTE)
        if self._is_complete and attributes & REACHES_ANYTHING:
            self._impure(f"its code uses {min(attributes & REACHES_ANYTHING)}")
        self._attributes |= attributes
        if self._is_in_step:
            self._in_steps |= attributes
            self._looks_up = self._looks_up or bool(LOOKS_UP & frozenset(names_in(code)))

    def rest(self) -> Iterator[Any]:
        """The part of the key that takes the whole model to know."""
        if not self._is_complete:
            return
        done: set[tuple[str, str]] = set()
        yield from self._until_known(self._constructors, done)
        self._initializers.sort(key=lambda pair: pair[0])
        for name, initializer in self._initializers:
            if name in self._in_steps:
                yield (name, self(initializer))
        yield from self._until_known(self._constructors, done)
        with self._outside_of_steps():
            yield from self._until_known(self._before_training, done)

    def _until_known(self, code: list[Any], done: set[tuple[str, str]]) -> Iterator[Any]:
        """Walks code, and what it names of the user's modules, until nothing new is found."""
        while True:
            while code:
                yield self(code.pop(0))
            if self._is_in_step and self._modules and self._looks_up:
                raise NotShareableError(f"its code looks up names while it runs, perhaps in {min(self._modules)}")
            found = {
                (place, name)
                for place, module in self._modules.items()
                for name in self._attributes & vars(module).keys()
            }
            if found <= done and not code:
                return
            for place, name in sorted(found - done):
                yield (place, name, self._named(vars(self._modules[place])[name], frozenset(self._attributes)))
            done |= found

    def _globals(self, function: Any, names: frozenset[str]) -> Iterator[Any]:
        code = function.__code__
        for name in sorted(imports_of(code) if self._is_complete else operands(code, "IMPORT_NAME")):
            if name in sys.modules:
                yield (name, self._module(sys.modules[name], names))
            else:
                yield (name, self._impure(f"its code imports {name}"))
        for name in sorted(operands(code, *LOADS_GLOBAL)):
            if name in function.__globals__:
                value = function.__globals__[name]
                yield (name, self._named(value, _taken(code, name, value, names)))
            elif name in IMPURE_BUILTINS:
                yield (name, self._impure(f"its code calls {name}()"))

    def _named(self, value: Any, names: frozenset[str]) -> Any:
        """The key of a value that code can reach; of a module, only what the names in that code can reach."""
        return self._module(value, names) if isinstance(value, types.ModuleType) else self(value)

    def _module(self, module: types.ModuleType, names: frozenset[str] | None) -> Any:
        """The key of a module: its name and, of a user's module, what the code's `names` refer to (None: unknown)."""
        root = module.__name__.partition(".")[0]
        if root == "numpy" and (names is None or "random" in names or module.__name__.startswith("numpy.random")):
            return self._impure("its code uses numpy.random")
        if root in PURE or module.__name__ in PURE_MODULES:
            return ("module", module.__name__)
        if root in sys.stdlib_module_names:
            return self._impure(f"its code uses the module {module.__name__}")
        if names is None:
            return self._impure(f"it holds the module {module.__name__}")
        if self._is_complete:
            if "__getattr__" in vars(module):
                return self._impure(f"its code uses the module {module.__name__}, which computes its attributes")
            self._modules[module.__name__] = module
            return ("module", module.__name__)
        inside = [(name, self._named(vars(module)[name], names)) for name in sorted(names & vars(module).keys())]
        return ("module", module.__name__, *inside)


def _taken(code: types.CodeType, name: str, value: Any, names: frozenset[str]) -> frozenset[str]:
    """Which names code may take of a value: of NumPy those that follow it, since Keras has a `random` too."""
    if not (isinstance(value, types.ModuleType) and value.__name__ == "numpy"):
        return names
    taken = attributes_taken(code, name)
    return names if taken is None else taken
