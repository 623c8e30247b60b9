"""Several models that vote, by Hyperas's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np


class VotingModel:
    """Models for classification that predict together.

    Args:
        model_list: The models; each predicts an array of probabilities (samples, classes).
        voting: "hard" predicts the class that most models predict, the first one among equals; "soft" predicts the mean
            of the probabilities.
        weights: How much each model counts; None for all alike.
        nb_classes: How many classes there are; by default as many as the models predict.
    """

    def __init__(
        self,
        model_list: Sequence[Any],
        voting: str = "hard",
        weights: Sequence[float] | None = None,
        nb_classes: int | None = None,
    ) -> None:
        if voting not in ("hard", "soft"):
            raise ValueError(f"voting has to be 'hard' or 'soft'. Received: {voting!r}.")
        self.model_list = list(model_list)
        self.voting: Literal["hard", "soft"] = "soft" if voting == "soft" else "hard"
        self.weights = weights
        self.nb_classes = nb_classes

    def predict(self, X: Any, batch_size: int = 128, verbose: int = 0) -> np.ndarray:
        """The classes (samples,) of a hard vote, or the mean probabilities (samples, classes) of a soft one."""
        predictions = [np.asarray(m.predict(X, batch_size=batch_size, verbose=verbose)) for m in self.model_list]
        weights = np.ones(len(predictions)) if self.weights is None else np.asarray(self.weights, dtype=float)
        if self.voting == "soft":
            mean: np.ndarray = np.average(predictions, axis=0, weights=weights)
            return mean
        classes = self.nb_classes or predictions[0].shape[-1]
        votes = sum(
            weight * np.eye(classes)[prediction.argmax(axis=-1)]
            for weight, prediction in zip(weights, predictions, strict=True)
        )
        winners: np.ndarray = np.asarray(votes).argmax(axis=-1)
        return winners
