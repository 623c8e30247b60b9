"""No two models share a program wrongly, wherever the difference between them hides.

Every case is built with its number at 1, 1.5 and 1 again. What may share a program is a fact about the fingerprints of
the three models, so every case is checked without a training. Some cases are trained through one engine too, and in the
drills all others are, several in one model; each time history, weights and the optimizer's state have to be those of a
plain fit.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import types
from dataclasses import dataclass
from random import uniform
from time import perf_counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import by, compared, differences, plain, trained
from keras import layers, ops

from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.engine import Engine, ProgramError
from kerastune_lite.training.engine.programs import SharedPrograms
from kerastune_lite.training.engine.samples import Samples
from kerastune_lite.training.keras_internals import TRACING_DRAWS, reset_layer_names

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)).astype("float32")
Y = RNG.integers(0, 3, 60).astype("int32")
FACTOR = 1.0
SETTINGS = {"factor": 1.0}
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(*middle, loss=None, optimizer=None, metrics=("accuracy",), **compile_arguments):
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8, activation="relu"), *middle, layers.Dense(3)])
    model.compile(
        optimizer=optimizer or keras.optimizers.Adam(1e-2),
        loss=loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
        **compile_arguments,
    )
    return model


def functional(wire):
    """A model that `wire` makes of eight inputs."""
    inputs = layers.Input((8,))
    model = keras.Model(inputs, layers.Dense(3)(wire(inputs)))
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    return model


class Scale(layers.Layer):
    shared = 1.0

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor * type(self).shared


class ScaleByProperty(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.get = lambda: factor

    @property
    def factor(self):
        return self.get()

    def call(self, x):
        return x * self.factor


class ScaleByGlobal(layers.Layer):
    def call(self, x):
        return x * FACTOR


class ScaleBySettings(layers.Layer):
    def call(self, x):
        return x * SETTINGS["factor"]


class Noise(layers.Layer):
    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x)) if training else x


class TensorFlowNoise(layers.Layer):
    def call(self, x, training=False):
        return x + tf.random.normal(tf.shape(x)) if training else x


class RawVariable(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(float(factor))

    def call(self, x):
        return x * self.factor


class FromPython(layers.Layer):
    def call(self, x):
        return x * (1.0 + random.random())


class FromNumPy(layers.Layer):
    def call(self, x):
        return x * (1.0 + np.random.random())


class FromFunction(layers.Layer):
    def call(self, x):
        return x * (1.0 + uniform(0.0, 1.0))


class FromImport(layers.Layer):
    def call(self, x):
        import random as dice

        return x * (1.0 + dice.random())


class FromClock(layers.Layer):
    def call(self, x):
        return x * (1.0 + perf_counter() % 1.0)


class Subclassed(keras.Model):
    def __init__(self, factor):
        super().__init__()
        self.hidden, self.out = layers.Dense(8, activation="relu"), layers.Dense(3)
        self.drop = layers.Dropout(0.1 * factor)
        self.factor = factor

    def call(self, x, training=False):
        return self.out(self.drop(self.hidden(x), training=training)) * self.factor


def of_global(a):
    global FACTOR
    FACTOR = a
    return classifier(ScaleByGlobal())


def of_settings(a):
    SETTINGS["factor"] = a
    return classifier(ScaleBySettings())


def of_class_attribute(a):
    Scale.shared = a
    return classifier(Scale(1.0))


def of_local_class(a):
    class Local(layers.Layer):
        def call(self, x):
            return x * a

    return classifier(Local())


def of_frozen_layer(a):
    model = classifier()
    model.layers[0].trainable = a > 1
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    return model


def of_undecayed(a):
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"] if a > 1 else ["kernel"])
    return classifier(optimizer=optimizer)


def of_undecayed_variables(a):
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.1)
    model = classifier(optimizer=optimizer)
    optimizer.exclude_from_weight_decay(var_list=model.layers[0 if a > 1 else 1].trainable_variables)
    return model


def of_module_in_module(a):
    package, helpers = types.ModuleType("package"), types.ModuleType("package.helpers")
    package.helpers, helpers.factor = helpers, a
    return classifier(layers.Lambda(lambda x: x * package.helpers.factor))


def of_tensor_in_loss(a):
    weights = tf.constant([1.0, a, 2.0])

    def loss(y, predicted):
        each = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
        return tf.reduce_mean(tf.gather(weights, tf.cast(tf.reshape(y, [-1]), "int32")) * each)

    return classifier(loss=loss)


def of_patched_call(a):
    model = classifier(layers.Activation("linear"))
    model.layers[1].call = lambda x: x * a
    return model


def of_loss_weights(a):
    inputs = layers.Input((8,))
    hidden = layers.Dense(8, activation="relu")(inputs)
    model = keras.Model(inputs, {name: layers.Dense(3, name=name)(hidden) for name in "pq"})
    model.compile(
        "adam", {"p": CROSSENTROPY, "q": CROSSENTROPY}, loss_weights={"p": 1.0, "q": a}, metrics={"p": ["accuracy"]}
    )
    return model


def sharing_a_layer(a):
    one, other = layers.Dense(8), layers.Dense(8)

    def wire(x):
        hidden = one(x)
        return one(hidden) + 0 * other(hidden) if a > 1 else other(hidden)

    return wire


def operands(a):
    def wire(x):
        one, other = layers.Dense(8)(x), layers.Dense(8)(x)
        return ops.subtract(one, other) if a > 1 else ops.subtract(other, one)

    return wire


def layer_order(a):
    pair = [layers.Dense(8, activation="tanh"), layers.Dense(8, activation="tanh")]
    return lambda x: pair[1](pair[0](x)) if a > 1 else pair[0](pair[1](x))


def of_instance_of_own_class(a):
    class_of_user = type("Holder", (), {"__init__": lambda self, factor: setattr(self, "factor", factor)})
    holder = class_of_user(a)
    return classifier(layers.Lambda(lambda x: x * holder.factor))


def of_iterator(a):
    numbers = itertools.count(a)
    return classifier(loss=lambda y, predicted: CROSSENTROPY(y, predicted) * next(numbers))


def of_changed_list(a):
    factors = [1.0]
    model = classifier(layers.Lambda(lambda x: x * factors[0]))
    factors[0] = a
    return model


def of_late_attribute(a):
    model = classifier(layers.LeakyReLU(0.1))
    model.layers[1].negative_slope = 0.1 * a
    return model


def of_epsilon(a):
    keras.config.set_epsilon(1e-7 * a**20)
    return classifier(layers.Softmax(), loss="sparse_categorical_crossentropy")


def of_method(a):
    class_ = Scale(a)
    return classifier(layers.Lambda(class_.call, output_shape=(8,)))


def of_default_argument(a):
    def scaled(x, factor=a):
        return x * factor

    return classifier(layers.Lambda(scaled))


def of_keyword_default(a):
    def scaled(x, *, factor=a):
        return x * factor

    return classifier(layers.Lambda(scaled))


def of_two_optimizers(a):
    class Two(Subclassed):
        def train_step(self, batch):
            logs = super().train_step(batch)
            self.second.apply([0.1 * a * tf.ones_like(self.out.bias)], [self.out.bias])
            return logs

    model = Two(1.0)
    model(X[:1])
    model.second = keras.optimizers.SGD(0.1 * a, name="second")
    model.second.build([model.out.bias])
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    return model


def of_subclass(a):
    model = Subclassed(a)
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    return model


WIRES = {
    "sharing of a layer": sharing_a_layer,
    "order of operands": operands,
    "order of layers": layer_order,
    "argument of a call": lambda a: lambda x: ops.multiply(layers.Dense(8)(x), a),
    "training argument": lambda a: lambda x: layers.Dropout(0.5)(layers.Dense(8)(x), training=a > 1),
}
METRICS = {
    "metric's closure": lambda a: lambda y, predicted: ops.mean(predicted) * a,
    "metric's argument": lambda a: keras.metrics.SparseTopKCategoricalAccuracy(k=1 if a > 1 else 2),
    "name of a metric": lambda a: keras.metrics.SparseCategoricalAccuracy(name="one" if a > 1 else "other"),
}
DIFFERENT = {
    "Lambda's closure": lambda a: classifier(layers.Lambda(lambda x: x * a)),
    "loss's closure": lambda a: classifier(loss=lambda y, predicted: a * CROSSENTROPY(y, predicted)),
    "layer's attribute": lambda a: classifier(Scale(a)),
    "activation's closure": lambda a: classifier(layers.Dense(8, activation=lambda x: ops.tanh(a * x))),
    "global": of_global,
    "global dict": of_settings,
    "class attribute": of_class_attribute,
    "frozen layer": of_frozen_layer,
    **{name: lambda a, metric=metric: classifier(metrics=["accuracy", metric(a)]) for name, metric in METRICS.items()},
    "momentum of normalisation": lambda a: classifier(layers.BatchNormalization(momentum=0.9 / a)),
    "epsilon of normalisation": lambda a: classifier(layers.LayerNormalization(epsilon=0.01 * a)),
    "averaging": lambda a: classifier(
        optimizer=keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9 / a, ema_overwrite_frequency=3)
    ),
    "accumulation": lambda a: classifier(
        optimizer=keras.optimizers.Adam(0.01, gradient_accumulation_steps=2 if a > 1 else 3)
    ),
    "exclusion from decay by name": of_undecayed,
    "patched call": of_patched_call,
    "loss weights": of_loss_weights,
    **{name: lambda a, wire=wire: functional(wire(a)) for name, wire in WIRES.items()},
    "regulariser's closure": lambda a: classifier(
        layers.Dense(8, kernel_regularizer=lambda weights: a * ops.sum(weights**2))
    ),
    "noise layers": lambda a: classifier(
        layers.GaussianNoise(0.1 * a), layers.GaussianDropout(0.1 * a), layers.AlphaDropout(0.1 * a)
    ),
    "constraint": lambda a: classifier(layers.Dense(8, kernel_constraint=keras.constraints.MaxNorm(a))),
    "Adam with amsgrad": lambda a: classifier(optimizer=keras.optimizers.Adam(0.01, amsgrad=a > 1)),
    "nesterov": lambda a: classifier(optimizer=keras.optimizers.SGD(0.1, momentum=0.5, nesterov=a > 1)),
    "another optimizer": lambda a: classifier(
        optimizer=keras.optimizers.Adamax(0.01) if a > 1 else keras.optimizers.Adagrad(0.01)
    ),
    "ignored class": lambda a: classifier(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1 if a > 1 else None)
    ),
    "loss's reduction": lambda a: classifier(
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="sum" if a > 1 else "sum_over_batch_size"
        )
    ),
    "no dropout at first": lambda a: classifier(layers.Dropout(0.1 * (a - 1))),
    "policy of a layer": lambda a: classifier(layers.Dense(8, dtype="mixed_bfloat16" if a > 1 else "float32")),
    "activation's slope": lambda a: classifier(layers.LeakyReLU(0.1 * a)),
    "attribute set later": of_late_attribute,
    "size of a layer": lambda a: classifier(layers.Dense(int(4 * a))),
    "bias": lambda a: classifier(layers.Dense(8, use_bias=a > 1)),
    "Keras's epsilon": of_epsilon,
    "property": lambda a: classifier(ScaleByProperty(a)),
    "method": of_method,
    "partial function": lambda a: classifier(layers.Lambda(functools.partial(lambda factor, x: x * factor, a))),
    "module in a module": of_module_in_module,
    "default argument": of_default_argument,
    "keyword's default": of_keyword_default,
    "changed list": of_changed_list,
    "array in a closure": lambda a: classifier(
        layers.Lambda(functools.partial(lambda factors, x: x * factors, np.full(8, a, "float32")))
    ),
    "function of a module": lambda a: classifier(layers.Lambda(lambda x: x * math.sqrt(a))),
    "subclassed model": of_subclass,
    "local class": of_local_class,
    "object of a class of the user": of_instance_of_own_class,
    "tensor in a loss": of_tensor_in_loss,
    "orthogonal regulariser": lambda a: classifier(
        layers.Dense(8, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.01 * a))
    ),
    "given normalisation": lambda a: classifier(layers.Normalization(mean=a, variance=2.0)),
    "two optimizers": of_two_optimizers,
}
"""Models whose number is part of the computation: each number needs a program of its own."""
EXCHANGED = {
    "schedule": lambda a: classifier(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5 / a))
    ),
    "clipped norm": lambda a: classifier(optimizer=keras.optimizers.Adam(0.01, clipnorm=0.1 * a)),
    "clipped global norm": lambda a: classifier(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.3 * a, global_clipnorm=0.1 * a)
    ),
    "clipped value": lambda a: classifier(optimizer=keras.optimizers.SGD(0.1, clipvalue=0.01 * a)),
    "RMSprop": lambda a: classifier(optimizer=keras.optimizers.RMSprop(0.01, rho=0.9 / a, momentum=0.1 * a)),
    "Nadam": lambda a: classifier(optimizer=keras.optimizers.Nadam(0.01, beta_1=0.9 / a)),
    "LSTM's dropout": lambda a: classifier(
        layers.Reshape((4, 2)), layers.LSTM(4, dropout=0.1 * a, recurrent_dropout=0.1 * a)
    ),
    "variable of TensorFlow": lambda a: classifier(RawVariable(a)),
    "noise without a seed": lambda a: classifier(Noise(), optimizer=keras.optimizers.Adam(0.01 * a)),
    "regulariser's factors": lambda a: classifier(
        layers.Dense(
            8,
            kernel_regularizer=keras.regularizers.L1L2(0.01 * a, 0.02 * a),
            activity_regularizer=keras.regularizers.L2(0.01 * a),
        )
    ),
    "Adam": lambda a: classifier(optimizer=keras.optimizers.Adam(0.01, beta_1=0.9 / a, epsilon=1e-4 * a)),
    "learning rate": lambda a: classifier(optimizer=keras.optimizers.Adam(0.01 * a)),
    "dropout": lambda a: classifier(layers.Dropout(0.1 * a)),
    "full dropout": lambda a: classifier(layers.Dropout(0.5 * a)),
    "compiled dropout": lambda a: classifier(layers.Dropout(0.1 * a), jit_compile=True),
    "GRU's regulariser": lambda a: classifier(
        layers.Reshape((4, 2)),
        layers.Bidirectional(layers.GRU(4, kernel_regularizer=keras.regularizers.L2(0.01 * a))),
    ),
    "half precision of a layer": lambda a: classifier(layers.Dense(8, dtype="mixed_float16"), layers.Dropout(0.1 * a)),
}
"""Models whose numbers are variables of a program, so that all of them share one."""
IN_VARIABLES = ("learning rate", "variable of TensorFlow", "noise without a seed")
"""Those whose numbers are variables of the models already."""
REFUSED = {
    "exclusion from decay by variable": (of_undecayed_variables, "its optimizer excludes variables from weight decay"),
}
"""Models that hold what can't be told apart, and why their fingerprint is refused."""
DRAWN = {
    "noise of TensorFlow": (
        lambda a: classifier(TensorFlowNoise()),
        "its step runs the TensorFlow operation RandomStandardNormal, which keeps a state",
    ),
}
"""Models whose step draws numbers from a generator that isn't theirs, which shows only once it is traced."""
OLD_KERAS = TRACING_DRAWS
if OLD_KERAS:  # it takes no function as a regulariser, and a step that draws numbers can't be traced twice
    del DIFFERENT["regulariser's closure"], EXCHANGED["noise without a seed"]

