"""The shapes of the data that a model was trained on, which it takes to make the variables of one that has none yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Shapes = Any
"""A nested structure of dicts and lists, with [shape of one sample, type] in the place of each array."""


@dataclass(frozen=True)
class Example:
    """The shapes and types of one sample.

    Attributes:
        inputs: Those of x.
        targets: Those of y, or None.
    """

    inputs: Shapes
    targets: Shapes = None

    def to_json(self) -> dict[str, Any]:
        """The example as JSON."""
        return {"inputs": self.inputs, "targets": self.targets}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Example:
        """The example that `to_json` wrote."""
        return cls(data["inputs"], data["targets"])

    def batch(self) -> tuple[Any, Any]:
        """Inputs and targets of a batch of one sample, all ones; None for targets that there are none of."""
        return _ones(self.inputs), _ones(self.targets)


def example_of(arguments: Mapping[str, Any]) -> Example | None:
    """The example of the data that a fit is given; None where it would have to be used up to be seen (a generator).

    Args:
        arguments: The arguments of the fit.
    """
    x, y = arguments.get("x"), arguments.get("y")
    try:
        batch = x[0] if isinstance(x, keras.utils.PyDataset) else getattr(x, "element_spec", None)
        if batch is not None:
            parts = batch if isinstance(batch, tuple) else (batch,)
            return Example(*(_shapes(part) for part in parts[:2]))
        return None if x is None or hasattr(x, "__next__") else Example(_shapes(x), _shapes(y))
    except (AttributeError, TypeError, ValueError):
        return None


def _shapes(value: Any) -> Shapes:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {"dict": {str(name): _shapes(item) for name, item in value.items()}}
    if isinstance(value, (list, tuple)) and not (value and isinstance(value[0], (int, float))):
        return {"list": [_shapes(item) for item in value]}
    array = value if hasattr(value, "shape") else np.asarray(value)
    return {"array": [[None if size is None else int(size) for size in tuple(array.shape)[1:]], _type_of(array)]}


def _type_of(array: Any) -> str:
    dtype = array.dtypes.iloc[0] if hasattr(array, "dtypes") else array.dtype
    return str(getattr(dtype, "name", dtype))


def _ones(shapes: Shapes) -> Any:
    if shapes is None:
        return None
    if "dict" in shapes:
        return {name: _ones(item) for name, item in shapes["dict"].items()}
    if "list" in shapes:
        return [_ones(item) for item in shapes["list"]]
    shape, dtype = shapes["array"]
    return np.ones(
        [1, *(1 if size is None else size for size in shape)], dtype="float32" if dtype == "object" else dtype
    )
