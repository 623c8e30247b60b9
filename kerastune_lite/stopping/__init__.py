"""Rules that stop a trial that will not win. Pure: they know learning curves, and no Keras."""

from kerastune_lite.stopping.median import MedianRule
from kerastune_lite.stopping.plateau import Plateau
from kerastune_lite.stopping.rule import StoppingRule, rule_of
from kerastune_lite.stopping.successive_halving import SuccessiveHalving

__all__ = ["MedianRule", "Plateau", "StoppingRule", "SuccessiveHalving", "rule_of"]
