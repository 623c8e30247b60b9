"""The list of examples: each is a function that builds a model, with its data and what is expected of the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

FitArguments = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A model in the manner of a public example of Keras.

    Attributes:
        name: The name of the function that builds it.
        field: What it is about: the name of its module.
        after: The page under keras.io in whose manner it is.
        build: `build(hp)`, which returns the compiled model; or an object with `build` and `fit`.
        data: Makes the arguments of `search`: the data, and whatever else the page gives to `fit`. It is called once a
            search, since an iteration over a shuffled `tf.data.Dataset` changes the next one.
        holds: The values at which parameters are held that would change the program: the architecture, and numbers of
            the example's own code, which are constants in it. All others every trial chooses anew.
        objective: What the search minimises.
        shares: Whether the programs of its first trial are expected to serve the later ones.
        why_not: The good reason for which they aren't.
    """

    name: str
    field: str
    after: str
    build: Any
    data: Callable[[], FitArguments]
    holds: Mapping[str, Any] = field(default_factory=dict)
    objective: str = "loss"
    shares: bool = True
    why_not: str = ""


EXAMPLES: dict[str, Example] = {}
"""All examples by their names, in the order of the modules."""


def example(
    after: str,
    data: Callable[[], FitArguments],
    *,
    holds: Mapping[str, Any] | None = None,
    objective: str = "loss",
    why_not: str = "",
) -> Callable[[Any], Any]:
    """Adds a function that builds a model, or a class that builds and fits one, to the examples.

    Args:
        after: As in `Example`.
        data: As in `Example`.
        holds: As in `Example`.
        objective: As in `Example`.
        why_not: The reason of one that isn't shared.
    """

    def add(build: Any) -> Any:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", build.__name__).lower()
        assert name not in EXAMPLES, name
        EXAMPLES[name] = Example(
            name=name,
            field=build.__module__.rpartition(".")[2],
            after=after,
            build=build() if isinstance(build, type) else build,
            data=data,
            holds=holds or {},
            objective=objective,
            shares=not why_not,
            why_not=why_not,
        )
        return build

    return add


def learning_rate(hp: Any) -> float:
    """The number that every example tunes."""
    return hp.float("learning_rate", 1e-3, 1e-2, log=True)


def adam(hp: Any) -> keras.optimizers.Optimizer:
    """Adam with a learning rate to choose."""
    return keras.optimizers.Adam(learning_rate(hp))


def from_logits() -> keras.losses.Loss:
    """The loss of most classifiers."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
