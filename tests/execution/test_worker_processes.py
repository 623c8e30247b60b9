"""Searches with worker processes: the same settings and errors as with none, and nothing for a person to prepare."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest

from kerastune_lite import GridSearch, RandomSearch
from kerastune_lite.errors import ObjectiveError, WorkerError
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.training.keras_settings import KerasSettings


def conditional(hp):
    """A function that trains by itself, and asks for a depth for one kind only."""
    loss = {"flat": 1.0, "deep": 0.5}[hp.choice("kind", ["flat", "deep"])]
    if hp["kind"] == "deep":
        loss += hp.int("depth", 1, 3)
    return {"loss": loss * hp.choice("scale", [1.0, 2.0]), "pid": os.getpid()}


def settings(study):
    return [dict(trial.values) for trial in study.trials]


ONE_PROCESS = {"trial_timeout": "10m", "engine": "fit"}
"""Arguments of a tuner whose trials run in one process. It starts faster than two, and without the engine's check."""


class FirstEpochIsEnough:
    """A rule that stops every trial after its first epoch."""

    def should_stop(self, trial, trials, objective):
        return "seen enough"


@pytest.mark.drill
def test_two_workers_try_the_settings_of_a_grid_that_one_worker_tries(tmp_path):
    one = GridSearch(conditional, "loss", directory=tmp_path / "1", verbose=0, engine="fit").search()
    two = GridSearch(conditional, "loss", directory=tmp_path / "2", verbose=0, engine="fit", workers=2).search()

    assert settings(two) == settings(one)
    assert len(settings(two)) == 8
    assert os.getpid() not in {trial.curve[0]["pid"] for trial in two.trials}


def test_two_workers_try_the_settings_that_one_random_search_draws(tmp_path):
    relu = keras.ops.relu

    def build_fn(hp):
        # A closure, a lambda and a function of Keras among the options: none of them is prepared for other processes.
        activation = hp.choice("activation", [relu, "tanh", lambda x: x * x])
        model = keras.Sequential([keras.layers.Dense(hp.int("units", 2, 4), activation=activation)])
        model.compile(keras.optimizers.SGD(hp.float("rate", 1e-3, 1e-1, log=True)), loss="mse")
        return model

    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    studies = []
    for workers in (1, 2):
        tuner = RandomSearch(
            build_fn, "loss", directory=tmp_path / str(workers), max_trials=4, seed=0, verbose=0, workers=workers
        )
        studies.append(tuner.search(x, x[:, :1], epochs=2))
        best = tuner.best_model().evaluate(x, x[:, :1], verbose=0)
        assert best > 0.0
    one, two = studies

    assert settings(two) == settings(one)
    assert [trial.score for trial in two.trials] == pytest.approx([trial.score for trial in one.trials], rel=1e-5)


@pytest.mark.drill
def test_data_may_be_a_function_and_a_rule_ends_a_trial_with_its_epoch(tmp_path, iris, build_iris):
    import tensorflow as tf

    x, y = iris
    rule: StoppingRule = FirstEpochIsEnough()
    tuner = RandomSearch(
        build_iris, "loss", directory=tmp_path, max_trials=2, seed=0, verbose=0, stopping=rule, **ONE_PROCESS
    )
    study = tuner.search(lambda: tf.data.Dataset.from_tensor_slices((x, y)).batch(50), epochs=4)

    assert [len(trial.curve) for trial in study.trials] == [1, 1]
    assert {trial.stop_reason for trial in study.trials} == {"seen enough"}


def test_a_dataset_is_refused_with_the_way_to_give_it(tmp_path, iris, build_iris):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(iris).batch(50)
    tuner = RandomSearch(build_iris, "loss", directory=tmp_path, verbose=0, workers=2)

    with pytest.raises(WorkerError, match=r"the data can't be sent to the workers.*x=lambda: my_dataset\(\)"):
        tuner.search(data, epochs=1)


@pytest.mark.drill
def test_a_mistake_in_the_call_ends_the_search_as_it_does_without_processes(tmp_path):
    tuner = RandomSearch(lambda hp: {"val_accuracy": 0.5}, "val_f1", directory=tmp_path, verbose=0, **ONE_PROCESS)

    with pytest.raises(ObjectiveError, match=r"val_f1.*val_accuracy") as caught:
        tuner.search()
    assert any("In the worker" in note for note in caught.value.__notes__)


def test_an_interrupt_in_a_trial_ends_the_search(tmp_path):
    def build_fn(hp):
        raise KeyboardInterrupt

    tuner = RandomSearch(build_fn, "loss", directory=tmp_path, verbose=0, **ONE_PROCESS)

    with pytest.raises(KeyboardInterrupt):
        tuner.search()
    assert [trial.state.value for trial in tuner.study.trials] == ["interrupted"]


def test_kerass_own_settings_are_those_of_the_searchs_process():
    before, kept = KerasSettings.here(), dict(keras.saving.get_custom_objects())
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.saving.register_keras_serializable("mine", "double")(lambda x: 2 * x)
        changed = KerasSettings.here()
        keras.saving.get_custom_objects().clear()
        before.apply()
        assert keras.config.dtype_policy().name == "float32"
        changed.apply()

        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert keras.saving.get_registered_object("mine>double")(3) == 6
    finally:
        keras.saving.get_custom_objects().clear()
        keras.saving.get_custom_objects().update(kept)
        before.apply()


def test_each_worker_sees_one_gpu(tmp_path):
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("there is no GPU")

    def build_fn(hp):
        return {"loss": hp.float("x", 0.0, 1.0), "gpus": len(tf.config.list_physical_devices("GPU"))}

    tuner = RandomSearch(
        build_fn, "loss", directory=tmp_path, max_trials=4, verbose=0, workers=2, trials_per_gpu=2, keep_models=0
    )

    assert {trial.curve[0]["gpus"] for trial in tuner.search().trials} == {1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "workers has to be an integer of at least 1"),
        ({"max_attempts": 0}, "max_attempts has to be an integer of at least 1"),
        ({"heartbeat_timeout": 0.0}, "heartbeat_timeout has to be a number of seconds above 0"),
        ({"trial_timeout": "soon"}, "soon"),
        ({"executor": object(), "trial_timeout": 5.0}, "TimeLimit"),
    ],
)
def test_impossible_arguments_are_refused(build_iris, arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomSearch(build_iris, **arguments)


def test_threads_and_other_things_are_refused_as_executors(tmp_path, iris, build_iris):
    from concurrent.futures import ThreadPoolExecutor

    with (
        ThreadPoolExecutor() as threads,
        pytest.raises(TypeError, match="Keras can't train several models in the threads"),
    ):
        RandomSearch(build_iris, "loss", directory=tmp_path, verbose=0, executor=threads).search(*iris)
    with pytest.raises(TypeError, match=r"executor= takes a dask.distributed.Client"):
        RandomSearch(build_iris, "loss", directory=tmp_path, verbose=0, executor=3).search(*iris)
