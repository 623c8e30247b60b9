"""Fingerprints of models: two models with equal fingerprints are the same computation and can share programs.

A fingerprint holds everything that decides how a model's steps are traced: classes, attributes, wiring, and the code,
defaults, closures, attributes and globals of every function. It is found by walking the objects themselves, since a
Keras configuration omits closures and attributes that were changed later. A model that holds something unknown is
refused with NotShareableError. Left out are the values of variables, the initializers and seeds that made them, lifted
numbers (lifted.py), and the bookkeeping that Keras's own classes keep on their objects.
"""

from __future__ import annotations

import collections
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
CONTAINERS = (dict, list, tuple, set, frozenset, np.ndarray, str, bytes, int, float, complex)
"""Types of which a subclass may hold attributes and methods besides its contents."""
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
DESCRIPTORS = (
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    type(vars(collections.namedtuple("_", "field"))["field"]),
)
"""Types of the attributes and methods of classes that are written in C."""
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
LOADS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD", "IMPORT_FROM")
_IS_COMPLETE = True
"""Tests set it to False, to show that the check of shared programs (check.py) doesn't rest on the fingerprint alone."""
HEAP_TYPE = 1 << 9
"""CPython's type flag (Py_TPFLAGS_HEAPTYPE) of classes made by a class statement."""


@dataclass(frozen=True)
class LiftedNumber:
    """A number that a fingerprint leaves out, and the object and attribute that hold it."""

    owner: Any
    attribute: str
    value: float


@dataclass(frozen=True)
class Fingerprint:
    """What a model computes.

    Attributes:
        key: A hashable key that is equal for models that are the same computation.
        lifted: The numbers that the key leaves out.
        has_own_code: Whether the model holds code that isn't Keras's.
    """

    key: Hashable
    lifted: list[LiftedNumber]
    has_own_code: bool


def fingerprint(model: keras.Model, variables: Sequence[keras.Variable], *, lift: bool) -> Fingerprint:
    """The fingerprint of a model.

    Args:
        model: A compiled model whose variables have all been made.
        variables: All variables of the model, its optimizer and its metrics.
        lift: Whether the key leaves out the numbers of `LIFTED_ATTRIBUTES`.

    Raises:
        NotShareableError: The model holds something of which it isn't known how it changes the computation.
    """
    walk = _Walk(variables, lift)
    try:
        key = (global_switches(), model.jit_compile, walk(model), tuple(map(walk, variables)), tuple(walk.rest()))
    except RecursionError as error:
        raise NotShareableError("the model is nested too deeply") from error
    return Fingerprint(key, walk.lifted, walk.has_own_code)


