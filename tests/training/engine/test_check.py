"""Code of the user's that reaches a number in an odd way: the fingerprint sees it, and the check of programs does too.

That the fingerprint tells two numbers apart is shown for every case by itself, without a training. A choice of cases is
trained with the number at 1, 1.5 and 1 again through one engine: by the fingerprint without the check, and by the check
without what the fingerprint has learnt. History, weights and the optimizer's state have to be those of a plain fit each
time.
"""

from __future__ import annotations

import collections
import enum
import functools
import importlib
import operator
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import by, compared, differences, plain, trained
from keras import layers, ops

from kerastune_lite import GridSearch, Objective
from kerastune_lite.training.engine import check, fingerprint
from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.engine.programs import SharedPrograms
from kerastune_lite.training.engine.samples import Samples
from kerastune_lite.training.keras_internals import reset_layer_names

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)).astype("float32")
Y = RNG.integers(0, 3, 60).astype("int32")
FACTOR = [1.0]
SETTINGS = types.ModuleType("settings_of_test_check")
SETTINGS.FACTOR = 1.0
sys.modules[SETTINGS.__name__] = SETTINGS


def classifier(*middle, loss=None, optimizer=None):
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8, activation="relu"), *middle, layers.Dense(3)])
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    return model


class By(layers.Layer):
    """A layer that scales its inputs by what a function returns."""

    def __init__(self, get):
        super().__init__()
        self.get = get

    def call(self, x):
        return x * self.get()


