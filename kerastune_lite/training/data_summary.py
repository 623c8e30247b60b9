"""A summary of what a search trains on: enough to tell, in a later search, that the data are others."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow

from kerastune_lite.running.training_data import Folds, TrainingData
from kerastune_lite.space import label_of

SAMPLES = 32
"""How many samples of an array, evenly spread, its checksum is made of: reading all of a large one would take long."""


def summary_of(data: TrainingData | None) -> dict[str, dict[str, Any]]:
    """What JSON can hold of each array or dataset, by a name such as "x", "y" or "validation_data[0]".

    Of arrays the shape, the type and a checksum of some samples; of datasets what they say of themselves. Functions
    that make data say nothing of it.
    """
    if data is None:
        return {}
    named = {name: getattr(data, name) for name in ("x", "y", "sample_weight", "validation_data")}
    leaves = (leaf for name, value in named.items() for leaf in _named_leaves(name, value))
    summaries = {name: summary for name, leaf in leaves if (summary := _summary_of_any(leaf))}
    return summaries if data.folds is None else summaries | {"folds": _summary_of_folds(data.folds)}


def _summary_of_folds(folds: Folds) -> dict[str, Any]:
    """How many folds there are, and a checksum of their indices."""
    checksum = 0
    for rows in (rows for split in folds.splits for rows in split):
        checksum = zlib.crc32(np.ascontiguousarray(rows, np.int64).tobytes(), checksum)
    return {"length": len(folds), "checksum": f"{checksum:08x}"}


def keras_versions() -> dict[str, str]:
    """The versions of Keras and of TensorFlow, and the name of Keras's backend."""
    return {"keras": keras.__version__, "backend": keras.backend.backend(), "tensorflow": tensorflow.__version__}


def _named_leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named_leaves(f"{name}[{key!r}]", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _named_leaves(f"{name}[{index}]", item)
    elif value is not None:
        yield name, value


def _summary_of_any(leaf: Any) -> dict[str, Any]:
    """The summary of whatever `fit` takes; of what can't be summarised its type alone, since it may well train."""
    try:
        return _summary(leaf)
    except Exception:
        return {"elements": type(leaf).__name__}


def _summary(leaf: Any) -> dict[str, Any]:
    if hasattr(leaf, "element_spec"):
        return {"elements": str(leaf.element_spec), "length": _length_of_dataset(leaf)}
    if isinstance(leaf, keras.utils.PyDataset):
        return {"elements": type(leaf).__name__, "length": leaf.num_batches}
    shape = tuple(getattr(leaf, "shape", ()))
    if not shape:
        return {}
    dtype = leaf.dtypes.to_string() if hasattr(leaf, "columns") else str(leaf.dtype)
    sample = [None if size is None else int(size) for size in shape[1:]]
    return {"samples": int(shape[0]), "shape": sample, "type": dtype, "checksum": _checksum(leaf)}


def _length_of_dataset(dataset: Any) -> int | None:
    try:
        return int(dataset.cardinality())
    except Exception:
        return None


def _checksum(array: Any) -> str | None:
    """CRC-32 of some samples, in hexadecimal; None of what can't be read by sample."""
    last = int(array.shape[0]) - 1
    rows = sorted({last * part // (SAMPLES - 1) for part in range(SAMPLES)}) if last >= 0 else []
    checksum = 0
    try:
        for row in rows:
            sample = np.asarray(array.iloc[row : row + 1] if hasattr(array, "iloc") else array[row : row + 1])
            content = label_of(sample.tolist()).encode() if sample.dtype.hasobject else sample.tobytes()
            checksum = zlib.crc32(content, checksum)
    except Exception:
        return None
    return f"{checksum:08x}"