MODELS = DIFFERENT | EXCHANGED | {name: build for name, (build, _) in (REFUSED | DRAWN).items()}
RAN = (
    dict.fromkeys(DIFFERENT, ("compiled", "compiled", "shared"))
    | dict.fromkeys(EXCHANGED, ("compiled", "shared", "shared"))
    | {name: (f"compiled: {reason}",) * 3 for name, (_, reason) in (REFUSED | DRAWN).items()}
)
"""How the engine trains the models with the numbers 1, 1.5 and 1, by the name of the case."""
TRAINED = [
    *("global", "subclassed model", "Adam", "dropout"),
    *("two optimizers", *REFUSED, *DRAWN),
]
"""At least one case of each kind."""


@dataclass(frozen=True)
class Joined:
    """One model of several cases.

    Attributes:
        layers: Cases whose middle layers it has, one after the other.
        optimizer: The case whose optimizer it has.
        loss: The case whose loss it has.
        metrics: Cases whose metrics it has.
        is_compiled: Whether XLA compiles it.
    """

    layers: tuple[str, ...] = ()
    optimizer: str | None = None
    loss: str | None = None
    metrics: tuple[str, ...] = ()
    is_compiled: bool = False

    @property
    def cases(self):
        named = [*self.layers, self.optimizer, self.loss, *self.metrics]
        return [name for name in named if name in MODELS]

    def build(self, a):
        built = {name: MODELS[name](a) for name in self.cases if name not in self.metrics}
        return classifier(
            *(layer for name in self.layers if name in built for layer in built[name].layers[1:-1]),
            optimizer=built[self.optimizer].optimizer if self.optimizer else None,
            loss=built[self.loss].loss if self.loss else None,
            metrics=["accuracy", *(METRICS[name](a) for name in self.metrics)],
            **({"jit_compile": True} if self.is_compiled else {}),
        )


