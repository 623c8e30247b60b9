"""Callbacks that stop a training early or change its settings, for searches and for a plain `model.fit`."""

from kerastune_lite.callbacks.early_stopping import EarlyStopping
from kerastune_lite.callbacks.replay_schedule import ReplaySchedule
from kerastune_lite.callbacks.stop_on_nan import StopOnNaN
from kerastune_lite.callbacks.target_reached import TargetReached
from kerastune_lite.callbacks.time_limit import TimeLimit

__all__ = ["EarlyStopping", "ReplaySchedule", "StopOnNaN", "TargetReached", "TimeLimit"]
