"""Stops a training after a limited time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras


class TimeLimit(keras.callbacks.Callback):
    """Stops training when a time limit is reached, in the middle of an epoch if necessary.

    It checks the time after every batch, so training overruns by at most one batch and one validation pass. The epoch
    that was cut short is validated, and its metrics count. In a plain `fit` the time is counted from the start of the
    training; in a search from the start of the trial, so that building the model counts too.

    Args:
        seconds: The limit in seconds.
        minutes: Minutes, added to the seconds.
        hours: Hours, added to both.
        clock: A function that returns the time in seconds, for tests.

    Attributes:
        stop_reason: Why it stopped the training, as a text for people; None if it didn't.

    Raises:
        ValueError: The sum isn't a positive, finite number.
    """

    allows_chunks = True
    """A search whose epochs are compiled calls it every tenth of a second, or after each batch if that takes longer."""

    def __init__(
        self,
        seconds: float = 0.0,
        minutes: float = 0.0,
        hours: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.seconds = seconds + 60.0 * minutes + 3600.0 * hours
        if not 0.0 < self.seconds < float("inf"):
            raise ValueError(
                f"TimeLimit needs a time greater than 0, like TimeLimit(minutes=2). "
                f"Received: seconds={seconds}, minutes={minutes}, hours={hours}."
            )
        self.clock = clock
        self.stop_reason: str | None = None
        self._spent = 0.0
        self._deadline = float("inf")

    def charge(self, seconds: float) -> None:
        """Counts seconds that were spent before training, such as those of the build, in the next training."""
        self._spent = seconds

    def get_state(self) -> dict[str, float]:
        """The state that a paused training keeps: the seconds that are left."""
        return {"left": self._deadline - self.clock()}

    def set_state(self, state: Mapping[str, float]) -> None:
        """Continues with the seconds that were left, less those charged since."""
        self._deadline += state["left"] - self.seconds

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Starts counting the time."""
        self._deadline = self.clock() + self.seconds - self._spent
        self._spent = 0.0
        self.stop_reason = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the time is over."""
        self._stop_if_over()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stops training if the time is over, since validation takes time too."""
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self.clock() >= self._deadline and self.stop_reason is None:
            self.stop_reason = f"TimeLimit: {self.seconds:g} s were over"
            self.model.stop_training = True
