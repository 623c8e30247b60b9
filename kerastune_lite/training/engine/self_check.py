"""Whether the engine gives a plain fit's numbers with the Keras and TensorFlow that are installed.

Asked once a process, before the first training by programs. That it passed is kept in the user's cache folder by
version, so that a later process needn't train the model of the check again; that it failed isn't kept: the fault may
have been the moment's.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.keras_internals import reset_layer_names, tensorflow_seed

Fit = Callable[[Any, Mapping[str, Any]], Any]
"""A function of a model and fit's arguments that trains and gives the History."""


def kept_verdict(by_programs: Fit) -> str | None:
    """What is wrong with trainings by programs here; None where their numbers are those of a plain fit.

    Args:
        by_programs: It is asked to train a model, and then another one that shares its programs.
    """
    passed = _passed_path()
    with suppress(OSError):
        if passed.exists():
            return None
    verdict = verdict_on(by_programs)
    if verdict is None:
        with suppress(OSError):
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.touch()
    return verdict


def verdict_on(by_programs: Fit) -> str | None:
    """Trains a small model, and another with other numbers, by programs and plainly; what differs, or what failed."""
    states = random.getstate(), np.random.get_state(), tensorflow_seed()
    try:
        for rate, seed in ((0.3, 1), (0.1, 2)):
            expected, found = (_trained(fit, rate, seed) for fit in (_plainly, by_programs))
            if expected[0] != found[0] or not all(map(np.array_equal, expected[1], found[1])):
                return "a training by programs differs from a plain fit with this Keras and TensorFlow"
    except Exception as error:
        return f"a training by programs fails with this Keras and TensorFlow ({type(error).__name__}: {error})"
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        tf.random.set_seed(states[2])
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


def _passed_path() -> Path:
    versions = f"{version('kerastune_lite')} {keras.__version__} {tf.__version__} {_own_code()}"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "kerastune_lite" / f"engine-passed-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"


def _own_code() -> str:
    """A digest of the engine's files, so that what one engine passed is not believed of another."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
