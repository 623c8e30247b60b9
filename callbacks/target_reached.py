"""Stops a training once a metric has reached a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras

from kerastune_lite.study.objective import Objective, with_direction


class TargetReached(keras.callbacks.Callback):
    """Stops training at the end of the epoch in which a metric reaches a value.

    Args:
        monitor: The name of the metric to watch, like "val_accuracy".
        value: The value to reach.
        mode: "max" if a higher value is better, "min" if a lower one is. "auto" knows the names of Keras's metrics.

    Attributes:
        stop_reason: Why it stopped the training, as a text for people; None if it didn't.

    Raises:
        ObjectiveError: The mode is "auto" and the name isn't that of a metric of Keras.
    """

    def __init__(self, monitor: str, value: float, mode: Literal["auto", "min", "max"] = "auto") -> None:
        super().__init__()
        self.monitor = monitor
        self.value = value
        self.objective = with_direction(Objective(monitor, None if mode == "auto" else mode))
        self.stop_reason: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets what the previous training left."""
        self.stop_reason = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the value is reached.

        Raises:
            ObjectiveError: The epoch's logs don't hold the metric; the message lists those that they hold.
        """
        reported = dict(logs or {})
        value = float(reported[self.objective.reported_name(reported)])
        if not self.objective.better(self.value, than=value) and value == value:
            self.stop_reason = f"TargetReached: {self.monitor} reached {self.value:g} ({value:.5g})"
            self.model.stop_training = True
