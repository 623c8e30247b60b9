"""Situations that users of other tuners reported, each with the right outcome; the reference names the report."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerastune_lite import (
    BayesianOptimization,
    CallbackError,
    FailedTrial,
    GridSearch,
    Objective,
    RandomSearch,
    SpaceError,
    Study,
    StudyMismatchError,
    TooManyFailuresError,
    TrialState,
)

QUIET = {"verbose": 0, "seed": 0}
EVERY_TUNER = pytest.mark.parametrize("tuner", [RandomSearch, GridSearch, BayesianOptimization])


@pytest.fixture(scope="module")
def diabetes():
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return x.astype("float32"), (y / 100.0).astype("float32")


def softmax_model(*hidden, **compile_arguments):
    model = keras.Sequential([*hidden, keras.layers.Dense(3, activation="softmax")])
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(**settings | compile_arguments)
    return model


def number_of(values):
    """A score for a search over values alone."""
    return float(sum(len(str(value)) for value in values))


@EVERY_TUNER
@pytest.mark.parametrize("declared", [False, True])
def test_a_child_of_a_condition_is_recorded_where_it_was_asked_for(tmp_path, tuner, declared):
    """keras-tuner#614: KeyError for the child of a conditional hyperparameter."""
    asked = []

    def build_fn(hp):
        layers = hp.int("layers", 0, 2)
        seen = {"layers": layers}
        for index in range(2):
            if declared:
                with hp.when("layers", list(range(index + 1, 3))) as active:
                    units = hp.choice(f"units_{index}", [4, 8])
            else:
                active = layers > index
                units = hp.choice(f"units_{index}", [4, 8]) if active else None
            if active:
                seen[f"units_{index}"] = units
        asked.append(seen)
        return number_of(seen.values())

    study = tuner(build_fn, max_trials=10, directory=tmp_path, **QUIET).search()

    assert [dict(trial.values) for trial in study.trials] == asked
    assert len(study.trials) == 7
    assert all(trial.state is TrialState.COMPLETED for trial in study.trials)


@EVERY_TUNER
def test_every_kind_works_under_a_condition(tmp_path, tuner):
    """keras-tuner#341: inside a conditional scope only Choice worked."""

    def build_fn(hp):
        hp.int("layers", 1, 2)
        with hp.when("layers", 2):
            hp.float("stepped", 0.0, 0.5, step=0.25)
            hp.float("plain", 0.0, 0.5)
            hp.choice("one", [0.1])
            hp.fixed("fixed", 3)
            hp.boolean("flag")
        return number_of(hp.values.values())

    study = tuner(build_fn, max_trials=12, directory=tmp_path, **QUIET).search()

    assert {len(trial.values) for trial in study.trials} == {1, 6}


def test_only_different_settings_are_trained(tmp_path, capsys):
    """keras-tuner#228, #321: the same net was trained repeatedly because unused values differed."""

    def build_fn(hp):
        return number_of([hp.choice(f"units_{i}", [4, 8]) for i in range(hp.int("n", 1, 2))])

    study = RandomSearch(build_fn, max_trials=30, directory=tmp_path, seed=0).search()

    assert len({json.dumps(dict(trial.values)) for trial in study.trials}) == len(study.trials) == 6
    assert "the space is used up" in capsys.readouterr().out


def test_a_range_that_depends_on_another_value_is_refused_with_the_way_to_say_it(tmp_path):
    """keras-tuner#907: the second value always came back as the first-seen one."""

    def build_fn(hp):
        a = hp.int("a", 50, 1000, step=32)
        return float(hp.int("b", int(0.6 * a), a, step=32))

    with pytest.raises(SpaceError, match=r"(?s)'b' was asked for as .* and now as .*ask for a ratio"):
        RandomSearch(build_fn, max_trials=10, directory=tmp_path, **QUIET).search()


def test_a_name_used_twice_with_other_ranges_is_refused_before_training(tmp_path, diabetes):
    """keras-tuner#567: one name reused for three layers with different ranges."""

    def build_fn(hp):
        layers = [keras.layers.Dense(hp.int("units", 30, 50)), keras.layers.Dense(hp.int("units", 20, 50))]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    with pytest.raises(SpaceError, match=r"low=30, high=50.*low=20, high=50"):
        RandomSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(*diabetes)