class _Walk:
    """Walks through everything that a model refers to; an object that is met again is named by its number.

    Some things are known only at the end, in `rest`: which attributes of the user's modules all the code names, and
    whether a step uses an initializer that an object holds. The methods that no step calls are walked then too.
    """

    def __init__(self, variables: Sequence[keras.Variable], lift: bool) -> None:
        self._place = {id(variable): place for place, variable in enumerate(variables)}
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that is freed could give its id to another one
        self._lift = lift
        self.lifted: list[LiftedNumber] = []
        self.has_own_code = False
        self._modules: dict[str, types.ModuleType] = {}
        self._attributes: set[str] = set()
        self._in_steps: set[str] = set()
        self._looks_up = False
        self._initializers: list[tuple[str, Any]] = []
        self._before_training: list[Any] = []
        self._is_in_step = True

    def __call__(self, thing: Any) -> Any:
        kind = type(thing)
        self.has_own_code = self.has_own_code or not _is_of_a_library(kind.__module__)
        if kind in ATOMS or (isinstance(thing, ATOMS) and not _IS_COMPLETE):
            return (kind.__name__, thing)
        if kind is float or (isinstance(thing, float) and not _IS_COMPLETE):
            return ("float", thing.hex())
        if isinstance(thing, (np.generic, np.dtype, tf.DType, tf.TensorShape, range, slice, re.Pattern)):
            return (type(thing).__name__, repr(thing))
        if kind in (np.ndarray, np.memmap):
            return self._array(thing)
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
        if isinstance(thing, keras.initializers.Initializer) and _is_pure(kind.__module__) and not _IS_COMPLETE:
            return ("initializer",)
        if isinstance(thing, keras.KerasTensor):
            return ("symbol", tuple(thing.shape), str(thing.dtype), bool(getattr(thing, "sparse", False)))
        for base in CONTAINERS:
            if isinstance(thing, base):
                contents = self._contents(thing, base)
                is_plain = kind is base or not _IS_COMPLETE
                return contents if is_plain else (contents, self(kind), *self._attributes_of(thing))
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, types.MethodType):
            return ("method", self(thing.__func__), self(thing.__self__))
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, types.BuiltinFunctionType):
            module = getattr(thing, "__module__", None)
            if isinstance(thing.__self__, type) and _is_of_a_library(thing.__self__.__module__):
                return ("builtin", thing.__self__, thing.__name__)
            if not _is_pure(module) and module not in PURE_MODULES:
                raise NotShareableError(f"its code calls {thing.__qualname__}() of {module or type(thing.__self__)}")
            self._looks_up = self._looks_up or thing.__name__ in LOOKS_UP
            return ("builtin", thing)
        if isinstance(thing, np.ufunc):
            return ("ufunc", thing.__name__)
        if isinstance(thing, types.ModuleType):
            return self._module(thing, None)
        if isinstance(thing, inspect.Signature):
            return ("signature", str(thing))
        if isinstance(thing, functools.partial):
            return ("partial", self(thing.func), self(thing.args), self(thing.keywords), *self._attributes_of(thing))
        if isinstance(thing, DESCRIPTORS):
            return ("descriptor", repr(thing))
        if not hasattr(thing, "__dict__") or getattr(kind, "__slots__", None):
            raise NotShareableError(f"it holds a {kind.__module__}.{kind.__qualname__}")
        if not (_is_pure(kind.__module__) or isinstance(thing, KERAS_PARTS) or _is_of_the_user(kind)):
            raise NotShareableError(f"it holds a {kind.__module__}.{kind.__qualname__}")
        return self._instance(thing)

    def _variable(self, variable: Any) -> Any:
        if id(variable) not in self._place:
            raise NotShareableError(f"it uses the variable {variable.path}, which isn't its own")
        regularizer, constraint = self(variable.regularizer), self(variable.constraint)
        added = self._attributes_of(variable)
        return ("variable", self._place[id(variable)], *variable_identity(variable), regularizer, constraint, *added)

    def _array(self, array: np.ndarray) -> Any:
        if array.dtype == object or array.nbytes > LARGEST_ARRAY:
            raise NotShareableError("it holds a large array or one of objects")
        return ("array", array.dtype.str, array.shape, array.tobytes())

    def _contents(self, thing: Any, base: type) -> Any:
        """What a container holds, whatever the methods of its class make of it."""
        kind = type(thing)
        is_users = issubclass(kind, base) and not _is_of_a_library(kind.__module__)
        if base is dict:
            factory = self(thing.default_factory if isinstance(thing, collections.defaultdict) else None)
            items = dict.items(thing) if is_users else thing.items()
            return (kind.__name__, factory, len(items), *((self(key), self(value)) for key, value in items))
        if base in (set, frozenset):
            items = list(base.__iter__(thing) if is_users else thing)
            if not all(type(item) in ATOMS for item in items):
                raise NotShareableError("it holds a set of objects")
            return (kind.__name__, *sorted(map(repr, items)))
        if base in (list, tuple):
            items = list(base.__iter__(thing) if is_users else thing)
            return (kind.__name__, len(items), *map(self, items))
        if base is np.ndarray:
            return self._array(np.asarray(thing))
        return (kind.__name__, base.__repr__(thing))  # type: ignore[call-arg]

    def _attributes_of(self, thing: Any) -> Iterator[Any]:
        """The attributes of an object of a library, or of a subclass of a container, that no library has set."""
        if not _IS_COMPLETE:
            return
        kind = type(thing)
        for name, value in [*getattr(thing, "__dict__", {}).items(), *_slots(thing)]:
            if not set_by_keras(kind, name) and name != "__wrapped__":
                yield (name, self(value))

    def _instance(self, thing: Any) -> Any:
        kind = type(thing)
        is_pure = _is_pure(kind.__module__)
        found: list[Any] = [self(kind)]
        lifted = LIFTED_ATTRIBUTES.get(kind, ()) if self._lift else ()
        for name, value in vars(thing).items():
            if _is_bookkeeping(kind, name, value):
                continue
            if isinstance(value, keras.initializers.Initializer) and _is_pure(type(value).__module__):
                self._initializers.append((name, value))
                continue
            is_seed = is_pure and name == "seed" and not isinstance(thing, keras.initializers.Initializer)
            if is_seed and isinstance(value, (int, type(None))):
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
        if is_functional(thing) and set_by_keras(kind, "_operations"):
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
        if _is_of_a_library(kind.__module__):
            self._looks_up = self._looks_up or kind.__name__ in LOOKS_UP
            return kind
        self.has_own_code = True
        found: list[Any] = [kind]
        if _IS_COMPLETE and type(kind) is not type:
            found.append(self(type(kind)))
        for base in kind.__mro__:
            if _is_of_a_library(base.__module__):
                continue
            for name, value in vars(base).items():
                if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__") or name.startswith(
                    "_abc"
                ):
                    continue
                if name in BEFORE_TRAINING and _IS_COMPLETE:
                    self._before_training.append(getattr(value, "__func__", value))
                elif isinstance(value, property):
                    found.append((name, *(self(part) for part in (value.fget, value.fset) if part is not None)))
                elif isinstance(value, (classmethod, staticmethod)):
                    found.append((name, self(value.__func__)))
                else:
                    found.append((name, self(value)))
        return tuple(found)

    def _function(self, function: Any) -> Any:
        # A decorator may have copied the name of another module.
        home = function.__globals__.get("__name__")
        is_pure = _is_pure(home) or home == "enum"
        self.has_own_code = self.has_own_code or not is_pure
        is_pure = is_pure if _IS_COMPLETE else _is_pure(function.__module__)
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
            self._note_names(function.__code__)
            found += self._globals(function, names)
            found += self._attributes_of(function)
        return ("function", *found)

    def _note_names(self, code: types.CodeType) -> None:
        """Notes which names of attributes stand in code."""
        attributes = _operands(code, *LOADS_ATTRIBUTE)
        if _IS_COMPLETE and attributes & REACHES_ANYTHING:
            raise NotShareableError(f"its code uses {min(attributes & REACHES_ANYTHING)}")
        self._attributes |= attributes
        self._looks_up = self._looks_up or bool(LOOKS_UP & frozenset(_names(code)))
        if self._is_in_step:
            self._in_steps |= attributes

    def rest(self) -> Iterator[Any]:
        """The part of the key that takes the whole model to know."""
        if not _IS_COMPLETE:
            return
        done: set[tuple[str, str]] = set()
        self._initializers.sort(key=lambda pair: pair[0])
        for name, initializer in self._initializers:
            if name in self._in_steps:
                yield (name, self(initializer))
        self._is_in_step = False
        while True:
            while self._before_training:
                yield self(self._before_training.pop(0))
            if self._modules and self._looks_up:
                raise NotShareableError(f"its code looks up names while it runs, perhaps in {min(self._modules)}")
            found = {
                (place, name)
                for place, module in self._modules.items()
                for name in self._attributes & vars(module).keys()
            }
            if found <= done:
                return
            for place, name in sorted(found - done):
                yield (place, name, self._named(vars(self._modules[place])[name], frozenset(self._attributes)))
            done |= found

    def _globals(self, function: Any, names: frozenset[str]) -> Iterator[Any]:
        for name in sorted(_operands(function.__code__, "IMPORT_NAME")):
            if name not in sys.modules:
                raise NotShareableError(f"its code imports {name}")
            yield (name, self._module(sys.modules[name], names))
        for name in sorted(_operands(function.__code__, "LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")):
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
        if _IS_COMPLETE:
            if "__getattr__" in vars(module):
                raise NotShareableError(f"its code uses the module {module.__name__}, which computes its attributes")
            self._modules[module.__name__] = module
            return ("module", module.__name__)
        inside = [(name, self._named(vars(module)[name], names)) for name in sorted(names & vars(module).keys())]
        return ("module", module.__name__, *inside)


