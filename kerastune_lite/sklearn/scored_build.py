"""The builder of a search by scorers of scikit-learn: each training is scored on what it was validated on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastune_lite.sklearn.fitted import FittedModel
from kerastune_lite.sklearn.questions import Questions
from kerastune_lite.space import HyperParameters

SCORE = "score"
"""The name of what a search maximises: the score that settings are ranked by."""

if TYPE_CHECKING:
    import keras

Scorer = Callable[..., float]


def recorded_name(scorer: str) -> str:
    """The name of one of several scores in a trial's record, which no metric of the model has: "test_accuracy"."""
    return f"test_{scorer}"


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
    """

    questions: Questions
    fitted: FittedModel
    scorers: Mapping[str, Scorer]
    ranked_by: str

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
        scores = {
            name: float(scorer(fitted, held_out[0], self._labels(held_out[1]))) for name, scorer in self.scorers.items()
        }
        others = {} if len(scores) == 1 else {recorded_name(name): score for name, score in scores.items()}
        return {SCORE: scores[self.ranked_by], **others}

    def _labels(self, y: np.ndarray) -> np.ndarray:
        """The targets as the user gave them."""
        classes = getattr(self.fitted, "classes", None)
        if classes is not None:
            labels: np.ndarray = classes[y]
            return labels
        return y if getattr(self.fitted, "is_column", False) else y.ravel()
