"""The data of the examples: a few hundred digits, sentences, rows and series."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SAMPLES, CHECKED = 192, 48
"""Samples to train on, and to validate on."""
BATCH = 32
WORDS = "the a film plot was is very not good bad fine poor great dull happy sad we they saw liked hated it".split()
LENGTH = 12
"""Words in a sentence."""


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images of shape (8, 8, 1) between 0 and 1 with their digits, and others to validate on."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    labels = labels.astype("int32")
    end = SAMPLES + CHECKED
    return images[:SAMPLES], labels[:SAMPLES], images[SAMPLES:end], labels[SAMPLES:end]


def digit_arrays() -> dict[str, Any]:
    """Digits as arrays, with some to validate on."""
    x, y, x_check, y_check = digits()
    return {"x": x, "y": y, "validation_data": (x_check, y_check), "batch_size": BATCH}


def images_only() -> dict[str, Any]:
    """Images without labels, as an array."""
    return {"x": digits()[0], "batch_size": BATCH}


def image_dataset() -> dict[str, Any]:
    """Images without labels, as a shuffled data set."""
    x = digits()[0]
    return {"x": tf.data.Dataset.from_tensor_slices(x).shuffle(SAMPLES, seed=1).batch(BATCH).prefetch(2)}


def digit_datasets() -> dict[str, Any]:
    """Digits as data sets, in the form of `image_dataset_from_directory`."""
    x, y, x_check, y_check = digits()
    train = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(SAMPLES, seed=1).batch(BATCH)
    check = tf.data.Dataset.from_tensor_slices((x_check, y_check)).batch(BATCH)
    return {"x": train.prefetch(tf.data.AUTOTUNE), "validation_data": check.prefetch(tf.data.AUTOTUNE)}


@functools.cache
def sentences() -> tuple[np.ndarray, np.ndarray]:
    """Sentences as strings, and whether they hold more good words than bad ones."""
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(WORDS), (SAMPLES, LENGTH))
    good, bad = (np.isin(places, [WORDS.index(word) for word in words.split()]).sum(1) for words in _MOODS)
    texts = np.array([" ".join(WORDS[place] for place in row) for row in places], dtype=object)
    return texts, (good > bad).astype("float32")


_MOODS = ("good fine great happy liked", "bad poor dull sad hated")


@functools.cache
def tokens() -> tuple[np.ndarray, np.ndarray]:
    """Sentences of varying length as numbers from 1, padded by 0 at the end, with labels."""
    texts, labels = sentences()
    numbers = np.array([[1 + WORDS.index(word) for word in text.split()] for text in texts], "int32")
    lengths = np.random.default_rng(2).integers(LENGTH // 2, LENGTH + 1, SAMPLES)
    numbers[np.arange(LENGTH)[None] >= lengths[:, None]] = 0
    return numbers, labels.astype("int32")


VOCABULARY = len(WORDS) + 1
"""How many different numbers `tokens` has."""


def token_arrays() -> dict[str, Any]:
    """Sentences as arrays of numbers; the last ones are there to validate on."""
    x, y = tokens()
    return {"x": x[CHECKED:], "y": y[CHECKED:], "validation_data": (x[:CHECKED], y[:CHECKED]), "batch_size": BATCH}


KINDS = ["normal", "fixed", "reversible"]


@functools.cache
def people() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A table with columns of numbers, of whole numbers and of strings, and a label to tell from them."""
    rng = np.random.default_rng(3)
    rows = {
        "age": rng.uniform(20, 80, SAMPLES).astype("float32"),
        "pressure": rng.normal(130, 15, SAMPLES).astype("float32"),
        "rate": rng.normal(70, 9, SAMPLES).astype("float32"),
        "vessels": rng.integers(0, 4, SAMPLES).astype("int64"),
        "kind": np.array(KINDS, dtype=object)[rng.integers(0, 3, SAMPLES)],
    }
    risk = (rows["age"] - 50) / 15 + (rows["pressure"] - 130) / 15 + rows["vessels"] - 1
    return rows, (risk + rng.normal(size=SAMPLES) > 0).astype("float32")


@functools.cache
def table() -> tuple[np.ndarray, np.ndarray]:
    """A table of 10 columns of numbers with unlike scales, and a number to tell from them."""
    rng = np.random.default_rng(4)
    x = rng.normal(loc=np.arange(10), scale=1 + np.arange(10), size=(SAMPLES, 10)).astype("float32")
    return x, (x[:, 0] * 2 + np.sin(x[:, 1]) + rng.normal(size=SAMPLES) * 0.1).astype("float32")


STEPS = 24


@functools.cache
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Series of shape (24, 1) of three kinds, with their kinds."""
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 3, SAMPLES).astype("int32")
    times = np.arange(STEPS)[None] * (1 + kinds[:, None]) / 4
    series = np.sin(times + rng.uniform(0, 6, (SAMPLES, 1))) + rng.normal(size=(SAMPLES, STEPS)) * 0.1
    return series[..., None].astype("float32"), kinds


def wave_arrays() -> dict[str, Any]:
    """Series as arrays, the last tenth and more to validate on."""
    x, y = waves()
    return {"x": x, "y": y, "validation_split": 0.2, "batch_size": BATCH}


@functools.cache
def weather() -> np.ndarray:
    """One long series of 260 moments of 4 measurements."""
    rng = np.random.default_rng(6)
    moments = np.arange(260)[:, None]
    return (np.sin(moments / np.array([3, 5, 7, 11])) + rng.normal(size=(260, 4)) * 0.1).astype("float32")
