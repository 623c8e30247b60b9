"""The shapes of a setting's weights: settings whose shapes are equal can take over each other's weights."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from kerastune_lite.running.task import Builder, BuildFunction, own_fit_of
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import HyperParameters, Presets, Value
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.build import built_with
from kerastune_lite.training.fit_arguments import fit_arguments
from kerastune_lite.training.keras_internals import trained_state_of
from kerastune_lite.training.pausing import build_on


def weight_shapes_of(
    build_fn: BuildFunction | Builder, data: TrainingData, presets: Presets, values: Mapping[str, Value]
) -> Hashable:
    """Names, shapes and types of all variables of the model that a setting builds, and of its optimizer.

    Where it can't be built, the error and the values instead: equal to no other setting's.
    """
    try:
        built = built_with(build_fn, HyperParameters(values, presets=presets), Objective("loss"))
        has_own_fit = own_fit_of(build_fn) is not None
        arguments = fit_arguments(built, data, None, Objective("loss"), has_own_fit=has_own_fit)
        model = built.model
        build_on(model, arguments.get("x"))
    except Exception as error:
        return f"{type(error).__name__}: {error}", tuple(values.items())
    return tuple((v.name, tuple(v.shape), str(v.dtype)) for v in trained_state_of(model))
