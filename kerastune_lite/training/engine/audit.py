"""Checks that a traced program uses no state except the variables that it is lent."""

from __future__ import annotations

import re
from collections.abc import Iterable

import tensorflow as tf

from kerastune_lite.training.keras_internals import is_stateful_op

HARMLESS = re.compile(
    r"ReadVariableOp|Assign.*VariableOp|Resource(Apply|Gather|Scatter|SparseApply).*|(Stateless)?(While|If)|"
    r"(Stateful)?PartitionedCall|VarIsInitializedOp|VarHandleOp|VariableShape|Assert|NoOp|Placeholder|_Arg|CudnnRNN.*|"
    r"IteratorGetNext(AsOptional)?|Optional(HasValue|GetValue|None)"
)
"""Stateful operations that are allowed: their state is a variable, and each variable is checked by itself.

An iterator that a step has of its own would be captured; the engine's is an argument."""


class NotShareableError(Exception):
    """A model can't share its programs; the message says why."""


def audit(program: tf.types.experimental.ConcreteFunction, lent: Iterable[tf.Variable]) -> None:
    """Raises NotShareableError where a program captures anything but lent variables, or has a hidden state."""
    known = {id(variable.handle) for variable in lent}
    for captured, _ in program.graph.captures:
        if id(captured) not in known:
            raise NotShareableError(f"its step uses a {captured.dtype.name} that isn't the model's")
    graph = program.graph.as_graph_def()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if not HARMLESS.fullmatch(node.op) and is_stateful_op(node.op):
                raise NotShareableError(f"its step holds a {node.op}")
