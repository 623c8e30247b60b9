"""The builder of a search by scorers of scikit-learn: each training is scored on what it was validated on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastune_lite.errors import BuildError
from kerastune_lite.sklearn.fitted import FittedModel
from kerastune_lite.sklearn.questions import Questions
from kerastune_lite.space import HyperParameters

SCORE = "score"
"""The name of what a search maximises: the score that settings are ranked by."""

if TYPE_CHECKING:
    import keras

Scorer = Callable[..., float]


def recorded_name(scorer: str, data: str = "test") -> str:
    """The name of a score in a trial's record, which no metric of the model has: "test_accuracy", "train_accuracy"."""
    return f"{data}_{scorer}"


def own_score(fitted: Any, x: Any, y: Any) -> float:
    """The score of an estimator itself: accuracy of a classifier, R² of a regressor."""
    return float(fitted.score(x, y))


@dataclass(frozen=True)
class ScoredBuild:
    """Builds a model, trains it by `model.fit`, and scores it.

    Attributes:
        questions: Builds it.
        fitted: An estimator without its model, which is scored.
        scorers: The scorers by their names.
        ranked_by: The name of the one that settings are ranked by.
        scores_training: Whether each training is scored on its own samples too.
    """

    questions: Questions
    fitted: FittedModel
    scorers: Mapping[str, Scorer]
    ranked_by: str
    scores_training: bool = False

    def build(self, hp: HyperParameters) -> Any:
        """The compiled model, perhaps with arguments of `fit`."""
        return self.questions(hp)

    def fit(self, hp: HyperParameters, model: keras.Model, x: Any, y: Any, **arguments: Any) -> dict[str, float] | None:
        """Trains, and returns the scores on the data to validate on, where there are any."""
        model.fit(x, y, **arguments)
        held_out = arguments.get("validation_data")
        if held_out is None:
            return None
        fitted = copy.copy(self.fitted)
        fitted.model = model
        scores = self._scores(fitted, held_out[0], held_out[1])
        recorded = {} if len(scores) == 1 else {recorded_name(name): score for name, score in scores.items()}
        if self.scores_training:
            on_training = self._scores(fitted, x, y)
            recorded |= {recorded_name(name, "train"): score for name, score in on_training.items()}
        return {SCORE: scores[self.ranked_by], **recorded}

    def _scores(self, fitted: FittedModel, x: Any, y: np.ndarray) -> dict[str, float]:
        labels = self._labels(y)
        return {name: _number(scorer(fitted, x, labels)) for name, scorer in self.scorers.items()}

    def _labels(self, y: np.ndarray) -> np.ndarray:
        """The targets as the user gave them."""
        classes = getattr(self.fitted, "classes", None)
        if classes is not None:
            labels: np.ndarray = classes[y]
            return labels
        return y if getattr(self.fitted, "is_column", False) else y.ravel()


def _number(score: Any) -> float:
    if isinstance(score, Mapping):
        raise BuildError(
            f"scoring returned several scores: {', '.join(map(str, score))}. Pass a dict with a function for each: "
            "scoring={name: function}."
        )
    return float(score)