JOINED_DIFFERENT = [
    Joined(
        layers=("Lambda's closure", "momentum of normalisation", "regulariser's closure", "constraint", "property"),
        optimizer="averaging",
        loss="loss's closure",
    ),
    Joined(
        layers=("layer's attribute", "class attribute", "epsilon of normalisation", "noise layers", "size of a layer"),
        optimizer="accumulation",
        loss="ignored class",
        metrics=("metric's argument",),
    ),
    Joined(
        layers=("activation's closure", "global dict", "policy of a layer", "module in a module", "method", "bias"),
        optimizer="exclusion from decay by name",
        metrics=("metric's closure",),
    ),
    Joined(
        layers=("patched call", "no dropout at first", "attribute set later", "changed list", "array in a closure"),
        optimizer="Adam with amsgrad",
        loss="tensor in a loss",
        metrics=("name of a metric",),
    ),
    Joined(
        layers=("function of a module", "object of a class of the user", "given normalisation", "keyword's default"),
        optimizer="nesterov",
        loss="loss's reduction",
    ),
    Joined(
        layers=("orthogonal regulariser", "activation's slope", "local class", "partial function", "default argument"),
        optimizer="another optimizer",
    ),
]
JOINED_EXCHANGED = [
    Joined(layers=("LSTM's dropout",), optimizer="schedule"),
    Joined(layers=("variable of TensorFlow",), optimizer="clipped norm"),
    Joined(layers=("regulariser's factors",), optimizer="clipped global norm"),
    Joined(layers=("full dropout",), optimizer="clipped value"),
    Joined(layers=("GRU's regulariser",), optimizer="RMSprop"),
    Joined(layers=("half precision of a layer",), optimizer="Nadam"),
    Joined(layers=("noise without a seed",), optimizer="learning rate"),
    Joined(layers=("compiled dropout",), optimizer="learning rate", is_compiled=True),
]
ALONE = ["loss weights", "frozen layer", "Keras's epsilon"]
"""Cases that nothing can be joined to."""


