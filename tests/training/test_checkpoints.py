"""Paused trainings as files, and what callbacks keep in them."""

from __future__ import annotations

import random
import threading

import keras
import numpy as np
import pytest

from kerastune_lite.callbacks import EarlyStopping, TargetReached, TimeLimit
from kerastune_lite.errors import CallbackError
from kerastune_lite.training import array_files, checkpoints
from kerastune_lite.training.callback_states import CallbackStates
from kerastune_lite.training.checkpoints import Checkpoint, CheckpointError
from kerastune_lite.training.keras_internals import trained_state_of
from kerastune_lite.training.pausing import build_on, resume


def checkpoint():
    state = {"best": 0.25, "wait": 2, "name": None, "best_weights": [np.ones((2, 3), "float32")], "pair": (1, [True])}
    return Checkpoint(
        epochs=3,
        variables=[np.arange(6.0, dtype="float32").reshape(2, 3), np.array(7, "int64")],
        built_rate=0.1,
        best_weights=[np.zeros(2, "float16")],
        callbacks=[("EarlyStopping", state), ("TensorBoard", None)],
    )


def test_a_checkpoint_comes_back_from_its_file_as_it_was(tmp_path):
    checkpoints.save(tmp_path / "new" / "0001-3.npz", checkpoint())
    back = checkpoints.read(tmp_path / "new" / "0001-3.npz")

    assert (back.epochs, back.built_rate) == (3, 0.1)
    assert [value.dtype for value in back.variables] == ["float32", "int64"]
    np.testing.assert_array_equal(back.variables[0], checkpoint().variables[0])
    assert back.variables[1] == 7
    assert back.best_weights[0].dtype == "float16"
    (name, state), other = back.callbacks
    assert (name, other) == ("EarlyStopping", ("TensorBoard", None))
    np.testing.assert_array_equal(state.pop("best_weights"), [np.ones((2, 3))])
    assert state == {"best": 0.25, "wait": 2, "name": None, "pair": (1, [True])}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["0001-3.npz"]


def test_types_that_numpy_only_borrows_come_back_too(tmp_path):
    values = keras.ops.convert_to_numpy(keras.ops.cast([1.5, -2.0], "bfloat16"))
    checkpoints.save(tmp_path / "a.npz", Checkpoint(1, [values]))
    (back,) = checkpoints.read(tmp_path / "a.npz").variables

    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "text"])
def test_a_damaged_file_is_recognised(tmp_path, damage):
    path = tmp_path / "a.npz"
    checkpoints.save(path, checkpoint())
    content = path.read_bytes()
    at = content.index(np.arange(6.0, dtype="float32").tobytes())
    damaged = {
        "cut": content[:-40],
        "changed": content[:at] + b"\xff" + content[at + 1 :],
        "empty": b"",
        "text": b"not an archive",
    }
    path.write_bytes(damaged[damage])

    with pytest.raises(CheckpointError, match="it is damaged"):
        checkpoints.read(path)


def check_garblings(path, count, seed):
    """Reads a checkpoint that something garbled, many times: it is the same, or it is known to be damaged."""
    checkpoints.save(path, checkpoint())
    good, rng = path.read_bytes(), random.Random(seed)
    for number in range(count):
        garbled = bytearray(good)
        at = rng.randrange(len(garbled))
        match number % 3:
            case 0:
                garbled[at] ^= 1 << rng.randrange(8)
            case 1:
                del garbled[at:]
            case 2:
                garbled[at : at + 8] = rng.randbytes(8)
        path.write_bytes(bytes(garbled))
        try:
            read = checkpoints.read(path)
        except CheckpointError as error:
            assert "it is damaged" in str(error)  # noqa: PT017 - where nothing that matters changed it is read
            continue
        assert read.epochs == 3
        np.testing.assert_array_equal(read.variables[0], checkpoint().variables[0])
        np.testing.assert_array_equal(read.best_weights[0], checkpoint().best_weights[0])


