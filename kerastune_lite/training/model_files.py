"""Files of trained models: written completely or not at all, and read back before they are trusted.

A model is kept as a `.keras` file where Keras can write one and read the same model from it. Every other model (a layer
without `get_config`, a schedule of the user's own, a class that can't be found by its name) is kept as its weights
alone: build_fn makes the model again, and it is given these.
"""

from __future__ import annotations

import json
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastune_lite.study.atomic_files import written_whole
from kerastune_lite.study.texts import text_of
from kerastune_lite.study.trial import Note
from kerastune_lite.training import array_files
from kerastune_lite.training.example import Example

RECORD = "kerastune_lite.json"
"""The name of our own entry in a `.keras` file: what it takes to build the model, and to know its weights again."""
LONGEST_CAUSE = 300
"""Characters of Keras's own words that a note quotes; some of its messages hold whole examples of code."""


class ModelFileError(Exception):
    """A file doesn't give back the model that was written to it."""


@dataclass(frozen=True)
class Loaded:
    """A model that was read from its file.

    Attributes:
        model: The compiled model.
        way: How it was read, in words.
    """

    model: keras.Model
    way: str


_readable: set[frozenset[str]] = set()
"""The kinds of models, made of Keras's own classes alone, that were read back from their files in this process."""


def save(model: keras.Model, path: Path, weights_path: Path, example: Example | None = None) -> Note | None:
    """Writes a model to a file, which appears complete or not at all; returns what there is to say of it, or None.

    Nothing is raised, since a trial keeps its score even if its model can't be written.

    Args:
        model: The model.
        path: The `.keras` file.
        weights_path: The `.npz` file for its weights, where Keras can't write the model or not read it back.
        example: The shapes of the data that it was trained on.
    """
    try:
        if not model.built:
            raise ModelFileError("the model isn't built, since its own train_step calls its parts only")
        with _quiet(), written_whole(path) as unfinished:
            model.save(unfinished)
            _add_record(unfinished, model, example)
            _check_readable(model, unfinished, example)
        weights_path.unlink(missing_ok=True)
        return None
    except Exception as error:
        cause = cause_of(error)
    try:
        _save_weights(model, weights_path, example, cause)
        path.unlink(missing_ok=True)
    except Exception as error:
        return Note(f"the model could not be saved ({cause}; its weights alone: {cause_of(error)})", "model")
    return Note(f"kept as weights for the model that build_fn makes, since Keras can't keep it whole ({cause})")


def load(path: Path, weights_path: Path, build: Callable[[], keras.Model]) -> Loaded:
    """The compiled model that `save` wrote.

    Args:
        path: The `.keras` file.
        weights_path: The file of the weights, which is read where there is no `.keras` file.
        build: Makes the compiled model of the trial's values.

    Raises:
        ModelFileError: Neither Keras nor build_fn gives it back; with the cause that Keras gave.
    """
    if not path.exists():
        model = _built(build, weights_path)
        with _causes(f"its weights in {weights_path}"):
            cause = _give_weights(model, weights_path)
        way = f"built by build_fn, and given the weights of {weights_path}, since Keras can't keep it whole ({cause})"
        return Loaded(model, way)
    try:
        with _quiet():
            model = keras.models.load_model(path)
        _check_weights(model, path)
        return Loaded(model, f"read from {path}")
    except Exception as error:
        cause = cause_of(error)
    model = _built(build, path, cause)
    with _causes(f"Keras could not read {path} ({cause}), and the weights in it"):
        _complete(model, _record_in(path))
        if not model.built:  # the file is of an earlier version, without our record
            model.build_from_config(_with_tuples(_config_in(path)["build_config"]))
        _build_optimizer(model)
        model.load_weights(path)
        _check_weights(model, path)
    return Loaded(model, f"built by build_fn, and given the weights of {path}, which Keras could not read ({cause})")


