"""KerasTuner's tuner of scikit-learn's estimators: each trial is a cross-validation."""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from kerastune_lite.compat.keras_tuner.base_tuner import BaseTuner
from kerastune_lite.compat.keras_tuner.errors import FatalRuntimeError
from kerastune_lite.compat.keras_tuner.oracles import Oracle
from kerastune_lite.compat.keras_tuner.trials import Trial

MODEL = "model.pickle"


class SklearnTuner(BaseTuner):
    """A search of a scikit-learn estimator's settings, scored by cross-validation.

    Args:
        oracle: What is searched, and how; its objective is `Objective("score", "max")`.
        hypermodel: A function of hp that returns an estimator, or an object with `build(hp)`.
        scoring: `scoring(estimator, X, y, sample_weight=…)`, as `sklearn.metrics.make_scorer` makes it; the
            estimator's own score where it isn't given.
        metrics: A function of true and predicted targets, or several: recorded beside the score.
        cv: A splitter; five shuffled folds where it isn't given.
        directory: As in `BaseTuner`.
        project_name: As in `BaseTuner`.
        overwrite: As in `BaseTuner`.
        **kwargs: As in `BaseTuner`.
    """

    def __init__(
        self,
        oracle: Oracle,
        hypermodel: Any,
        scoring: Callable[..., float] | None = None,
        metrics: Callable[..., float] | Sequence[Callable[..., float]] | None = None,
        cv: Any = None,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(oracle, hypermodel, directory, project_name, overwrite, **kwargs)
        self.scoring = scoring
        self.metrics = [metrics] if callable(metrics) else list(metrics or ())
        self.cv = KFold(5, shuffle=True, random_state=1) if cv is None else cv

    def search(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> None:
        """Runs trials on data of NumPy or pandas.

        Raises:
            FatalRuntimeError: The data are something else.
        """
        for data in (X, y):
            if not isinstance(data, np.ndarray) and not hasattr(data, "iloc"):
                raise FatalRuntimeError(
                    f"Expected the data to be numpy.ndarray or pandas.DataFrame. Received: {type(data).__name__}. "
                    "np.asarray(…) makes an array of it."
                )
        super().search(X, y, sample_weight=sample_weight, groups=groups)

    def run_trial(
        self,
        trial: Trial,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> dict[str, float]:
        """Fits and scores an estimator on every fold; the last one is kept."""
        results: list[dict[str, float]] = []
        for train, test in self.cv.split(X, y, groups):
            model = self.hypermodel.build(trial.hyperparameters)
            weights = sample_weight if _takes_weights(model) else None
            of_train = {} if weights is None else {"sample_weight": _rows(weights, train)}
            of_test = {} if weights is None else {"sample_weight": _rows(weights, test)}
            model.fit(_rows(X, train), _rows(y, train), **of_train)
            results.append(self._scores(model, _rows(X, test), _rows(y, test), of_test))
        self.save_model(trial.trial_id, model)
        return {name: float(np.mean([result[name] for result in results])) for name in results[0]}

    def _scores(self, model: Any, x: Any, y: Any, weights: dict[str, Any]) -> dict[str, float]:
        score = model.score(x, y, **weights) if self.scoring is None else self.scoring(model, x, y, **weights)
        predicted = model.predict(x) if self.metrics else None
        others = {metric.__name__: float(metric(y, predicted, **weights)) for metric in self.metrics}
        return {self.oracle.objective.name: float(score), **others}

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Pickles an estimator into the trial's folder."""
        (Path(self.get_trial_dir(trial_id)) / MODEL).write_bytes(pickle.dumps(model))

    def load_model(self, trial: Trial) -> Any:
        """The estimator of a trial, fitted on its last fold. Read a pickle only if you trust who wrote it."""
        return pickle.loads((self._trial_path(trial.trial_id) / MODEL).read_bytes())


def _takes_weights(model: Any) -> bool:
    return not isinstance(model, Pipeline) and "sample_weight" in inspect.signature(model.fit).parameters


def _rows(data: Any, which: Any) -> Any:
    return data.iloc[which] if hasattr(data, "iloc") else data[which]
