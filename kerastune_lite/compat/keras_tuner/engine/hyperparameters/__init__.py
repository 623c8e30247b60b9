"""KerasTuner's module of parameters."""

from kerastune_lite.compat.keras_tuner.engine.hyperparameters import hp_types
from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters, deserialize, serialize
from kerastune_lite.compat.keras_tuner.parameters import Boolean, Choice, Fixed, Float, HyperParameter, Int

__all__ = [
    "Boolean",
    "Choice",
    "Fixed",
    "Float",
    "HyperParameter",
    "HyperParameters",
    "Int",
    "deserialize",
    "hp_types",
    "serialize",
]
