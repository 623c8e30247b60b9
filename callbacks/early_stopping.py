"""Keras's EarlyStopping with a target value and a minimum number of epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Stops training when a metric no longer improves, or once it has reached a target.

    Args:
        monitor: The name of the metric to watch, like "val_loss".
        target: Training stops at the end of the epoch in which the metric reaches this value. None sets no target.
        min_epochs: Training isn't stopped for lack of improvement before this many epochs; a target still stops it.
        **settings: All other arguments of `keras.callbacks.EarlyStopping`: patience, min_delta, mode, baseline,
            restore_best_weights and start_from_epoch, with Keras's defaults.

    Attributes:
        stop_reason: Why it stopped the training, as a text for people; None if it didn't.
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
        """Forgets what the previous training left."""
        super().on_train_begin(logs)
        # Keras 3 before 3.6 kept `best` from one training to the next.
        self.best = None
        self.stop_reason = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the patience is exceeded or the target is reached."""
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
