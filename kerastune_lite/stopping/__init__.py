"""Rules that end a trial early when it will not be the best: pure functions of learning curves, without Keras."""

from kerastune_lite.stopping.median import MedianRule
from kerastune_lite.stopping.named import rule_of
from kerastune_lite.stopping.plateau import Plateau
from kerastune_lite.stopping.rule import StoppingRule
from kerastune_lite.stopping.successive_halving import SuccessiveHalving

__all__ = ["MedianRule", "Plateau", "StoppingRule", "SuccessiveHalving", "rule_of"]