class ByHistory(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.history = factor

    def call(self, x):
        return x * self.history


class ByQuantize(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.quantize = factor

    def call(self, x):
        return x * self.quantize


class BySelf(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self._self_scale = factor

    def call(self, x):
        return x * self._self_scale


class ByNodes(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self._operations = factor

    def call(self, x):
        return x * self._operations


class Config:
    def __init__(self, factor):
        self._tracker = self.stop_training = factor


class ByConfig(layers.Layer):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def call(self, x):
        return x * self.config._tracker * self.config.stop_training


class ByInitializer(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.start = keras.initializers.Constant(factor)

    def call(self, x):
        return x * self.start((8,))


class ByDrawnInitializer(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.start = keras.initializers.RandomUniform(0.5 * factor, factor, seed=int(10 * factor))

    def call(self, x):
        return x * self.start((8,))


class BySuper(ByInitializer):
    def call(self, x):
        return super().call(x) + 1.0


class ByGradient(layers.Layer):
    """A layer that leaves its inputs as they are, and scales their gradients by what a function returns."""

    def __init__(self, get):
        super().__init__()
        self.get = get

    def call(self, x):
        return tf.custom_gradient(lambda x: (tf.identity(x), lambda upstream: upstream * self.get()))(x)


class ByUpdate(keras.optimizers.SGD):
    """An optimizer that scales gradients by what a function returns."""

    def __init__(self, get):
        super().__init__(0.1)
        self.get = get

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * self.get(), variable, learning_rate)


class ByVariable(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.scale.factor = factor

    def call(self, x):
        return x * self.scale * self.scale.factor


class Slotted(dict):
    __slots__ = ("alpha",)


class Items(dict):
    def __getitem__(self, key):
        return super().__getitem__(key) * FACTOR[0]


class Lengthened(list):
    def __getitem__(self, place):
        return super().__getitem__(place) + FACTOR[0]


class Doubled(float):
    def __mul__(self, other):
        return float(self) * FACTOR[0] * other

    __rmul__ = __mul__


class Named(str):
    def __len__(self):
        return int(2 * FACTOR[0])


class Pair(tuple):
    @property
    def total(self):
        return sum(self) * FACTOR[0]


class Weights(np.ndarray):
    pass


def weighted_loss(y, predicted):
    each = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
    return weighted_loss.weight * each


@functools.wraps(keras.losses.sparse_categorical_crossentropy)
def disguised_loss(y, predicted):
    return FACTOR[0] * keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)


def scaled_by(module):
    return module.FACTOR


def of_attribute(kind, *contents):
    """A model by an attribute of a container of a class of the user's."""

    def build(a):
        thing = kind(*contents)
        thing.alpha = a
        return classifier(By(lambda: thing.alpha))

    return build


def of_learning(make):
    """A model that learns in another direction by an attribute of a dict."""

    def build(a):
        thing = type("Dict", (dict,), {})()
        thing.alpha = a
        return make(lambda: thing.alpha - 1.2)

    return build


def of_global(make):
    def build(a):
        FACTOR[0] = a
        return make()

    return build


def of_settings(get):
    def build(a):
        SETTINGS.FACTOR = a
        return classifier(By(get))

    return build


def of_function(a):
    weighted_loss.weight = a
    return classifier(loss=weighted_loss)


def of_array(a):
    array = np.ones(8, "float32").view(Weights)
    array.alpha = a
    return classifier(By(lambda: array.alpha))


ITEMS, LONG, PAIR, DOUBLE, NAME = Items(k=1.0), Lengthened([1.0]), Pair([0.5, 0.5]), Doubled(1.0), Named("name")
FAULTS = {
    "an attribute called history": lambda a: classifier(ByHistory(a)),
    "an attribute called quantize": lambda a: classifier(ByQuantize(a)),
    "an attribute called _self_scale": lambda a: classifier(BySelf(a)),
    "an attribute called _operations": lambda a: classifier(ByNodes(a)),
    "attributes of a configuration": lambda a: classifier(ByConfig(Config(a))),
    "an initializer that is called": lambda a: classifier(ByInitializer(a)),
    "a random initializer that is called": lambda a: classifier(ByDrawnInitializer(a)),
    "an initializer that a base class calls": lambda a: classifier(BySuper(a)),
    "an attribute of a variable": lambda a: classifier(ByVariable(a)),
    "an attribute of a function": of_function,
    "an attribute of a dict": of_attribute(type("Dict", (dict,), {})),
    "an attribute that only a gradient needs": of_learning(lambda get: classifier(ByGradient(get))),
    "an attribute that only an optimizer needs": of_learning(lambda get: classifier(optimizer=ByUpdate(get))),
    "an attribute of a list": of_attribute(type("List", (list,), {})),
    "an attribute of a tuple": of_attribute(type("Tuple", (tuple,), {})),
    "an attribute of a set": of_attribute(type("Set", (set,), {})),
    "an attribute of a str": of_attribute(type("Str", (str,), {}), "name"),
    "an attribute of an int": of_attribute(type("Int", (int,), {}), 3),
    "an attribute of a float": of_attribute(type("Float", (float,), {}), 1.0),
    "an attribute of an array": of_array,
    "a slot of a dict": of_attribute(Slotted),
    "a method of a dict": of_global(lambda: classifier(By(lambda: ITEMS["k"]))),
    "a method of a list": of_global(lambda: classifier(By(lambda: LONG[0]))),
    "a property of a tuple": of_global(lambda: classifier(By(lambda: PAIR.total))),
    "an operator of a float": of_global(lambda: classifier(By(lambda: DOUBLE * 1.0))),
    "a method of a str": of_global(lambda: classifier(By(lambda: float(len(NAME))))),
    "a function with the name of another module": of_global(lambda: classifier(loss=disguised_loss)),
    "getattr of a module": of_settings(lambda: getattr(SETTINGS, "FACTOR")),  # noqa: B009
    "a module's __dict__": of_settings(lambda: SETTINGS.__dict__["FACTOR"]),
    "attrgetter of a module": of_settings(lambda: operator.attrgetter("FACTOR")(SETTINGS)),
    "importlib": of_settings(lambda: importlib.import_module("settings_of_test_check").FACTOR),
    "sys.modules": of_settings(lambda: sys.modules["settings_of_test_check"].FACTOR),
    "a module that is passed on": of_settings(lambda: scaled_by(SETTINGS)),
    "a function's globals": of_global(lambda: classifier(By(lambda: scaled_by.__globals__["FACTOR"][0]))),
}
SOME = ["an attribute called history", "getattr of a module"]
TRAINED_BY_FINGERPRINT = (
    "an attribute called history",
    "a random initializer that is called",
    "an initializer that a base class calls",
    "an attribute of a variable",
    "an attribute that only an optimizer needs",
    "an attribute of an array",
    "an operator of a float",
    "a function with the name of another module",
    "a module that is passed on",
)
"""One of each place in which the number lies: from where two fingerprints differ, nothing is left to chance."""
TRAINED_BY_CHECK = (
    "getattr of a module",
    "a random initializer that is called",
    "an attribute of a function",
    "an attribute that only a gradient needs",
    "an attribute that only an optimizer needs",
)
"""One of each effect on a step, on its outputs, loss, gradients and update: the check sees numbers, not code."""


def cases(names=FAULTS, some=SOME):
    return [pytest.param(case, marks=() if case in some else pytest.mark.drill) for case in names]


def ran(build, **arguments):
    """How the engine trained each model, after every one of them was found equal to a plain fit."""
    return compared(build, {"x": X, "y": Y, "epochs": 2, "batch_size": 16, **arguments}, (1.0, 1.5, 1.0))


@pytest.mark.parametrize("case", cases())
def test_no_two_models_that_compute_differently_have_one_fingerprint(case):
    found = []
    for value in (1.0, 1.5):
        reset_layer_names()
        keras.utils.set_random_seed(5)
        try:
            found.append(SharedPrograms().look_at(FAULTS[case](value), Samples.of(X, Y)).key)
        except NotShareableError as reason:
            found.append((str(reason), value))

    assert found[0] != found[1]


@pytest.mark.parametrize("case", cases(TRAINED_BY_FINGERPRINT))
def test_the_fingerprint_alone_lets_no_wrong_program_be_shared(case, monkeypatch):
    monkeypatch.setattr(check, "IS_ON", False)

    ran(FAULTS[case])


@pytest.mark.parametrize("case", cases(TRAINED_BY_CHECK))
@pytest.mark.filterwarnings("ignore:The program that a trial was about to share")
def test_the_check_alone_lets_no_wrong_program_be_used(case, monkeypatch):
    monkeypatch.setattr(fingerprint, "_IS_COMPLETE", False)

    ran(FAULTS[case])


def test_a_program_that_gives_other_numbers_is_given_up_and_the_trial_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "_IS_COMPLETE", False)

    def search(engine):
        tuner = GridSearch(
            lambda hp: FAULTS["an attribute of a function"](hp.choice("a", [1.0, 1.5, 2.0])),
            Objective("loss", "min"),
            directory=tmp_path / engine,
            seed=3,
            engine=engine,
            verbose=0,
        )
        return tuner.search(X, Y, epochs=2, batch_size=16)

    with pytest.warns(RuntimeWarning, match="about to share gave loss .* instead of .* in batch 1"):
        auto = search("auto")
    fit = search("fit")

    reason = "compiled: its shared program gave other numbers than the model itself"
    assert [trial.engine for trial in auto.trials] == ["compiled", reason, reason]
    assert [trial.curve for trial in auto.trials] == [trial.curve for trial in fit.trials]
    told = [[note for note in trial.notes if note.kind == "engine"] for trial in auto.trials]
    assert [len(notes) for notes in told] == [0, 1, 0]
    assert "it gave loss" in told[1][0]


class ScaledInTests(layers.Layer):
    def call(self, x, training=False):
        return x if training else x * FACTOR[0]


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore:The program that a trial was about to share")
def test_a_program_for_validation_is_checked_too(monkeypatch):
    monkeypatch.setattr(fingerprint._Walk, "_globals", lambda *_: iter(()))

    how = ran(of_global(lambda: classifier(ScaledInTests())), validation_data=(X[:20], Y[:20]))

    assert how == ["compiled"] + ["compiled: its shared program gave other numbers than the model itself"] * 2


def honest(a):
    """A model with code of the user's whose only number is a variable, with all that draws random numbers."""
    noise = layers.Dropout(0.1 * a), layers.GaussianNoise(0.1)
    return classifier(By(lambda: 2.0), *noise, layers.BatchNormalization(), optimizer=keras.optimizers.Adam(0.01 * a))


def eagerly(monkeypatch):
    """Counts the eager steps from now on."""
    steps = []
    ways_to_step = check.ways_to_step

    def counted(model, kind):
        def counting(way):
            def run(batches):
                steps.extend([kind] * len(batches))
                return way(batches)

            return run

        return list(map(counting, ways_to_step(model, kind)))

    monkeypatch.setattr(check, "ways_to_step", counted)
    return steps


def test_a_shared_program_that_is_right_passes_the_check_and_the_check_leaves_nothing(monkeypatch):
    steps = eagerly(monkeypatch)

    assert ran(honest, validation_data=(X[:20], Y[:20]), validation_batch_size=8) == ["compiled", "shared", "shared"]
    assert steps == ["train", "train", "test"] * 2


class SizeOfWeights(keras.metrics.Metric):
    """What the weights are when a step comes to its metrics, which is after it has learnt."""

    def __init__(self, get):
        super().__init__(name="size")
        self.get = get
        self.size = self.add_variable((), "zeros")

    def update_state(self, y, predicted, sample_weight=None):
        self.size.assign(ops.sum(ops.square(self.get())))

    def result(self):
        return self.size


@pytest.mark.drill
def test_a_metric_that_looks_at_the_weights_is_not_taken_for_a_difference(monkeypatch):
    steps = eagerly(monkeypatch)

    def build(a):
        model = classifier(By(lambda: 2.0))
        metric = SizeOfWeights(lambda: model.layers[0].kernel)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01 * a), loss, metrics=[metric])
        return model

    assert ran(build) == ["compiled", "shared", "shared"]
    assert steps == ["train"] * 8  # those of a brief check, and of a full one, for each of two models


@pytest.mark.parametrize("dtype", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.drill)])
def test_half_precision_is_not_taken_for_a_difference(dtype):
    def build(a):
        return classifier(layers.Dense(8, dtype=dtype), By(lambda: 2.0), optimizer=keras.optimizers.SGD(0.1 * a))

    assert ran(build) == ["compiled", "shared", "shared"]


