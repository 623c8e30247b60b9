"""What a model's step makes while it is traced for the first time, and how later models are given it beforehand.

A `train_step` of the user's may build optimizers on parts of the weights, layers, the compiled loss and metrics, and
the state from which Keras draws random numbers. The first model's tracing makes them, and shows of what. A later model
doesn't trace its step, so the same is made for it before it trains; its fingerprint then has to be that of the first
model after its tracing, else it traces its own step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kerastune_lite.training.engine.fingerprint import Fingerprint
from kerastune_lite.training.keras_internals import (
    build_as_noted,
    build_layers,
    build_optimizer,
    global_seed_state,
    how_built,
    make_global_seed_state,
    variables_built_for,
)


@dataclass(frozen=True)
class Unmade:
    """What a model lacks before its step is traced.

    Attributes:
        optimizers: The places of the optimizers that aren't built.
        layers: The places of the layers that aren't built.
        has_no_seeds: Whether the state from which Keras draws random numbers is missing.
    """

    optimizers: tuple[int, ...]
    layers: tuple[int, ...]
    has_no_seeds: bool

    @classmethod
    def of(cls, look: Fingerprint) -> Unmade:
        """What is missing in a model that looks like this."""
        return cls(
            tuple(place for place, optimizer in enumerate(look.optimizers) if not optimizer.built),
            tuple(place for place, layer in enumerate(look.layers) if not layer.built),
            global_seed_state() is None,
        )


@dataclass(frozen=True)
class Made:
    """What the tracing of a step has made.

    Attributes:
        optimizers: The places of optimizers, and of the variables that each of them was built for.
        layers: The places of layers, and how each was built.
        compiled: The targets and outputs with which the compiled loss and metrics were built.
        has_seeds: Whether it made the state from which Keras draws random numbers.
    """

    optimizers: tuple[tuple[int, tuple[int, ...]], ...]
    layers: tuple[tuple[int, Any], ...]
    compiled: dict[str, Any]
    has_seeds: bool

    @classmethod
    def noted(cls, before: Fingerprint, after: Fingerprint, unmade: Unmade, compiled: dict[str, Any]) -> Made | None:
        """What has been made of what was missing; None if an optimizer trains variables that the model isn't known by.

        Args:
            before: The model before the tracing.
            after: The model after it.
            unmade: What was missing before it.
            compiled: What `builds_noted` has noted.
        """
        layers = [(place, before.layers[place]) for place in unmade.layers if before.layers[place].built]
        new = [(place, before.optimizers[place]) for place in unmade.optimizers if before.optimizers[place].built]
        of_the_new = {id(variable) for _, optimizer in new for variable in optimizer.variables}
        others = [variable for variable in after.variables if id(variable) not in of_the_new]
        places = {id(variable): place for place, variable in enumerate(others)}
        optimizers = []
        for place, optimizer in new:
            trained = [places.get(id(variable), -1) for variable in variables_built_for(optimizer)]
            if -1 in trained:
                return None
            optimizers.append((place, tuple(trained)))
        built = tuple((place, how_built(layer)) for place, layer in layers)
        return cls(tuple(optimizers), built, compiled, unmade.has_no_seeds and global_seed_state() is not None)

    def __bool__(self) -> bool:
        return bool(self.optimizers or self.layers or self.compiled or self.has_seeds)

    def make(self, model: keras.Model, look: Fingerprint, look_again: Callable[[], Fingerprint]) -> Fingerprint:
        """Makes the same for a model that looks as the first one did before its tracing, and returns how it looks then.

        Args:
            model: The model.
            look: How it looks.
            look_again: Looks at it.
        """
        optimizers = [(look.optimizers[place], trained) for place, trained in self.optimizers]
        build_layers([(look.layers[place], config) for place, config in self.layers])
        build_as_noted(model, self.compiled)
        if self.has_seeds:
            make_global_seed_state()
        if self.layers or self.compiled or self.has_seeds:
            look = look_again()
        for optimizer, trained in optimizers:
            if not optimizer.built:  # one inside another is built with it
                build_optimizer(optimizer, [look.variables[place] for place in trained])
        return look_again() if optimizers else look
