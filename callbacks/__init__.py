"""Callbacks that stop a training early, for a search and for a plain `model.fit`."""

from kerastune_lite.callbacks.early_stopping import EarlyStopping
from kerastune_lite.callbacks.stop_on_nan import StopOnNaN
from kerastune_lite.callbacks.target_reached import TargetReached
from kerastune_lite.callbacks.time_limit import TimeLimit

__all__ = ["EarlyStopping", "StopOnNaN", "TargetReached", "TimeLimit"]