def test_a_model_without_code_of_the_users_needs_no_check(monkeypatch):
    steps = eagerly(monkeypatch)

    assert ran(lambda a: classifier(layers.Dropout(0.1 * a))) == ["compiled", "shared", "shared"]
    assert steps == []


class ByMode(layers.Layer):
    """Computes something else where it runs eagerly."""

    def call(self, x):
        return x * (2.0 if tf.executing_eagerly() else 1.0)


class InGraphsOnly(layers.Layer):
    """Can't run eagerly."""

    def call(self, x):
        if tf.executing_eagerly() and not isinstance(x, keras.KerasTensor):
            raise TypeError("only in graphs")
        return x


@pytest.mark.drill
@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (ByMode, "they give other numbers when they are run eagerly"),
        (InGraphsOnly, "run eagerly they raise TypeError: "),
    ],
)
def test_a_model_that_cannot_be_run_eagerly_is_right_and_shares_no_longer(layer, problem):
    engine, how = Engine(), []
    arguments = {"x": X, "y": Y, "epochs": 1, "batch_size": 16}
    for _ in range(5):
        found = trained(lambda: classifier(layer()), by(engine, how, **arguments))
        assert differences(found, trained(lambda: classifier(layer()), plain(**arguments))) == []

    assert how[:4] == ["compiled", "shared", "shared", "shared"]
    assert how[4].startswith(f"compiled: its steps can't be checked: {problem}")


