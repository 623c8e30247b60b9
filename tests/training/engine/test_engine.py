"""When the engine compiles, what it says where it doesn't, and what it does when it fails."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import data, differences, model_of, trained

from kerastune_lite import GridSearch, NoScoreError, RandomSearch, Study, TrialState
from kerastune_lite.callbacks import StopOnNaN, TimeLimit
from kerastune_lite.study.trial import Trained
from kerastune_lite.training.engine import engine as engine_module
from kerastune_lite.training.engine import programs, runner, self_check
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.engine.programs import SharedPrograms
from kerastune_lite.training.keras_internals import TRACING_DRAWS, reset_layer_names

X, Y = data("mlp")


@pytest.fixture(autouse=True)
def checked():
    """The engine has passed its check before a test breaks it."""
    assert Engine.trusted().distrust is None


def how(model, **arguments):
    given = {"x": X, "y": Y, "verbose": 0} | arguments
    fitted = Engine().fit(model, {name: value for name, value in given.items() if value is not None}, seed=1)
    return str(fitted.trained)


class OwnFit(keras.Sequential):
    def fit(self, *arguments, **named):
        return super().fit(*arguments, **named)


class OwnTrainFunction(keras.Sequential):
    def make_train_function(self, force=False):
        return super().make_train_function(force)


def dense(kind=keras.Sequential, **compile_arguments):
    model = kind([keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compile_arguments)
    return model


def batches():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


LEFT_TO_KERAS = {
    "the model runs eagerly": lambda: how(dense(run_eagerly=True)),
    "the model was compiled with steps_per_execution": lambda: how(dense(steps_per_execution=2)),
    "the model has its own fit": lambda: how(dense(OwnFit)),
    "the model has its own make_train_function": lambda: how(dense(OwnTrainFunction)),
}


@pytest.mark.parametrize("reason", LEFT_TO_KERAS)
def test_what_cannot_be_compiled_is_a_plain_fit_and_says_why(reason):
    assert LEFT_TO_KERAS[reason]().startswith(f"fit: {reason}")


def test_an_engine_that_only_fits_gives_no_reason():
    fitted = Engine("fit").fit(dense(), {"x": X, "y": Y, "verbose": 0}, seed=1)

    assert fitted.trained == Trained("fit")


@pytest.mark.drill
@pytest.mark.parametrize("count", [72, 64])
def test_data_that_is_too_large_for_the_device_stays_where_it_is_and_trains_by_shared_programs(monkeypatch, count):
    monkeypatch.setattr(engine_module, "_free_memory", lambda: 1000.0)
    arguments = {"x": X[:count], "y": Y[:count], "validation_data": (X, Y), "batch_size": 16, "epochs": 3, "verbose": 0}
    engine, how = Engine(), []

    def fitted(engine):
        def fit(model):
            fitted = engine.fit(model, arguments, seed=1)
            how.append(str(fitted.trained))
            return fitted.history

        return fit

    trained(lambda: model_of("mlp", rate=0.5), fitted(engine))
    found = trained(lambda: model_of("mlp"), fitted(engine))
    expected = trained(lambda: model_of("mlp"), fitted(Engine("fit")))

    assert how == ["compiled", "shared", "fit"]
    assert differences(found, expected) == []
    assert not [key for key in engine._samples if not key[-1]]


def test_a_dataset_to_validate_on_does_not_keep_training_from_being_compiled():
    fitted = Engine().fit(dense(), {"x": X, "y": Y, "validation_data": batches(), "verbose": 0}, seed=1)

    assert fitted.trained == Trained("compiled")
    assert "val_loss" in fitted.history.history


@pytest.mark.parametrize("name", ["turbo", None, True])
def test_an_engine_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match="engine has to be 'auto' or 'fit'"):
        RandomSearch(dense, engine=name)


def build_iris(hp):
    model = keras.Sequential([keras.layers.Dense(6, activation="relu"), keras.layers.Dropout(0.1)])
    model.add(keras.layers.Dense(3, activation="softmax"))
    model.compile(keras.optimizers.Adam(hp.choice("rate", [0.01, 0.1, 0.05])), "sparse_categorical_crossentropy")
    return model


def search(directory, iris, build_fn=build_iris, **settings):
    settings = {"seed": 0, "verbose": 0, "engine": "auto"} | settings
    tuner = GridSearch(build_fn, "val_loss", directory=directory, **settings)
    return tuner.search(*iris, epochs=3, validation_split=0.2)


def test_a_trial_says_how_it_was_trained_and_its_score_does_not_depend_on_it(tmp_path, iris):
    auto, fit = (search(tmp_path / name, iris, engine=name) for name in ("auto", "fit"))

    assert [trial.engine for trial in auto.trials] == ["compiled", "shared", "shared"]
    assert [trial.engine for trial in fit.trials] == ["fit", "fit", "fit"]
    assert [trial.curve for trial in auto.trials] == [trial.curve for trial in fit.trials]


@pytest.mark.parametrize(
    ("place", "name", "reason"),
    [
        (runner, "traced_epoch", "no program could be made of its step"),
        pytest.param(runner.EpochRunner, "_by", "its program failed", marks=pytest.mark.drill),
    ],
)
def test_a_trial_whose_program_fails_is_trained_by_a_plain_fit(tmp_path, iris, monkeypatch, place, name, reason):
    expected = search(tmp_path / "fit", iris, engine="fit")

    def failing(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(place, name, failing)
    study = search(tmp_path / "auto", iris)

    before = "no program of its kind of model could be run before"
    assert [trial.score for trial in study.trials] == [trial.score for trial in expected.trials]
    assert [trial.engine for trial in study.trials] == [f"fit: {why}" for why in (reason, before, before)]
    assert f"{reason}: RuntimeError: no such kernel" in study.trials[0].notes[-1]


@pytest.mark.drill
def test_a_change_inside_keras_costs_the_programs_and_no_trial(tmp_path, iris, monkeypatch):
    expected = search(tmp_path / "fit", iris, engine="fit")

    def moved(*_):
        raise AttributeError("_compile_metrics")

    monkeypatch.setattr(programs, "complete_state", moved)
    study = search(tmp_path / "auto", iris)

    assert [trial.score for trial in study.trials] == [trial.score for trial in expected.trials]
    reason = "compiled: it can't be compared with other models (AttributeError: _compile_metrics)"
    assert {trial.engine for trial in study.trials} == {reason}


def test_a_model_that_cannot_be_trained_fails_in_keras_own_words(tmp_path, iris):
    def build_fn(hp):
        hp.choice("units", [1])
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("adam", keras.losses.CategoricalCrossentropy())
        return model

    for name in ("auto", "fit"):
        with pytest.raises(NoScoreError, match="ValueError: Arguments `target` and `output` must have the same rank"):
            search(tmp_path / name, iris, build_fn, engine=name)
    trials = [Study.open(tmp_path / name).trials[0] for name in ("auto", "fit")]

    assert [trial.state for trial in trials] == [TrialState.FAILED, TrialState.FAILED]
    assert trials[0].error.type == trials[1].error.type
    assert trials[0].error.message == trials[1].error.message


@pytest.mark.skipif(TRACING_DRAWS, reason="an older Keras leaves a step that holds a Python function to a plain fit")
def test_a_time_limit_ends_within_a_batch_of_slow_ones():
    class Slow(keras.layers.Layer):
        def call(self, x):
            def wait(values):
                clock[0] += 1.0
                return values

            return tf.ensure_shape(tf.py_function(wait, [x], tf.float32), x.shape)

    clock = [0.0]
    model = keras.Sequential([keras.layers.Input((16,)), Slow(), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    limit = TimeLimit(seconds=5.5, clock=lambda: clock[0])
    Engine().fit(model, {"x": X, "y": Y, "batch_size": 2, "epochs": 9, "verbose": 0, "callbacks": [limit]}, seed=1)

    assert limit.stop_reason is not None
    assert clock[0] <= 16.0


def test_a_loss_that_is_no_number_stops_within_an_epoch():
    model = dense()
    stop = StopOnNaN()
    x = np.where(np.arange(len(X))[:, None] == 5, np.nan, X).astype("float32")
    arguments = {"x": x, "y": Y, "batch_size": 4, "epochs": 9, "verbose": 0, "shuffle": False, "callbacks": [stop]}
    history = Engine().fit(model, arguments, seed=1).history

    assert stop.stop_reason.startswith("StopOnNaN: loss became nan in batch")
    assert len(history.history["loss"]) == 1


def test_programs_are_kept_for_the_latest_signatures_only():
    shared = SharedPrograms(most_kept=2)
    engine = Engine()
    engine._programs = shared
    ways = []
    for rate in (0.0, 0.1, None, 0.1, 0.0):
        reset_layer_names()
        middle = [] if rate is None else [keras.layers.Dropout(rate)]
        model = keras.Sequential([keras.layers.Input((16,)), *middle, keras.layers.Dense(3)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        ways.append(engine.fit(model, {"x": X, "y": Y, "verbose": 0}, seed=1).trained.how)

    assert len(shared) == 2
    assert ways == ["compiled", "compiled", "compiled", "shared", "compiled"]


def test_a_program_does_not_keep_the_model_that_it_was_traced_with():
    engine = Engine()
    model = model_of("mlp")
    engine.fit(model, {"x": X, "y": Y, "validation_data": (X, Y), "verbose": 0}, seed=1)
    watched = weakref.ref(model)
    del model
    gc.collect()

    assert watched() is None


def test_the_check_of_the_engine_finds_other_numbers():
    def slightly_wrong(model, arguments):
        history = model.fit(**arguments)
        model.set_weights([weight + 1e-6 for weight in model.get_weights()])
        return history

    assert self_check.verdict_on(slightly_wrong).startswith("a training by programs differs")


def test_the_check_of_the_engine_finds_what_fails():
    def failing(model, arguments):
        raise AttributeError("_trainable_variables_indices")

    assert "fails with this Keras and TensorFlow (AttributeError" in self_check.verdict_on(failing)


def test_only_a_check_that_passed_is_not_made_again(tmp_path, monkeypatch):
    verdicts = iter(["wrong", None])
    monkeypatch.setattr(self_check, "verdict_on", lambda by_programs: next(verdicts))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert [self_check.kept_verdict(None) for _ in range(4)] == ["wrong", None, None, None]


UNUSABLE_CACHES = {
    "in a file": lambda folder: folder / "file",
    "of a name that is too long": lambda folder: folder / ("a" * 300),
    "in a place that no folder can be made in": lambda folder: "/proc/self/cache",
}


@pytest.mark.parametrize("place", UNUSABLE_CACHES.values(), ids=UNUSABLE_CACHES)
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(self_check, "verdict_on", lambda by_programs: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place(tmp_path)))

    assert self_check.kept_verdict(None) is None


@pytest.mark.parametrize("given", ["", "cache", "./cache"])
def test_a_cache_folder_that_is_no_absolute_path_is_taken_for_the_one_at_home(tmp_path, monkeypatch, given):
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert self_check.cache_directory() == tmp_path / ".cache" / "kerastune_lite"


def test_without_a_home_the_check_is_made_and_nothing_is_kept(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    verdicts = iter([None, "wrong"])
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(self_check.Path, "home", homeless)
    monkeypatch.setattr(self_check, "verdict_on", lambda by_programs: next(verdicts))

    assert self_check.cache_directory() is None
    assert [self_check.kept_verdict(None) for _ in range(2)] == [None, "wrong"]


@pytest.mark.drill
def test_a_search_of_a_user_without_a_home_is_trained_by_programs(tmp_path):
    program = f"""
