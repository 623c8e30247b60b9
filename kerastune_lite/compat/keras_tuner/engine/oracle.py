"""KerasTuner's module of oracles."""

from kerastune_lite.compat.keras_tuner.oracles import Oracle, synchronized

__all__ = ["Oracle", "synchronized"]