def _is_pure(module: str | None) -> bool:
    return bool(module) and str(module).partition(".")[0] in PURE


def _is_of_a_library(module: str | None) -> bool:
    return _is_pure(module) or module in PURE_MODULES or module in ("types", "_thread", "_operator", "_abc", "inspect")


def _is_bookkeeping(kind: type, name: str, value: Any) -> bool:
    """Whether an attribute is one that Keras keeps on its own objects, and that no step depends on."""
    if name not in BOOKKEEPING and not name.startswith("_self_"):
        return False
    if not _IS_COMPLETE:
        return True
    if name == "history":
        return isinstance(value, keras.callbacks.History)
    if name in ("build", "quantize"):  # methods that Keras wraps on each object, or a user's own
        value = value.__globals__.get("__name__") if isinstance(value, types.FunctionType) else None
        return _is_pure(value)
    return set_by_keras(kind, name)


def set_by_keras(kind: type, name: str) -> bool:
    """Whether the code of a class of Keras or TensorFlow, or of such a base of a class, sets an attribute."""
    return any(name in _set_by(base) for base in kind.__mro__ if _is_pure(base.__module__))


@functools.cache
def _set_by(kind: type) -> frozenset[str]:
    """The attributes that the methods of a class set."""
    found: set[str] = set()
    for value in vars(kind).values():
        parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for part in parts:
            function = inspect.unwrap(part) if isinstance(part, types.FunctionType) else None
            if isinstance(function, types.FunctionType):
                found |= _operands(function.__code__, "STORE_ATTR")
    return frozenset(found)


def _slots(thing: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object that the classes of the user's keep in slots."""
    for kind in type(thing).__mro__:
        slots = () if _is_of_a_library(kind.__module__) else vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, name):
                yield (name, getattr(thing, name))


def _is_of_the_user(kind: type) -> bool:
    """Whether a class was made by a class statement outside the standard library."""
    root = kind.__module__.partition(".")[0]
    return bool(kind.__flags__ & HEAP_TYPE) and (root == "__main__" or root not in sys.stdlib_module_names)


def _names(code: types.CodeType) -> Iterator[str]:
    """The names of globals and attributes in the code of a function and of the functions inside it."""
    yield from code.co_names
    for inner in _inner(code):
        yield from _names(inner)


@functools.lru_cache(maxsize=4096)
def _operands(code: types.CodeType, *operations: str) -> frozenset[str]:
    """The arguments of the given bytecode operations in the code of a function and of the functions inside it."""
    found = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in operations}
    return frozenset(found).union(*(_operands(inner, *operations) for inner in _inner(code)))


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
