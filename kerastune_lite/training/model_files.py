"""Models on disk: written whole or not at all, and read back even where a class isn't registered."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from kerastune_lite.study.atomic_files import written_whole


def save(model: Any, path: Path) -> str | None:
    """Writes a `.keras` file and puts it in place at once; returns what went wrong, or None.

    A finished trial is worth more than its model: what can't be written is told in the trial's notes.
    """
    try:
        with written_whole(path) as unfinished, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of what loading by class name would need; `load` doesn't
            model.save(unfinished)
    except Exception as error:
        return f"the model could not be saved ({type(error).__name__}: {error})"
    return None


def load(path: Path, build: Callable[[], Any]) -> Any:
    """The model of a file, compiled, as it was saved.

    Where Keras can't make it from the file alone (a class that isn't registered, a Lambda layer), it is built by
    build_fn and given the file's weights.

    Args:
        path: A `.keras` file.
        build: Builds the compiled model of the trial's values.
    """
    try:
        return keras.models.load_model(path)
    except (TypeError, ValueError, NotImplementedError):
        model = build()
        if not model.built:
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
            model.build_from_config(config["build_config"])
        model.optimizer.build(model.trainable_variables)  # the file holds its state too
        model.load_weights(path)
        return model
