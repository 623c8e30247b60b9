"""Data that trials bring themselves: with the model that build_fn returns, or in a fit of their own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerastune_lite import BayesianOptimization, GridSearch, Hyperband, PopulationBasedTraining
from kerastune_lite.errors import DataError, ObjectiveError

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1]
VALIDATION = (X[:10], Y[:10])
QUIET = {"verbose": 0, "seed": 0}


def regression(inputs=4):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def batches_of(size):
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)


def bring_dataset(hp):
    return regression(), {"x": batches_of(hp.choice("batch", [5, 20]))}


def bring_window(hp):
    width = hp.choice("width", [2, 3])
    return regression(width), {"x": X[:, :width], "y": Y, "validation_data": (X[:10, :width], Y[:10])}


def bring_function(hp):
    size = hp.choice("batch", [5, 20])
    return regression(), {"x": lambda: batches_of(size), "validation_data": lambda: batches_of(10)}


def bring_validation(hp):
    hp.choice("units", [4, 8])
    return regression(), {"validation_data": VALIDATION}


@pytest.mark.parametrize(
    ("build_fn", "objective", "given"),
    [
        (bring_dataset, "loss", {}),
        (bring_dataset, "val_loss", {"validation_data": VALIDATION}),
        (bring_window, "val_loss", {}),
        (bring_function, "val_loss", {}),
        (bring_validation, "val_loss", {"x": X, "y": Y}),
    ],
    ids=["a dataset", "a dataset, validated by the search", "arrays", "functions", "validation data only"],
)
def test_the_data_may_come_from_either_side(tmp_path, build_fn, objective, given):
    x, y, settings = given.get("x"), given.get("y"), {"validation_data": given.get("validation_data")}
    study = GridSearch(build_fn, objective, directory=tmp_path, **QUIET).search(x, y, epochs=2, **settings)

    assert [trial.state.value for trial in study.trials] == ["completed", "completed"]
    assert [len(trial.curve) for trial in study.trials] == [2, 2]


def test_data_that_a_trial_brings_train_as_in_a_plain_fit(tmp_path):
    (trial,) = (
        GridSearch(
            lambda hp: (regression(), {"x": batches_of(hp.choice("batch", [10]))}), "loss", directory=tmp_path, **QUIET
        )
        .search(epochs=3)
        .trials
    )
    keras.utils.set_random_seed(trial.seed)
    history = regression().fit(batches_of(10), epochs=3, shuffle=False, verbose=0).history

    assert [logs["loss"] for logs in trial.curve] == pytest.approx(history["loss"], rel=1e-6)


def test_a_trials_own_x_comes_without_the_targets_and_weights_of_the_search(tmp_path):
    def build_fn(hp):
        return regression(), {"x": batches_of(hp.choice("batch", [5, 20]))}

    study = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(X, Y[::-1], sample_weight=np.zeros(40))

    assert study.best.score > 0.0


def test_a_fit_that_needs_no_data_is_called_without(tmp_path):
    class Builder:
        def build(self, hp):
            hp.choice("units", [4, 8])
            return regression()

        def fit(self, hp, model, epochs, **kwargs):
            return model.fit(X, Y, validation_data=VALIDATION, epochs=epochs, **kwargs)

    tuner = GridSearch(Builder(), "val_loss", directory=tmp_path, **QUIET)
    study = tuner.search(epochs=2)

    assert [len(trial.curve) for trial in study.trials] == [2, 2]
    assert len(tuner.retrain().history.epoch) == study.best.best_epoch + 1


def test_retraining_uses_the_data_that_build_fn_brings_or_those_that_are_given(tmp_path):
    tuner = GridSearch(bring_dataset, "loss", directory=tmp_path, **QUIET)
    best = tuner.search(epochs=1).best

    assert tuner.retrain().history.params["steps"] in (None, 40 // best.values["batch"])
    assert tuner.retrain(X[:32], Y[:32]).history.params["steps"] == 1


@pytest.mark.parametrize(
    "tuner_of",
    [
        lambda **settings: BayesianOptimization(bring_dataset, "loss", max_trials=2, **settings),
        lambda **settings: Hyperband(bring_dataset, "loss", max_epochs=2, factor=2, **settings),
        lambda **settings: PopulationBasedTraining(bring_dataset, "loss", population=4, **settings),
        pytest.param(
            lambda **settings: GridSearch(bring_dataset, "loss", workers=2, **settings), marks=pytest.mark.drill
        ),
    ],
    ids=["Bayesian", "Hyperband", "population", "two workers"],
)
def test_every_search_takes_data_that_trials_bring(tmp_path, tuner_of):
    tuner = tuner_of(directory=tmp_path, **QUIET)
    study = tuner.search(**({"epochs": 2} if isinstance(tuner, PopulationBasedTraining) else {}))

    assert all(trial.error is None for trial in study.trials)
    assert study.best.score is not None


@pytest.mark.parametrize(
    ("build_fn", "settings", "error", "message"),
    [
        (lambda hp: regression(), {}, DataError, r"given no data.*\(model, \{'x': …, 'y': …\}\)"),
        (lambda hp: regression(), {"y": Y}, DataError, "given targets, but no x"),
        (lambda hp: regression(), {"validation_split": 0.2}, DataError, "given validation_split=0.2, but no x"),
        (lambda hp: (regression(), {"x": X, "batchsize": 3}), {}, DataError, "'batchsize'. Did you mean 'batch_size'"),
        (lambda hp: (regression(), {"x": X, "y": Y}), {"objective": "val_loss"}, ObjectiveError, "needs validation"),
        (lambda hp: (regression(), {"validation_data": VALIDATION}), {"x": X, "y": Y}, ObjectiveError, "no objective"),
    ],
    ids=["no data", "targets", "a split", "a misspelt argument", "no validation", "validation without an objective"],
)
def test_what_is_missing_is_told_before_anything_is_trained(tmp_path, build_fn, settings, error, message):
    trained = []
    counting = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: trained.append(1))
    objective = settings.pop("objective", None)

    with pytest.raises(error, match=message):
        GridSearch(build_fn, objective, directory=tmp_path, **QUIET).search(callbacks=[counting], **settings)
    assert not trained


def test_what_build_fn_returned_with_the_model_stands_in_the_trials_record_and_table(tmp_path):
    def build_fn(hp):
        return regression(), {"batch_size": 5 * hp.choice("fives", [1, 2]), "class_weight": None}

    study = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(X, Y)

    assert [trial.returned["batch_size"] for trial in study.trials] == [5, 10]
    assert study.to_dataframe()["batch_size"].tolist() == [5, 10]


def test_texts_among_the_results_of_an_own_training_stand_in_its_record(tmp_path):
    def build_fn(hp):
        return {"loss": hp.choice("a", [1.0, 2.0]), "parameters": 7, "kind": "small"}

    frame = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search().to_dataframe()

    assert frame[["a", "loss", "parameters", "kind"]].to_numpy().tolist() == [
        [1.0, 1.0, 7, "small"],
        [2.0, 2.0, 7, "small"],
    ]


def test_what_an_own_fit_returns_besides_its_recorded_epochs_stands_in_its_record(tmp_path):
    class Builder:
        def build(self, hp):
            hp.choice("a", [1])
            return regression()

        def fit(self, hp, model, x, y, **arguments):
            history = model.fit(x, y, **arguments)
            return {"loss": min(history.history["loss"]), "folds": 3, "kind": "mean of folds"}

    (trial,) = GridSearch(Builder(), "loss", directory=tmp_path, **QUIET).search(X, Y, epochs=2).trials

    assert trial.returned == {"folds": 3.0, "kind": "mean of folds"}
    assert len(trial.curve) == 2
