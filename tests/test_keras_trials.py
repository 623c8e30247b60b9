"""Real Keras models in a search: scores, weights, models on disk, kinds of data and of build_fn."""

from __future__ import annotations

import functools
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest

from kerastune_lite import (
    BuildError,
    DataError,
    GridSearch,
    HyperParameters,
    NoResultError,
    Objective,
    ObjectiveError,
    RandomSearch,
    Study,
    TrialState,
)
from kerastune_lite.callbacks import EarlyStopping, TimeLimit

QUIET = {"verbose": 0, "seed": 0}


def softmax_model(units=4, metrics=("accuracy",), **compile_arguments):
    model = keras.Sequential(
        [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(3, activation="softmax")]
    )
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": list(metrics)}
    model.compile(**settings | compile_arguments)
    return model


def build_one(hp):
    hp.fixed("units", 4)
    return softmax_model()


def test_the_best_model_gives_the_recorded_score(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_accuracy", max_trials=3, directory=tmp_path, **QUIET)
    study = tuner.search(x, y, validation_split=0.3, epochs=4)
    metrics = tuner.best_model().evaluate(x[105:], y[105:], verbose=0, return_dict=True)

    assert metrics["accuracy"] == pytest.approx(study.best.score, abs=1e-6)
    assert study.best.score == study.best.curve[study.best.best_epoch]["val_accuracy"]
    assert study.best.score == max(logs["val_accuracy"] for logs in study.best.curve)


def test_the_kept_weights_are_those_of_the_best_epoch(tmp_path, iris):
    x, y = iris

    def build_fn(hp):
        hp.fixed("rate", 1.0)
        return softmax_model(optimizer=keras.optimizers.SGD(1.0, momentum=0.9))

    tuner = RandomSearch(build_fn, "val_loss", max_trials=1, directory=tmp_path, **QUIET)
    best = tuner.search(x, y, validation_split=0.3, epochs=8).best
    metrics = tuner.best_model().evaluate(x[105:], y[105:], verbose=0, return_dict=True)

    assert best.best_epoch < 7
    assert metrics["loss"] == pytest.approx(best.score, abs=1e-6)


def test_a_trial_trains_as_a_plain_fit_with_its_seed_does(tmp_path, iris, build_iris):
    x, y = iris
    arguments = {
        "epochs": 2,
        "batch_size": 16,
        "validation_split": 0.2,
        "shuffle": False,
        "class_weight": {0: 5.0, 1: 1.0, 2: 0.5},
    }
    tuner = RandomSearch(build_iris, "val_loss", max_trials=2, directory=tmp_path, **QUIET)
    trial = tuner.search(x, y, **arguments).trials[1]
    keras.utils.set_random_seed(trial.seed)
    history = build_iris(HyperParameters(trial.values)).fit(x, y, verbose=0, **arguments).history

    assert [logs["val_loss"] for logs in trial.curve] == history["val_loss"]
    assert [logs["loss"] for logs in trial.curve] == history["loss"]


def test_sample_weights_count_as_in_a_plain_fit(tmp_path, iris, build_iris):
    x, y = iris
    weights = np.where(y == 1, 0.0, 1.0).astype("float32")
    tuner = RandomSearch(build_iris, "loss", max_trials=1, directory=tmp_path, **QUIET)
    trial = tuner.search(x, y, sample_weight=weights, shuffle=False).trials[0]
    keras.utils.set_random_seed(trial.seed)
    history = (
        build_iris(HyperParameters(trial.values)).fit(x, y, sample_weight=weights, shuffle=False, verbose=0).history
    )

    assert trial.score == history["loss"][0]


@pytest.mark.drill
def test_the_same_seed_gives_the_same_scores_twice(tmp_path, iris, build_iris):
    x, y = iris
    scores = []
    for name in ("a", "b"):
        tuner = RandomSearch(build_iris, "val_loss", max_trials=3, directory=tmp_path / name, **QUIET)
        scores.append([trial.score for trial in tuner.search(x, y, validation_split=0.2, epochs=2).trials])

    assert scores[0] == scores[1]


def test_every_trial_sees_the_same_validation_data(tmp_path, iris):
    x, y = iris
    tuner = GridSearch(lambda hp: softmax_model(hp.choice("units", [3, 4])), "val_loss", directory=tmp_path, **QUIET)
    seen = []

    class Looking(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            seen.append(1)

    validation = (x[:20], y[:20], np.ones(20, "float32"))
    study = tuner.search(x[20:], y[20:], validation_data=validation, callbacks=lambda trial: [Looking()])

    assert len(seen) == len(study.trials) == 2


def test_each_model_is_freed_before_the_next_trial_begins(tmp_path, iris):
    x, y = iris
    models, alive = [], []

    def build_fn(hp):
        alive.append([reference() is not None for reference in models])
        hp.float("x", 0.0, 1.0)
        model = softmax_model()
        models.append(weakref.ref(model))
        if len(models) == 3:
            raise RuntimeError("a traceback holds the frames that hold the model")
        return model

    tuner = RandomSearch(build_fn, "val_loss", max_trials=5, directory=tmp_path, **QUIET)
    tuner.search(x, y, validation_split=0.2, callbacks=[EarlyStopping(patience=1)])

    assert not any(flag for flags in alive for flag in flags)
    assert all(reference() is None for reference in models)


@pytest.mark.parametrize("keep_models", [1, *(pytest.param(n, marks=pytest.mark.drill) for n in (0, 2))])
def test_only_the_best_models_stay_on_disk(tmp_path, iris, build_iris, keep_models):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_loss", max_trials=4, keep_models=keep_models, directory=tmp_path, **QUIET)
    study = tuner.search(x, y, validation_split=0.2)
    files = sorted(path.name for path in tmp_path.rglob("*.keras"))

    assert files == sorted(f"{trial.number:04d}.keras" for trial in study.leaderboard(keep_models))
    assert len(files) == keep_models


def test_without_kept_models_the_error_names_the_way_out(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "loss", max_trials=1, keep_models=0, directory=tmp_path, **QUIET)
    tuner.search(x, y)
    with pytest.raises(NoResultError, match=r"keep_models=0.*tuner.retrain"):
        tuner.best_model()


class Doubling(keras.layers.Layer):
    """A layer whose class isn't registered with Keras."""

    def call(self, inputs):
        return inputs * 2.0


def test_a_model_that_keras_cannot_load_by_itself_is_built_and_given_its_weights(tmp_path, iris):
    x, y = iris

    def build_fn(hp):
        hp.fixed("units", 4)
        model = keras.Sequential([Doubling(), keras.layers.Lambda(lambda t: t + 1.0), keras.layers.Dense(3)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    tuner = RandomSearch(build_fn, "val_loss", max_trials=1, directory=tmp_path, **QUIET)
    study = tuner.search(x, y, validation_split=0.2)

    assert tuner.best_model().evaluate(x[120:], y[120:], verbose=0) == pytest.approx(study.best.score, abs=1e-6)


def test_a_model_that_keras_cannot_save_is_kept_as_its_weights(tmp_path, iris, monkeypatch):
    x, y = iris

    class Unsaveable(keras.Sequential):
        def save(self, *args, **kwargs):
            raise NotImplementedError("no way")

    def build_fn(hp):
        hp.fixed("units", 4)
        model = Unsaveable([keras.layers.Dense(3)])
        model.compile("adam", "mse")
        return model

    tuner = RandomSearch(build_fn, "val_loss", max_trials=1, directory=tmp_path, **QUIET)
    trial = tuner.search(x, np.eye(3)[y], validation_split=0.2).trials[0]
    (note,) = trial.notes

    assert trial.state is TrialState.COMPLETED
    assert note.startswith("kept as weights for the model that build_fn makes, since Keras can't keep it whole")
    assert "NotImplementedError: no way" in note
    assert tuner.best_model().evaluate(x[120:], np.eye(3)[y][120:], verbose=0) == pytest.approx(trial.score, abs=1e-6)


def test_runs_are_averaged_and_their_spread_is_kept(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_loss", max_trials=2, executions_per_trial=3, directory=tmp_path, **QUIET)
    trial = tuner.search(x, y, validation_split=0.2, epochs=2).trials[1]

    assert len(set(trial.scores)) == 3
    assert trial.score == pytest.approx(np.mean(trial.scores))
    assert trial.spread == pytest.approx(np.std(trial.scores, ddof=1))
    assert [len(curve) for curve in trial.curves] == [2, 2, 2]
    assert min(trial.scores) == trial.curve[trial.best_epoch]["val_loss"]


def test_callbacks_are_fresh_in_every_training(tmp_path, iris, build_iris):
    x, y = iris
    starts = []

    class Counting(keras.callbacks.Callback):
        epochs = 0

        def on_train_begin(self, logs=None):
            starts.append(self.epochs)

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    tuner = RandomSearch(build_iris, "loss", max_trials=2, executions_per_trial=2, directory=tmp_path, **QUIET)
    original = Counting()
    tuner.search(x, y, callbacks=[original])

    assert starts == [0, 0, 0, 0]
    assert original.epochs == 0


def test_the_reason_why_a_callback_stopped_is_in_the_record(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_loss", max_trials=1, directory=tmp_path, **QUIET)
    callbacks = [EarlyStopping("val_loss", target=10.0)]
    trial = tuner.search(x, y, validation_split=0.2, epochs=5, callbacks=callbacks).trials[0]

    assert trial.state is TrialState.COMPLETED
    assert len(trial.curve) == 1
    assert trial.stop_reason.startswith("EarlyStopping: val_loss reached 10")


def test_a_time_limit_counts_the_build_and_keeps_the_cut_epochs_score(tmp_path, iris, build_iris):
    import time

    x, y = iris
    batches = []

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)
            time.sleep(0.1)

    def build_fn(hp):
        time.sleep(0.5)
        return build_iris(hp)

    tuner = RandomSearch(build_fn, "val_loss", max_trials=1, directory=tmp_path, **QUIET)
    callbacks = [TimeLimit(seconds=1), Slow()]
    trial = tuner.search(x, y, validation_split=0.2, epochs=9, batch_size=2, callbacks=callbacks).trials[0]

    assert len(batches) <= 6
    assert len(trial.curve) == 1
    assert trial.score == trial.curve[0]["val_loss"]
    assert trial.stop_reason == "TimeLimit: 1 s were over"


def test_the_searchs_own_time_stops_a_running_trial(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_loss", max_trials=None, directory=tmp_path, **QUIET)
    study = tuner.search(x, y, validation_split=0.2, epochs=100_000, max_time=3)

    assert len(study.trials) == 1
    assert "TimeLimit" in study.trials[0].stop_reason
    assert np.isfinite(study.best.score)


# What build_fn may be and return


def test_fits_arguments_may_come_from_build_fn(tmp_path, iris):
    x, y = iris

    def build_fn(hp):
        return softmax_model(), {"batch_size": hp.choice("batch_size", [50, 150]), "epochs": hp.int("epochs", 1, 2)}

    tuner = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET)
    study = tuner.search(x, y)

    assert [(t.values["batch_size"], t.values["epochs"], len(t.curve)) for t in study.trials] == [
        (50, 1, 1),
        (50, 2, 2),
        (150, 1, 1),
        (150, 2, 2),
    ]


def test_a_class_with_build_and_fit_is_taken(tmp_path, iris):
    x, y = iris

    class HyperModel:
        def build(self, hp):
            return softmax_model(hp.choice("units", [3, 5]))

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.choice("batch_size", [25, 75]), **kwargs)

    study = GridSearch(HyperModel(), "loss", directory=tmp_path, **QUIET).search(x, y)

    assert [tuple(trial.values.values()) for trial in study.trials] == [(3, 25), (3, 75), (5, 25), (5, 75)]


def test_a_class_whose_fit_returns_a_dict_is_scored_by_it(tmp_path, iris):
    class HyperModel:
        def build(self, hp):
            return softmax_model(hp.choice("units", [3, 5]))

        def fit(self, hp, model, *args, **kwargs):
            return {"val_quality": float(hp["units"])}

    study = GridSearch(HyperModel(), Objective("val_quality", "max"), directory=tmp_path, **QUIET).search(*iris)

    assert study.best.values == {"units": 5}


@pytest.mark.parametrize(
    "build_fn",
    [
        functools.partial(lambda units, hp: softmax_model(hp.choice("u", [units])), 4),
        lambda hp: softmax_model(hp.choice("u", [4])),
    ],
    ids=["partial", "lambda"],
)
def test_any_callable_builds(tmp_path, iris, build_fn):
    assert GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(*iris).best.values == {"u": 4}


def test_the_history_of_a_training_of_ones_own_is_taken(tmp_path, iris):
    def build_fn(hp):
        return softmax_model(hp.choice("units", [4])).fit(*iris, epochs=3, verbose=0)

    best = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search().best

    assert len(best.curve) == 3
    assert best.score == min(logs["loss"] for logs in best.curve)


def test_a_dict_in_hyperas_form_is_scored_and_its_model_kept(tmp_path, iris):
    def build_fn(hp):
        model = softmax_model(hp.choice("units", [4]))
        model.fit(*iris, verbose=0)
        return {"loss": 0.5, "status": "ok", "model": model}

    tuner = GridSearch(build_fn, directory=tmp_path, **QUIET)

    assert tuner.search().best.score == 0.5
    assert tuner.best_model().built


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None: its last line may lack a `return`"),
        ("a model", "returned 'a model' .str., which can't be trained"),
        (keras.Sequential([keras.layers.Dense(1)]), "which is not compiled. Call model.compile"),
    ],
    ids=["None", "text", "uncompiled"],
)
def test_a_build_fn_that_returns_nothing_to_train_ends_the_search(tmp_path, iris, returned, message):
    with pytest.raises(BuildError, match=message):
        RandomSearch(lambda hp: returned, "loss", directory=tmp_path, **QUIET).search(*iris)


def test_a_model_without_data_ends_the_search(tmp_path):
    with pytest.raises(DataError, match=r"search.. was given no data"):
        RandomSearch(build_one, "loss", directory=tmp_path, **QUIET).search()


# Objectives


def test_an_objective_that_is_not_reported_ends_the_search_after_one_epoch(tmp_path, iris):
    epochs = []
    counting = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises(
        ObjectiveError, match=r"'val_acc'. It reports: accuracy, loss, val_accuracy, val_loss.*'val_accuracy'"
    ):
        RandomSearch(build_one, "val_acc", directory=tmp_path, **QUIET).search(
            *iris, validation_split=0.2, epochs=5, callbacks=[counting]
        )

    assert epochs == [0]


def test_a_misspelt_objective_is_told_the_nearest_name(tmp_path, iris):
    with pytest.raises(ObjectiveError, match=r"'val_acuracy'. It reports: .*Did you mean 'val_accuracy'"):
        RandomSearch(build_one, "val_acuracy", directory=tmp_path, **QUIET).search(*iris, validation_split=0.2)


def test_a_heads_metric_is_named_when_the_objective_lacks_its_prefix(tmp_path, iris):
    x, y = iris

    def build_fn(hp):
        inputs = keras.Input((4,))
        a = keras.layers.Dense(hp.choice("units", [3]), activation="softmax", name="a")(inputs)
        b = keras.layers.Dense(1, name="b")(inputs)
        model = keras.Model(inputs, {"a": a, "b": b})
        losses = {"a": "sparse_categorical_crossentropy", "b": "mse"}
        model.compile("adam", losses, metrics={"a": ["accuracy"]})
        return model

    data = {"x": x, "y": {"a": y, "b": x[:, :1]}, "validation_split": 0.2}
    with pytest.raises(ObjectiveError, match="Did you mean 'val_a_accuracy'"):
        GridSearch(build_fn, "val_accuracy", directory=tmp_path / "wrong", **QUIET).search(**data)
    study = GridSearch(build_fn, "val_a_accuracy", directory=tmp_path / "right", **QUIET).search(**data)

    assert study.objective.direction == "max"


@pytest.mark.parametrize(
    ("metric", "objective", "direction"),
    [
        (keras.metrics.SparseCategoricalAccuracy(name="score_of_mine"), "val_score_of_mine", "max"),
        (keras.metrics.SparseCategoricalCrossentropy(name="accuracy_of_mine"), "accuracy_of_mine", "min"),
        ("accuracy", "val_loss", "min"),
    ],
    ids=["known by its class", "known by its class against its name", "known by its name"],
)
def test_the_direction_is_known_from_the_metric_or_its_name(tmp_path, iris, metric, objective, direction):
    def build_fn(hp):
        hp.fixed("units", 3)
        return softmax_model(
            metrics=[type(metric).from_config(metric.get_config()) if objective != "val_loss" else metric]
        )

    study = GridSearch(build_fn, objective, directory=tmp_path, **QUIET).search(*iris, validation_split=0.2)

    assert study.objective.direction == direction


def test_an_unknown_direction_is_asked_for_before_training(tmp_path, iris):
    def f1_custom(y_true, y_pred):
        return keras.ops.mean(y_pred)

    trained = []
    watching = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: trained.append(1))
    with pytest.raises(ObjectiveError, match=r'Pass Objective\("f1_custom"'):
        RandomSearch(lambda hp: softmax_model(metrics=[f1_custom]), "f1_custom", directory=tmp_path, **QUIET).search(
            *iris, callbacks=lambda trial: [watching]
        )

    assert trained == []


def test_the_suffix_that_keras_adds_is_accepted(tmp_path, iris):
    def build_fn(hp):
        keras.metrics.SparseCategoricalAccuracy()  # takes the name without a suffix
        hp.fixed("units", 3)
        return softmax_model(metrics=[keras.metrics.SparseCategoricalAccuracy()])

    study = GridSearch(build_fn, "sparse_categorical_accuracy", directory=tmp_path, **QUIET).search(*iris)

    assert study.best.score is not None


def test_a_metric_that_a_callback_logs_can_be_the_objective(tmp_path, iris):
    class Scripted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["f1"] = [0.2, 0.9, 0.4][epoch]

    study = GridSearch(build_one, "f1", directory=tmp_path, **QUIET).search(*iris, epochs=3, callbacks=[Scripted()])

    assert (study.best.score, study.best.best_epoch) == (0.9, 1)


def test_validation_that_comes_less_often_than_epochs_is_scored_where_it_comes(tmp_path, iris):
    study = GridSearch(build_one, "val_loss", directory=tmp_path, **QUIET).search(
        *iris, validation_split=0.2, validation_freq=2, epochs=4
    )

    assert study.best.best_epoch in (1, 3)


def test_a_loss_that_becomes_nan_fails_its_trial_and_stops_it(tmp_path, iris):
    def build_fn(hp):
        rate = hp.choice("rate", [1e-3, 1e30])
        return softmax_model(optimizer=keras.optimizers.SGD(rate))

    study = GridSearch(build_fn, "val_loss", directory=tmp_path, **QUIET).search(*iris, validation_split=0.2, epochs=9)

    assert [trial.state.value for trial in study.trials] == ["completed", "failed"]
    assert study.trials[1].error.type == "Diverged"
    assert len(study.trials[1].curve) < 9


def test_running_out_of_memory_fails_one_trial(tmp_path, iris):
    import tensorflow as tf

    def build_fn(hp):
        if hp.choice("units", [4, 9]) == 9:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return softmax_model()

    study = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(*iris)

    assert [trial.state.value for trial in study.trials] == ["completed", "failed"]
    assert "OOM when allocating" in study.trials[1].error.message


# Kinds of data


@pytest.mark.parametrize("kind", ["dataset", "py_dataset", "generator factory", "dataset factory"])
def test_every_kind_of_data_trains_every_trial(tmp_path, iris, kind):
    import tensorflow as tf

    x, y = iris

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x[50 * index : 50 * (index + 1)], y[50 * index : 50 * (index + 1)]

    def generator():
        while True:
            yield x[:50], y[:50]

    def dataset():
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(50)

    data = {"dataset": dataset(), "py_dataset": Batches(), "generator factory": generator, "dataset factory": dataset}
    steps = {"steps_per_epoch": 3} if kind == "generator factory" else {}
    tuner = GridSearch(lambda hp: softmax_model(hp.choice("units", [3, 4])), "val_loss", directory=tmp_path, **QUIET)
    study = tuner.search(data[kind], validation_data=dataset(), epochs=2, **steps)

    assert [len(trial.curve) for trial in study.trials] == [2, 2]


@pytest.mark.parametrize("form", [list, tuple, dict])
def test_several_inputs_and_outputs_come_in_every_form(tmp_path, iris, form):
    x, y = iris

    def build_fn(hp):
        a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
        both = keras.layers.Concatenate()([a, b])
        heads = [
            keras.layers.Dense(3, activation="softmax", name="c")(both),
            keras.layers.Dense(hp.choice("units", [1]), name="d")(both),
        ]
        inputs = {"a": a, "b": b} if form is dict else [a, b]
        model = keras.Model(inputs, {"c": heads[0], "d": heads[1]} if form is dict else heads)
        losses = ["sparse_categorical_crossentropy", "mse"]
        model.compile("adam", dict(zip("cd", losses, strict=True)) if form is dict else losses)
        return model

    def formed(names, *arrays):
        return dict(zip(names, arrays, strict=True)) if form is dict else form(arrays)

    x, y = formed("ab", x[:, :2], x[:, 2:]), formed("cd", y, x[:, :1])
    study = GridSearch(build_fn, "val_loss", directory=tmp_path, **QUIET).search(x, y, validation_split=0.2)

    assert np.isfinite(study.best.score)


# Afterwards


def test_retraining_uses_the_best_setting_its_seed_and_its_number_of_epochs(tmp_path, iris, build_iris):
    x, y = iris
    tuner = RandomSearch(build_iris, "val_loss", max_trials=2, directory=tmp_path, **QUIET)
    best = tuner.search(x, y, validation_split=0.2, epochs=3).best
    model = tuner.retrain(x, y)

    assert len(model.history.epoch) == best.best_epoch + 1
    assert model.layers[0].units == best.values["units"]


def test_a_fresh_tuner_finds_the_best_model_of_a_study_on_disk(tmp_path, iris, build_iris):
    x, y = iris
    RandomSearch(build_iris, "loss", max_trials=2, keep_models=2, directory=tmp_path, **QUIET).search(x, y)
    tuner = RandomSearch(build_iris, "loss", directory=tmp_path)

    assert [model.layers[0].units for model in tuner.best_models(2)] == [
        trial.values["units"] for trial in Study.open(tmp_path).leaderboard(2)
    ]


def test_building_a_trial_gives_a_compiled_untrained_model(tmp_path, build_iris):
    model = RandomSearch(build_iris).build({"units": 16, "learning_rate": 0.01})

    assert model.compiled
    assert model.layers[0].units == 16
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_the_users_dtype_policy_outlives_a_search(tmp_path, iris):
    policies = []

    def build_fn(hp):
        policies.append(keras.config.dtype_policy().name)
        return softmax_model(hp.choice("units", [3, 4]))

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(*iris)
    finally:
        keras.config.set_dtype_policy("float32")

    assert policies == ["mixed_bfloat16"] * 2


@pytest.mark.drill
def test_paths_of_keras_callbacks_are_kept_apart(tmp_path, iris):
    callbacks = [
        keras.callbacks.TensorBoard(str(tmp_path / "logs")),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "last.weights.h5"), save_weights_only=True),
    ]
    tuner = GridSearch(
        lambda hp: softmax_model(hp.choice("units", [3, 4])), "val_loss", directory=tmp_path / "study", **QUIET
    )
    study = tuner.search(*iris, validation_split=0.2, callbacks=callbacks)

    assert [trial.error for trial in study.trials] == [None, None]
    for number in (0, 1):
        assert list((tmp_path / "logs" / f"trial_{number:04d}").rglob("events*"))
        for name in ("log.csv", "last.weights.h5"):
            assert Path(tmp_path / f"trial_{number:04d}" / name).is_file()
