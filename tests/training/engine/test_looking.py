"""A model is looked at when a plain fit would trace it: what callbacks do before then counts.

Each case is trained with several numbers through one engine, and every History, weight and state of the optimizer has
to be that of a plain fit.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import by, differences, plain, trained
from keras import layers, ops

from kerastune_lite import GridSearch, Objective
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.engine.samples import checksums
from kerastune_lite.training.keras_internals import TRACING_DRAWS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)).astype("float32")
Y = RNG.integers(0, 3, 60).astype("int32")
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(*middle, optimizer=None, metrics=("accuracy",)):
    model = keras.Sequential([layers.Input((8,)), layers.Dense(8, activation="relu"), *middle, layers.Dense(3)])
    model.compile(optimizer or keras.optimizers.Adam(1e-2), CROSSENTROPY, metrics=list(metrics))
    return model


class Scaled(layers.Layer):
    """Scales its inputs, by another factor in training than elsewhere."""

    def __init__(self):
        super().__init__()
        self.factor = self.factor_in_training = 1.0

    def call(self, x, training=False):
        return x * (self.factor_in_training if training else self.factor)


class Penalised(keras.Model):
    def __init__(self):
        super().__init__()
        self.out, self.beta = layers.Dense(3), 0.0

    def call(self, x):
        return self.out(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight) + self.beta * ops.mean(y_pred**2)


def penalised():
    model = Penalised()
    model.compile("adam", CROSSENTROPY)
    return model


class Does(keras.callbacks.Callback):
    """Calls a function of the model and of the epoch's number, from one of the hooks."""

    def __init__(self, hook, action):
        super().__init__()
        self.epoch = 0
        setattr(self, hook, lambda *_, **__: action(self.model, self.epoch))
        self.hook = hook

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


class OnSetModel(keras.callbacks.Callback):
    def __init__(self, action):
        super().__init__()
        self.action = action

    def set_model(self, model):
        super().set_model(model)
        self.action(model, 0)


def setting(part, attribute, value):
    return lambda model, epoch: setattr(part(model), attribute, value(epoch) if callable(value) else value)


def middle(model):
    return model.layers[1]


CHANGES = {
    "a rate": lambda a: (classifier(layers.Dropout(0.1)), setting(middle, "rate", 0.2 * a)),
    "a rate in every epoch": lambda a: (
        classifier(layers.Dropout(0.1)),
        setting(middle, "rate", lambda epoch: 0.1 * a * (epoch + 1)),
    ),
    "a frozen layer": lambda a: (
        classifier(layers.Dense(8)),
        setting(lambda model: model.layers[0], "trainable", a > 1),
    ),
    "a layer thawed in the second epoch": lambda a: (
        classifier(layers.Dense(8), layers.BatchNormalization()),
        setting(lambda model: model.layers[2], "trainable", lambda epoch: epoch > 0 or a > 1),
    ),
    "a factor of the loss": lambda a: (
        penalised(),
        setting(lambda model: model, "beta", lambda epoch: a * (epoch + 1)),
    ),
    "a momentum": lambda a: (
        classifier(optimizer=keras.optimizers.SGD(0.1, momentum=0.1)),
        setting(lambda model: model.optimizer, "momentum", 0.3 * a),
    ),
    "a clipped norm": lambda a: (
        classifier(layers.Dense(8)),
        setting(lambda model: model.optimizer, "clipnorm", 0.05 * a),
    ),
    "a learning rate": lambda a: (
        classifier(),
        setting(lambda model: model.optimizer, "learning_rate", lambda epoch: 0.01 * a / (epoch + 1)),
    ),
    "a factor of validation": lambda a: (classifier(Scaled()), setting(middle, "factor", lambda epoch: a + epoch)),
    "a factor of training": lambda a: (
        classifier(Scaled()),
        setting(middle, "factor_in_training", lambda epoch: a + epoch),
    ),
    "a regulariser": lambda a: (
        classifier(layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.01))),
        setting(lambda model: model.layers[1].kernel_regularizer, "l2", lambda epoch: 0.02 * a * (epoch + 1)),
    ),
}
HOOKS = {
    "a rate": ("on_train_batch_begin", "on_epoch_end"),
    "a rate in every epoch": ("on_epoch_begin", "on_test_begin"),
    "a frozen layer": ("set_model", "on_train_batch_begin"),
    "a layer thawed in the second epoch": ("on_epoch_begin", "on_epoch_end"),
    "a factor of the loss": ("on_train_begin", "on_epoch_begin"),
    "a momentum": ("set_model", "on_test_begin"),
    "a clipped norm": ("on_train_begin", "on_epoch_end"),
    "a learning rate": ("on_epoch_begin", "on_train_batch_begin"),
    "a factor of validation": ("on_test_begin", "on_epoch_end"),
    "a factor of training": ("on_train_begin", "on_train_batch_begin"),
    "a regulariser": ("set_model", "on_test_begin"),
}
"""Two of the six hooks for each change, so that every hook meets three changes or more."""
OF_NEW_KERAS = pytest.mark.skipif(
    TRACING_DRAWS, reason="an older Keras leaves a step that changes something while it is traced to a plain fit"
)
SOME = [("a rate", "on_train_batch_begin")]