def test_a_wrong_objective_is_told_with_the_names_that_exist_before_more_trials(tmp_path, diabetes):
    """keras-tuner#567: objective 'accuracy' on a regression failed after the first training."""

    def build_fn(hp):
        model = keras.Sequential([keras.layers.Dense(hp.int("units", 2, 5)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    with pytest.raises(ValueError, match=r"doesn't report the objective 'accuracy'. It reports: loss"):
        RandomSearch(build_fn, "accuracy", directory=tmp_path, **QUIET).search(*diabetes, epochs=3)
    assert len(Study.open(tmp_path).trials) == 1


@EVERY_TUNER
def test_the_step_of_a_float_is_kept(tmp_path, tuner):
    """keras-tuner#61."""

    def build_fn(hp):
        value = hp.float("b", 0, 2, step=0.5)
        assert value in {0.0, 0.5, 1.0, 1.5, 2.0}
        return value

    study = tuner(build_fn, max_trials=10, directory=tmp_path, **QUIET).search()

    assert sorted(trial.score for trial in study.trials) == [0.0, 0.5, 1.0, 1.5, 2.0]


@EVERY_TUNER
@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda hp: hp.int("u", 4, 64, step=2, log=True), [4, 8, 16, 32, 64]),
        (lambda hp: hp.float("u", 1e-4, 1e-1, step=10, log=True), [0.0001, 0.001, 0.01, 0.1]),
        (lambda hp: hp.int("u", 3, 10, step=4), [3, 7]),
        (lambda hp: hp.quniform("u", 0.0, 1.0, 0.3), [0.0, 0.3, 0.6, 0.9]),
    ],
    ids=["powers of two", "decades", "a step that doesn't divide", "no rounding dust"],
)
def test_steps_give_exactly_their_points(tmp_path, tuner, ask, expected):
    """keras-tuner#716, #685, #715, PR#725, PR#734."""
    study = tuner(lambda hp: float(ask(hp)), max_trials=20, directory=tmp_path, **QUIET).search()
    values = sorted(trial.values["u"] for trial in study.trials)

    assert values == expected
    assert {type(value) for value in values} == {type(expected[0])}


def test_booleans_stay_booleans_everywhere(tmp_path):
    """keras-tuner#305: True and False came back as 1 and 0."""
    seen = []

    def build_fn(hp):
        seen.extend([hp.choice("flag", [True, False]), hp.boolean("b")])
        return number_of(seen)

    GridSearch(build_fn, directory=tmp_path, **QUIET).search()
    read = [value for trial in Study.open(tmp_path).trials for value in trial.values.values()]

    assert read == seen
    assert all(value is True or value is False for value in read + seen)
    assert '"flag": true' in (tmp_path / "journal.jsonl").read_text()


@EVERY_TUNER
def test_a_space_of_one_setting_takes_one_trial(tmp_path, tuner):
    """keras-tuner#606, #237."""

    def build_fn(hp):
        return float(hp.choice("u", [8]) + hp.int("n", 1, 1))

    assert len(tuner(build_fn, max_trials=100, directory=tmp_path, **QUIET).search().trials) == 1


def test_a_training_loop_of_ones_own_may_report_the_objective(tmp_path, iris):
    """keras-tuner#631: 'Unknown metric: loss' for a model with its own train_step."""

    class OwnSteps(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, data):
            return {"loss": keras.ops.mean(self(data[0]) ** 2)}

        def test_step(self, data):
            return {"loss": keras.ops.mean(self(data[0]) ** 2)}

    def build_fn(hp):
        hp.choice("units", [1])
        model = OwnSteps()
        model.compile(optimizer="adam")
        return model

    tuner = GridSearch(build_fn, "val_loss", directory=tmp_path, **QUIET)
    study = tuner.search(*iris, validation_split=0.2)

    assert np.isfinite(study.best.score)


