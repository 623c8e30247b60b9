"""What the tests share: quiet TensorFlow, small data, small models, and the search of one setting after the other."""

from __future__ import annotations

import os
import shutil
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


def pytest_configure(config):
    # A cache folder of the tests' own. The processes of pytest-xdist inherit that of the process that starts them.
    if not hasattr(config, "workerinput"):
        os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()


def pytest_collection_modifyitems(items):
    """Drills train and wait for longer: a machine that is three times slower may not fail them."""
    for item in items:
        if item.get_closest_marker("drill") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def quick_collections():
    """Sets the libraries' objects aside once for all searches of a process.

    Each search would do so for itself, which takes half a second in a process with the graphs of hundreds of tests.
    """
    from kerastune_lite.execution.quick_collection import quick_collection

    with quick_collection():
        yield


@pytest.fixture(scope="session")
def iris():
    """150 flowers: x of shape (150, 4), shuffled so that the last ones make a fair validation split, and y."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order].astype("float32"), y[order]


@pytest.fixture
def build_iris():
    """A build_fn with one choice and one float: a tiny softmax classifier for `iris`."""
    return build_iris_model


def build_iris_model(hp):
    """A tiny softmax classifier with `units` and `learning_rate` to choose."""
    import keras

    model = keras.Sequential(
        [
            keras.layers.Dense(hp.choice("units", [4, 8, 16]), activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    rate = hp.float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