import os, pwd

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown

import keras, numpy
from kerastune_lite import GridSearch

def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.choice("rate", [0.1, 0.01])), "mse")
    return model

x = numpy.ones((8, 2), "float32")
study = GridSearch(build_fn, "loss", directory={str(tmp_path)!r}, verbose=0).search(x, x[:, :1])
assert [trial.engine for trial in study.trials] == ["compiled", "shared"], study.trials
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    # Keras keeps its settings in a folder "~" of the working directory then.
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_an_engine_checks_nothing_until_it_is_to_be_trusted(monkeypatch):
    monkeypatch.setattr(engine_module, "failed_self_check", lambda: "wrong")

    assert [Engine().distrust, Engine("fit").distrust, Engine.trusted("fit").distrust] == [None] * 3
    assert Engine.trusted().distrust == "wrong"


@pytest.mark.drill
def test_an_engine_that_is_not_trusted_compiles_nothing_and_says_so(tmp_path, iris, monkeypatch, capsys):
    monkeypatch.setattr(engine_module, "failed_self_check", lambda: "a training by programs differs from a plain fit")
    study = search(tmp_path, iris, verbose=1)

    assert {trial.engine for trial in study.trials} == {"fit: a training by programs differs from a plain fit"}
    assert "3 trials trained by Keras's fit, epoch by epoch: a training by programs differs" in capsys.readouterr().out


def test_another_backend_trains_by_plain_fits(tmp_path):
    pytest.importorskip("jax")
    program = f"""
import keras, numpy
from kerastune_lite import GridSearch

def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.choice("rate", [0.1, 0.01])), "mse")
    return model

x = numpy.ones((8, 2), "float32")
study = GridSearch(build_fn, "loss", directory={str(tmp_path)!r}, verbose=0).search(x, x[:, :1])
assert [trial.engine.partition(":")[0] for trial in study.trials] == ["fit", "fit"], study.trials
"""
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    # Keras keeps its settings in a folder "~" of the working directory then.
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="needs a GPU")
def test_a_gpu_trains_as_a_plain_fit_does_but_for_rounding(tmp_path, iris):
    auto, fit = (search(tmp_path / name, iris, engine=name) for name in ("auto", "fit"))

    assert [trial.engine for trial in auto.trials] == ["compiled", "shared", "shared"]
    assert [trial.score for trial in auto.trials] == pytest.approx([trial.score for trial in fit.trials], rel=1e-3)