def test_scores_that_are_not_finite_fail_their_trial_and_never_reach_the_model(tmp_path, diabetes):
    """keras-tuner#367, #1032, autokeras#1091: NaN or infinity made the Bayesian search crash, hours later."""
    x, y = diabetes

    def build_fn(hp):
        model = keras.Sequential([keras.layers.Dense(hp.int("units", 1, 8)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.choice("rate", [1e-3, 1e30])), loss="mse")
        return model

    tuner = BayesianOptimization(build_fn, max_trials=12, max_failures_in_a_row=12, directory=tmp_path, **QUIET)
    study = tuner.search(x, y, validation_split=0.2)
    failed = {trial.values["rate"] for trial in study.trials if trial.state is TrialState.FAILED}

    assert len(study.trials) == 12
    assert failed == {1e30}
    assert np.isfinite(study.best.score)
    assert study.best.values["rate"] == 1e-3


def test_settings_that_cannot_be_built_fail_and_the_rest_run(tmp_path):
    """keras-tuner#296, PR#761: pooling shrinks the image to nothing."""

    def build_fn(hp):
        layers = [keras.layers.MaxPool2D() for _ in range(hp.int("pools", 1, 5))]
        return softmax_model(keras.Input((8, 8, 1)), *layers, keras.layers.Flatten())

    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype("float32")
    study = RandomSearch(build_fn, "loss", max_trials=10, directory=tmp_path, **QUIET).search(x, np.arange(30) % 3)
    states = {trial.values["pools"]: trial.state.value for trial in study.trials}

    assert states == {1: "completed", 2: "completed", 3: "completed", 4: "failed", 5: "failed"}
    assert all(trial.error.message for trial in study.trials if trial.state is TrialState.FAILED)


def test_a_search_in_which_everything_fails_ends_with_an_error(tmp_path):
    """keras-tuner#296."""

    def build_fn(hp):
        raise ValueError(f"{hp.int('n', 1, 9)} is too many")

    with pytest.raises(TooManyFailuresError, match="is too many"):
        RandomSearch(build_fn, directory=tmp_path, **QUIET).search()


def test_models_that_are_too_large_are_skipped_and_counted(tmp_path, capsys):
    """keras-tuner#175, #989, #764: the search stopped after a few models above the limit."""

    def build_fn(hp):
        if hp.int("units", 1, 100) > 30:
            raise FailedTrial("more than 2000 parameters")
        return 1.0

    study = RandomSearch(build_fn, max_trials=10, directory=tmp_path, seed=0).search()
    failed = sum(trial.state is TrialState.FAILED for trial in study.trials)

    assert failed >= 4
    assert f"{failed} failed, 10 completed" in capsys.readouterr().out


def test_a_callback_with_a_lock_and_an_open_file_is_told_how_to_be_passed(tmp_path, iris):
    """keras-tuner#392, #574."""
    import threading

    class Holding(keras.callbacks.Callback):
        def __init__(self, file):
            super().__init__()
            self.lock, self.file = threading.Lock(), file

    with open(tmp_path / "log", "w") as file:
        tuner = GridSearch(
            lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [3]))), "loss", directory=tmp_path, **QUIET
        )
        with pytest.raises(CallbackError, match="Holding can't be copied"):
            tuner.search(*iris, callbacks=[Holding(file)])
        assert len(tuner.search(*iris, callbacks=lambda trial: [Holding(file)]).trials) == 1


def test_two_spaces_in_one_directory_are_not_mixed_silently(tmp_path):
    """keras-tuner#290, #469, #530, #149."""
    RandomSearch(lambda hp: float(hp.int("units", 4, 8)), max_trials=2, directory=tmp_path, **QUIET).search()

    def second(**arguments):
        return RandomSearch(lambda hp: float(hp.choice("width", [1, 2])), directory=tmp_path, **QUIET, **arguments)

    with pytest.raises(StudyMismatchError, match="overwrite=True"):
        second().search()
    assert [list(trial.values) for trial in second(overwrite=True).search().trials] == [["width"], ["width"]]