@pytest.mark.drill
def test_named_tuples_and_default_dicts_are_no_reason_to_share_nothing():
    Sizes = collections.namedtuple("Sizes", "factor")
    sizes, more = Sizes(2.0), collections.defaultdict(float, k=1.0)

    assert ran(lambda a: classifier(By(lambda: sizes.factor + more["k"]))) == ["compiled", "shared", "shared"]


class Mode(enum.StrEnum):
    PLAIN, SCALED = "1.0", "1.5"

    @property
    def factor(self):
        return float(self) * FACTOR[0]


@pytest.mark.drill
def test_members_of_enumerations_are_told_apart_and_their_code_is_seen():
    FACTOR[0] = 1.0
    assert ran(lambda a: classifier(By(functools.partial(getattr, Mode(str(a)), "factor")))) == [
        "compiled",
        "compiled",
        "shared",
    ]
    assert ran(of_global(lambda: classifier(By(lambda: Mode.PLAIN.factor)))) == ["compiled", "compiled", "shared"]


class AttributeDict(dict):
    def __getattr__(self, name):
        return self[name]


@pytest.mark.drill
def test_a_dict_whose_attributes_are_its_items_is_told_from_another():
    def build(a):
        settings = AttributeDict(factor=a)
        return classifier(By(lambda: settings.factor))

    assert ran(build) == ["compiled", "compiled", "shared"]


@pytest.mark.drill
def test_ops_are_the_users_code_too():
    assert ran(lambda a: classifier(layers.Lambda(lambda x: ops.tanh(x)))) == ["compiled", "shared", "shared"]