def wired(a):
    """A model of all wires, one after the other."""
    return functional(lambda x: functools.reduce(lambda made, wire: wire(a)(made), WIRES.values(), x))


@pytest.fixture(autouse=True)
def as_before():
    """Puts back what cases change for good."""
    yield
    keras.config.set_epsilon(1e-7)
    Scale.shared = 1.0


def targets(case):
    return {"p": Y, "q": Y} if case == "loss weights" else Y


def fingerprints(build, y=Y):
    """The fingerprint of each model and the numbers that it leaves out, or why it is refused; nothing is traced."""
    found = []
    for value in (1.0, 1.5, 1.0):
        reset_layer_names()
        keras.utils.set_random_seed(5)
        try:
            look = SharedPrograms().look_at(build(value), Samples.of(X, y))
            found.append((look.key, [number.value for number in look.lifted]))
        except NotShareableError as error:
            found.append((str(error), None))
    return found


def ran(build, y=Y, values=(1.0, 1.5, 1.0), compared_values=None):
    """How the engine trained each model, after those to compare, or all, were found equal to a plain fit."""
    return tuple(compared(build, {"x": X, "y": y, "epochs": 2, "batch_size": 16}, values, compared_values))


@pytest.mark.parametrize("case", DIFFERENT)
def test_models_that_compute_differently_have_different_fingerprints_and_equal_models_the_same(case):
    one, other, again = (key for key, _ in fingerprints(DIFFERENT[case], targets(case)))

    assert one != other
    assert one == again


