"""Whether a traced program touches nothing but the state that it is lent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from kerastune_lite.training.keras_internals import is_stateful_op

HARMLESS = re.compile(
    r"ReadVariableOp|Assign.*VariableOp|Resource(Apply|Gather|Scatter|SparseApply).*|(Stateless)?(While|If)|"
    r"(Stateful)?PartitionedCall|VarIsInitializedOp|VarHandleOp|VariableShape|Assert|NoOp|Placeholder|_Arg|CudnnRNN.*"
)
"""Operations with a state that are allowed: that state is a variable, and the variables are checked one by one."""


class NotShareableError(Exception):
    """Why a model can't share its programs."""


def audit(program: Any, lent: Iterable[tf.Variable]) -> None:
    """NotShareableError where a program captures something else than lent variables, or has a hidden state."""
    known = {id(variable.handle) for variable in lent}
    for captured, _ in program.graph.captures:
        if id(captured) not in known:
            raise NotShareableError(f"its step uses a {captured.dtype.name} that isn't the model's")
    graph = program.graph.as_graph_def()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if not HARMLESS.fullmatch(node.op) and is_stateful_op(node.op):
                raise NotShareableError(f"its step holds a {node.op}")
