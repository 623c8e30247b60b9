"""KerasTuner's module of trials."""

from kerastune_lite.compat.keras_tuner.trials import Trial, TrialStatus

__all__ = ["Trial", "TrialStatus"]