@pytest.mark.parametrize("case", EXCHANGED)
def test_models_whose_numbers_can_be_exchanged_have_one_fingerprint(case):
    (one, numbers), (other, other_numbers), again = fingerprints(EXCHANGED[case])

    assert one == other
    assert again == (one, numbers)
    assert (numbers != other_numbers) == (case not in IN_VARIABLES)


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_cannot_be_told_from_others_has_no_fingerprint_and_the_reason_is_told(case):
    build, reason = REFUSED[case]

    assert fingerprints(build) == [(reason, None)] * 3


OUTSIDE = {
    "Python's random": (FromPython, "its code uses the module random"),
    "NumPy's random": (FromNumPy, "its code uses numpy.random"),
    "a random function": (FromFunction, "it holds a random.Random"),
    "an import in a call": (FromImport, "its code uses the module random"),
    "a clock": (FromClock, "its code calls perf_counter() of time"),
    "an iterator": (of_iterator, "it holds a itertools.count"),
}
"""What code may look at while it is traced, and why such a model is refused."""


def looking_at(case):
    source = OUTSIDE[case][0]
    return source if source is of_iterator else lambda a: classifier(source())


@pytest.mark.parametrize("case", OUTSIDE)
def test_code_that_depends_on_the_outside_while_it_is_traced_has_no_fingerprint(case):
    assert fingerprints(looking_at(case)) == [(OUTSIDE[case][1], None)] * 3


