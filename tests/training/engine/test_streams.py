"""Data that Keras iterates over trains by shared programs, with the numbers of a plain fit, bit by bit."""

from __future__ import annotations

import inspect
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import data, differences, model_of, plain, trained

from kerastune_lite.callbacks import StopOnNaN, TimeLimit
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.engine.streams import Stream
from kerastune_lite.training.engine.tokens import UNKNOWN, StreamToken

pytestmark = [  # Keras's own, which a plain fit gives too; those of data that runs out are counted
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed"),
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]
X, Y = data("mlp", 50)


def dataset(count=50, batch=16, drop=False):
    return tf.data.Dataset.from_tensor_slices((X[:count], Y[:count])).batch(batch, drop_remainder=drop)


def uncounted():
    return dataset().filter(lambda x, y: True)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[16 * index : 16 * (index + 1)], Y[16 * index : 16 * (index + 1)]


class MadeAnew(Batches):
    """Batches of several parts and types that Python draws, and whose order changes with the epoch."""

    def __init__(self, dtype="float64"):
        super().__init__()
        self.dtype, self.order, self.log = dtype, np.arange(50), []

    def __len__(self):
        return 4

    def __getitem__(self, index):
        places = self.order[14 * index : 14 * (index + 1)]
        self.log.append(int(places[0]))
        x = X[places] + 0.1 * np.random.normal(size=(len(places), 16))
        return x.astype(self.dtype), Y[places].astype("int8"), np.linspace(0.5, 1.5, len(places)).astype("float32")

    def on_epoch_begin(self):
        self.log.append("begin")

    def on_epoch_end(self):
        self.log.append("end")
        np.random.shuffle(self.order)


class Endless(Batches):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return super().__getitem__(index % 3)


def generator(most=100):
    for index in range(most):
        begin = 16 * (index % 3)
        yield X[begin : begin + 16], Y[begin : begin + 16]


def by_streams(engine, arguments, how=None):
    def fit(model):
        fitted = engine.fit(model, {"verbose": 0, **arguments()}, seed=1)
        if how is not None:
            how.append(str(fitted.trained))
        return fitted.history

    return fit


def compared(arguments, build=lambda **numbers: model_of("mlp", **numbers), engine=None):
    """How two models were trained, of which the second was found equal to a plain fit, with its warnings."""
    engine, how = engine or Engine(), []
    trained(lambda: build(rate=0.5, l2=0.1), by_streams(engine, arguments, how), seed=6)
    with warnings.catch_warnings(record=True) as mine:
        warnings.simplefilter("always")
        found = trained(build, by_streams(engine, arguments, how))
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        expected = trained(build, lambda model: plain(**arguments())(model))

    assert differences(found, expected) == []
    ran_out = [sum("ran out of data" in str(warning.message) for warning in seen) for seen in (mine, theirs)]
    assert ran_out[0] == ran_out[1]
    return how


