"""Checks that a traced program uses no state except what it is lent and what the model is known to hold."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from kerastune_lite.training.keras_internals import is_stateful_op

HARMLESS = re.compile(
    r"ReadVariableOp|Assign.*VariableOp|Resource(Apply|Gather|Scatter|SparseApply).*|(Stateless)?(While|If)|"
    r"(Stateful)?PartitionedCall|VarIsInitializedOp|VarHandleOp|VariableShape|Assert|NoOp|Placeholder|_Arg|CudnnRNN.*|"
    r"LookupTable(Find|Size)(V2)?"
)
"""Stateful operations that are allowed: their state is a variable, and each variable is checked by itself."""


class NotShareableError(Exception):
    """A model can't share its programs; the message says why."""


def audit(
    program: tf.types.experimental.ConcreteFunction, lent: Iterable[tf.Variable], own: Mapping[int, Hashable]
) -> dict[int, Hashable]:
    """Finds out what of the model's own a traced program uses besides lent variables.

    Args:
        program: The program.
        lent: The variables that are lent to each model.
        own: Names of what the model has of its own, by the identities of tensors and of variables' handles.

    Returns:
        The names of those of its own that it uses, by the number of the capture.

    Raises:
        NotShareableError: The program captures anything else, or has a hidden state.
    """
    known = {id(variable.handle) for variable in lent}
    found: dict[int, Hashable] = {}
    for number, (captured, _) in enumerate(program.graph.captures):
        if id(captured) in known:
            continue
        if id(captured) not in own:
            kind = "variable or table" if captured.dtype == tf.resource else f"tensor of {captured.dtype.name}"
            raise NotShareableError(f"its step uses a {kind} that isn't known to be the model's")
        found[number] = own[id(captured)]
    if found and len(program.captured_inputs) != len(program.graph.captures):
        raise NotShareableError("its step uses something that is only known when it runs")
    graph = program.graph.as_graph_def()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if not HARMLESS.fullmatch(node.op) and is_stateful_op(node.op):
                raise NotShareableError(f"its step runs the TensorFlow operation {node.op}, which keeps a state")
    return found


def captures_replaced(program: tf.types.experimental.ConcreteFunction, by: Mapping[int, Any]) -> None:
    """Lets a program use other tensors and variables' handles, by the number of the capture."""
    captures = list(program.captured_inputs)
    for number, tensor in by.items():
        captures[number] = tensor
    program.set_external_captures(captures)
