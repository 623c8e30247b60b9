"""Fresh callbacks for each training, with paths of their own."""

from __future__ import annotations

import threading

import keras
import pytest

from kerastune_lite import CallbackError, HyperParameters, Trial
from kerastune_lite.training import callback_copies


class Counting(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1


def test_each_training_gets_callbacks_of_its_own():
    original = Counting()
    (first,) = callback_copies.for_training([original], Trial(number=0), 0, 1)
    (second,) = callback_copies.for_training([original], Trial(number=1), 0, 1)

    assert len({id(original), id(first), id(second)}) == 3


def test_a_function_of_the_trial_makes_the_callbacks():
    made = callback_copies.for_training(lambda trial: [trial.number], Trial(number=7), 0, 1)

    assert made == [7]


def test_a_callback_that_was_used_before_is_copied_without_its_model(build_iris):
    model = build_iris(HyperParameters())
    callback = Counting()
    callback.set_model(model)
    (fresh,) = callback_copies.for_training([callback], Trial(number=0), 0, 1)

    assert fresh.model is None
    assert callback.model is model


def test_a_callback_that_cannot_be_copied_is_named_with_the_way_out(tmp_path):
    callback = Counting()
    callback.lock = threading.Lock()
    with pytest.raises(CallbackError, match=r"Counting can't be copied .*callbacks=lambda trial: \[Counting"):
        callback_copies.checked([callback])


def test_a_function_that_takes_no_trial_is_refused():
    with pytest.raises(
        CallbackError, match=r"function of the trial, .* too many positional arguments. Write .* trial:"
    ):
        callback_copies.checked(lambda: [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["EarlyStopping"], "Received: 'EarlyStopping'"),
        ("EarlyStopping", "Received: 'EarlyStopping'"),
        (3, r"Received: 3 \(int\)"),
        ([[keras.callbacks.EarlyStopping()]], r"Received: \[<.*\(list\)"),
        (iter([keras.callbacks.EarlyStopping()]), r"\(list_iterator\)"),
        ([keras.callbacks.EarlyStopping], r"got the class EarlyStopping: pass EarlyStopping\(…\)"),
        (keras.callbacks.EarlyStopping, r"got the class EarlyStopping: pass EarlyStopping\(…\)"),
    ],
)
def test_something_else_than_a_callback_is_refused(given, told):
    with pytest.raises(CallbackError, match=told):
        callback_copies.checked(given)


def test_a_single_callback_and_none_are_taken():
    callback = keras.callbacks.EarlyStopping()

    assert list(callback_copies.checked(callback)) == [callback]
    assert list(callback_copies.checked(None)) == []
    assert len(callback_copies.for_training(lambda trial: callback, Trial(number=0), 0, 1)) == 1
    assert len(callback_copies.for_training(callback, Trial(number=0), 0, 1)) == 1


@pytest.mark.parametrize(
    ("make", "attribute", "expected"),
    [
        (lambda path: keras.callbacks.TensorBoard(path / "logs"), "log_dir", "logs/trial_0003"),
        (lambda path: keras.callbacks.ModelCheckpoint(path / "a.keras"), "filepath", "trial_0003/a.keras"),
        (lambda path: keras.callbacks.CSVLogger(path / "log.csv"), "filename", "trial_0003/log.csv"),
        (
            lambda path: keras.callbacks.BackupAndRestore(str(path / "b")),
            "_weights_path",
            "b/trial_0003/latest.weights.h5",
        ),
    ],
)
def test_paths_are_kept_apart_between_trials(tmp_path, make, attribute, expected):
    (fresh,) = callback_copies.for_training([make(tmp_path)], Trial(number=3), 0, 1)

    assert str(getattr(fresh, attribute)) == str(tmp_path / expected)


def test_paths_are_kept_apart_between_runs(tmp_path):
    callback = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    (fresh,) = callback_copies.for_training([callback], Trial(number=3), 1, 2)

    assert fresh.filename == str(tmp_path / "trial_0003" / "run_1" / "log.csv")
