"""Stops a training whose loss has become NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras


class StopOnNaN(keras.callbacks.Callback):
    """Stops training after the batch in which the loss became NaN or infinite.

    Keras's TerminateOnNaN prints why it stopped; this one keeps it in `stop_reason`, which a search records.

    Args:
        monitor: The name of the logged value to watch. One that only epochs report, like "val_loss", is watched at
            the end of each epoch.

    Attributes:
        stop_reason: Why it stopped the training, as a text for people; None if it didn't.
    """

    allows_chunks = True
    """A search whose epochs are compiled calls it every tenth of a second, or after each batch if that takes longer."""

    def __init__(self, monitor: str = "loss") -> None:
        super().__init__()
        self.monitor = monitor
        self.stop_reason: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets what the previous training left."""
        self.stop_reason = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the value in the batch's logs is NaN or infinite."""
        self._look(f"batch {batch}", logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the value in the epoch's logs is NaN or infinite."""
        self._look(f"epoch {epoch}", logs)

    def _look(self, where: str, logs: Mapping[str, Any] | None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is not None and not math.isfinite(float(value)) and self.stop_reason is None:
            self.stop_reason = f"StopOnNaN: {self.monitor} became {float(value):g} in {where}"
            self.model.stop_training = True
