"""Pausing a training after an epoch, and resuming it later, in this process or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import BuildError
from kerastune_lite.training import checkpoints
from kerastune_lite.training.callback_states import CallbackStates
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.recorder import SEVERAL_TRAININGS, EpochRecorder


class PauseAt(keras.callbacks.Callback):
    """Pauses a training after an epoch: ends it, and writes all that resuming it takes to a file.

    Comes last, after the recorder.

    Args:
        epochs: After how many epochs to pause; None never pauses.
        path: The file.
        states: The states of the user's callbacks.
        recorder: The recorder of the training, which has the weights of the best epoch.
        optimizer: The optimizer that the model was built with; None where it never pauses.

    Attributes:
        epochs: After how many epochs it pauses, or None.
        is_paused: Whether it has paused. A training that something else ends with that epoch isn't paused.
    """

    def __init__(
        self,
        epochs: int | None,
        path: Path | None,
        states: CallbackStates,
        recorder: EpochRecorder,
        optimizer: keras.optimizers.Optimizer | None,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.is_paused = False
        self._path = path
        self._states = states
        self._recorder = recorder
        self._optimizer = optimizer
        self._built_rate = None if optimizer is None else _rate_of(optimizer)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Pauses the training where this is the epoch to pause after.

        Raises:
            BuildError: The model was compiled or trained anew meanwhile.
            StudyError: The training can't be written.
        """
        recorder = self._recorder
        if self._path is None or self.model.stop_training or not recorder.trains_own_model:
            return
        # A fit of the user's own may count its epochs from 0 in each of its stages; the recorder counts them all.
        if len(recorder.curve) != self.epochs:
            return
        if self.model.optimizer is not self._optimizer or recorder.trainings > 1:
            raise BuildError(SEVERAL_TRAININGS)
        checkpoint = Checkpoint(
            epochs=self.epochs,
            variables=checkpoints.values_of(self.model),
            built_rate=self._built_rate,
            best_weights=None if recorder.best_is_current else recorder.best_weights,
            callbacks=self._states.changed(),
        )
        checkpoints.save(self._path, checkpoint)
        self.is_paused = recorder.is_paused = True
        self.model.stop_training = True


def pausing_callbacks(
    model: keras.Model,
    pause_at: int | None,
    checkpoint: Checkpoint | None,
    path: Path | None,
    callbacks: Sequence[keras.callbacks.Callback],
    recorder: EpochRecorder,
) -> tuple[CallbackStates, PauseAt]:
    """The callback that restores the states of the user's callbacks, and the one that pauses.

    Both do nothing in a training that neither pauses nor was paused.

    Args:
        model: The compiled model.
        pause_at: After how many epochs to pause, or None.
        checkpoint: The paused training that is resumed, or None.
        path: Where to write the training if it pauses.
        callbacks: The user's callbacks.
        recorder: The recorder of the training.

    Raises:
        BuildError: The training is to pause, and the model's optimizer isn't compile's.
    """
    pauses = pause_at is not None or checkpoint is not None
    if pauses and not isinstance(getattr(model, "optimizer", None), keras.optimizers.Optimizer):
        raise BuildError(
            f"The model {model.name!r} can't be paused with its trial: it has no optimizer of its own compile(), whose "
            "state would be kept. Use a search whose trials don't pause."
        )
    states = CallbackStates(callbacks if pauses else (), () if checkpoint is None else checkpoint.callbacks)
    return states, PauseAt(pause_at, path, states, recorder, model.optimizer if pauses else None)


def resume(model: keras.Model, x: Any, checkpoint: Checkpoint) -> None:
    """Gives a fresh model the weights and the optimizer state of a paused training.

    A model that was built with another learning rate than the paused one keeps its own: its setting is another one.
    Otherwise it gets the rate that the training had when it paused.

    Args:
        model: A compiled model.
        x: The inputs of `fit`: a model that doesn't know its inputs is built on the first of them.
        checkpoint: The paused training.

    Raises:
        CheckpointError: The model has other variables.
    """
    build_on(model, x)
    keeps_rate = _rate_of(model.optimizer) != checkpoint.built_rate
    checkpoints.restore(model, checkpoint, keep=[model.optimizer.learning_rate] if keeps_rate else [])


def _rate_of(optimizer: keras.optimizers.Optimizer) -> float | None:
    rate = optimizer.learning_rate
    return float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else None


def build_on(model: keras.Model, x: Any) -> None:
    """Makes all variables of a compiled model and its optimizer; `x` are the inputs of `fit`."""
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
