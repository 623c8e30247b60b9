"""Whether two settings build models that fit each other's weights: found out by building them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from kerastune_lite.space import Value
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.build import built_with
from kerastune_lite.training.data import TrainingData
from kerastune_lite.training.keras_internals import reset_layer_names, trained_state_of
from kerastune_lite.training.pausing import build_on


def layout_of(build_fn: Any, data: TrainingData, values: Mapping[str, Value]) -> Hashable:
    """Names, shapes and types of all variables of a setting's model and its optimizer; what went wrong, if it did."""
    reset_layer_names()
    try:
        model = built_with(build_fn, values, Objective("loss")).model
        build_on(model, data.arguments()["x"])
    except Exception as error:
        return f"{type(error).__name__}: {error}", tuple(values.items())
    return tuple((v.name, tuple(v.shape), str(v.dtype)) for v in trained_state_of(model))
