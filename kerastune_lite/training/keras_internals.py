"""Every private name of Keras that this library touches, each behind a guard, with a public way where it is missing."""

from __future__ import annotations

import contextlib
from typing import Any

import keras

try:
    from keras.src.backend.common import global_state as _global_state
except ImportError:  # pragma: no cover - a Keras that keeps its state elsewhere
    _global_state = None


def reset_layer_names() -> None:
    """Makes the next model's layers and metrics be named as in a fresh process ("dense", not "dense_7").

    `keras.utils.clear_session` does it too, but also forgets the user's dtype policy and distribution; where it is
    the only way, the policy is put back.
    """
    if hasattr(_global_state, "set_global_attribute"):
        _global_state.set_global_attribute("object_name_uids", None)
        return
    policy = keras.config.dtype_policy()  # pragma: no cover
    keras.utils.clear_session(free_memory=False)  # pragma: no cover
    keras.config.set_dtype_policy(policy)  # pragma: no cover


def metric_names(model: Any) -> set[str]:
    """The names of everything that a model was compiled to measure, heads' prefixes not counted."""
    return {_name(metric) for metric in _compiled_metrics(model)}


def metric_classes(model: Any) -> dict[str, str]:
    """Class names of the metric objects that a model was compiled with, by the metrics' names.

    Metrics given as strings and functions are not among them: their names are all there is to know.
    """
    metrics = _compiled_metrics(model)
    return {metric.name: type(metric).__name__ for metric in metrics if isinstance(metric, keras.metrics.Metric)}


def _compiled_metrics(model: Any) -> list[Any]:
    with contextlib.suppress(AttributeError):
        compiled = model._compile_metrics
        return list(keras.tree.flatten([compiled._user_metrics, compiled._user_weighted_metrics]))
    return []


def _name(metric: Any) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))
