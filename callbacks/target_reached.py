"""Stops a training as soon as a metric is good enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras

from kerastune_lite.study.objective import Objective, with_direction


class TargetReached(keras.callbacks.Callback):
    """Stops when a metric reaches a value at the end of an epoch.

    Args:
        monitor: The metric to watch, like "val_accuracy".
        value: The value to reach.
        mode: "max" where more is better, "min" where less is; "auto" knows Keras's own metrics by their names.

    Attributes:
        stop_reason: Why training was stopped, or None.

    Raises:
        ObjectiveError: The mode is "auto" and can't be known from the name.
    """

    def __init__(self, monitor: str, value: float, mode: Literal["auto", "min", "max"] = "auto") -> None:
        super().__init__()
        self.monitor = monitor
        self.value = value
        self.objective = with_direction(Objective(monitor, None if mode == "auto" else mode))
        self.stop_reason: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets the training before."""
        self.stop_reason = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops where the value is reached; ObjectiveError where the metric isn't reported."""
        reported = dict(logs or {})
        value = float(reported[self.objective.reported_name(reported)])
        if not self.objective.better(self.value, than=value) and value == value:
            self.stop_reason = f"TargetReached: {self.monitor} reached {self.value:g} ({value:.5g})"
            self.model.stop_training = True
