"""KerasTuner's module of a tuner that trains several times, which every tuner does now."""

from kerastune_lite.compat.keras_tuner.tuner import Tuner as MultiExecutionTuner

__all__ = ["MultiExecutionTuner"]
