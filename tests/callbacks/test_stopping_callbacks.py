"""The callbacks in a plain `model.fit`, and driven by a list of values."""

from __future__ import annotations

import copy
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerastune_lite import ObjectiveError
from kerastune_lite.callbacks import EarlyStopping, StopOnNaN, TargetReached, TimeLimit


def epochs_until_stop(callback, name, values):
    """How many epochs a callback lets pass of a training that reports these values."""
    model = SimpleNamespace(stop_training=False, get_weights=lambda: [], set_weights=lambda weights: None, metrics=[])
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            return epoch + 1
    return None


@pytest.mark.parametrize("mode", ["min", "auto"])
def test_early_stopping_waits_as_long_as_keras_does(mode):
    values = [1.0, 0.9, 0.95, 0.92, 0.93, 0.5]
    ours = epochs_until_stop(EarlyStopping("val_loss", patience=2, mode=mode), "val_loss", values)
    theirs = epochs_until_stop(keras.callbacks.EarlyStopping("val_loss", patience=2, mode=mode), "val_loss", values)

    assert ours == theirs == 4


def test_early_stopping_stops_as_soon_as_its_target_is_reached():
    callback = EarlyStopping("val_accuracy", mode="max", patience=9, target=0.9)

    assert epochs_until_stop(callback, "val_accuracy", [0.5, 0.9, 0.95]) == 2
    assert callback.stop_reason == "EarlyStopping: val_accuracy reached 0.9 (0.9)"


def test_a_target_below_counts_for_a_metric_that_falls():
    assert epochs_until_stop(EarlyStopping("val_loss", patience=9, target=0.3), "val_loss", [0.5, 0.31, 0.29]) == 3


def test_early_stopping_keeps_a_least_number_of_epochs():
    callback = EarlyStopping("val_loss", patience=1, min_epochs=5)

    assert epochs_until_stop(callback, "val_loss", [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]) == 5


def test_a_least_number_of_epochs_does_not_undo_another_callbacks_stop():
    callback = EarlyStopping("val_loss", patience=0, min_epochs=5)
    model = SimpleNamespace(stop_training=False, get_weights=list, metrics=[])
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0, {"val_loss": 1.0})
    model.stop_training = True
    callback.on_epoch_end(1, {"val_loss": 2.0})

    assert model.stop_training


def test_early_stopping_says_why_it_stopped_and_forgets_it_in_the_next_training():
    callback = EarlyStopping("val_loss", patience=1)
    epochs_until_stop(callback, "val_loss", [1.0, 2.0])
    assert callback.stop_reason == "EarlyStopping: val_loss did not improve for 1 epochs (best 1)"

    assert epochs_until_stop(callback, "val_loss", [5.0, 4.0]) is None
    assert callback.stop_reason is None


def test_target_reached_knows_the_direction_of_keras_metrics():
    assert epochs_until_stop(TargetReached("val_accuracy", 0.8), "val_accuracy", [0.7, 0.8]) == 2
    assert epochs_until_stop(TargetReached("val_loss", 0.8), "val_loss", [0.9, 0.7]) == 2


def test_target_reached_asks_for_the_mode_of_an_unknown_metric():
    with pytest.raises(ObjectiveError, match="f1_custom"):
        TargetReached("f1_custom", 0.8)
    assert epochs_until_stop(TargetReached("f1_custom", 0.8, mode="max"), "f1_custom", [0.9]) == 1


def test_target_reached_names_what_is_reported_when_its_metric_is_not():
    with pytest.raises(ObjectiveError, match="It reports: loss"):
        epochs_until_stop(TargetReached("val_accuracy", 0.8), "loss", [1.0])


def test_stop_on_nan_stops_after_the_batch_in_which_it_happens():
    callback = StopOnNaN()
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.on_train_begin()
    callback.on_train_batch_end(0, {"loss": 1.0})
    assert not callback.model.stop_training
    callback.on_train_batch_end(1, {"loss": float("inf")})

    assert callback.model.stop_training
    assert callback.stop_reason == "StopOnNaN: loss became inf in batch 1"


@pytest.mark.parametrize(
    ("arguments", "seconds"), [({"seconds": 90}, 90), ({"minutes": 2, "seconds": 1}, 121), ({"hours": 1}, 3600)]
)
def test_a_time_limit_adds_up_its_units(arguments, seconds):
    assert TimeLimit(**arguments).seconds == seconds


@pytest.mark.parametrize("arguments", [{}, {"seconds": 0}, {"minutes": -1}, {"seconds": float("nan")}])
def test_a_time_limit_that_is_not_positive_is_refused(arguments):
    with pytest.raises(ValueError, match="TimeLimit needs a time greater than 0"):
        TimeLimit(**arguments)


def test_a_time_limit_stops_after_the_batch_in_which_its_time_runs_out():
    now = [100.0]
    callback = TimeLimit(seconds=10, clock=lambda: now[0])
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.on_train_begin()
    now[0] = 109.9
    callback.on_train_batch_end(0)
    assert not callback.model.stop_training
    now[0] = 110.0
    callback.on_train_batch_end(1)

    assert callback.model.stop_training
    assert callback.stop_reason == "TimeLimit: 10 s were over"


def test_time_that_was_charged_shortens_the_next_training_only():
    now = [0.0]
    callback = TimeLimit(seconds=10, clock=lambda: now[0])
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.charge(6.0)
    callback.on_train_begin()
    now[0] = 5.0
    callback.on_train_batch_end(0)
    assert callback.model.stop_training

    callback.model.stop_training = False
    callback.on_train_begin()
    now[0] = 14.0
    callback.on_train_batch_end(0)
    assert not callback.model.stop_training


class SlowBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.1)
        self.batches = batch + 1


def test_a_time_limit_in_a_plain_fit_cuts_the_epoch_and_validates_it(iris, build_iris):
    from kerastune_lite import HyperParameters

    x, y = iris
    model = build_iris(HyperParameters())
    slow, limit = SlowBatches(), TimeLimit(seconds=0.5)
    history = model.fit(x, y, validation_split=0.2, epochs=3, batch_size=2, callbacks=[slow, limit], verbose=0)

    assert len(history.epoch) == 1
    assert slow.batches < 60
    assert np.isfinite(history.history["val_loss"][0])


@pytest.mark.parametrize(
    "callback", [EarlyStopping(patience=2, target=0.1), TimeLimit(minutes=1), TargetReached("loss", 0.1), StopOnNaN()]
)
def test_every_callback_can_be_copied(callback):
    assert type(copy.deepcopy(callback)) is type(callback)
