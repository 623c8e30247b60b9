"""The engine's numbers are those of a plain fit, bit by bit."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from engine_models import KINDS, SAMPLES, by, data, differences, model_of, plain, trained

from kerastune_lite.callbacks import TimeLimit
from kerastune_lite.training.engine.engine import Engine


def compared(kind, build=None, **arguments):
    """How the engine trained a model with other numbers and then one that was found equal to a plain fit."""
    x, y = data(kind)
    arguments = {"x": x, "y": y, "epochs": 3, "batch_size": 16, **arguments}
    build = build or (lambda **numbers: model_of(kind, **numbers))
    engine, how = Engine(), []
    trained(lambda: build(rate=0.5, l2=0.1), by(engine, how, **arguments), seed=6)
    by_engine = trained(build, by(engine, how, **arguments))

    assert differences(by_engine, trained(build, plain(**arguments))) == []
    return how


def some(cases, *chosen):
    """All cases in the drills, and the chosen ones always."""
    return [pytest.param(case, marks=() if case in chosen else pytest.mark.drill) for case in cases]


@pytest.mark.parametrize("kind", some(KINDS, "mlp", "cnn", "own step"))
def test_every_kind_of_model_trains_as_by_a_plain_fit_by_a_new_program_and_by_a_shared_one(kind):
    x, y = data(kind)
    arguments = {"x": x, "y": y, "epochs": 3, "batch_size": 16, "validation_data": data(kind, samples=40)}
    engine, how = Engine(), []
    fresh = trained(lambda: model_of(kind), by(engine, how, **arguments))
    trained(lambda: model_of(kind, rate=0.5, l2=0.1), by(engine, how, **arguments), seed=6)
    shared = trained(lambda: model_of(kind), by(engine, how, **arguments))
    expected = trained(lambda: model_of(kind), plain(**arguments))

    assert differences(fresh, expected) == []
    assert differences(shared, expected) == []
    assert how == ["compiled", "shared", "shared"]


@pytest.mark.parametrize("kind", some(["mlp", "cnn", "lstm", "transformer"], "cnn"))
def test_batches_of_equal_size_are_trained_as_by_a_plain_fit(kind):
    """TensorFlow takes other kernels where all batches have one size."""
    assert compared(kind, batch_size=24, validation_data=data(kind, samples=40)) == ["compiled", "shared"]


CALLBACKS = {
    "early stopping": lambda: [keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)],
    "a schedule of rates": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)],
    "rates by plateau": lambda: [keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=0, min_delta=9.0)],
    "averaged weights": lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
}


@pytest.mark.parametrize("case", some(CALLBACKS, "early stopping", "averaged weights"))
def test_callbacks_of_epochs_do_what_they_do_in_a_plain_fit(case):
    callbacks = CALLBACKS[case]
    x, y = data("mlp")
    arguments = {"x": x, "y": y, "epochs": 6, "batch_size": 16, "validation_data": (x[:20], y[:20])}
    engine = Engine()

    def build():
        return model_of("mlp", optimizer=keras.optimizers.Adam(0.05, use_ema=True))

    expected = trained(build, plain(**arguments, callbacks=callbacks()))
    for _ in range(2):
        by_engine = trained(build, by(engine, **arguments, callbacks=callbacks()))
        assert differences(by_engine, expected) == []


ARGUMENTS = {
    "sample weights": {"sample_weight": np.linspace(0.1, 2.0, SAMPLES).astype("float32")},
    "class weights": {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
    "validation with weights": {"validation_data": (*data("mlp", 30), np.linspace(0.0, 1.0, 30).astype("float32"))},
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_of_fit_keep_their_meaning(case):
    assert compared("mlp", **ARGUMENTS[case])[-1] == "shared"


OPTIMIZERS = {
    "clipped": lambda: keras.optimizers.Adam(0.01, clipnorm=0.1),
    "accumulated": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizers_keep_their_state(case):
    assert compared("mlp", lambda **numbers: model_of("mlp", optimizer=OPTIMIZERS[case](), **numbers))[-1] == "shared"


LAYERS = {
    "noise": lambda number: keras.layers.GaussianNoise(number),
    "a penalty on activity": lambda number: keras.layers.ActivityRegularization(l1=number, l2=2 * number),
    "dropout of volumes": lambda number: keras.Sequential(
        [keras.layers.Reshape((2, 2, 1, 4)), keras.layers.SpatialDropout3D(number), keras.layers.Flatten()]
    ),
}


def with_layer(layer, optimizer):
    """Builds a model with a layer whose number is to choose."""

    def build(rate=0.2, l2=0.0):
        model = keras.Sequential([keras.layers.Input((16,)), layer(rate), keras.layers.Dense(3)])
        model.compile(optimizer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    return build


def test_the_number_of_a_layer_may_differ_between_models_that_share_a_program():
    assert compared("mlp", with_layer(LAYERS["noise"], keras.optimizers.Adam)) == ["compiled", "shared"]


TOGETHER = {
    "validation now and then in batches of its own, momentum, and a penalty on activity": (
        {"validation_data": data("mlp", 30), "validation_freq": 2, "validation_batch_size": 7},
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        "a penalty on activity",
    ),
    "a later first epoch without shuffling, averaged weights, and dropout of volumes": (
        {"shuffle": False, "initial_epoch": 1},
        lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
        "dropout of volumes",
    ),
    "numbers of another type, decayed weights, and noise": (
        {"x": data("mlp")[0].astype("float64")},
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
        "noise",
    ),
    "a batch larger than the data, a schedule, and noise": (
        {"batch_size": 100},
        lambda: keras.optimizers.RMSprop(keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)),
        "noise",
    ),
}
"""Arguments of `fit` with an optimizer and a layer."""


@pytest.mark.drill
@pytest.mark.parametrize("case", TOGETHER)
def test_arguments_optimizers_and_layers_together_train_as_by_a_plain_fit(case):
    arguments, optimizer, layer = TOGETHER[case]

    assert compared("mlp", with_layer(LAYERS[layer], optimizer), **arguments) == ["compiled", "shared"]


@pytest.mark.drill
def test_frozen_layers_stay_frozen():
    def build(**numbers):
        model = model_of("cnn", **numbers)
        model.layers[1].trainable = False
        model.compile("adam", model.loss, metrics=["accuracy"])
        return model

    assert compared("cnn", build)[-1] == "shared"


def test_mixed_precision_trains_as_by_a_plain_fit():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        how = compared("mlp")
    finally:
        keras.config.set_dtype_policy(before)

    assert how[-1] == "shared"


@pytest.mark.drill
def test_several_outputs_train_as_by_a_plain_fit():
    _, y = data("mlp")

    def build(rate=0.2, l2=0.1):
        inputs = keras.layers.Input((16,))
        hidden = keras.layers.Dropout(rate)(keras.layers.Dense(8, activation="relu")(inputs))
        model = keras.Model(inputs, {name: keras.layers.Dense(3, name=name)(hidden) for name in ("one", "two")})
        model.compile(
            keras.optimizers.AdamW(0.01, weight_decay=l2),
            dict.fromkeys(("one", "two"), keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
            loss_weights={"one": 1.0, "two": 0.3},
            metrics={"one": ["accuracy"]},
        )
        return model

    assert compared("mlp", build, y={"one": y, "two": y[::-1].copy()})[-1] == "shared"


@pytest.mark.drill
def test_batch_sizes_that_differ_between_trials_each_get_their_own_program():
    x, y = data("mlp")
    engine, how, expected = Engine(), [], {}
    for size in (16, 24, 10, 24, 16):
        arguments = {"x": x, "y": y, "epochs": 2, "batch_size": size}
        by_engine = trained(lambda: model_of("mlp"), by(engine, how, **arguments))
        if size not in expected:
            expected[size] = trained(lambda: model_of("mlp"), plain(**arguments))
        assert differences(by_engine, expected[size]) == []

    assert how == ["compiled", *["shared"] * 4]


def test_a_model_that_is_trained_twice_goes_on_where_it_stood():
    x, y = data("mlp")
    engine = Engine()

    def twice(fit):
        def both(model):
            fit(model, epochs=2)
            return fit(model, epochs=4, initial_epoch=2, batch_size=10)

        return both

    def by_engine(model, **arguments):
        return by(engine, x=x, y=y, shuffle=False, **arguments)(model)

    def by_keras(model, **arguments):
        return plain(x=x, y=y, shuffle=False, **arguments)(model)

    one, other = (trained(lambda: model_of("mlp"), twice(fit)) for fit in (by_engine, by_keras))

    assert differences(one, other) == []


class BatchLogs(keras.callbacks.Callback):
    """Keeps what every batch reports."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, {name: float(value) for name, value in logs.items()}))


