"""Keras's EarlyStopping with a target and a least number of epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Stops when a metric no longer improves, or has reached a target.

    Takes everything that `keras.callbacks.EarlyStopping` takes.

    Args:
        monitor: The metric to watch.
        target: Stop as soon as the metric has reached this value; None for no target.
        min_epochs: Do not stop for lack of improvement before so many epochs; a target stops at once.
        **settings: The arguments of Keras's EarlyStopping: patience, min_delta, mode, baseline, …

    Attributes:
        stop_reason: Why training was stopped, or None.
    """

    def __init__(
        self, monitor: str = "val_loss", *, target: float | None = None, min_epochs: int = 0, **settings: Any
    ) -> None:
        super().__init__(monitor=monitor, **settings)
        self.stopped_epoch: int = 0
        self.target = target
        self.min_epochs = min_epochs
        self.stop_reason: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets the training before."""
        super().on_train_begin(logs)
        # Keras 3 before 3.6 kept `best` from one training to the next.
        self.best = None
        self.stop_reason = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops where patience is exceeded or the target reached."""
        stopped_by_others = self.model.stop_training
        super().on_epoch_end(epoch, logs)
        if self.stopped_epoch == epoch and epoch > 0:
            if epoch + 1 < self.min_epochs:
                self.stopped_epoch = 0
                self.model.stop_training = stopped_by_others
            else:
                best = "" if self.best is None else f" (best {float(self.best):.5g})"
                self.stop_reason = f"EarlyStopping: {self.monitor} did not improve for {self.patience} epochs{best}"
        value = (logs or {}).get(self.monitor)
        if self.target is not None and value is not None and not self.monitor_op(self.target, value):
            self.stopped_epoch = epoch
            self.stop_reason = f"EarlyStopping: {self.monitor} reached {self.target:g} ({float(value):.5g})"
            self.model.stop_training = True
