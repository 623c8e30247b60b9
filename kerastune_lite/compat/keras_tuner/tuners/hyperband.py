"""KerasTuner's module of Hyperband."""

from kerastune_lite.compat.keras_tuner.named_tuners import Hyperband
from kerastune_lite.compat.keras_tuner.oracles import HyperbandOracle

__all__ = ["Hyperband", "HyperbandOracle"]
