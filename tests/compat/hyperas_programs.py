# ruff: noqa: RUF059 - programs are as people write them
"""Programs in the manner of Hyperas's published examples, for small data: only their imports say that they run here."""

from __future__ import annotations

import keras
import numpy as np
from keras.layers import LSTM, Activation, Dense, Dropout, Embedding, Input
from keras.models import Sequential

from kerastune_lite.compat.hyperas import STATUS_FAIL, STATUS_OK
from kerastune_lite.compat.hyperas.distributions import choice, conditional, quniform, uniform

CALLS = []
"""Each call of a data function."""


def data(samples=60):
    CALLS.append(samples)
    generator = np.random.default_rng(0)
    x_train = generator.normal(size=(samples, 6)).astype("float32")
    y_train = keras.utils.to_categorical((x_train[:, 0] > 0).astype(int), 2)
    cut = samples * 2 // 3
    x_test, y_test = x_train[cut:], y_train[cut:]
    x_train, y_train = x_train[:cut], y_train[:cut]
    return x_train, y_train, x_test, y_test


def simple(x_train, y_train, x_test, y_test):
    """The first example: widths, rates and batch sizes."""
    model = Sequential([Input((6,))])
    model.add(Dense(16))
    model.add(Activation("relu"))
    model.add(Dropout({{uniform(0, 1)}}))
    model.add(Dense({{choice([8, 16, 32])}}))
    model.add(Activation("relu"))
    model.add(Dropout({{uniform(0, 1)}}))
    model.add(Dense(2))
    model.add(Activation("softmax"))
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="rmsprop")
    model.fit(x_train, y_train, batch_size={{choice([16, 32])}}, epochs=1, verbose=0, validation_data=(x_test, y_test))
    score, acc = model.evaluate(x_test, y_test, verbose=0)
    return {"loss": -acc, "status": STATUS_OK, "model": model}


def conditional_layers(x_train, y_train, x_test, y_test):
    """The example of the front page, and the article's: layers that are there or not, options that are layers."""
    model = Sequential([Input((6,))])
    model.add(Dense(16))
    model.add(Activation("relu"))
    model.add(Dropout({{uniform(0, 1)}}))
    model.add(Dense({{choice([8, 16])}}))
    model.add(Activation({{choice(["relu", "sigmoid"])}}))
    model.add(Dropout({{uniform(0, 1)}}))

    # If we choose 'four', add an additional fourth layer
    if {{choice(["three", "four"])}} == "four":
        model.add(Dense(10))
        # We can also choose between complete sets of layers: {{choice([1, 2])}}
        model.add({{choice([Dropout(0.5), Activation("linear")])}})
        model.add(Activation("relu"))

    model.add(Dense(2))
    model.add(Activation("softmax"))
    model.compile(
        loss="categorical_crossentropy", metrics=["accuracy"], optimizer={{choice(["rmsprop", "adam", "sgd"])}}
    )
    result = model.fit(
        x_train, y_train, batch_size={{choice([16, 32])}}, epochs=2, verbose=0, validation_data=(x_test, y_test)
    )
    validation_acc = np.amax(result.history["val_accuracy"])
    return {"loss": -validation_acc, "status": STATUS_OK, "model": model}


def text_data():
    generator = np.random.default_rng(0)
    words, length = 30, 5
    X_train = generator.integers(0, words, (60, length))
    y_train = (X_train[:, 0] > words // 2).astype("float32")
    X_test, y_test = X_train[40:], y_train[40:]
    return X_train, X_test, y_train, y_test, length, words


def lstm(X_train, X_test, y_train, y_test, words):
    """The recurrent example, which sees a variable of the data function that it doesn't take."""
    model = Sequential([Input((length,))])  # noqa: F821 - a variable of the data function
    model.add(Embedding(words, 4))
    model.add(LSTM({{choice([4, 8])}}))
    model.add(Dropout({{uniform(0, 1)}}))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    early_stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=4)
    model.fit(X_train, y_train, epochs=1, verbose=0, validation_split=0.2, callbacks=[early_stopping])
    score, acc = model.evaluate(X_test, y_test, verbose=0)
    return {"loss": -acc, "status": STATUS_OK, "model": model}


def visualization_data():
    x, y, x_test, y_test = data()
    return x, y, x_test, y_test


def built_by_a_function(rate, units):
    """A helper that the model function calls."""
    model = Sequential([Input((6,)), Dense(units, activation="relu"), Dropout(rate), Dense(2, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def with_functions(x_train, y_train, x_test, y_test):
    """The example with functions of one's own; its data function names its variables in another way."""
    model = built_by_a_function(rate={{uniform(0, 0.5)}}, units={{quniform(8, 16, 4)}})
    model.fit(x_train, y_train, epochs=1, verbose=0)
    loss, acc = model.evaluate(x_test, y_test, verbose=0)
    return {"loss": loss, "status": STATUS_OK, "model": model, "note": "own functions"}


def with_names(x_train, y_train):
    """Templates of every place that names come from."""
    rate = {{uniform(0, 1)}}
    if conditional({{choice([1, 2])}}) == 1:
        rate += {{uniform(0, 2)}}
    return {"loss": rate, "status": STATUS_OK, "model": None}


def failing(x_train, y_train, x_test, y_test):
    """A model function that gives up what is too large."""
    size = {{choice([1, 2, 3, 4])}}
    return {"loss": float(size), "status": STATUS_FAIL if size == 2 else STATUS_OK, "model": size}