@pytest.mark.drill
def test_the_disk_holds_no_more_than_the_best_models(tmp_path, iris):
    """keras-tuner#172, #288, #481: checkpoints filled the disk."""
    sizes = []

    def build_fn(hp):
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "models").glob("*")))
        return softmax_model(keras.layers.Dense(hp.int("units", 500, 520)))

    GridSearch(build_fn, "loss", max_trials=5, directory=tmp_path, **QUIET).search(*iris)

    assert max(sizes) < 2 * sizes[1]


def test_class_weights_count(tmp_path, iris):
    """keras-tuner#297, #307."""
    scores = []
    for name, weights in (("a", {0: 50.0, 1: 1.0, 2: 1.0}), ("b", None)):
        tuner = GridSearch(
            lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [3]))),
            "loss",
            directory=tmp_path / name,
            **QUIET,
        )
        scores.append(tuner.search(*iris, class_weight=weights).best.score)

    assert scores[0] > 2 * scores[1]


def test_a_dataframe_has_a_row_a_trial_with_nan_where_inactive(tmp_path, iris):
    """keras-tuner#526, #737, #183, #236, #271."""

    def build_fn(hp):
        if hp.boolean("deep"):
            return softmax_model(keras.layers.Dense(hp.choice("units", [2, 3])))
        return softmax_model()

    tuner = GridSearch(build_fn, "val_loss", executions_per_trial=2, directory=tmp_path, **QUIET)
    study = tuner.search(*iris, validation_split=0.2, epochs=3)
    frame = study.to_dataframe()

    assert frame["units"].isna().tolist() == [True, False, False]
    assert frame["state"].tolist() == ["completed"] * 3
    assert frame["score"].tolist() == [trial.score for trial in study.trials]
    assert frame[["seconds", "started", "ended"]].notna().all(axis=None)
    assert [[len(curve) for curve in trial.curves] for trial in study.trials] == [[3, 3]] * 3


@pytest.mark.drill
def test_the_best_models_file_outlives_later_trials(tmp_path, iris):
    """keras-tuner#337, #309: the best epoch's checkpoint had been deleted."""

    def build_fn(hp):
        rate = hp.choice("rate", [0.0, 0.0001, 0.05, 0.001, 0.0002, 1e-9])
        return softmax_model(optimizer=keras.optimizers.Adam(rate))

    tuner = GridSearch(build_fn, "val_loss", keep_models=2, directory=tmp_path, **QUIET)
    study = tuner.search(*iris, validation_split=0.2, epochs=2)

    assert study.best.number == 2
    assert len(tuner.best_models(2)) == 2
    x, y = iris
    assert tuner.best_model().evaluate(x[120:], y[120:], verbose=0)[0] == pytest.approx(study.best.score, abs=1e-6)


def test_two_choices_of_one_layer_keep_their_values_apart(tmp_path):
    """hyperas#14."""
    seen = []

    def build_fn(hp):
        layer = keras.layers.Conv2D(hp.int("filters", 10, 20), hp.int("kernel", 1, 5))
        seen.append((layer.filters, layer.kernel_size[0]))
        return 0.0

    RandomSearch(build_fn, max_trials=5, directory=tmp_path, **QUIET).search()

    assert all(10 <= filters <= 20 and 1 <= kernel <= 5 for filters, kernel in seen)


def test_early_stopping_begins_afresh_in_every_trial(tmp_path, iris):
    """keras#20521: one EarlyStopping kept its `best` from the training before."""

    def build_fn(hp):
        return softmax_model(optimizer=keras.optimizers.Adam(hp.choice("rate", [0.1, 1e-6, 1e-7])))

    stopping = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    study = GridSearch(build_fn, "loss", directory=tmp_path, **QUIET).search(*iris, epochs=3, callbacks=[stopping])

    assert [len(trial.curve) for trial in study.trials] == [3, 3, 3]


def test_validation_data_with_weights_is_passed_on(tmp_path, iris):
    """scikeras#289."""
    x, y = iris
    tuner = GridSearch(
        lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [3]))), "val_loss", directory=tmp_path, **QUIET
    )
    weighted = tuner.search(x, y, validation_data=(x[:9], y[:9], np.zeros(9, "float32"))).best

    assert weighted.score == 0.0


