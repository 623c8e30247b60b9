"""The callback that records a training: its learning curve, and the weights of its best epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np

from kerastune_lite.errors import BuildError, ObjectiveError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Note
from kerastune_lite.training.metric_values import notes_of, numeric_logs

SEVERAL_TRAININGS = (
    "This search pauses trials and resumes them, and the fit of build_fn trains several times or compiles its model "
    "anew: it couldn't be resumed where it was. Use a search whose trials don't pause (RandomSearch, "
    "BayesianOptimization), or let fit train once."
)


class TrainingOverError(BaseException):
    """Ends a fit of the user's own that begins another training after the search has ended or paused its trial.

    It isn't an Exception, so that code which catches those lets it pass.
    """


class EpochRecorder(keras.callbacks.Callback):
    """Records the learning curve and the best epoch's weights. Comes after the user's callbacks, to see what they log.

    In a fit of the user's own it may record several trainings. Those of the trial's model follow one another in the
    curve, as stages do. Those of other models (the folds of a cross-validation) are in the curve too; they decide the
    score only where the trial's model isn't trained, and the search doesn't end them: it would end one fold of several.

    Attributes:
        curve: One dict of logs an epoch.
        scores: The objective an epoch; None where the epoch didn't report it, or where it doesn't count.
        best_weights: The weights that the best epoch was scored with, or None while no epoch has a finite score.
        diverged: The epoch in which the loss became NaN, or None.
        stopped: Why the search ended the training, or None.
        is_own_fit: Whether the user's own `fit` trains.
        is_paused: Whether the search has paused the training.
        trainings: How many trainings have begun.
        trained_here: Whether an epoch of the trial's own model was recorded.
        notes: Remarks on its metrics for the trial's record.

    Args:
        model: The trial's model.
        objective: What is optimised.
        report: Is called with each epoch and its logs; returns why the training is to end with it, or None.
        may_be_missing: Whether epochs may lack the objective.
        is_own_fit: Whether the user's own `fit` trains.
        keeps_validated: Whether to keep the weights as they were during validation, because callbacks may change them
            before or after it. It costs a copy of the weights in each epoch.
        earlier: The curve of the epochs before a pause, where a training is resumed.
        counts_from: The first epoch whose score counts.
    """

    def __init__(
        self,
        model: keras.Model,
        objective: Objective,
        report: Callable[[int, Mapping[str, float]], str | None],
        *,
        may_be_missing: bool = False,
        is_own_fit: bool = False,
        keeps_validated: bool = False,
        earlier: Sequence[Mapping[str, float]] = (),
        counts_from: int = 0,
    ) -> None:
        super().__init__()
        self.objective = objective
        self._own_model = model
        self._report = report
        self._may_be_missing = may_be_missing or is_own_fit
        self.is_own_fit = is_own_fit
        self._keeps_validated = keeps_validated
        self._is_fitting = False
        self._validated: Weights | None = None
        self._best: Weights | None = None
        self.curve: list[dict[str, float]] = [dict(logs) for logs in earlier]
        self.scores = [
            self._score(logs) if epoch >= counts_from and logs else None for epoch, logs in enumerate(self.curve)
        ]
        self.diverged: int | None = None
        self.stopped: str | None = None
        self.is_paused = False
        self.trained_here = bool(earlier)
        self.trainings = 0
        self.notes: tuple[Note, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether the search has ended or paused the training, so that no other may follow."""
        return self.is_paused or self.stopped is not None or self.diverged is not None

    @property
    def trains_own_model(self) -> bool:
        """Whether the model that is being trained is the trial's."""
        return self.model is self._own_model

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Lets no training begin after the search has ended or paused the trial.

        Raises:
            BuildError: It has paused a fit of the user's own that trains several times, and couldn't be resumed.
            TrainingOverError: It has ended the trial.
        """
        if self.is_paused:
            raise BuildError(SEVERAL_TRAININGS)
        if self.is_over:
            raise TrainingOverError
        self._is_fitting = True
        self.trainings += 1

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets what belongs to this training alone."""
        self._is_fitting = False
        self._validated = None

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Keeps the weights that the epoch is validated with."""
        if self._keeps_validated and self._is_fitting and self.trains_own_model:
            self._validated = Weights.of(self._own_model)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Records the epoch's logs, and the weights where it is the best so far."""
        numbers = numeric_logs(logs or {}, self.objective)
        self.notes = tuple(dict.fromkeys((*self.notes, *notes_of(logs or {}))))
        if self.trains_own_model and not self.trained_here:
            self.trained_here = True
            self.scores = [None] * len(self.scores)
            self._best = None
        counts = self.trains_own_model or not self.trained_here
        if self.is_own_fit:
            epoch = len(self.curve)
        while len(self.curve) < epoch:  # BackupAndRestore may begin in the middle of a training
            self.curve.append({})
            self.scores.append(None)
        self.curve.append(numbers)
        self.scores.append(self._score(numbers) if counts else None)
        reason = self._report(epoch, numbers)
        if self.best_epoch == epoch:
            self._best = self._validated or Weights.of(self._own_model)
        self._validated = None
        if not self.trains_own_model:
            return
        self.stopped = reason
        if math.isnan(numbers.get("loss", 0.0)):
            self.diverged = epoch
        if self.diverged is not None or self.stopped is not None:
            self.model.stop_training = True

    def resume(self, model: keras.Model, best_weights: list[np.ndarray] | None) -> None:
        """Takes over the best weights of the epochs before a pause; None where those of the model are the best."""
        if self.best_epoch is not None:
            self._best = Weights.of(model, best_weights)

    def restore_best(self) -> None:
        """Gives the trial's model the weights of its best epoch, where there is one."""
        if self._best is not None:
            self._best.restore()

    @property
    def best_weights(self) -> list[np.ndarray] | None:
        """The weights that the best epoch was scored with."""
        return None if self._best is None else self._best.values

    @property
    def best_is_current(self) -> bool:
        """Whether the weights of the best epoch are those that the model has after its latest one."""
        return self.best_epoch == len(self.curve) - 1 and not self._keeps_validated

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best score so far."""
        return self.objective.best_epoch(self.scores)

    @property
    def score(self) -> float | None:
        """The best score so far."""
        return None if self.best_epoch is None else self.scores[self.best_epoch]

    def _score(self, logs: Mapping[str, float]) -> float | None:
        if self._may_be_missing:
            try:
                return logs[self.objective.reported_name(logs)]
            except ObjectiveError:
                return None
        return logs[self.objective.reported_name(logs)]


@dataclass(frozen=True)
class Weights:
    """The weights of a model at one moment. Each is bound to its variable: a model may order them anew between stages.

    Attributes:
        variables: The variables.
        values: Their values.
    """

    variables: list[keras.Variable]
    values: list[np.ndarray]

    @classmethod
    def of(cls, model: keras.Model, values: list[np.ndarray] | None = None) -> Self:
        """The weights that a model has, or the values given for them in their order."""
        return cls(list(model.weights), model.get_weights() if values is None else values)

    def differ(self, model: keras.Model) -> bool:
        """Whether a model has other weights now."""
        now = model.get_weights()
        if len(now) != len(self.values):
            return True
        return any(not np.array_equal(one, other) for one, other in zip(self.values, now, strict=True))

    def restore(self) -> None:
        """Gives the variables these values."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