FORMS = {
    "a dataset": lambda: {"x": dataset(), "epochs": 3},
    "a dataset of equal batches, and arrays to validate on": lambda: {
        **{"x": dataset(drop=True), "epochs": 2, "validation_data": (X, Y)}
    },
    "a dataset of unknown length": lambda: {"x": uncounted(), "epochs": 3},
    "a dataset that is shuffled, and one to validate on": lambda: {
        **{"x": dataset().unbatch().shuffle(50, seed=3).batch(8), "epochs": 3, "validation_data": dataset(40)}
    },
    "a dataset shuffled by the global seed, with weights of samples": lambda: {
        **{"x": dataset().map(lambda x, y: (x, y, tf.cast(y, tf.float32))).shuffle(5), "epochs": 3}
    },
    "an endless dataset": lambda: {"x": dataset().repeat(), "epochs": 3, "steps_per_epoch": 3},
    "a part of a dataset in each epoch, and more steps to validate than there are": lambda: {
        **{"x": dataset(batch=8), "epochs": 4, "steps_per_epoch": 5},
        **{"validation_data": uncounted(), "validation_steps": 9},
    },
    "a dataset that runs out": lambda: {"x": dataset(), "epochs": 2, "steps_per_epoch": 9},
    "a dataset of unknown length that runs out": lambda: {"x": uncounted(), "epochs": 3, "steps_per_epoch": 3},
    "a later first epoch, with weights of classes": lambda: {
        **{"x": dataset(), "epochs": 3, "initial_epoch": 1, "class_weight": {0: 1.0, 1: 3.0, 2: 0.5}}
    },
    "a PyDataset of batches that are made anew": lambda: {"x": MadeAnew(), "epochs": 3},
    "a PyDataset with threads of its own, and one to validate on": lambda: {
        **{"x": Batches(workers=2), "epochs": 3, "validation_data": Batches()}
    },
    "an endless PyDataset": lambda: {"x": Endless(), "epochs": 2, "steps_per_epoch": 4, "shuffle": False},
    "a part of a PyDataset in each epoch, with weights of classes": lambda: {
        **{"x": Batches(), "epochs": 4, "steps_per_epoch": 2, "class_weight": {0: 1.0, 1: 3.0}}
    },
    "a PyDataset that runs out": lambda: {"x": Batches(), "epochs": 2, "steps_per_epoch": 9},
    "a generator": lambda: {"x": generator(), "epochs": 3, "steps_per_epoch": 3},
    "a generator that runs out": lambda: {"x": generator(5), "epochs": 2, "steps_per_epoch": 3},
    "arrays in parts": lambda: {"x": X, "y": Y, "epochs": 3, "batch_size": 16, "steps_per_epoch": 2},
    "arrays that are split, in shuffled batches": lambda: {
        **{"x": X, "y": Y, "epochs": 3, "batch_size": 8, "shuffle": "batch", "validation_split": 0.3}
    },
    "some steps to validate on": lambda: {
        **{"x": dataset(), "epochs": 3, "validation_data": uncounted(), "validation_steps": 2, "validation_freq": 2}
    },
    "arrays and a dataset to validate on": lambda: {
        **{"x": X, "y": Y, "shuffle": False, "epochs": 3, "validation_data": uncounted()}
    },
}
QUICK = (
    "a dataset",
    "a dataset of unknown length",
    "a PyDataset of batches that are made anew",
    "a generator",
    "some steps to validate on",
)


@pytest.mark.parametrize(
    "form", [pytest.param(name, marks=() if name in QUICK else pytest.mark.drill) for name in FORMS]
)
def test_each_form_of_data_trains_as_by_a_plain_fit_by_a_shared_program(form):
    assert compared(FORMS[form]) == ["compiled", "shared"]


TEXT = np.array([["a cat sat", "the dog ran far", "no cat"][index % 3] for index in range(50)])


def text_model(rate=0.01, l2=0.01):
    vectorized = keras.layers.TextVectorization(output_sequence_length=4, max_tokens=20)
    vectorized.adapt(TEXT)
    return classifier_of_text(vectorized, keras.layers.Embedding(20, 4), rate, l2)


def lookup_model(rate=0.01, l2=0.01):
    known = keras.layers.StringLookup(vocabulary=["a cat sat", "no cat"])
    return classifier_of_text(known, keras.layers.Embedding(3, 4), rate, l2, shape=(1,))


def classifier_of_text(known, embedding, rate, l2, shape=()):
    out = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(l2))
    inputs = keras.layers.Input(shape, dtype="string")
    model = keras.Sequential([inputs, known, embedding, keras.layers.GlobalAveragePooling1D(), out])
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


STRINGS = {
    "a dataset": lambda text: {"x": tf.data.Dataset.from_tensor_slices((text, Y)).batch(16)},
    "a tensor": lambda text: {"x": tf.constant(text), "y": Y, "shuffle": False, "batch_size": 16},
}


@pytest.mark.parametrize(
    ("form", "build"), [("a dataset", text_model), pytest.param("a tensor", lookup_model, marks=pytest.mark.drill)]
)
def test_models_that_take_strings_share_programs_with_the_numbers_of_a_plain_fit(form, build):
    text = TEXT if build is text_model else TEXT[:, None]
    assert compared(lambda: {**STRINGS[form](text), "epochs": 2}, build) == ["compiled", "shared"]


