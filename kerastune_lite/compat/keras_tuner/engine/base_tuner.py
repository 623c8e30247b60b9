"""KerasTuner's module of the base of all tuners."""

from kerastune_lite.compat.keras_tuner.base_tuner import BaseTuner

__all__ = ["BaseTuner"]
