"""Seeds: each trial's are derived from the study's, and the user's own random state is restored."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kerastune_lite.space.parameters import Parameter
from kerastune_lite.space.values import Value


def run_seed(study_seed: int, trial: int, run: int = 0) -> int:
    """The seed of one run of a trial, which `keras.utils.set_random_seed` is given before the build."""
    return int(np.random.SeedSequence([study_seed, trial, run]).generate_state(1)[0])


def suggestion_rng(study_seed: int, trial: int) -> np.random.Generator:
    """The generator that a strategy draws a trial's setting from."""
    return np.random.default_rng([study_seed, trial])


def random_value(parameter: Parameter, study_seed: int, trial: int) -> Value:
    """The value drawn for a parameter that a trial's setting doesn't hold: the same each time the trial is begun."""
    rng = np.random.default_rng([study_seed, trial, zlib.crc32(parameter.name.encode())])
    return parameter.decode(float(rng.random()))


@contextmanager
def random_state_put_back() -> Iterator[None]:
    """Restores Python's and NumPy's global random state at the end of the block."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
