"""Files of trained models: written completely or not at all, and loaded even where a class isn't registered."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras

from kerastune_lite.study.atomic_files import written_whole


def save(model: keras.Model, path: Path) -> str | None:
    """Writes a model to a `.keras` file, which appears complete or not at all; returns what went wrong, or None.

    Nothing is raised, since a trial keeps its score even if its model can't be written.
    """
    try:
        with written_whole(path) as unfinished, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of what loading by class name would need; `load` doesn't
            model.save(unfinished)
    except Exception as error:
        return f"the model could not be saved ({type(error).__name__}: {error})"
    return None


def load(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """The compiled model that was saved to a file.

    Where Keras can't make it from the file alone (a class that isn't registered, a Lambda layer), it is built anew and
    given the file's weights.

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