def test_a_callback_that_needs_every_batch_sees_every_batch():
    x, y = data("mlp")
    arguments = {"x": x, "y": y, "epochs": 2, "batch_size": 16, "validation_data": (x, y)}
    by_engine, by_keras = BatchLogs(), BatchLogs()
    one = trained(lambda: model_of("mlp"), by(Engine(), **arguments, callbacks=[by_engine]))
    other = trained(lambda: model_of("mlp"), plain(**arguments, callbacks=[by_keras]))

    assert differences(one, other) == []
    assert by_engine.seen == by_keras.seen
    assert len(by_engine.seen) == 10


@pytest.mark.drill
def test_a_callback_that_looks_now_and_then_changes_nothing():
    x, y = data("mlp")
    arguments = {"x": x, "y": y, "epochs": 3, "batch_size": 4}
    one = trained(lambda: model_of("mlp"), by(Engine(), **arguments, callbacks=[TimeLimit(hours=1)]))

    assert differences(one, trained(lambda: model_of("mlp"), plain(**arguments))) == []


@pytest.mark.drill
def test_the_library_that_only_fits_reorders_samples_as_the_engine_does():
    x, y = data("mlp")

    def fit(name, size):
        arguments = {"x": x, "y": y, "epochs": 3, "batch_size": size, "verbose": 0}
        return lambda model: Engine(name).fit(model, arguments, seed=3).history

    for size in (16, 24):
        results = [trained(lambda: model_of("mlp"), fit(name, size)) for name in ("auto", "fit")]
        assert differences(*results) == []


def test_every_epoch_has_an_order_of_its_own_drawn_from_the_seed():
    x = np.arange(12, dtype="float32")[:, None]
    seen = []

    class Watching(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, batch):
            seen.append([int(value) for value in batch[0][:, 0]])
            return super().train_step(batch)

    for seed in (1, 1, 2):
        model = Watching()
        model.compile("sgd", "mse", run_eagerly=True)
        Engine().fit(model, {"x": x, "y": x, "epochs": 2, "batch_size": 12, "verbose": 0}, seed=seed)
    first, second, again, _, other, _ = seen

    assert sorted(first) == sorted(second) == list(range(12))
    assert first == again
    assert first != second
    assert first != other
