"""The folds of a cross-validation: how the samples are divided, and what one training is given of them.

Splitters are scikit-learn's. The samples are divided once, before the search, so that all trials see the same folds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from kerastune_lite.errors import DataError
from kerastune_lite.running.training_data import Folds, Split, TrainingData

KEPT_BYTES = 1 << 28
"""How large the copies of all folds together may be to be kept from trial to trial; larger ones are made each time."""
LONGEST_TEXT = 80
"""Characters of a splitter's description."""


def folds_of(cv: Any, x: Any, y: Any, groups: Any, samples: int) -> Folds:
    """Divides samples into folds.

    Args:
        cv: A number of folds, a splitter of scikit-learn, or an iterable of (train, validation) indices.
        x: The inputs, which splitters are shown where they are one array or table.
        y: The targets.
        groups: The group of each sample, or None.
        samples: How many there are.

    Raises:
        TypeError: cv is none of these.
        DataError: The samples can't be divided so, or a fold is empty.
    """
    labels = class_labels(y)
    if groups is not None:
        groups = np.asarray(groups).reshape(-1)
        if len(groups) != samples:
            raise DataError(
                f"groups names the group of each sample: x has {samples} samples, and groups {len(groups)}."
            )
    splitter = _splitter_of(cv, labels, groups, samples)
    shown = x if hasattr(x, "shape") and not keras.ops.is_tensor(x) else np.zeros((samples, 1))
    targets = labels if labels is not None else np.asarray(y) if hasattr(y, "shape") else None
    name = _name_of(splitter)
    try:
        pairs = splitter if _is_pairs(splitter) else splitter.split(shown, targets, groups)
        splits = [_checked_split(pair, number, samples, name) for number, pair in enumerate(pairs)]
    except (ValueError, IndexError) as error:
        raise DataError(f"cv={name} can't divide {samples} samples: {error}{_hint(splitter, groups)}") from error
    if len(splits) < 2:
        folds = "1 fold" if splits else "no fold"
        raise DataError(
            f"cv={name} makes {folds} of {samples} samples; cross-validation takes at least 2. For a single split "
            "leave cv out, and pass validation_data or validation_split."
        )
    return Folds(tuple(splits), name)


def class_labels(y: Any) -> np.ndarray | None:
    """The class of each sample, where the targets are classes: one whole number, truth value or text each, or one-hot.

    Whole numbers that are written as floats (0.0, 1.0) are classes too. None of other targets, and of several outputs.
    """
    if not hasattr(y, "shape") or len(y.shape) not in (1, 2):
        return None
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        is_one_hot = labels.dtype.kind in "biuf" and bool(np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())
        return labels.argmax(1) if is_one_hot else None
    labels = labels.reshape(-1)
    if labels.dtype.kind == "f":
        return labels if bool(np.isfinite(labels).all() and (labels == labels.round()).all()) else None
    return labels if labels.dtype.kind in "biuUSO" else None


def data_of_run(data: TrainingData, run: int) -> TrainingData:
    """What one training of a trial is given: the whole data, or the samples of the fold whose turn it is."""
    if data.folds is None:
        return data
    fold = run % len(data.folds)
    kept = data.folds.kept
    if fold not in kept:
        made = _data_of_fold(data, data.folds.splits[fold])
        if len(data.folds) * _bytes_of((data.x, data.y, data.sample_weight)) > KEPT_BYTES:
            return made
        kept[fold] = made
    return kept[fold]


def _data_of_fold(data: TrainingData, split: Split) -> TrainingData:
    parts = (data.x, data.y, data.sample_weight)
    (x, y, sample_weight), held_out = ([taken(part, rows) for part in parts] for rows in split)
    validation_data = tuple(held_out if sample_weight is not None else held_out[:2])
    return TrainingData(x, y, sample_weight, validation_data, data.fit_arguments)


def taken(value: Any, rows: np.ndarray) -> Any:
    """Some samples of an array, a table, or a nested structure of these; None of None."""
    if isinstance(value, Mapping):
        return {key: taken(item, rows) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([taken(item, rows) for item in value])
    if value is None:
        return None
    if hasattr(value, "iloc"):
        return value.iloc[rows]
    return keras.ops.take(value, rows, axis=0) if keras.ops.is_tensor(value) else value[rows]


def _bytes_of(value: Any) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return sum(map(_bytes_of, value))
    size = getattr(value, "nbytes", None)
    return int(getattr(value, "size", 0)) * 8 if size is None else int(size)


def _splitter_of(cv: Any, labels: np.ndarray | None, groups: np.ndarray | None, samples: int) -> Any:
    """The splitter that cv stands for."""
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        return _splitter_for(int(cv), labels, groups, samples)
    if callable(getattr(cv, "split", None)):
        if isinstance(cv, (str, bytes, type)):
            raise TypeError(_told_of_cv(cv))
        return _repeatable(cv)
    if isinstance(cv, Iterable) and not isinstance(cv, (str, bytes, Mapping)):
        return list(cv)
    raise TypeError(_told_of_cv(cv))


def _splitter_for(folds: int, labels: np.ndarray | None, groups: np.ndarray | None, samples: int) -> Any:
    """The splitter of a number of folds, as scikit-learn chooses it: in order, and by classes where there are any."""
    if folds < 2:
        raise DataError(f"cv has to be a number of folds of at least 2. Received: cv={folds}.")
    parts, what = (samples, "samples") if groups is None else (len(np.unique(groups)), "groups")
    if folds > parts:
        raise DataError(f"cv={folds} needs at least {folds} {what}, and there are {parts}. Take fewer folds.")
    is_by_class = labels is not None and min(np.unique(labels, return_counts=True)[1]) >= folds
    if groups is not None:
        return StratifiedGroupKFold(folds) if is_by_class else GroupKFold(folds)
    return StratifiedKFold(folds) if is_by_class else KFold(folds)


def _repeatable(splitter: Any) -> Any:
    """A splitter that makes the same folds each time, so that a resumed search has those of the first one."""
    draws = getattr(splitter, "shuffle", True)
    if draws and getattr(splitter, "random_state", 0) is None:
        splitter = copy.copy(splitter)
        splitter.random_state = 0
    return splitter


def _checked_split(pair: Any, number: int, samples: int, name: str) -> Split:
    if len(pair) != 2 or not all(hasattr(rows, "__len__") for rows in pair):
        raise ValueError(
            f"fold {number} (from 0) has to be a pair of (train, validation) indices. It is one of {len(pair)} items "
            f"({type(pair).__name__})."
        )
    train, validation = (np.arange(samples)[np.asarray(rows) if len(rows) else slice(0)] for rows in pair)
    for what, rows in (("train", train), ("validate", validation)):
        if not len(rows):
            raise DataError(f"cv={name} leaves no samples to {what} on in fold {number} (from 0) of {samples} samples.")
    return train, validation


def _is_pairs(splitter: Any) -> bool:
    return isinstance(splitter, Sequence)


def _name_of(splitter: Any) -> str:
    text = f"{len(splitter)} given splits" if _is_pairs(splitter) else " ".join(repr(splitter).split())
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _hint(splitter: Any, groups: np.ndarray | None) -> str:
    takes_groups = "Group" in type(splitter).__name__
    return " Pass search(…, groups=…), the group of each sample." if takes_groups and groups is None else ""


def _told_of_cv(cv: Any) -> str:
    return (
        "cv has to be a number of folds, a splitter of sklearn.model_selection such as TimeSeriesSplit(4), or a list "
        f"of (train, validation) indices. Received: {cv!r} ({type(cv).__name__})."
    )
