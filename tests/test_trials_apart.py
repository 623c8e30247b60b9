"""Trials that don't leak into one another: what was made outside build_fn and is trained by all of them is noticed."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from kerastune_lite import GridSearch, Hyperband

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1]
QUIET = {"verbose": 0, "seed": 0}


def model_on(*parts, optimizer=None, rate=0.1):
    model = keras.Sequential([keras.Input((4,)), *parts, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(rate), "mse", run_eagerly=True)
    return model


def base_of(*layers):
    return keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3)])


def notes_of(build_fn, directory, **settings):
    """Which trials of a search are told that they begin where another ended, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = GridSearch(build_fn, "loss", directory=directory, **QUIET, **settings).search(X, Y)
    told = {trial.number: [note for note in trial.notes if note.kind == "leak"] for trial in study.trials}
    messages = [str(each.message) for each in caught if "shares variables with an earlier one" in str(each.message)]
    return told, messages


def shared_base():
    base = base_of()
    return lambda rate: model_on(base, rate=rate)


def shared_layer():
    layer = keras.layers.Dense(3)  # doesn't know its inputs before the first trial
    return lambda rate: model_on(layer, rate=rate)


def shared_model():
    model = model_on()

    def build(rate):
        model.optimizer.learning_rate = rate
        return model

    return build


def shared_optimizer():
    head, optimizer = keras.layers.Dense(1), keras.optimizers.SGD(0.1)

    def build(rate):
        model = keras.Sequential([keras.Input((4,)), head])
        model.compile(optimizer, "mse", run_eagerly=True)
        return model

    return build


@pytest.mark.parametrize("make", [shared_base, shared_layer, shared_model, shared_optimizer])
def test_what_every_trial_trains_is_told_from_the_second_one_on_with_the_way_out(tmp_path, make):
    build = make()
    told, messages = notes_of(lambda hp: build(hp.choice("rate", [0.1, 0.05, 0.01])), tmp_path)

    assert [number for number, notes in told.items() if notes] == [1, 2]
    assert "made outside build_fn" in told[1][0]
    assert "inside build_fn" in told[1][0]
    assert messages


def frozen_base():
    base = base_of(keras.layers.Dropout(0.5))
    base.trainable = False
    return lambda rate: model_on(base, rate=rate)


def base_set_back():
    base = base_of()
    weights = base.get_weights()

    def build(rate):
        base.set_weights(weights)
        return model_on(base, rate=rate)

    return build


def adapted_layer():
    normalization = keras.layers.Normalization()
    normalization.adapt(X)
    return lambda rate: model_on(normalization, rate=rate)


def copied_base():
    base = base_of()

    def build(rate):
        copy = keras.models.clone_model(base)
        copy.set_weights(base.get_weights())
        return model_on(copy, rate=rate)

    return build


@pytest.mark.parametrize("make", [frozen_base, base_set_back, adapted_layer, copied_base])
def test_what_no_trial_changes_may_be_shared(tmp_path, make):
    build = make()
    told, messages = notes_of(lambda hp: build(hp.choice("rate", [0.1, 0.05, 0.01])), tmp_path, executions_per_trial=2)

    assert not any(told.values())
    assert not messages


def test_a_trial_that_is_resumed_does_not_leak_from_itself(tmp_path):
    def build_fn(hp):
        return model_on(keras.layers.Dense(3), rate=hp.choice("rate", [0.1, 0.05, 0.01, 0.02]))

    study = Hyperband(build_fn, "loss", max_epochs=4, factor=2, directory=tmp_path, **QUIET).search(X, Y)

    assert not [note for trial in study.trials for note in trial.notes if note.kind == "leak"]


def test_a_second_training_of_the_same_trial_is_told_too(tmp_path):
    build = shared_base()
    told, _ = notes_of(lambda hp: build(hp.choice("rate", [0.1])), tmp_path, executions_per_trial=2)

    assert len(told[0]) == 1
