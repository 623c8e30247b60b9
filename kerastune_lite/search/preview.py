"""A look at the space before a search: build_fn is asked for its parameters, and nothing is trained."""

from __future__ import annotations

import time

from kerastune_lite.running.task import Shared
from kerastune_lite.space import HyperParameters, Parameter, Space, Value
from kerastune_lite.space.presets import first_value
from kerastune_lite.space.seeds import random_value

MOST_SECONDS = 10.0
"""How long build_fn is asked at most: each build makes a model."""


def asked_space(shared: Shared, builds: int) -> Space:
    """The parameters that build_fn asks for, first with its defaults and then with random settings."""
    from kerastune_lite.training.asking import ask
    from kerastune_lite.training.keras_internals import seeds_put_back

    started, space = time.monotonic(), Space()
    with seeds_put_back():
        for build in range(builds):
            hp = _hp_of(build, space, shared)
            ask(shared, hp)
            space = hp.space
            if time.monotonic() - started > MOST_SECONDS:
                break
    return space


def _hp_of(build: int, space: Space, shared: Shared) -> HyperParameters:
    def fill(parameter: Parameter) -> Value:
        return random_value(parameter, 0, build) if build else first_value(parameter)

    return HyperParameters(space=space, fill=fill, presets=shared.presets)