def callback(hook, action):
    if hook == "set_model":
        return OnSetModel(action)
    if hook == "on_epoch_begin":

        class EachEpoch(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                action(self.model, epoch)

        return EachEpoch()
    return Does(hook, action)


def ran(build, numbers=(1.0, 1.5, 1.0), **arguments):
    """How the engine trained a model with each number, after each was found equal to a plain fit.

    `build` returns a model and its callbacks.
    """
    engine, how, expected = Engine(), [], {}
    arguments = {"x": X, "y": Y, "epochs": 3, "batch_size": 16, "validation_data": (X[:20], Y[:20]), **arguments}
    for number in numbers:

        def outcome(fit, number=number):
            callbacks = []

            def built():
                model, callbacks[:] = build(number)
                return model

            return trained(built, lambda model: fit(**arguments, callbacks=list(callbacks))(model))

        found = outcome(lambda **given: by(engine, how, **given))
        if number not in expected:
            expected[number] = outcome(plain)
        assert differences(found, expected[number]) == [], f"{number}: {how}"
    return how


@pytest.mark.parametrize(
    ("case", "hook"),
    [
        pytest.param(case, hook, marks=() if (case, hook) in SOME else pytest.mark.drill)
        for case, hooks in HOOKS.items()
        for hook in hooks
    ],
)
def test_what_a_callback_changes_has_the_effect_that_it_has_in_a_plain_fit(case, hook):
    def build(number):
        model, action = CHANGES[case](number)
        return model, [callback(hook, action)]

    how = ran(build)

    assert all(way in ("compiled", "shared") for way in how), how
    assert how[2] == "shared"


def test_a_callback_that_begins_to_watch_batches_sees_every_batch():
    seen = []

    class Watches(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.on_train_batch_end = lambda batch, logs: seen.append((batch, logs["loss"]))

    ran(lambda a: (classifier(), [Watches()]), numbers=(1.0,))

    assert len(seen) == 2 * 3 * 4
    assert seen[:12] == seen[12:]


@pytest.mark.drill
def test_a_metric_of_all_models_goes_on_where_it_was_as_in_a_plain_fit():
    def histories(fit):
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return [trained(lambda: classifier(metrics=[metric]), fit, seed=seed) for seed in (1, 2, 3)]

    engine, how = Engine(), []
    arguments = {"x": X, "y": Y, "epochs": 2, "batch_size": 16}
    for mine, theirs in zip(histories(by(engine, how, **arguments)), histories(plain(**arguments)), strict=True):
        assert differences(mine, theirs) == []

    assert how == ["compiled", "shared", "shared"]


@pytest.mark.drill
def test_no_trial_depends_on_what_earlier_trials_have_left_in_a_metric(tmp_path):
    metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    def build_fn(hp):
        return classifier(layers.Dropout(hp.choice("rate", [0.1, 0.2])), metrics=[metric])

    def search(engine):
        directory = tmp_path / engine
        tuner = GridSearch(build_fn, Objective("loss", "min"), directory=directory, seed=3, engine=engine, verbose=0)
        return [trial.curve for trial in tuner.search(X, Y, epochs=2).trials]

    assert search("auto") == search("fit")


class Predicts(keras.callbacks.Callback):
    """Predicts and evaluates with the model, or a part of it, from each of the hooks."""

    def __init__(self, part=lambda model: model):
        super().__init__()
        self.part, self.seen = part, []

    def use(self):
        model = self.part(self.model)
        expected = np.asarray(model(X[:4], training=False))
        self.seen.append(bool(np.allclose(model.predict(X[:4], verbose=0), expected, atol=1e-5)))

    def on_train_begin(self, logs=None):
        self.use()

    def on_epoch_end(self, epoch, logs=None):
        self.use()


def nested():
    inside = keras.Sequential([layers.Input((8,)), layers.Dense(8), layers.Dropout(0.1)], name="inside")
    return classifier(inside)


@pytest.mark.parametrize("part", [pytest.param("the model", marks=pytest.mark.drill), "a model inside"])
@pytest.mark.parametrize("is_used_before", [pytest.param(False, marks=pytest.mark.drill), True])
def test_a_function_for_predictions_reads_the_weights_that_the_model_has_now(part, is_used_before):
    engine, kept, callbacks = Engine(), [], []
    of = (lambda model: model) if part == "the model" else lambda model: model.layers[1]
    for seed in (1, 2, 3):
        callback = Predicts(of)
        keras.utils.set_random_seed(seed)
        model = nested()
        if is_used_before:
            of(model).predict(X[:4], verbose=0)
        engine.fit(model, {"x": X, "y": Y, "epochs": 2, "verbose": 0, "callbacks": [callback]}, seed=seed)
        kept.append(of(model))
        callbacks.append(callback)

    assert all(all(callback.seen) for callback in callbacks)
    for model in kept:
        expected = np.asarray(model(X[:4], training=False))
        np.testing.assert_allclose(model.predict(X[:4], verbose=0), expected, atol=1e-5)


class Extracts(Predicts):
    """Predicts with a model of its own that uses the layers of the one that is trained."""

    def set_model(self, model):
        super().set_model(model)
        features = keras.Model(model.inputs[0], model.layers[0].output)
        self.part = lambda _: features


@pytest.mark.drill
def test_a_model_that_a_callback_makes_of_the_layers_reads_the_weights_that_they_have_now():
    engine, callbacks = Engine(), [Extracts() for _ in range(3)]
    for seed, callback in enumerate(callbacks):
        keras.utils.set_random_seed(seed)
        engine.fit(classifier(), {"x": X, "y": Y, "epochs": 2, "verbose": 0, "callbacks": [callback]}, seed=seed)
    for callback in callbacks:
        callback.use()

    assert [callback.seen for callback in callbacks] == [[True] * 4] * 3


@pytest.mark.drill
def test_a_callback_that_has_a_function_of_tensorflow_keeps_its_model_from_borrowing_variables():
    class Outputs(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.outputs = tf.function(lambda x: self.model(x, training=False))

        def on_epoch_end(self, epoch, logs=None):
            logs["sum"] = float(tf.reduce_sum(self.outputs(X[:4])))

    assert set(ran(lambda a: (classifier(), [Outputs()]))) == {"compiled: a callback has a tf.function"}


@pytest.mark.drill
def test_a_callback_may_let_keras_trace_the_step_anew():
    class Drops(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[1].rate = 0.1 * (epoch + 1)
            self.model.make_train_function(force=epoch == 1)

    def build(a):
        return classifier(layers.Dropout(0.1 * a)), [Drops()]

    how = ran(build, x=X[:48], y=Y[:48])

    assert how == ["compiled", "shared", "shared"]


@pytest.mark.drill
def test_evaluations_by_a_callback_are_those_of_a_plain_fit():
    class Evaluates(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.before = self.model.evaluate(X[:20], Y[:20], verbose=0)[0]

        def on_epoch_end(self, epoch, logs=None):
            logs["again"] = self.model.evaluate(X[:20], Y[:20], verbose=0)[0] + self.before

    assert ran(lambda a: (classifier(layers.Dropout(0.1 * a)), [Evaluates()]))[1:] == ["shared"] * 2


class Leaves(keras.Model):
    """A model whose step leaves something behind in Python."""

    def train_step(self, data):
        logs = super().train_step(data)
        self.leave(logs)
        return logs


class LeavesNames(Leaves):
    def leave(self, logs):
        self.names = sorted(logs)


class LeavesInList(Leaves):
    def leave(self, logs):
        self.seen[:] = sorted(logs)


@pytest.mark.drill
@OF_NEW_KERAS
@pytest.mark.parametrize("kind", [LeavesNames, LeavesInList])
def test_what_a_step_leaves_on_the_model_is_there_for_callbacks_of_every_trial(kind):
    class Reads(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            model = self.model
            logs["left"] = float(len(getattr(model, "names", ())) + len(model.seen))

    def build(a):
        inputs = layers.Input((8,))
        model = kind(inputs, layers.Dense(3)(inputs))
        model.seen = []
        model.compile(keras.optimizers.Adam(0.01 * a), CROSSENTROPY, metrics=["accuracy"])
        return model, [Reads()]

    # The first model's optimizer is built while its step is traced, which later models could be given beforehand.
    assert set(ran(build)[1:]) == {"compiled: its step changes the model while it is traced"}


@OF_NEW_KERAS
def test_a_step_that_draws_numbers_in_python_while_it_is_traced_is_not_shared():
    class Draws(layers.Layer):
        def call(self, x):
            return x * keras.initializers.RandomUniform(0.5, 1.5)(())

    engine, how = Engine(), []
    for _ in range(2):
        trained(lambda: classifier(Draws()), by(engine, how, x=X, y=Y, batch_size=16))

    assert how == ["compiled: its step draws random numbers of Python or NumPy while it is traced"] * 2


@pytest.mark.parametrize("name", ["auto", pytest.param("fit", marks=pytest.mark.drill)])
@pytest.mark.parametrize(
    "part", ["x", *(pytest.param(part, marks=pytest.mark.drill) for part in ("y", "sample_weight", "validation_data"))]
)
def test_arrays_that_are_changed_in_place_between_trials_are_read_again(name, part):
    engine = Engine(name)
    given = {"x": X.copy(), "y": Y.copy(), "sample_weight": np.ones(60, "float32")}
    arguments = {**given, "validation_data": (X[:20].copy(), Y[:20].copy()), "batch_size": 16, "verbose": 0}
    changed = arguments[part][0] if part == "validation_data" else arguments[part]
    seen = []
    for shift in (0, 1, 0):
        changed[:20] = (changed[:20] + shift) % 3
        histories = []
        for each in (engine, Engine(name)):
            keras.utils.set_random_seed(5)
            histories.append(each.fit(classifier(), arguments, seed=1).history.history)
        assert histories[0] == histories[1]
        seen.append(histories[0])

    assert seen[0] != seen[1]


def test_a_data_set_is_not_read_to_find_out_whether_it_has_changed():
    class Counted(keras.utils.PyDataset):
        read = 0

        def __len__(self):
            return 2

        def __getitem__(self, place):
            self.read += 1
            return X[:16], Y[:16]

    data = Counted()

    assert checksums(data) is None
    assert data.read == 0
    assert checksums(X, {"y": Y}, None) == checksums(X.copy(), {"y": Y.copy()}, None)
    assert checksums(X, Y, None) != checksums(X[::-1], Y, None)
