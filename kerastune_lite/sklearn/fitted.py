"""Trained models as estimators: what scorers are given in a search, and what predicts afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

BATCH_SIZE = 1024
"""Samples that are predicted at a time."""


class FittedModel(BaseEstimator):  # type: ignore[misc]
    """A trained Keras model that predicts. It is pickled with its file as Keras writes it.

    Args:
        model: The model.
    """

    def __init__(self, model: keras.Model | None = None) -> None:
        self.model = model

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self.model is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                self.model.save(path)
                state["model"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state["model"]
        if isinstance(content, bytes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(content)
                state = {**state, "model": keras.saving.load_model(path)}
        self.__dict__.update(state)

    def outputs(self, X: Any) -> np.ndarray:
        """What the model gives for some samples, as an array of shape (samples, outputs)."""
        assert self.model is not None
        values = np.asarray(self.model.predict(X, batch_size=BATCH_SIZE, verbose=0), np.float64)
        return values.reshape(len(values), -1)


class FittedClassifier(ClassifierMixin, FittedModel):  # type: ignore[misc]
    """A trained classifier.

    Args:
        model: The model: a probability for each class, a single one for the second of two classes, or logits of these.
        classes: The labels, in the order of the model's outputs.
    """

    def __init__(self, model: keras.Model | None = None, classes: np.ndarray | None = None) -> None:
        super().__init__(model)
        self.classes = classes

    @property
    def classes_(self) -> np.ndarray:
        """The labels."""
        assert self.classes is not None
        return self.classes

    def predict_proba(self, X: Any) -> np.ndarray:
        """A probability for each class, of shape (samples, classes)."""
        values = self.outputs(X)
        if values.shape[1] == 1 and len(self.classes_) == 2:
            second = values if _are_probabilities(values) else 1.0 / (1.0 + np.exp(-values))
            return np.hstack([1.0 - second, second])
        if not (_are_probabilities(values) and np.allclose(values.sum(1), 1.0, atol=1e-3)):
            values = np.exp(values - values.max(1, keepdims=True))
        probabilities: np.ndarray = values / values.sum(1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """The label of the most probable class of each sample."""
        labels: np.ndarray = self.classes_[self.predict_proba(X).argmax(1)]
        return labels


class FittedRegressor(RegressorMixin, FittedModel):  # type: ignore[misc]
    """A trained regressor.

    Args:
        model: The model: one output for each target.
        is_column: Whether targets were a table, so that predictions of a single one are a column.
    """

    def __init__(self, model: keras.Model | None = None, is_column: bool = False) -> None:
        super().__init__(model)
        self.is_column = is_column

    def predict(self, X: Any) -> np.ndarray:
        """The predicted targets, of shape (samples,), or (samples, targets) where they were a table."""
        values = self.outputs(X)
        return values if self.is_column else values.ravel()


def _are_probabilities(values: np.ndarray) -> bool:
    return bool(((values >= 0.0) & (values <= 1.0)).all())
