"""Checks that a training by programs gives the numbers of a plain fit with the Keras and TensorFlow installed.

The check is made once in a process, before the first training by programs. If it passes, an empty file in the user's
cache directory says so, by version, so that later processes needn't train the check's models again. A failure isn't
kept, since its cause may be temporary. Where there is no usable cache directory, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite._version import __version__
from kerastune_lite.space.seeds import random_state_put_back
from kerastune_lite.training.keras_internals import reset_layer_names, seeds_put_back

Fit = Callable[[Any, Mapping[str, Any]], Any]
"""A function of a model and the arguments of `fit` that trains the model and returns the History."""


def kept_verdict(by_programs: Fit) -> str | None:
    """What is wrong with trainings by programs in this installation; None if their numbers are those of a plain fit.

    Args:
        by_programs: Trains by programs. It is called for two models, of which the second can share the first's.
    """
    directory = cache_directory()
    if directory is None:
        return verdict_on(by_programs)
    passed = directory / f"engine-passed-{_installation()}"
    with suppress(OSError):
        if passed.exists():
            return None
    verdict = verdict_on(by_programs)
    if verdict is None:
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            passed.touch()
    return verdict


def verdict_on(by_programs: Fit) -> str | None:
    """Trains two small models by programs and by a plain fit; returns what differs or fails, or None."""
    try:
        with random_state_put_back(), seeds_put_back():
            for rate, seed in ((0.3, 1), (0.1, 2)):
                expected, found = (_trained(fit, rate, seed) for fit in (_plainly, by_programs))
                if expected[0] != found[0] or not all(map(np.array_equal, expected[1], found[1])):
                    return "a training by programs differs from a plain fit with this Keras and TensorFlow"
    except Exception as error:
        return f"a training by programs fails with this Keras and TensorFlow ({type(error).__name__}: {error})"
    return None


def _trained(fit: Fit, rate: float, seed: int) -> tuple[dict[str, list[float]], list[Any]]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.integers(0, 2, 20)
    reset_layer_names()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(3, activation="relu", kernel_regularizer=keras.regularizers.L2(rate)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(rate),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1 * rate), loss, metrics=["accuracy"])
    # The last batch is smaller than the others.
    arguments = {"x": x, "y": y, "validation_data": (x, y), "batch_size": 8, "epochs": 2, "shuffle": False}
    return fit(model, {**arguments, "verbose": 0}).history, model.get_weights()


def _plainly(model: Any, arguments: Mapping[str, Any]) -> Any:
    return model.fit(**arguments)


def cache_directory() -> Path | None:
    """The user's cache directory for this library; None where the user has no home.

    The XDG base directory specification: $XDG_CACHE_HOME, or ~/.cache if that is unset, empty or a relative path.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "kerastune_lite"
    try:
        return Path.home() / ".cache" / "kerastune_lite"
    except RuntimeError:  # $HOME is unset and the user has no entry in passwd, as in many containers
        return None


def _installation() -> str:
    """A digest of the versions and of the engine's own code: a check that one engine passed says nothing of another."""
    digest = hashlib.sha256(f"{__version__} {keras.__version__} {tf.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