@pytest.mark.drill
@pytest.mark.parametrize("case", ["an import in a call", "an iterator"])
def test_code_that_depends_on_the_outside_is_traced_for_every_model(case):
    engine, how = Engine(), []
    for _ in range(2):
        trained(lambda: looking_at(case)(1.0), by(engine, how, x=X, y=Y, batch_size=16))

    assert how == [f"compiled: {OUTSIDE[case][1]}"] * 2


@pytest.mark.parametrize(
    "case",
    [
        *(name for name in TRAINED if not (OLD_KERAS and name in DRAWN)),
        *(pytest.param(name, marks=pytest.mark.drill) for name in ALONE),
    ],
)
def test_models_train_as_by_a_plain_fit_whatever_programs_they_share(case):
    assert ran(MODELS[case], targets(case)) == RAN[case]


@pytest.mark.drill
@pytest.mark.parametrize("joined", JOINED_DIFFERENT, ids=lambda joined: joined.layers[0])
def test_models_that_differ_in_many_places_train_as_by_a_plain_fit(joined):
    assert ran(joined.build) == ("compiled", "compiled", "shared")


@pytest.mark.drill
def test_models_that_are_wired_differently_train_as_by_a_plain_fit():
    assert ran(wired) == ("compiled", "compiled", "shared")


