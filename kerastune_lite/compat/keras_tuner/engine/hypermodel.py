"""KerasTuner's module of hypermodels."""

from kerastune_lite.compat.keras_tuner.hypermodels import DefaultHyperModel, HyperModel

__all__ = ["DefaultHyperModel", "HyperModel"]
