"""The data of a search, as every trial is given them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

import numpy as np

Split = tuple[np.ndarray, np.ndarray]
"""The indices of the samples to train on, and of those to validate on."""


class CopiesOfFolds(dict[int, "TrainingData"]):
    """What trainings are given of each fold, kept from trial to trial. In another process it begins empty."""

    def __reduce__(self) -> tuple[type[CopiesOfFolds], tuple[()]]:
        return CopiesOfFolds, ()


@dataclass(frozen=True)
class Folds:
    """The folds of a cross-validation, the same for every trial.

    Attributes:
        splits: The indices of each fold.
        name: What divided the samples, as a text.
        kept: What trainings are given of the folds, as far as it is kept.
    """

    splits: tuple[Split, ...]
    name: str
    kept: CopiesOfFolds = field(default_factory=CopiesOfFolds, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.splits)


@dataclass(frozen=True)
class TrainingData:
    """The data arguments of `fit`, ready for every trial.

    Attributes:
        x: Inputs; a function is called for each training and makes a dataset or generator afresh. None where each
            trial brings its own, or trains by itself.
        y: Targets, where x doesn't hold them.
        sample_weight: One weight a sample, or None.
        validation_data: As `fit` takes it, or a function that makes it afresh, or None.
        fit_arguments: All other arguments of `fit`.
        folds: The folds that trials are trained and validated on, one after the other; None without cross-validation.
    """

    x: Any = None
    y: Any = None
    sample_weight: Any = None
    validation_data: Any = None
    fit_arguments: Mapping[str, Any] = field(default_factory=dict)
    folds: Folds | None = None

    @property
    def fold_count(self) -> int:
        """How many trainings one execution of a trial has."""
        return 1 if self.folds is None else len(self.folds)

    @property
    def has_validation(self) -> bool:
        """Whether there is validation data, so that val_… metrics are reported."""
        return self.validation_data is not None or self.folds is not None

    def arguments(self, brought: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The arguments of one `fit`; datasets that are given as functions are made afresh for it.

        Args:
            brought: Arguments that the trial brings itself, which go before these. Its x comes without the y and the
                sample weights of this one.
        """
        brought = dict(brought or {})
        arguments = dict(self.fit_arguments)
        replaced = {*brought, "y", "sample_weight"} if "x" in brought else set(brought)
        for name in ("x", "y", "sample_weight", "validation_data"):
            value = brought.pop(name, None) if name in replaced else getattr(self, name)
            if value is not None:
                arguments[name] = value() if is_factory(value) else value
        arguments |= brought
        if isinstance(arguments.get("x"), GeneratorType) or hasattr(arguments.get("x"), "element_spec"):
            # Keras can't shuffle these, and warns of its own default at every fit.
            arguments.setdefault("shuffle", False)
        return arguments


def is_factory(value: Any) -> bool:
    """Whether it is a function that makes data, to be called for each training."""
    return inspect.isfunction(value) or inspect.ismethod(value) or type(value).__name__ == "partial"
