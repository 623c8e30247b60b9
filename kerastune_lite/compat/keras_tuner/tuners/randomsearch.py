"""KerasTuner's module of random search."""

from kerastune_lite.compat.keras_tuner.named_tuners import RandomSearch
from kerastune_lite.compat.keras_tuner.oracles import RandomSearchOracle

__all__ = ["RandomSearch", "RandomSearchOracle"]