@pytest.mark.drill
@pytest.mark.parametrize("joined", JOINED_EXCHANGED, ids=lambda joined: joined.layers[0])
def test_models_whose_numbers_are_exchanged_in_many_places_train_as_by_a_plain_fit(joined):
    # Of numbers in variables a program that was traced with others shows all: one plain fit is enough.
    assert ran(joined.build, values=(1.5, 1.0), compared_values=(1.0,)) == ("compiled", "shared")


def test_every_case_is_trained_alone_or_joined_to_others():
    joined = [name for model in JOINED_DIFFERENT + JOINED_EXCHANGED for name in model.cases]

    assert {*TRAINED, *ALONE, *WIRES, *joined} == set(MODELS)


@pytest.mark.skipif(not OLD_KERAS, reason="a newer Keras traces such steps as often as it is asked to")
@pytest.mark.parametrize("case", DRAWN)
def test_an_older_keras_is_not_asked_to_trace_a_step_that_draws_numbers_twice(case):
    with pytest.raises(ProgramError, match="its step"):
        ran(MODELS[case])


@pytest.mark.drill
@pytest.mark.skipif(OLD_KERAS, reason="an older Keras refuses to drop everything")
@pytest.mark.filterwarnings("ignore")
def test_a_number_by_which_keras_computes_otherwise_is_not_shared_and_spoils_nothing():
    engine, how = Engine(), []
    arguments = {"x": X, "y": Y, "batch_size": 16}
    for rate in (0.5, 1.0, 0.3):
        by_engine = trained(lambda rate=rate: classifier(layers.Dropout(rate)), by(engine, how, **arguments))
        by_keras = trained(lambda rate=rate: classifier(layers.Dropout(rate)), plain(**arguments))
        assert differences(by_engine, by_keras) == []

    assert how == ["compiled", "compiled: one of its numbers changes what is computed", "shared"]


@pytest.mark.drill
def test_the_type_of_floats_may_change_between_trials():
    def build(a):
        keras.config.set_floatx("float64" if a > 1 else "float32")
        return classifier(layers.Dropout(0.1))

    try:
        assert ran(build) == ("compiled", "compiled", "shared")
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.drill
def test_two_searches_in_one_process_know_nothing_of_each_other():
    assert ran(MODELS["dropout"]) == ran(MODELS["dropout"]) == ("compiled", "shared", "shared")


def test_models_of_earlier_trials_keep_their_weights_and_can_be_used():
    engine = Engine()
    models = []

    def keep(model):
        models.append(model)
        return by(engine, x=X, y=Y, epochs=1)(model)

    weights = [trained(lambda: classifier(layers.Dropout(0.1)), keep, seed=seed)[1] for seed in (1, 2, 3)]

    for model, kept in zip(models, weights, strict=True):
        assert all(map(np.array_equal, model.get_weights(), kept))
        assert model.predict(X[:4], verbose=0).shape == (4, 3)
        assert np.isfinite(model.evaluate(X, Y, verbose=0)[0])
        assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"][0])


def test_an_exception_in_a_callback_leaves_the_model_with_its_own_variables():
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("no more")

    model = classifier(layers.Dropout(0.1))
    storages = [variable._value for variable in model.variables]
    with pytest.raises(RuntimeError, match="no more"):
        Engine().fit(model, {"x": X, "y": Y, "verbose": 0, "callbacks": [Failing()]}, seed=1)

    assert all(variable._value is storage for variable, storage in zip(model.variables, storages, strict=True))
    assert (model.train_function, model.test_function, model.steps_per_execution) == (None, None, 1)
