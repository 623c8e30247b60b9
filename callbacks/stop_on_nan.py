"""Stops a training whose loss is no longer a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras


class StopOnNaN(keras.callbacks.Callback):
    """Stops as soon as the loss is NaN or infinite, after the batch in which it happened.

    Unlike Keras's TerminateOnNaN it says why it stopped, in `stop_reason` rather than on the screen.

    Args:
        monitor: The value to watch.

    Attributes:
        stop_reason: Why training was stopped, or None.
    """

    allows_chunks = True
    """A search that trains by compiled epochs calls it every tenth of a second, or after a batch that takes longer."""

    def __init__(self, monitor: str = "loss") -> None:
        super().__init__()
        self.monitor = monitor
        self.stop_reason: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets the training before."""
        self.stop_reason = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the loss."""
        self._look(f"batch {batch}", logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at what only an epoch reports, such as val_loss."""
        self._look(f"epoch {epoch}", logs)

    def _look(self, where: str, logs: Mapping[str, Any] | None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is not None and not math.isfinite(float(value)) and self.stop_reason is None:
            self.stop_reason = f"StopOnNaN: {self.monitor} became {float(value):g} in {where}"
            self.model.stop_training = True