@pytest.mark.drill
@pytest.mark.parametrize("kind", ["two inputs", "own step"])
def test_other_kinds_of_model_train_on_a_dataset_as_by_a_plain_fit(kind):
    x, y = data(kind, 50)

    def arguments():
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        return {"x": batches, "epochs": 2, "validation_data": batches}

    assert compared(arguments, lambda **numbers: model_of(kind, **numbers)) == ["compiled", "shared"]


@pytest.mark.drill
def test_the_check_of_a_model_with_code_of_the_users_leaves_the_order_and_what_python_draws_alone():
    """Keras draws the order of an epoch when the first of its batches is asked for, which the check does."""

    def arguments():
        return {"x": MadeAnew("float32"), "epochs": 2}

    assert compared(arguments, lambda **numbers: model_of("own step", **numbers)) == ["compiled", "shared"]


def test_a_pydataset_is_called_as_by_keras():
    mine, theirs = MadeAnew(), MadeAnew()
    trained(lambda: model_of("mlp"), by_streams(Engine(), lambda: {"x": mine, "epochs": 3, "validation_data": mine}))
    trained(lambda: model_of("mlp"), plain(x=theirs, epochs=3, validation_data=theirs))

    assert mine.log == theirs.log


@pytest.mark.drill
def test_batches_of_python_that_differ_in_more_than_their_sizes_train_as_by_a_plain_fit():
    def series():
        for length in (3, 5, 5, 4, 4, 4, 7, 3):
            yield np.full((6, length, 2), 0.1 * length, "float32"), np.arange(6) % 3

    def build(rate=0.01, l2=0.01):
        out = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(l2))
        model = keras.Sequential([keras.layers.Input((None, 2)), keras.layers.LSTM(3), out])
        model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    assert compared(lambda: {"x": series(), "steps_per_epoch": 4, "epochs": 2}, build) == ["compiled", "shared"]


class Counted(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, float(logs["loss"])))


@pytest.mark.drill
@pytest.mark.parametrize("make", [dataset, uncounted])
def test_a_callback_that_watches_batches_sees_each_of_a_dataset(make):
    mine, theirs = Counted(), Counted()
    trained(lambda: model_of("mlp"), by_streams(Engine(), lambda: {"x": make(), "epochs": 2, "callbacks": [mine]}))
    trained(lambda: model_of("mlp"), plain(x=make(), epochs=2, callbacks=[theirs]))

    assert mine.seen == theirs.seen
    assert len(mine.seen) == 8


def test_callbacks_that_look_now_and_then_are_called_within_a_long_epoch():
    limit = TimeLimit(seconds=0.5)
    forever = dataset().repeat()

    history = (
        Engine().fit(model_of("mlp"), {"x": forever, "callbacks": [limit, StopOnNaN()], "verbose": 0}, seed=1).history
    )

    assert limit.stop_reason
    assert len(history.history["loss"]) == 1


@pytest.mark.drill
def test_no_more_elements_are_taken_than_keras_takes():
    taken = []

    def elements():
        for index in range(100):
            taken.append(index)
            yield X[:16], Y[:16]

    signature = (tf.TensorSpec((None, 16), tf.float32), tf.TensorSpec((None,), tf.int64))

    def arguments():
        taken.clear()
        options = tf.data.Options()  # nothing is taken ahead of time
        options.autotune.enabled = options.experimental_optimization.inject_prefetch = False
        data = tf.data.Dataset.from_generator(elements, output_signature=signature).with_options(options)
        return {"x": data, "epochs": 2, "steps_per_epoch": 4}

    trained(lambda: model_of("mlp"), lambda model: plain(**arguments())(model))
    by_keras = list(taken)
    engine = Engine()
    for _ in range(2):
        trained(lambda: model_of("mlp"), by_streams(engine, arguments))
        assert taken == by_keras


def test_an_error_of_the_data_is_raised_as_by_keras():
    def broken(x, y):
        tf.debugging.assert_less(tf.reduce_sum(y), 0, "the user's own words")
        return x, y

    for engine in (Engine(), Engine("fit")):
        with pytest.raises(tf.errors.InvalidArgumentError, match="own words"):
            engine.fit(model_of("mlp"), {"x": dataset().map(broken), "verbose": 0}, seed=1)


class Broken(Batches):
    def __getitem__(self, index):
        if index == 2:
            raise LookupError("the user's own words")
        return super().__getitem__(index)