def test_best_and_order_follow_the_direction(tmp_path, iris):
    """keras-tuner#693: 'best so far' stuck at the first score."""
    scripted = {0: 0.3, 1: 0.5, 2: 0.9, 3: 0.1}

    def callbacks(trial):
        class Script(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["val_accuracy"] = scripted[trial.number]

        return [Script()]

    tuner = GridSearch(
        lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [2, 3, 4, 5]))),
        "val_accuracy",
        directory=tmp_path,
        **QUIET,
    )
    study = tuner.search(*iris, validation_split=0.2, callbacks=callbacks)

    assert [trial.number for trial in study.leaderboard()] == [2, 1, 0, 3]
    with pytest.raises(StudyMismatchError, match="its objective is 'val_accuracy'"):
        RandomSearch(tuner.build_fn, Objective("val_loss"), directory=tmp_path, **QUIET).search(
            *iris, validation_split=0.2
        )


def test_build_fn_may_use_globals_helpers_and_closures_of_a_notebook_cell(tmp_path):
    """hyperas#168, #87, #178: copying the source lost names, helpers and data."""
    cell = (
        "from kerastune_lite import GridSearch\n"
        "FACTOR = 2.0\n"
        "def helper(value): return FACTOR * value\n"
        "def outer(data):\n"
        "    return lambda hp: helper(hp.choice('u', [3])) + len(data)\n"
        f"study = GridSearch(outer([1]), directory={str(tmp_path)!r}, verbose=0).search()\n"
    )
    names = {}
    exec(cell, names)

    assert names["study"].best.score == 7.0


def test_ctrl_c_in_a_callback_leaves_the_finished_trials_usable(tmp_path, iris):
    """keras-tuner#704, #254."""

    class Pressing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    tuner = GridSearch(
        lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [2, 3, 4]))), "loss", directory=tmp_path, **QUIET
    )
    with pytest.raises(KeyboardInterrupt):
        tuner.search(*iris, callbacks=lambda trial: [Pressing()] if trial.number == 2 else [])

    assert tuner.best_model().built
    assert [trial.state.value for trial in tuner.study.trials] == ["completed", "completed", "interrupted"]
    assert [trial.state.value for trial in tuner.search(*iris).trials] == ["completed"] * 3


@pytest.mark.drill
def test_every_third_build_and_every_fifth_loss_may_fail(tmp_path, iris):
    """The whole search completes, with the errors in the records."""
    builds = []

    def build_fn(hp):
        hp.float("x", 0.0, 1.0)
        builds.append(1)
        if len(builds) % 3 == 0:
            raise RuntimeError("every third build")
        return softmax_model(loss=lambda y, p: keras.ops.mean(p) * (np.nan if len(builds) % 5 == 0 else 1.0))

    study = RandomSearch(build_fn, "loss", max_trials=15, directory=tmp_path, **QUIET).search(*iris)
    errors = [trial.error.type if trial.error else None for trial in study.trials]

    assert [error == "RuntimeError" for error in errors] == [n % 3 == 0 for n in range(1, 16)]
    assert [error == "Diverged" for error in errors] == [n % 5 == 0 and n % 3 != 0 for n in range(1, 16)]


def test_fits_own_verbosity_is_apart_from_the_tuners(tmp_path, iris, capsys):
    """keras-tuner#221, #569."""
    tuner = GridSearch(
        lambda hp: softmax_model(keras.layers.Dense(hp.choice("u", [2]))), "loss", directory=tmp_path, **QUIET
    )
    tuner.search(*iris, verbose=2)
    out = capsys.readouterr().out

    assert "5/5 - " in out
    assert "trial" not in out


def test_show_tells_a_finished_study_without_tensorflow(tmp_path):
    RandomSearch(lambda hp: hp.float("x", 0.0, 1.0), max_trials=3, directory=tmp_path, **QUIET).search()
    program = (
        "import sys; from kerastune_lite.cli import main; main(['show', sys.argv[1]]); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True).stdout

    assert "trials     3: 3 completed" in shown
