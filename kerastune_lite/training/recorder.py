"""The callback that records a training: its learning curve, and the weights of its best epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Note
from kerastune_lite.training.metric_values import notes_of, numeric_logs


class EpochRecorder(keras.callbacks.Callback):
    """Records the learning curve and the best epoch's weights. Comes after the user's callbacks, to see what they log.

    Attributes:
        curve: One dict of logs an epoch.
        scores: The objective an epoch; None where the epoch didn't report it.
        best_weights: The weights after the best epoch, or None while no epoch has a finite score.
        diverged: The epoch in which the loss became NaN, or None.
        stopped: Why the search ended the training, or None.
        notes: Remarks on its metrics for the trial's record.

    Args:
        objective: What is optimised.
        report: Is called with each epoch and its logs; returns why the training is to end with it, or None.
        may_be_missing: Whether epochs may lack the objective.
        earlier: The curve of the epochs before a pause, where a training is resumed.
        counts_from: The first epoch whose score counts.
    """

    def __init__(
        self,
        objective: Objective,
        report: Callable[[int, Mapping[str, float]], str | None],
        *,
        may_be_missing: bool = False,
        earlier: Sequence[Mapping[str, float]] = (),
        counts_from: int = 0,
    ) -> None:
        super().__init__()
        self.objective = objective
        self._report = report
        self._may_be_missing = may_be_missing
        self.curve: list[dict[str, float]] = [dict(logs) for logs in earlier]
        self.scores = [
            self._score(logs) if epoch >= counts_from and logs else None for epoch, logs in enumerate(self.curve)
        ]
        self.best_weights: list[np.ndarray] | None = None
        self.diverged: int | None = None
        self.stopped: str | None = None
        self.notes: tuple[Note, ...] = ()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Records the epoch's logs, and the weights where it is the best so far."""
        numbers = numeric_logs(logs or {}, self.objective)
        self.notes = tuple(dict.fromkeys((*self.notes, *notes_of(logs or {}))))
        while len(self.curve) < epoch:  # BackupAndRestore may begin in the middle of a training
            self.curve.append({})
            self.scores.append(None)
        self.curve.append(numbers)
        self.scores.append(self._score(numbers))
        self.stopped = self._report(epoch, numbers)
        if self.best_epoch == epoch:
            self.best_weights = self.model.get_weights()
        if math.isnan(numbers.get("loss", 0.0)):
            self.diverged = epoch
        if self.diverged is not None or self.stopped is not None:
            self.model.stop_training = True

    def resume(self, model: keras.Model, best_weights: list[np.ndarray] | None) -> None:
        """Takes over the best weights of the epochs before a pause; None where those of the model are the best."""
        if self.best_epoch is not None:
            self.best_weights = best_weights or model.get_weights()

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best score so far."""
        return self.objective.best_epoch(self.scores)

    @property
    def score(self) -> float | None:
        """The best score so far."""
        return None if self.best_epoch is None else self.scores[self.best_epoch]

    def _score(self, logs: Mapping[str, float]) -> float | None:
        if self._may_be_missing and self.objective.name not in logs:
            return None
        return logs[self.objective.reported_name(logs)]
