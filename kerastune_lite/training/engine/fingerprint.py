"""Fingerprints of models: two models with equal fingerprints are the same computation and can share programs.

A fingerprint holds everything that decides how a model's steps are traced: classes, attributes, wiring, and the code,
defaults, closures, attributes and globals of every function (code_walk.py). It is found by walking the objects
themselves, since a Keras configuration omits closures and attributes that were changed later. A model that holds
something unknown is refused with NotShareableError. Left out are the values of variables, the initializers and seeds
that made them, lifted numbers (lifted.py), and the bookkeeping that Keras's own classes keep on their objects. Tensors,
arrays and lookup tables count by their contents (values.py).
"""

from __future__ import annotations

import argparse
import collections
import functools
import inspect
import re
import types
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.code_walk import KERAS_PARTS, LOOKS_UP, CodeWalk
from kerastune_lite.training.engine.libraries import (
    PURE_MODULES,
    is_of_a_library,
    is_of_the_user,
    is_pure,
    set_by_keras,
    slots_of,
)
from kerastune_lite.training.engine.lifted import LIFTED_ATTRIBUTES, LiftedNumber, liftable
from kerastune_lite.training.engine.values import digest_of_array, digest_of_table, digest_of_tensor
from kerastune_lite.training.keras_internals import (
    BOOKKEEPING,
    SIGN_ONLY,
    default_of_table,
    excludes_from_weight_decay,
    global_seed_state,
    global_switches,
    graph_of,
    is_functional,
    is_lookup_table,
    is_traced_function,
    table_settings,
    tensor_origin,
    variable_identity,
)

MOST_OBJECTS = 200_000
"""How many objects of a model are visited before it is refused."""
ATOMS = (type(None), bool, int, str, bytes, complex)
CONTAINERS = (dict, list, tuple, set, frozenset, np.ndarray, str, bytes, int, float, complex)
"""Types of which a subclass may hold attributes and methods besides its contents."""
DESCRIPTORS = (
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    type(vars(collections.namedtuple("_", "field"))["field"]),
)
"""Types of the attributes and methods of classes that are written in C."""
NAMESPACES = (types.SimpleNamespace, argparse.Namespace)
"""Classes of the standard library that are nothing but their attributes."""
READS_VALUES = frozenset(["numpy", "get_static_value", "constant_value", "convert_to_numpy", "init_scope"])
"""Names by which code makes plain numbers of variables while it is traced."""
_IS_COMPLETE = True
"""Tests set it to False, to show that the check of shared programs (check.py) doesn't rest on the fingerprint alone."""


@dataclass(frozen=True)
class Fingerprint:
    """What a model computes, and what it holds.

    Attributes:
        key: A hashable key that is equal for models that are the same computation.
        variables: The variables that were given, and the others that it reaches.
        lifted: The numbers that the key leaves out.
        has_own_code: Whether the model holds code that isn't Keras's.
        resources: Tensors, variables of TensorFlow and lookup tables, in the order in which they were met.
        optimizers: Optimizers, likewise.
        layers: Layers and models, likewise.
        functions: What `tf.function` made, likewise.
    """

    key: Hashable
    variables: list[keras.Variable]
    lifted: list[LiftedNumber]
    has_own_code: bool
    resources: list[Any] = field(default_factory=list)
    optimizers: list[keras.optimizers.Optimizer] = field(default_factory=list)
    layers: list[keras.layers.Layer] = field(default_factory=list)
    functions: list[Any] = field(default_factory=list)


def fingerprint(model: keras.Model, variables: Sequence[keras.Variable], *, lift: bool) -> Fingerprint:
    """The fingerprint of a model.

    Args:
        model: A compiled model.
        variables: All variables of the model, its optimizer and its metrics that are known.
        lift: Whether the key leaves out the numbers of `LIFTED_ATTRIBUTES`.

    Raises:
        NotShareableError: The model holds something of which it isn't known how it changes the computation.
    """
    walk = _Walk(variables, lift)
    try:
        parts = [global_switches(), model.jit_compile, walk(model), tuple(map(walk, variables)), tuple(walk.rest())]
        parts += [tuple(walk.late()), walk.of_the_seeds()]
    except RecursionError as error:
        raise NotShareableError("the model is nested too deeply") from error
    return Fingerprint(
        tuple(parts),
        walk.variables,
        walk.lifted,
        walk.has_own_code,
        walk.resources,
        walk.optimizers,
        walk.layers,
        walk.functions,
    )


