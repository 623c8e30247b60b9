"""KerasTuner's module of the tuner of Keras models."""

from kerastune_lite.compat.keras_tuner.tuner import Tuner

__all__ = ["Tuner"]
