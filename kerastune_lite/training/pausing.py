"""Trainings that pause after an epoch and go on later, in this process or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import BuildError
from kerastune_lite.study.trial import Trial
from kerastune_lite.training import checkpoints
from kerastune_lite.training.callback_states import CallbackStates
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.recorder import EpochRecorder


class PauseAt(keras.callbacks.Callback):
    """Ends a training after an epoch with all it needs to go on kept in a file. Stands last, after the recorder.

    Args:
        epochs: After how many epochs; None never pauses.
        path: The file.
        states: Tells the states of the user's callbacks.
        recorder: Knows the weights of the best epoch.
        built_rate: The learning rate that the model was built with.

    Attributes:
        is_paused: Whether it has. A training that was to end with that epoch in any case isn't.
    """

    def __init__(
        self,
        epochs: int | None,
        path: Path | None,
        states: CallbackStates,
        recorder: EpochRecorder,
        built_rate: float | None,
    ) -> None:
        super().__init__()
        self.is_paused = False
        self._epochs = epochs
        self._path = path
        self._states = states
        self._recorder = recorder
        self._built_rate = built_rate

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Pauses where it is time."""
        if epoch + 1 != self._epochs or self._path is None or self.model.stop_training:
            return
        is_best = self._recorder.best_epoch == epoch
        checkpoint = Checkpoint(
            epochs=epoch + 1,
            variables=checkpoints.values_of(self.model),
            built_rate=self._built_rate,
            best_weights=None if is_best else self._recorder.best_weights,
            callbacks=self._states.changed(),
        )
        checkpoints.save(self._path, checkpoint)
        self.is_paused = True
        self.model.stop_training = True


def pausing_callbacks(
    model: Any,
    trial: Trial,
    checkpoint: Checkpoint | None,
    path: Path | None,
    callbacks: Sequence[Any],
    recorder: EpochRecorder,
) -> tuple[CallbackStates, PauseAt]:
    """What gives the user's callbacks their states back, and what pauses; both do nothing in a usual training.

    Raises:
        BuildError: The training is to pause, and the model's optimizer isn't compile's.
    """
    pauses = trial.pause_at is not None or checkpoint is not None
    if pauses and not isinstance(model.optimizer, keras.optimizers.Optimizer):
        raise BuildError(
            f"The model {model.name!r} can't be paused with its trial: it has no optimizer of its own compile(), whose "
            "state would be kept. Use a search whose trials don't pause."
        )
    states = CallbackStates(callbacks if pauses else (), () if checkpoint is None else checkpoint.callbacks)
    return states, PauseAt(trial.pause_at, path, states, recorder, _rate_of(model) if pauses else None)


def go_on(model: Any, x: Any, checkpoint: Checkpoint) -> None:
    """Gives a fresh model the weights and the state that a paused training had.

    A model that was built with another learning rate keeps it: its setting is another one. Otherwise the rate is the
    one that the training had come to.

    Args:
        model: A compiled model.
        x: The inputs of `fit`: a model that doesn't know its inputs is built on the first of them.
        checkpoint: Where the training was paused.

    Raises:
        CheckpointError: The model has other variables.
    """
    build_on(model, x)
    keeps_rate = _rate_of(model) != checkpoint.built_rate
    checkpoints.restore(model, checkpoint, keep=[model.optimizer.learning_rate] if keeps_rate else [])


def _rate_of(model: Any) -> float | None:
    rate = model.optimizer.learning_rate
    return float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else None


def build_on(model: Any, x: Any) -> None:
    """Makes every variable of a compiled model and its optimizer; `x` are the inputs of `fit`."""
    if not model.built:
        model(_first_inputs(x))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _first_inputs(x: Any) -> Any:
    if isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    elif hasattr(x, "element_spec") or hasattr(x, "__next__"):
        batch = next(iter(x))
    else:
        return keras.tree.map_structure(lambda array: np.asarray(array[:1]), x)
    return batch[0] if isinstance(batch, (tuple, list)) else batch
