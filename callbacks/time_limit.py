"""Stops a training when its time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras


class TimeLimit(keras.callbacks.Callback):
    """Stops training at a time budget, in the middle of an epoch if need be.

    It looks after every batch, so training overruns by at most one batch and one validation pass. The epoch that was
    cut is validated and its metrics count. In a plain `fit` the clock starts with training; in a search it starts
    with the trial, so that building the model counts too.

    Args:
        seconds: Seconds of the budget.
        minutes: Minutes, added to the seconds.
        hours: Hours, added too.
        clock: Gives the time in seconds.

    Attributes:
        stop_reason: Why training was stopped, or None.

    Raises:
        ValueError: The sum is not a positive number.
    """

    allows_chunks = True
    """A search that trains by compiled epochs calls it every tenth of a second, or after a batch that takes longer."""

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
        """Counts time that went by before training, such as that of building the model, in the next training."""
        self._spent = seconds

    def get_state(self) -> dict[str, float]:
        """What a training that pauses keeps of it: how much of the budget is left, in seconds."""
        return {"left": self._deadline - self.clock()}

    def set_state(self, state: Mapping[str, float]) -> None:
        """Goes on with what was left of the budget, less what was charged since."""
        self._deadline += state["left"] - self.seconds

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._deadline = self.clock() + self.seconds - self._spent
        self._spent = 0.0
        self.stop_reason = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the clock."""
        self._stop_if_over()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the clock: validation may have used up the time."""
        self._stop_if_over()

    def _stop_if_over(self) -> None:
        if self.clock() >= self._deadline and self.stop_reason is None:
            self.stop_reason = f"TimeLimit: {self.seconds:g} s were over"
            self.model.stop_training = True
