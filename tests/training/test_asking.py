"""Asking build_fn what it asks for, without training."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from kerastune_lite import FailedTrial, HyperParameters, SpaceError
from kerastune_lite.running.task import Shared
from kerastune_lite.training.asking import End, ask
from kerastune_lite.training.data import prepare

X = np.ones((8, 1), "float32")


def model():
    """The smallest model that trains."""
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def returns_a_model(hp):
    hp.int("x", 1, 2)
    return model()


def trains(hp):
    hp.int("x", 1, 2)
    try:
        return model().fit(X, X, verbose=0)
    except Exception:
        return None


def trains_batch_by_batch(hp):
    hp.int("x", 1, 2)
    return model().train_on_batch(X, X)


class Own(keras.Model):
    """A model with a `fit` of its own."""

    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


def trains_a_model_of_its_own(hp):
    hp.int("x", 1, 2)
    inputs = keras.Input((1,))
    own = Own(inputs, keras.layers.Dense(1)(inputs))
    own.compile("sgd", "mse")
    return own.fit(X, X, verbose=0)


def fails(hp):
    hp.int("x", 1, 2)
    raise FailedTrial("no")


@pytest.mark.parametrize(
    ("build_fn", "end"),
    [
        (returns_a_model, End.COMPLETE),
        (lambda hp: float(hp.int("x", 1, 2)), End.COMPLETE),
        (trains, End.AT_TRAINING),
        (trains_batch_by_batch, End.AT_TRAINING),
        (trains_a_model_of_its_own, End.AT_TRAINING),
        (fails, End.ERROR),
    ],
)
def test_what_is_asked_before_a_training_is_known_without_it(build_fn, end):
    hp = HyperParameters()

    assert ask(Shared(build_fn), hp) is end
    assert hp.values == {"x": 1}


def test_a_function_that_may_train_comes_to_its_end():
    assert ask(Shared(trains), HyperParameters(), may_train=True) is End.COMPLETE


def test_models_train_again_afterwards():
    fit = keras.Model.fit
    ask(Shared(trains), HyperParameters())

    assert keras.Model.fit is fit
    assert len(model().fit(X, X, verbose=0).history["loss"]) == 1


def test_another_thread_trains_meanwhile():
    def trains_elsewhere(hp):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: len(model().fit(X, X, verbose=0).history)).result()

    assert ask(Shared(trains_elsewhere), HyperParameters()) is End.COMPLETE


def test_a_mistake_in_the_call_is_raised():
    with pytest.raises(SpaceError):
        ask(Shared(lambda hp: hp.int("x", 2, 1)), HyperParameters())


def test_layers_are_named_as_in_a_fresh_process():
    names = []
    for _ in range(2):
        ask(Shared(lambda hp: names.append([layer.name for layer in model().layers])), HyperParameters())

    assert names[0] == names[1]


class OwnFit:
    """An object with a `fit` of its own, which asks for a batch size."""

    def build(self, hp):
        hp.int("x", 1, 2)
        return model()

    def fit(self, hp, model, *args, **arguments):
        return model.fit(*args, batch_size=hp.choice("batch", [4, 8]), **arguments)


@pytest.mark.parametrize(("may_train", "end"), [(False, End.AT_TRAINING), (True, End.COMPLETE)])
def test_a_fit_of_its_own_is_asked_too(may_train, end):
    hp = HyperParameters()

    assert ask(Shared(OwnFit(), prepare(X, X, None, 0.0, {"epochs": 2})), hp, may_train=may_train) is end
    assert hp.values == {"x": 1, "batch": 4}