def cause_of(error: BaseException) -> str:
    """An error in one line: its type, and Keras's words without the examples and configurations that follow them."""
    message = text_of(error)
    _, _, inner = message.rpartition("Exception encountered: ")
    paragraphs = (inner or message).strip().split("\n\n")
    text = " ".join(paragraphs[0].split())
    for end in (" Full object config:", " config={"):
        text, _, _ = text.partition(end)
    return f"{type(error).__name__}: {text[:LONGEST_CAUSE]}" if text else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Keras warns of what loading by a class's name would need, and of an optimizer that is built later.
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _causes(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ModelFileError(
            f"{what} could not be given to the model that build_fn makes: {cause_of(error)}"
        ) from error


def _built(build: Callable[[], keras.Model], path: Path, cause: str = "") -> keras.Model:
    try:
        return build()
    except Exception as error:
        before = f"Keras could not read it ({cause}), and " if cause else ""
        raise ModelFileError(f"{path}: {before}build_fn could not make its model: {cause_of(error)}") from error


# The .keras file


def _add_record(path: Path, model: keras.Model, example: Example | None) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(RECORD, json.dumps(_record_of(model, example) | {"checksum": _checksum(model)}))


def _record_in(path: Path) -> dict[str, Any]:
    """Our own entry; an empty one of a file that an earlier version of this library wrote."""
    with zipfile.ZipFile(path) as archive:
        if RECORD not in archive.namelist():
            return {}
        record: dict[str, Any] = json.loads(archive.read(RECORD))
        return record


def _config_in(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        config: dict[str, Any] = json.loads(archive.read("config.json"))
        return config


def _check_readable(model: keras.Model, path: Path, example: Example | None) -> None:
    """Reads a file back, where that hasn't shown yet that Keras can read this kind of model.

    Classes of the user's own are read back each time: what their `get_config` leaves out may matter for one setting and
    not for another.
    """
    kind = _kind_of(path)
    is_keras_own = all(name.startswith("keras.") for name in kind)
    if is_keras_own and kind in _readable:
        return
    read = keras.models.load_model(path)
    if read.compiled != model.compiled:
        raise ModelFileError("Keras reads it without its compile(), since it doesn't find the loss or a metric")
    _check_weights(read, path)
    if example is not None and not _gives_the_same(model, read, example):
        raise ModelFileError("the model that Keras reads from it gives other outputs: a get_config() is incomplete")
    if is_keras_own:
        _readable.add(kind)


def _kind_of(path: Path) -> frozenset[str]:
    """The names of all classes and functions that a model's configuration mentions."""
    names = set()

    def collect(config: Any) -> None:
        if isinstance(config, dict):
            if "class_name" in config:
                names.add(f"{config.get('module')}.{config['class_name']}")
            for item in config.values():
                collect(item)
        elif isinstance(config, list):
            for item in config:
                collect(item)

    collect(_config_in(path))
    return frozenset(names)


def _gives_the_same(model: keras.Model, read: keras.Model, example: Example) -> bool:
    """Whether two models give the same outputs; also where one sample of ones doesn't tell."""
    try:
        inputs, _ = example.batch()
        ours, again, theirs = (
            [np.asarray(keras.ops.convert_to_numpy(part)) for part in keras.tree.flatten(each(inputs))]
            for each in (model, model, read)
        )
    except Exception:
        return True
    if not _are_close(ours, again):
        return True  # it draws at random
    return _are_close(ours, theirs)


def _are_close(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return len(ours) == len(theirs) and all(
        np.allclose(one.astype("float64"), other.astype("float64"), rtol=1e-4, atol=1e-6, equal_nan=True)
        for one, other in pairs
    )


def _check_weights(model: keras.Model, path: Path) -> None:
    checksum = _record_in(path).get("checksum")
    if checksum is not None and checksum != _checksum(model):
        raise ModelFileError("the model that Keras reads from it has other weights")


def _checksum(model: keras.Model) -> int:
    checksum = 0
    for value in model.get_weights():
        checksum = array_files.checksum_of(value, zlib.crc32(repr(value.shape).encode(), checksum))
    return checksum


# The weights alone


def _save_weights(model: keras.Model, path: Path, example: Example | None, cause: str) -> None:
    document = _record_of(model, example) | {"values": model.get_weights(), "cause": cause}
    with written_whole(path) as unfinished:
        array_files.write(unfinished, document)


def _give_weights(model: keras.Model, path: Path) -> str:
    """Gives a model the weights of a file; returns why Keras could not keep it whole."""
    document = array_files.read(path)
    _complete(model, document)
    if _weights_of(model) != document["weights"]:
        raise ModelFileError(
            f"it has {len(document['weights'])} weights, and the model that build_fn makes has {len(model.weights)}, "
            "or others. build_fn has to make the same model whenever it is given the same values"
        )
    for weight, value in zip(model.weights, document["values"], strict=True):
        weight.assign(value)
    _build_optimizer(model)
    return str(document["cause"])


# What both kinds of file know of a model


def _record_of(model: keras.Model, example: Example | None) -> dict[str, Any]:
    """What it takes to make the model's variables again, and to recognise them, as JSON."""
    return {
        "example": None if example is None else example.to_json(),
        "build": _shapes_only(model.get_build_config()),
        "weights": _weights_of(model),
    }


def _weights_of(model: keras.Model) -> list[list[Any]]:
    return [[weight.name, list(weight.shape)] for weight in model.weights]


def _complete(model: keras.Model, record: Mapping[str, Any]) -> None:
    """Makes the variables that a model lacks, by the means of a training: a call, a test step, a training step."""
    with _quiet():
        for means in _means_to_build(model, record):
            if model.built and _weights_of(model) == record.get("weights"):
                return
            with suppress(Exception):
                means()


def _means_to_build(model: keras.Model, record: Mapping[str, Any]) -> Iterator[Callable[[], Any]]:
    if record.get("example") is not None:
        inputs, targets = Example.from_json(record["example"]).batch()
        yield lambda: model(inputs)
        yield lambda: model.test_on_batch(inputs, targets)
        yield lambda: model.train_on_batch(inputs, targets)
    if record.get("build") is not None:
        yield lambda: model.build_from_config(_with_tuples(record["build"]))


def _shapes_only(build_config: Any) -> Any:
    """A build configuration as JSON; None where it isn't made of shapes."""
    try:
        return json.loads(json.dumps(build_config))
    except (TypeError, ValueError):
        return None


def _with_tuples(config: Any) -> Any:
    """A configuration in which each shape is a tuple again."""
    if isinstance(config, dict):
        return {name: _with_tuples(item) for name, item in config.items()}
    if isinstance(config, list):
        is_shape = all(size is None or isinstance(size, int) for size in config)
        return tuple(config) if is_shape else [_with_tuples(item) for item in config]
    return config


def _build_optimizer(model: keras.Model) -> None:
    """Makes the optimizer's own variables, so that the model can be trained further, and the file's be read."""
    optimizer = getattr(model, "optimizer", None)  # a model that isn't compiled has none
    if isinstance(optimizer, keras.optimizers.Optimizer) and not optimizer.built:
        optimizer.build(model.trainable_variables)
