"""KerasTuner's module of kinds of parameters."""

from kerastune_lite.compat.keras_tuner.hyperparameters import deserialize, serialize
from kerastune_lite.compat.keras_tuner.parameters import Boolean, Choice, Fixed, Float, Int

__all__ = ["Boolean", "Choice", "Fixed", "Float", "Int", "deserialize", "serialize"]