def test_a_garbled_checkpoint_is_the_same_or_known_to_be_damaged(tmp_path):
    check_garblings(tmp_path / "a.npz", 150, seed=0)


@pytest.mark.drill
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_garbled_checkpoints_are_the_same_or_known_to_be_damaged(tmp_path, seed):
    check_garblings(tmp_path / "a.npz", 2000, seed)


HEADERS = {
    "an unknown compression": (8, b"\x63\x00", "NotImplementedError"),
    "an encrypted entry": (6, b"\x01\x00", "RuntimeError"),
    "patched data": (6, b"\x20\x00", "NotImplementedError"),
    "deflated data that aren't": (8, b"\x08\x00", ""),
}


@pytest.mark.parametrize(("offset", "content", "kind"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_zip_files_can_have_and_ours_never_do_is_a_damage(tmp_path, offset, content, kind):
    path = tmp_path / "a.npz"
    checkpoints.save(path, checkpoint())
    garbled = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):  # of each entry, and of the list of all entries
        at = garbled.find(signature)
        while at >= 0:
            garbled[at + offset + shift : at + offset + shift + 2] = content
            at = garbled.find(signature, at + 4)
    path.write_bytes(bytes(garbled))

    with pytest.raises(CheckpointError, match=rf"it is damaged \({kind}"):
        checkpoints.read(path)


@pytest.mark.parametrize(
    "part",
    [{"epochs": "3"}, {"epochs": 0}, {"variables": {}}, {"best_weights": [1.5]}, {"callbacks": [["A", 3]]}],
    ids=str,
)
def test_a_file_of_arrays_that_is_no_checkpoint_is_a_damage(tmp_path, part):
    whole = {"epochs": 3, "variables": [np.ones(2)], "built_rate": 0.1, "best_weights": None, "callbacks": []}
    array_files.write(tmp_path / "a.npz", whole | part)

    with pytest.raises(CheckpointError, match="it is damaged"):
        checkpoints.read(tmp_path / "a.npz")


def test_a_missing_file_is_recognised(tmp_path):
    with pytest.raises(CheckpointError, match="it is missing"):
        checkpoints.read(tmp_path / "a.npz")


def model_of(units, optimizer="adam"):
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    build_on(model, np.zeros((4, 3), "float32"))
    return model


def test_a_checkpoint_of_another_model_is_refused_with_the_first_difference():
    kept = Checkpoint(1, checkpoints.values_of(model_of(4)))

    with pytest.raises(CheckpointError, match=r"kernel \(3, 5\)"):
        checkpoints.restore(model_of(5), kept)


def test_a_model_that_does_not_know_its_inputs_is_built_on_the_first_of_them():
    variables = trained_state_of(model_of(4))

    # Two kernels, two biases; the optimizer's counter, rate and two moments of each.
    assert len(variables) == 4 + 2 + 8


@pytest.mark.parametrize(("built", "expected"), [(0.1, 0.01), (0.05, 0.05)])
def test_a_resumed_model_has_the_rate_of_the_paused_one_unless_its_setting_has_another(built, expected):
    """A callback had reduced it from 0.1 to 0.01."""
    paused, new = model_of(2, keras.optimizers.SGD(0.1)), model_of(2, keras.optimizers.SGD(built))
    paused.optimizer.learning_rate = 0.01
    rate = float(np.float32(0.1))
    resume(new, np.zeros((4, 3)), Checkpoint(1, checkpoints.values_of(paused), built_rate=rate))

    assert float(new.optimizer.learning_rate) == pytest.approx(expected)
    np.testing.assert_array_equal(new.get_weights()[0], paused.get_weights()[0])


def states_of(callback):
    """What is saved of a callback that has just begun."""
    states = CallbackStates([callback])
    states.on_train_begin()
    return states.changed()


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True),
        lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=1),
        lambda: keras.callbacks.ModelCheckpoint("a.keras", monitor="loss", save_best_only=True),
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        lambda: EarlyStopping("loss", patience=3, target=0.0),
        lambda: TargetReached("loss", 0.0),
    ],
)
def test_a_callback_is_resumed_where_it_paused(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.ones((4, 3), "float32")
    before, after = make(), make()
    states = CallbackStates([before])
    model_of(2).fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[before, states])
    checkpoints.save(tmp_path / "a.npz", Checkpoint(2, [], callbacks=states.changed()))
    after.set_model(before.model)
    after.on_train_begin()
    again = CallbackStates([after], checkpoints.read(tmp_path / "a.npz").callbacks)
    again.on_train_begin()

    for (_, state), (_, expected) in zip(again.changed(), states.changed(), strict=True):
        np.testing.assert_equal(dict(state), dict(expected))
    own = set(vars(before)) - {"_model", "params", "monitor_op", "min_delta", "schedule"}
    assert {name: repr(vars(after)[name]) for name in own} == {name: repr(vars(before)[name]) for name in own}