class _Walk(CodeWalk):
    """Walks through everything that a model refers to; an object that is met again is named by its number."""

    def __init__(self, variables: Sequence[keras.Variable], lift: bool) -> None:
        super().__init__(_IS_COMPLETE)
        self.variables = list(variables)
        self._place = {id(variable): place for place, variable in enumerate(variables)}
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that is freed could give its id to another one
        self._lift = lift
        self.lifted: list[LiftedNumber] = []
        self.resources: list[Any] = []
        self.optimizers: list[keras.optimizers.Optimizer] = []
        self.layers: list[keras.layers.Layer] = []
        self.functions: list[Any] = []

    def __call__(self, thing: Any) -> Any:
        kind = type(thing)
        self.has_own_code = self.has_own_code or not is_of_a_library(kind.__module__)
        if kind in ATOMS or (isinstance(thing, ATOMS) and not self._is_complete):
            return (kind.__name__, thing)
        if kind is float or (isinstance(thing, float) and not self._is_complete):
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
        if isinstance(thing, (tf.Variable, tf.Tensor)) or is_lookup_table(thing):
            return self._resource(thing)
        if isinstance(thing, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)):
            parts = tf.nest.flatten(thing, expand_composites=True)
            return ("tensors", kind.__name__, *map(self, parts))
        if isinstance(thing, keras.initializers.Initializer) and is_pure(kind.__module__) and not self._is_complete:
            return ("initializer",)
        if isinstance(thing, keras.KerasTensor):
            return ("symbol", tuple(thing.shape), str(thing.dtype), bool(getattr(thing, "sparse", False)))
        for base in CONTAINERS:
            if isinstance(thing, base):
                contents = self._contents(thing, base)
                is_plain = kind is base or not self._is_complete
                return contents if is_plain else (contents, self(kind), *self._attributes_of(thing))
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, types.MethodType):
            return ("method", self(thing.__func__), self(thing.__self__))
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if is_traced_function(thing):
            self.functions.append(thing)
            return self._traced_function(thing)
        if isinstance(thing, types.BuiltinFunctionType):
            return self._builtin(thing)
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
        if kind in NAMESPACES:
            return (kind.__name__, *((name, self(value)) for name, value in vars(thing).items()))
        if kind.__module__ == "dataclasses":  # what marks a field that has no default, and the like
            return ("dataclasses", repr(kind))
        has_slots = is_of_the_user(kind) and any(True for _ in slots_of(thing))
        if not (hasattr(thing, "__dict__") or has_slots) or (getattr(kind, "__slots__", None) and not has_slots):
            return self._impure(f"it holds a {kind.__module__}.{kind.__qualname__}")
        if not (is_pure(kind.__module__) or isinstance(thing, KERAS_PARTS) or is_of_the_user(kind)):
            return self._impure(f"it holds a {kind.__module__}.{kind.__qualname__}")
        return self._instance(thing)

    def _builtin(self, function: Any) -> Any:
        module = getattr(function, "__module__", None)
        if isinstance(function.__self__, type) and is_of_a_library(function.__self__.__module__):
            return ("builtin", function.__self__, function.__name__)
        if not is_pure(module) and module not in PURE_MODULES:
            return self._impure(f"its code calls {function.__qualname__}() of {module or type(function.__self__)}")
        self._looks_up = self._looks_up or (function.__name__ in LOOKS_UP and self._is_in_step)
        return ("builtin", function)

    def _variable(self, variable: Any) -> Any:
        place = self._place.setdefault(id(variable), len(self.variables))
        if place == len(self.variables):  # one that the model uses, though Keras doesn't count it among its own
            self.variables.append(variable)
        regularizer, constraint = self(variable.regularizer), self(variable.constraint)
        added = self._attributes_of(variable)
        return ("variable", place, *variable_identity(variable), regularizer, constraint, *added)

    def _resource(self, thing: Any) -> Any:
        """A tensor or lookup table, which counts by its contents, or a variable of TensorFlow, which doesn't."""
        if isinstance(thing, tf.Tensor) and not hasattr(thing, "numpy"):
            raise NotShareableError("it holds a tensor of another program")
        self.resources.append(thing)
        if isinstance(thing, tf.Variable):
            return ("tf.Variable", thing.dtype.name, tuple(thing.shape), thing.trainable, thing.name)
        if isinstance(thing, tf.Tensor):
            return ("tensor", thing.dtype.name, tuple(thing.shape), digest_of_tensor(thing))
        self.resources.append(default_of_table(thing))
        return ("table", type(thing).__name__, *table_settings(thing), digest_of_table(thing))

    def late(self) -> Iterator[Any]:
        """The values of TensorFlow's variables, where code may make plain numbers of them."""
        if self._is_complete and self._attributes & READS_VALUES:
            for thing in self.resources:
                if isinstance(thing, tf.Variable):
                    yield digest_of_array(np.asarray(thing.numpy()))

    def of_the_seeds(self) -> Any:
        """The place of the state from which Keras draws where code names no seed; None while there is none."""
        state = global_seed_state()
        return None if state is None else self(state)

    def _array(self, array: np.ndarray) -> Any:
        return ("array", array.dtype.str, array.shape, digest_of_array(array))

    def _contents(self, thing: Any, base: type) -> Any:
        """What a container holds, whatever the methods of its class make of it."""
        kind = type(thing)
        is_users = issubclass(kind, base) and not is_of_a_library(kind.__module__)
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
        if not self._is_complete:
            return
        kind = type(thing)
        for name, value in [*getattr(thing, "__dict__", {}).items(), *slots_of(thing)]:
            if not set_by_keras(kind, name) and name != "__wrapped__":
                yield (name, self(value))

    def _instance(self, thing: Any) -> Any:
        kind = type(thing)
        pure = is_pure(kind.__module__)
        found: list[Any] = [self(kind)]
        lifted = LIFTED_ATTRIBUTES.get(kind, ()) if self._lift else ()
        for name, value in [*getattr(thing, "__dict__", {}).items(), *slots_of(thing)]:
            if self._is_bookkeeping(kind, name, value):
                continue
            if isinstance(value, keras.initializers.Initializer) and is_pure(type(value).__module__):
                self._initializers.append((name, value))
                continue
            is_seed = pure and name == "seed" and not isinstance(thing, keras.initializers.Initializer)
            if is_seed and isinstance(value, (int, type(None))):
                continue
            numbers = liftable(thing, name, value) if name in lifted else []
            if numbers:
                self.lifted += numbers
                others = {k: v for k, v in value.items() if type(v) is not float} if isinstance(value, dict) else None
                found.append((name, "lifted", type(value).__name__, *(n.index for n in numbers), self(others)))
            elif name in SIGN_ONLY.get(kind.__name__, ()) and pure:
                found.append((name, value > 0))
            else:
                found.append((name, self(value)))
        if isinstance(thing, keras.layers.Layer):
            self.layers.append(thing)
        if isinstance(thing, keras.optimizers.Optimizer):
            self.optimizers.append(thing)
        if excludes_from_weight_decay(thing):
            raise NotShareableError("its optimizer excludes variables from weight decay")
        if is_functional(thing) and set_by_keras(kind, "_operations"):
            found.append(self._wiring(thing))
        return tuple(found)

    def _is_bookkeeping(self, kind: type, name: str, value: Any) -> bool:
        """Whether an attribute is one that Keras keeps on its own objects, and that no step depends on."""
        if name not in BOOKKEEPING and not name.startswith("_self_"):
            return False
        if not self._is_complete:
            return True
        if name == "history":
            return isinstance(value, keras.callbacks.History)
        if name in ("build", "quantize"):  # methods that Keras wraps on each object, or a user's own
            value = value.__globals__.get("__name__") if isinstance(value, types.FunctionType) else None
            return is_pure(value)
        return set_by_keras(kind, name)

    def _wiring(self, functional: Any) -> Any:
        """The wiring of a functional model: every call of a layer, and where its arguments come from."""
        operations, calls, ends = graph_of(functional)
        places = {id(operation): place for place, operation in enumerate(operations)}
        # A layer may be called by other models too, so its calls are counted within this one.
        counted = {(place, number): rank for (place, number), rank, _ in calls}

        def source(argument: Any) -> Any:
            origin = tensor_origin(argument)
            if origin is None:
                return self(argument)
            operation, number, tensor = origin
            place = places.get(id(operation), -1)
            return ("from", place, counted.get((place, number), -1), tensor)

        layers = tuple(map(self, operations))
        joined = tuple(
            (place, rank, repr(keras.tree.map_structure(source, arguments))) for (place, _), rank, arguments in calls
        )
        return (layers, joined, repr(keras.tree.map_structure(source, ends)))