@pytest.mark.parametrize("kind", ["mlp", pytest.param("own step", marks=pytest.mark.drill)])
def test_an_error_of_a_pydataset_is_raised_as_it_is(kind):
    engine = Engine()
    trained(lambda: model_of(kind), by_streams(engine, lambda: {"x": Batches()}))
    with pytest.raises(LookupError, match="own words"):
        trained(lambda: model_of(kind), by_streams(engine, lambda: {"x": Broken(), "shuffle": False}))


def test_a_training_that_ends_within_an_epoch_leaves_no_thread_behind():
    limit = TimeLimit(seconds=0.2)
    Engine().fit(model_of("mlp"), {"x": Endless(), "callbacks": [limit], "shuffle": False, "verbose": 0}, seed=1)

    assert limit.stop_reason
    assert "kerastune-lite-batches" not in [thread.name for thread in threading.enumerate()]


RAGGED = tf.ragged.constant([[1.0, 2.0], [3.0], [4.0, 5.0, 6.0], [7.0], [1.0, 8.0]])
SPARSE = tf.sparse.from_dense(np.where(X > 0.5, X, 0.0)[:5])


class OfRagged(keras.layers.Layer):
    def call(self, x):
        return tf.stack([tf.reduce_sum(x, axis=1), tf.reduce_max(x, axis=1)], axis=-1)


def ragged_model(rate=0.01, l2=0.01):
    inputs = keras.Input((None,), ragged=True)
    outputs = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(l2))(OfRagged()(inputs))
    return compiled(keras.Model(inputs, outputs), rate)


def sparse_model(rate=0.01, l2=0.01):
    inputs = keras.Input((16,), sparse=True)
    outputs = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(l2))(inputs)
    return compiled(keras.Model(inputs, outputs), rate)


def compiled(model, rate):
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


HAS_RAGGED = "ragged_rank" in inspect.signature(keras.KerasTensor).parameters


@pytest.mark.parametrize(
    ("build", "x"),
    [
        pytest.param(
            ragged_model, RAGGED, marks=pytest.mark.skipif(not HAS_RAGGED, reason="no ragged inputs in this Keras")
        ),
        (sparse_model, SPARSE),
    ],
)
def test_ragged_and_sparse_data_trains_by_shared_programs_with_the_numbers_of_a_plain_fit(build, x):
    batches = tf.data.Dataset.from_tensor_slices((x, Y[:5])).batch(2)

    assert compared(lambda: {"x": batches, "epochs": 2}, build) == ["compiled", "shared"]


def test_batches_that_were_looked_at_stay_the_next_ones():
    stream = Stream(lambda: None)
    token = StreamToken(stream, iter(tf.data.Dataset.range(3)))

    assert [int(batch) for batch in token.peeked(2)] == [0, 1]
    assert [int(batch) for batch in token] == [0, 1, 2]
    assert token.has_ended
    assert (token.position, stream.taken) == (3, 3)


class Adapter:
    def __init__(self, num_batches):
        self.num_batches = num_batches


@pytest.mark.parametrize(
    ("num_batches", "steps", "position", "at_once"),
    [
        (7, None, 0, 7),
        (None, None, 0, UNKNOWN),
        (7, 3, 0, 3),
        (7, 3, 6, 1),  # Keras finds that one batch is left, and warns
        (None, 5, 0, 4),  # Keras has to ask once more to find that the data has ended
        (None, 1, 0, 1),
    ],
)
def test_keras_asks_for_as_many_steps_as_it_can_count(num_batches, steps, position, at_once):
    stream = Stream(lambda: Adapter(num_batches), steps)
    stream.token = StreamToken(stream, None)
    stream.token.position = position

    assert stream.steps_at_once == at_once


def test_keras_limit_of_steps_holds_for_streams(monkeypatch):
    monkeypatch.setattr(keras.config, "max_steps_per_epoch", lambda: 2)

    assert Stream.of(x=X, steps=5).left(9) == 2


def test_the_model_has_its_own_functions_and_number_of_steps_after_a_training():
    model = model_of("mlp")
    Engine().fit(model, {"x": dataset(), "validation_data": dataset(), "verbose": 0}, seed=1)

    assert (model.steps_per_execution, model.train_function, model.test_function) == (1, None, None)