def test_a_time_limit_is_resumed_with_what_was_left():
    now = [100.0]
    before, after = (TimeLimit(seconds=10, clock=lambda: now[0]) for _ in range(2))
    before.on_train_begin()
    now[0] += 7.0
    states = states_of(before)
    now[0] += 1000.0
    after.charge(1.0)  # its model was built anew
    after.on_train_begin()
    CallbackStates([after], states).on_train_begin()
    after.set_model(model_of(1))
    now[0] += 1.9
    after.on_train_batch_end(0)
    assert after.stop_reason is None
    now[0] += 0.2
    after.on_train_batch_end(1)
    assert after.stop_reason == "TimeLimit: 10 s were over"


def test_what_has_not_changed_is_not_saved():
    """A path is its trial's own: another trial that takes over the training has another path."""

    class Own(keras.callbacks.Callback):
        def __init__(self, path):
            super().__init__()
            self.path, self.data, self.seen = path, [np.ones(3), {"a": float("nan")}], []

    before = Own("one")
    states = CallbackStates([before])
    states.on_train_begin()
    before.seen.append(1)

    assert states.changed() == [("Own", {"seen": [1]})]


def test_a_callback_that_holds_what_no_file_can_hold_is_named():
    class Locked(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.turn = threading.Lock()

    with pytest.raises(CallbackError, match=r"Locked can't be paused .* 'turn' is a lock.*get_state"):
        states_of(Locked())


def test_a_callback_may_decide_itself_what_is_saved():
    class Own(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.turn, self.seen = threading.Lock(), 0

        def get_state(self):
            return {"seen": self.seen}

        def set_state(self, state):
            self.seen = state["seen"]

    before, after = Own(), Own()
    before.seen = 5
    CallbackStates([after], states_of(before)).on_train_begin()

    assert after.seen == 5


def test_a_callback_that_only_records_begins_anew_with_a_warning(tmp_path):
    logger = keras.callbacks.CSVLogger(tmp_path / "a.csv")
    logger.set_model(model_of(1))
    logger.on_train_begin()

    with pytest.warns(UserWarning, match="CSVLogger begins anew"):
        assert states_of(logger) == [("CSVLogger", None)]
    logger.on_train_end()


def test_each_callback_gets_the_state_of_its_own_kind_and_a_new_one_begins_anew():
    stops = [EarlyStopping("loss"), EarlyStopping("val_loss")]
    limit = TimeLimit(seconds=9)
    with pytest.warns(UserWarning, match="TimeLimit begins anew"):
        CallbackStates(
            [limit, *stops], [("EarlyStopping", {"wait": 1}), ("Other", {}), ("EarlyStopping", {"wait": 2})]
        ).on_train_begin()

    assert [stop.wait for stop in stops] == [1, 2]
