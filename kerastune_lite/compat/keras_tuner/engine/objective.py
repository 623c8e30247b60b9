"""KerasTuner's module of objectives."""

from kerastune_lite.compat.keras_tuner.objectives import MultiObjective, Objective

__all__ = ["MultiObjective", "Objective"]
