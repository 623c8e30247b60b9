"""Checks that a traced program uses no state except what it is lent and what the model is known to hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from kerastune_lite.training.engine.stream_program import StreamProgram
from kerastune_lite.training.keras_internals import is_stateful_op

HARMLESS = re.compile(
    r"ReadVariableOp|Assign.*VariableOp|Resource(Apply|Gather|Scatter|SparseApply).*|(Stateless)?(While|If)|"
    r"(Stateful)?PartitionedCall|VarIsInitializedOp|VarHandleOp|VariableShape|Assert|NoOp|Placeholder|_Arg|CudnnRNN.*|"
    r"LookupTable(Find|Size)(V2)?|Empty|IteratorGetNext(AsOptional)?|Optional(HasValue|GetValue|None)"
)
"""Stateful operations that are allowed: their state is a variable, and each variable is checked by itself.

An iterator that a step has of its own would be captured; the engine's is an argument."""


class NotShareableError(Exception):
    """A model can't share its programs; the message says why."""


Traced: TypeAlias = tf.types.experimental.ConcreteFunction | StreamProgram
"""What is traced at a time: one function, or those that belong together."""
Capture = tuple[int, int]
"""Which function of what was traced, and which of its captures."""


def audit(program: Traced, lent: Iterable[tf.Variable], own: Mapping[int, Hashable]) -> dict[Capture, Hashable]:
    """Finds out what of the model's own a traced program uses besides lent variables.

    Args:
        program: The program.
        lent: The variables that are lent to each model.
        own: Names of what the model has of its own, by the identities of tensors and of variables' handles.

    Returns:
        The names of those of its own that it uses, by where it captures them.

    Raises:
        NotShareableError: The program captures anything else, or has a hidden state.
    """
    known = {id(variable.handle) for variable in lent}
    return {
        (place, number): name
        for place, function in enumerate(functions_of(program))
        for number, name in _audited(function, known, own).items()
    }


def _audited(
    function: tf.types.experimental.ConcreteFunction, known: Collection[int], own: Mapping[int, Hashable]
) -> dict[int, Hashable]:
    found: dict[int, Hashable] = {}
    for number, (captured, _) in enumerate(function.graph.captures):
        if id(captured) in known:
            continue
        if id(captured) not in own:
            kind = "variable or table" if captured.dtype == tf.resource else f"tensor of {captured.dtype.name}"
            raise NotShareableError(f"its step uses a {kind} that isn't known to be the model's")
        found[number] = own[id(captured)]
    if found and len(function.captured_inputs) != len(function.graph.captures):
        raise NotShareableError("its step uses something that is only known when it runs")
    graph = function.graph.as_graph_def()
    called = {inner.signature.name for inner in graph.library.function}  # a function's name may stand for an operation
    for nodes in (graph.node, *(inner.node_def for inner in graph.library.function)):
        for node in nodes:
            if node.op not in called and not HARMLESS.fullmatch(node.op) and is_stateful_op(node.op):
                raise NotShareableError(f"its step runs the TensorFlow operation {node.op}, which keeps a state")
    return found


def captures_replaced(program: Traced, by: Mapping[Capture, Any]) -> None:
    """Lets a program use other tensors and variables' handles, by where it captures them."""
    for place, function in enumerate(functions_of(program)):
        captures = list(function.captured_inputs)
        for (of, number), tensor in by.items():
            if of == place:
                captures[number] = tensor
        function.set_external_captures(captures)


def functions_of(program: Traced) -> Sequence[tf.types.experimental.ConcreteFunction]:
    """The functions of what was traced, each of which captures by itself."""
    return (program.loop, program.step, program.end) if isinstance(program, StreamProgram) else (program,)
