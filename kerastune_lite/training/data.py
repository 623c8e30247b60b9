"""The data of a search: checked and split once, the same for every trial."""

from __future__ import annotations

import difflib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import DataError, ObjectiveError
from kerastune_lite.other_tuners.of_tuners import SEARCH_ARGUMENTS
from kerastune_lite.running.training_data import TrainingData, is_factory
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.folds import folds_of


def prepare(
    x: Any,
    y: Any,
    validation_data: Any,
    validation_split: float,
    fit_arguments: Mapping[str, Any],
    cv: Any = None,
    groups: Any = None,
) -> TrainingData:
    """Checks the data of a search, and splits off the last samples for validation, as Keras does, or makes folds.

    Args:
        x: Inputs, as `fit` takes them, or a function that makes them; None where trials bring their own.
        y: Targets.
        validation_data: As `fit` takes it, or a function that makes it.
        validation_split: The share of the samples to validate on; 0 splits nothing.
        fit_arguments: All other arguments of `fit`.
        cv: How to divide the samples into folds, as `folds_of` takes it; None for no cross-validation.
        groups: The group of each sample, for cv.

    Raises:
        DataError: Lengths differ, an argument is unknown, the split is impossible, a generator can't be repeated, or
            there are targets without inputs.
        TypeError: cv is nothing that divides samples.
    """
    check_names(fit_arguments)
    fit_arguments = dict(fit_arguments)
    if x is None and (y is not None or validation_split):
        what = "targets" if y is not None else f"validation_split={validation_split!r}"
        raise DataError(f"search() was given {what}, but no x. Call search(x, y, …).")
    sample_weight = fit_arguments.pop("sample_weight", None)
    for name, value in (("x", x), ("y", y), ("validation_data", validation_data)):
        if isinstance(value, GeneratorType):
            raise DataError(
                f"{name} is a generator, which one trial uses up. Pass a function that makes it afresh "
                f"({name}=lambda: my_generator()), a tf.data.Dataset or a keras.utils.PyDataset."
            )
    if _is_arrays(x):
        _check_lengths(x=x, y=y, sample_weight=sample_weight)
        _warn_of_nan(x)
    if isinstance(validation_data, (tuple, list)) and validation_data and _is_arrays(validation_data[0]):
        names = ("validation x", "validation y", "validation sample_weight")
        _check_lengths(**dict(zip(names, validation_data, strict=False)))
    if cv is not None:
        _check_alone(x, validation_data, validation_split)
        folds = folds_of(cv, x, y, groups, int(next(_leaves(x)).shape[0]))
        return TrainingData(x, y, sample_weight, None, fit_arguments, folds)
    if groups is not None:
        raise DataError("groups= tells cv= which samples belong together, and there is no cv. Pass cv=5 or a splitter.")
    if validation_split and validation_data is None:
        if not 0 < validation_split < 1:
            raise DataError(f"validation_split has to lie between 0 and 1. Received: {validation_split!r}.")
        if not _is_arrays(x):
            raise DataError(
                f"validation_split splits arrays only; x is a {type(x).__name__}. Pass validation_data= instead."
            )
        (x, y, sample_weight), validation_data = _split((x, y, sample_weight), validation_split)
    return TrainingData(x, y, sample_weight, validation_data, fit_arguments)


def _check_alone(x: Any, validation_data: Any, validation_split: float) -> None:
    """Raises DataError where cross-validation meets other data to validate on, or data that can't be divided."""
    other = "validation_data" if validation_data is not None else "validation_split" if validation_split else None
    if other is not None:
        raise DataError(f"cv= validates each fold on the samples that it leaves out. Leave out {other}, or cv.")
    if x is None:
        raise DataError("cv= divides the samples of search(x, y, cv=…), and there is no x.")
    if not _is_arrays(x):
        raise DataError(
            f"cv= divides arrays and tables only; x is a {type(x).__name__}. Pass arrays, or train on several datasets "
            "in a fit of your own and return the list of their scores."
        )


def check_objective(objective: Objective, *, has_validation: bool) -> None:
    """Raises ObjectiveError where the objective is a val_… metric and there is no validation data."""
    if objective.name.startswith("val_") and not has_validation:
        raise ObjectiveError(
            f"The objective {objective.name!r} needs validation data. Give search() one of: validation_split=0.2 "
            "(the last fifth of the arrays), validation_data=(x_val, y_val), or validation_data= with a "
            "tf.data.Dataset, a PyDataset or a function that makes one; or let build_fn return it with the model: "
            "(model, {'validation_data': …})."
        )


def check_names(arguments: Mapping[str, Any], by: str = "search() and model.fit take") -> None:
    """Raises DataError where an argument isn't one of `fit`'s; `by` begins the message."""
    known = [name for name in inspect.signature(keras.Model.fit).parameters if name != "self"]
    for name in arguments:
        if name not in known:
            if name in SEARCH_ARGUMENTS:
                raise DataError(SEARCH_ARGUMENTS[name].told(f"{by} no argument {name!r}"))
            near = difflib.get_close_matches(name, [*known, "max_time"], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(f"{by} no argument {name!r}.{hint} fit takes: {', '.join(known)}.")


def _is_arrays(value: Any) -> bool:
    """Whether it is arrays that can be indexed by sample, in any nesting that Keras takes."""
    leaves = list(_leaves(value))
    return bool(leaves) and all(hasattr(leaf, "shape") and not is_factory(leaf) for leaf in leaves)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield value


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _map(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_map(function, item) for item in value])
    return None if value is None else function(value)


def _check_lengths(**named: Any) -> None:
    lengths = {
        name: [int(leaf.shape[0]) for leaf in _leaves(value) if getattr(leaf, "shape", ())]
        for name, value in named.items()
    }
    if len({length for several in lengths.values() for length in several}) > 1:
        lengths_text = ", ".join(
            f"{name} has {' and '.join(map(str, several))}" for name, several in lengths.items() if several
        )
        raise DataError(f"All arrays have to hold the same number of samples: {lengths_text}.")


def _warn_of_nan(x: Any) -> None:
    for leaf in _leaves(x):
        if isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.floating) and np.isnan(leaf).any():
            warnings.warn(
                f"x holds NaN ({int(np.isnan(leaf).any(axis=tuple(range(1, leaf.ndim))).sum())} of {len(leaf)} "
                "samples); the search continues, but a loss that becomes NaN fails its trial.",
                stacklevel=4,
            )
            return


def _split(arrays: tuple[Any, Any, Any], share: float) -> tuple[tuple[Any, Any, Any], tuple[Any, ...]]:
    samples = int(next(_leaves(arrays)).shape[0])
    at = math.floor(samples * (1.0 - share))
    if at in (0, samples):
        raise DataError(
            f"validation_split={share} of {samples} samples leaves none to {'train' if at == 0 else 'validate'} on."
        )

    def part(which: slice) -> Callable[[Any], Any]:
        return lambda array: array.iloc[which] if hasattr(array, "iloc") else array[which]

    train = _map(part(slice(0, at)), arrays)
    validation = _map(part(slice(at, None)), arrays)
    return train, validation if arrays[2] is not None else validation[:2]
