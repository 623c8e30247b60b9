"""The arguments of an estimator, checked and translated before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.class_weight import compute_class_weight

from kerastune_lite.execution.processes.machine import cores
from kerastune_lite.search.settings import WorkerCount, check_count

Splits = list[tuple[np.ndarray, np.ndarray]]
RAISE = "raise"
"""The error_score that ends a search at its first failure."""


def checked_weights(sample_weight: Any, samples: int) -> np.ndarray | None:
    """The weight of each sample; ValueError where there is not one for each, or all are zero."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float32)
    if weights.shape != (samples,):
        raise ValueError(f"sample_weight has to have the shape ({samples},), one a sample. Received: {weights.shape}.")
    if not weights.any():
        raise ValueError("All weights in sample_weight are zero, so that there is nothing to learn from.")
    return weights


def worker_count(n_jobs: Any) -> WorkerCount:
    """How many settings are tried at a time: -1 stands for as many as there are cores, -2 for one less, and so on.

    Raises:
        ValueError: It is 0, or no whole number.
    """
    if n_jobs is None or n_jobs == "auto":
        return n_jobs or 1
    is_counted_down = isinstance(n_jobs, (int, np.integer)) and n_jobs < 0
    return max(cores() + 1 + int(n_jobs), 1) if is_counted_down else check_count("n_jobs", n_jobs, at_least=1)


def checked_fraction(fraction: Any) -> float:
    """The share of the samples to validate on; ValueError where it isn't between 0 and 1."""
    if isinstance(fraction, (int, float, np.number)) and 0.0 < fraction < 1.0:
        return float(fraction)
    raise ValueError(
        f"validation_fraction has to be between 0 and 1, neither of them included. Received: {fraction!r}."
    )


def checked_error_score(error_score: Any) -> float | None:
    """The score of a setting that fails; None where the first failure ends the search.

    Raises:
        ValueError: It is neither a number nor "raise".
    """
    if isinstance(error_score, str) and error_score == RAISE:
        return None
    if isinstance(error_score, (int, float, np.number)) and not isinstance(error_score, bool):
        return float(error_score)
    raise ValueError(f"error_score has to be a number, nan among them, or 'raise'. Received: {error_score!r}.")


def splits_of(cv: Any, X: np.ndarray, y: np.ndarray, groups: Any, *, classifier: bool) -> Splits:
    """The folds that cv makes of some samples, as scikit-learn's searches make them.

    Raises:
        ValueError: It can't divide them, or makes no fold.
    """
    try:
        splits = list(check_cv(cv, y, classifier=classifier).split(X, y, groups))
    except ValueError as error:
        way_out = (
            " Pass fit(X, y, groups=…), the group of each sample." if groups is None and "Group" in repr(cv) else ""
        )
        raise ValueError(f"cv={cv!r} can't divide {len(X)} samples: {error}{way_out}") from error
    if not splits:
        raise ValueError(f"cv={cv!r} makes no fold of {len(X)} samples. Leave it out, for a single split.")
    return splits


class ClassWeights:
    """Weights of classes by their labels, or "balanced", as Keras has them: by the classes' numbers.

    Args:
        classes: The labels, in the order of their numbers.
        targets: The number of each sample's class.
    """

    def __init__(self, classes: np.ndarray, targets: np.ndarray) -> None:
        self._numbers = {label: number for number, label in enumerate(classes.tolist())}
        numbers = np.arange(len(classes))
        self._balanced = dict(enumerate(compute_class_weight("balanced", classes=numbers, y=targets).tolist()))

    def by_number(self, given: Any) -> dict[int, float] | None:
        """The weight of each class that has one.

        Raises:
            ValueError: It is neither a dict by labels, nor "balanced", nor None.
        """
        if given is None:
            return None
        if isinstance(given, str) and given == "balanced":
            return dict(self._balanced)
        if not isinstance(given, Mapping):
            raise ValueError(f"class_weight has to be a dict of weights by label, or 'balanced'. Received: {given!r}.")
        unknown = [label for label in given if label not in self._numbers]
        if unknown:
            raise ValueError(
                f"class_weight goes by the labels in y: {_listed(self._numbers)}. It has a weight for {unknown[0]!r}."
            )
        return {self._numbers[label]: float(weight) for label, weight in given.items()}


def _listed(labels: Iterable[Any], most: int = 10) -> str:
    shown = [repr(label) for label in labels]
    return ", ".join(shown[:most] + ["…"] * (len(shown) > most))
