"""What can't be build_fn is told when the tuner is made, or when the search begins, before anything is trained."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from kerastune_lite import GridSearch


class Builder:
    def build(self, hp):
        return None


class BuilderOfTwo:
    def build(self, hp, units):
        return None


class CallableBuilder:
    def __call__(self, hp):
        return None


def with_fit(fit):
    """An object with `build(hp)` and this `fit`."""
    return type("Own", (Builder,), {"fit": fit})()


def of_two(hp, units):
    return None


async def coroutine(hp):
    return None


def generator(hp):
    yield None


SUITED = {
    "a function": lambda hp: None,
    "another name": lambda parameters: None,
    "a default beside it": lambda hp, units=4: None,
    "any arguments": lambda *args, **kwargs: None,
    "a partial": partial(of_two, units=4),
    "a positional partial": partial(lambda units, hp: None, 4),
    "a callable object": CallableBuilder(),
    "an object with build": Builder(),
    "a method": Builder().build,
    "fit with any arguments": with_fit(lambda self, hp, model, *args, **kwargs: None),
    "fit that names them": with_fit(lambda self, hp, model, x, y, callbacks, verbose, epochs: None),
    "fit without data": with_fit(lambda self, hp, model, callbacks=(), **kwargs: None),
}


@pytest.mark.parametrize("build_fn", SUITED.values(), ids=SUITED)
def test_whatever_can_be_called_with_hp_is_taken(build_fn):
    assert GridSearch(build_fn, "loss").build_fn is build_fn


UNSUITED = {
    "nothing": (None, "a function of hp, or an object with build.*Received: None"),
    "a name": ("build_fn", "Received: 'build_fn' .str."),
    "a class with build": (Builder, r"the class Builder, .*: pass Builder\(\)"),
    "another class": (int, "a function of hp, and got the class int"),
    "two arguments": (of_two, r"build_fn\(hp\). of_two\(hp, units\) can't be: missing a required argument: 'units'"),
    "no argument": (lambda: None, "lambda.. can't be: too many positional arguments"),
    "a method of a class": (Builder.build, r"missing a required argument: 'hp'. It is a method .* pass an object"),
    "build of two": (BuilderOfTwo(), r"called as build\(hp\).*'units'.*functools.partial"),
    "a partial of too much": (partial(of_two, 1, 2), "too many positional arguments"),
    "a coroutine": (coroutine, "gives a coroutine. Leave out async"),
    "a generator": (generator, "gives a generator. Leave out yield"),
    "fit of one": (with_fit(lambda self, hp: None), "too many positional arguments"),
    "fit without callbacks": (with_fit(lambda self, hp, model, x, y, epochs, verbose: None), "'callbacks'.*kwargs"),
}


@pytest.mark.parametrize(("build_fn", "told"), UNSUITED.values(), ids=UNSUITED)
def test_what_can_not_is_refused_when_the_tuner_is_made(build_fn, told):
    with pytest.raises(TypeError, match=told):
        GridSearch(build_fn, "loss")


def test_a_model_or_a_layer_or_a_class_of_models_is_no_function_of_hp():
    import keras

    class Net(keras.Model):
        pass

    for given, told in (
        (keras.Sequential(name="digits"), "got <Sequential name=digits.*>. A search makes a new model for each trial"),
        (keras.layers.Dense(1, name="top"), "got <Dense name=top.*>"),
        (Net, "got the class Net"),
    ):
        with pytest.raises(TypeError, match=f"build_fn has to be a function of hp, and {told}.*def build_fn.hp.: … "):
            GridSearch(given, "loss")


@pytest.mark.parametrize(
    ("fit", "told"),
    [
        (lambda self, hp, model, x, y, callbacks: None, "unexpected keyword argument 'verbose'"),
        (lambda self, hp, model, x, callbacks, **kwargs: None, "multiple values for argument 'callbacks'|too many"),
        (lambda self, hp, model, x, y, fold, **kwargs: None, "missing a required argument: 'fold'"),
        (lambda self, hp, model, x, y, callbacks, verbose, epochs: None, "keyword argument 'validation_data'"),
    ],
)
def test_a_fit_of_ones_own_that_can_not_take_the_arguments_of_the_search_is_refused_before_any_training(
    fit, told, tmp_path
):
    tuner = GridSearch(with_fit(fit), "loss", directory=tmp_path / "study", verbose=0)
    x, y = np.zeros((8, 2)), np.zeros(8)

    with pytest.raises(TypeError, match=told):
        tuner.search(x, y, validation_data=(x, y), epochs=2)
    assert not (tmp_path / "study").exists()
