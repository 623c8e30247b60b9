"""Programs in the manner of KerasTuner's guides and of public code, with the import changed."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

import kerastune_lite
from kerastune_lite.compat import keras_tuner as kt


@pytest.fixture(scope="module")
def data():
    """96 points of the plane in two classes, the last 32 to validate on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 2)).astype("float32")
    y = (x.sum(1) > 0).astype("int32")
    return (x[:64], y[:64]), (x[64:], y[64:])


def build(hp):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(hp.Int("units", 4, 12, step=4), activation=hp.Choice("activation", ["relu", "tanh"])),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def test_a_random_search_finds_trains_and_gives_back(data, tmp_path, capsys):
    (x, y), validation = data
    tuner = kt.RandomSearch(
        build,
        objective="val_accuracy",
        max_trials=2,
        executions_per_trial=2,
        seed=1,
        directory=tmp_path,
        project_name="first",
    )
    tuner.search_space_summary()
    assert tuner.search(x, y, epochs=1, validation_data=validation, verbose=0) is None
    tuner.results_summary(1)

    printed = capsys.readouterr().out
    assert "Default search space size: 3" in printed
    assert "units (Int)" in printed
    assert 'Objective(name="val_accuracy", direction="max")' in printed
    (best,) = tuner.get_best_hyperparameters()
    assert set(best.values) == {"units", "activation", "learning_rate"}
    (model,) = tuner.get_best_models()
    assert model.layers[0].units == best.get("units")
    retrained = tuner.hypermodel.build(best)
    assert retrained.layers[0].units == best["units"]
    trial = tuner.oracle.get_best_trials(1)[0]
    assert trial.trial_id in {"0", "1"}
    assert trial.status == "COMPLETED"
    assert trial.metrics.get_best_value("val_accuracy") == trial.score
    record = tuner.study.best
    assert len(record.scores) == 2
    assert np.isclose(np.mean(record.scores), trial.score)


def test_the_best_model_has_the_best_score(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(build, kt.Objective("val_loss", "min"), max_trials=2, directory=tmp_path)
    tuner.search(x, y, epochs=3, validation_data=validation, verbose=0)

    loss = tuner.get_best_models()[0].evaluate(*validation, verbose=0)[0]

    assert np.isclose(loss, tuner.oracle.get_best_trials()[0].score, rtol=1e-5)
    assert tuner.get_best_step() == tuner.study.best.best_epoch


def test_an_old_name_of_the_accuracy_is_understood_and_told(data, tmp_path, capsys):
    (x, y), validation = data
    tuner = kt.RandomSearch(build, objective="val_acc", max_trials=2, directory=tmp_path)
    tuner.search(x, y, epochs=1, validation_data=validation, verbose=1)

    assert capsys.readouterr().out.count("'val_acc' is taken to be 'val_accuracy'") == 1
    trial = tuner.oracle.get_best_trials()[0]
    assert trial.score == trial.metrics.get_best_value("val_accuracy")


@pytest.mark.drill
def test_several_objectives_are_added_up(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(build, objective=["val_loss", "val_accuracy"], max_trials=2, directory=tmp_path)
    tuner.search(x, y, epochs=1, validation_data=validation, verbose=0)

    metrics = tuner.oracle.get_best_trials()[0].metrics
    expected = metrics.get_best_value("val_loss") - metrics.get_best_value("val_accuracy")
    assert np.isclose(metrics.get_best_value("multi_objective"), expected)


class Tuned(kt.HyperModel):
    """Chooses the batch size beside the model, and whether to shuffle."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, x, y, **kwargs):
        return model.fit(x, y, batch_size=hp.Choice("batch_size", [16, 32]), shuffle=hp.Boolean("shuffle"), **kwargs)


def test_a_hypermodel_chooses_how_it_is_trained(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(Tuned(), objective="val_loss", max_trials=2, directory=tmp_path)
    tuner.search(x, y, epochs=1, validation_data=validation, verbose=0)

    best = tuner.get_best_hyperparameters()[0]
    assert best.get("batch_size") in {16, 32}
    assert {parameter.name for parameter in tuner.oracle.get_space().space} >= {"batch_size", "shuffle", "units"}
    history = tuner.hypermodel.fit(best, tuner.hypermodel.build(best), x, y, epochs=1, verbose=0)
    assert "loss" in history.history


class OwnLoop(kt.HyperModel):
    """Trains by a loop of its own, batch by batch, and calls the callbacks itself; its model isn't compiled."""

    def build(self, hp):
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 2, 6)), keras.layers.Dense(2)])

    def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
        import tensorflow as tf

        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        optimizer, loss_of = keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            with tf.GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            validation_loss = float(loss_of(validation_data[1], model(validation_data[0])))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": validation_loss})
            best = min(best, validation_loss)
        return best


def test_a_training_loop_of_ones_own_tells_its_best_result(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(OwnLoop(), objective=kt.Objective("my_metric", "min"), max_trials=2, directory=tmp_path)
    tuner.search(x=x, y=y, validation_data=validation)

    trial = tuner.oracle.get_best_trials()[0]
    assert trial.score == pytest.approx(min(logs["my_metric"] for logs in tuner.study.best.curve))
    assert len(tuner.study.best.curve) == 2
    assert tuner.get_best_models()[0].predict(x[:1], verbose=0).shape == (1, 2)


class Polynomial(kt.RandomSearch):
    """Optimises without any model."""

    def run_trial(self, trial, *args, **kwargs):
        x = trial.hyperparameters.Float("x", min_value=-1.0, max_value=1.0)
        return x * x + 1


def test_anything_can_be_optimised_by_run_trial(tmp_path):
    tuner = Polynomial(max_trials=8, seed=0, directory=tmp_path, project_name="black_box")
    tuner.search(verbose=0)

    best = tuner.get_best_hyperparameters()[0]["x"]
    assert tuner.oracle.get_best_trials()[0].score == best * best + 1
    assert len(tuner.oracle.trials) == 8


class WithEpochs(kt.BayesianOptimization):
    """Chooses the batch size and the epochs, and leaves the training to the library."""

    def run_trial(self, trial, *args, **kwargs):
        kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 16, 48, step=16)
        kwargs["epochs"] = trial.hyperparameters.Int("epochs", 1, 3)
        return super().run_trial(trial, *args, **kwargs)


@pytest.mark.drill
def test_run_trial_chooses_arguments_of_fit_and_trains_as_usual(data, tmp_path):
    (x, y), validation = data
    tuner = WithEpochs(build, objective="val_loss", max_trials=2, directory=tmp_path)
    tuner.search(x, y, validation_data=validation, verbose=0)

    for trial in tuner.study.trials:
        assert len(trial.curve) == trial.values["epochs"]
        assert "fit" not in trial.engine
    assert len(tuner.get_best_models(2)) == 2


class Folds(kt.Tuner):
    """Validates each setting on several folds, and keeps the last model."""

    def run_trial(self, trial, x, y, epochs=1, **kwargs):
        losses = []
        for train, test in KFold(2).split(x):
            model = self.hypermodel.build(trial.hyperparameters)
            model.fit(x[train], y[train], epochs=epochs, verbose=0)
            losses.append({"val_loss": model.evaluate(x[test], y[test], verbose=0)[0]})
        self.save_model(trial.trial_id, model)
        return losses


@pytest.mark.drill
def test_folds_of_ones_own_are_the_runs_of_a_trial(data, tmp_path):
    (x, y), _ = data
    oracle = kt.oracles.BayesianOptimizationOracle(objective="val_loss", max_trials=1)
    tuner = Folds(oracle=oracle, hypermodel=build, directory=tmp_path)
    tuner.search(x, y, epochs=1)

    assert all(len(trial.scores) == 2 for trial in tuner.study.trials)
    assert tuner.oracle.get_best_trials()[0].score == pytest.approx(np.mean(tuner.study.best.scores))
    assert tuner.get_best_models()[0].predict(x[:1], verbose=0).shape == (1, 2)


class Reporting(kt.Tuner):
    """Reports its metrics in the way of old versions."""

    def run_trial(self, trial, *args, **kwargs):
        score = trial.hyperparameters.Float("x", 0, 1)
        self.oracle.update_trial(trial.trial_id, {"score": score})


def test_metrics_that_are_reported_in_the_old_way_count_with_a_warning(tmp_path):
    oracle = kt.oracles.RandomSearch(objective=kt.Objective("score", "max"), max_trials=2)
    tuner = Reporting(oracle=oracle, directory=tmp_path)

    with pytest.deprecated_call(match="Please remove the call"):
        tuner.search(verbose=0)

    assert tuner.oracle.get_best_trials()[0].score == max(trial.values["x"] for trial in tuner.study.trials)


class Watched(kt.RandomSearch):
    """Writes down when its hooks are called."""

    def __init__(self, *args, **kwargs):
        self.calls = []
        super().__init__(*args, **kwargs)

    def on_trial_begin(self, trial):
        self.calls.append(f"begin {trial.trial_id}")

    def on_epoch_end(self, trial, model, epoch, logs=None):
        self.calls.append(f"epoch {epoch} {'val_loss' in logs}")

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        self.calls.append(f"end {trial.trial_id} {trial.status} {trial.score is not None}")


def test_hooks_of_trials_and_epochs_are_called(data, tmp_path):
    (x, y), validation = data
    tuner = Watched(build, objective="val_loss", max_trials=1, directory=tmp_path)
    tuner.search(x, y, epochs=2, validation_data=validation, verbose=0)

    assert tuner.calls == ["begin 0", "epoch 0 True", "epoch 1 True", "end 0 COMPLETED True"]


@pytest.mark.drill
def test_hyperband_tells_the_epochs_that_the_best_trial_had(data, tmp_path):
    (x, y), validation = data
    tuner = kt.Hyperband(
        build, "val_accuracy", max_epochs=2, factor=2, executions_per_trial=2, directory=tmp_path, project_name="hb"
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=5)
    tuner.search(x, y, epochs=50, validation_data=validation, callbacks=[stop], verbose=0)

    best = tuner.get_best_hyperparameters(num_trials=1)[0]
    assert best.get("tuner/epochs") in {1, 2}
    assert best.get("tuner/bracket") in {0, 1}
    assert {len(trial.curve) for trial in tuner.study.trials} == {1, 2}
    assert {len(trial.scores) for trial in tuner.study.trials} == {2}
    assert tuner.hypermodel.build(best).layers[0].units == best.get("units")


def test_a_grid_takes_the_default_and_ten_values_of_a_float(tmp_path):
    class Grid(kt.GridSearch):
        def run_trial(self, trial, **kwargs):
            hp = trial.hyperparameters
            return hp.Int("i", 1, 2) + hp.Float("f", 0, 1, default=0.3)

    tuner = Grid(directory=tmp_path)
    tuner.search(verbose=0)

    assert len(tuner.oracle.trials) == 2 * 11
    assert tuner.oracle.get_trial("0000").hyperparameters.values == {"i": 1, "f": 0.3}
    assert {round(trial.values["f"], 2) for trial in tuner.study.trials} >= {0.05, 0.15, 0.95}


def test_conditions_and_one_name_with_two_ranges_are_searched(tmp_path):
    class Conditional(kt.RandomSearch):
        def run_trial(self, trial, **kwargs):
            hp = trial.hyperparameters
            model = hp.Choice("model", ["small", "deep"])
            with hp.conditional_scope("model", "small"):
                small = hp.Int("units", 1, 3)
            with hp.conditional_scope("model", "deep"):
                deep = hp.Int("units", 10, 12)
            assert (small is None) == (model == "deep")
            assert (deep is None) == (model == "small")
            return float(small or deep)

    tuner = Conditional(max_trials=20, directory=tmp_path)
    tuner.search(verbose=0)

    tried = {(trial.hyperparameters["model"], trial.hyperparameters["units"]) for trial in tuner.oracle.trials.values()}
    assert tried == {("small", 1), ("small", 2), ("small", 3), ("deep", 10), ("deep", 11), ("deep", 12)}
    assert len(tuner.oracle.trials) == 6


def test_presets_take_the_place_of_ranges_and_pin_values(data, tmp_path):
    (x, y), validation = data
    hp = kt.HyperParameters()
    hp.Fixed("activation", "tanh")
    hp.Float("learning_rate", 0.5, 0.6)
    tuner = kt.RandomSearch(
        build, "val_loss", max_trials=2, hyperparameters=hp, tune_new_entries=False, directory=tmp_path
    )
    tuner.search(x, y, validation_data=validation, verbose=0)

    for trial in tuner.study.trials:
        assert trial.values["activation"] == "tanh"
        assert 0.5 <= trial.values["learning_rate"] <= 0.6
        assert trial.values["units"] == 4
    assert [parameter.name for parameter in tuner.oracle.get_space().space] == ["activation", "learning_rate"]


def test_a_name_that_is_not_in_a_closed_space_is_refused(tmp_path):
    hp = kt.HyperParameters()
    hp.Int("units", 4, 8)

    with pytest.raises(RuntimeError, match=r"`allow_new_entries` is `False`.*activation"):
        kt.RandomSearch(build, "val_loss", hyperparameters=hp, allow_new_entries=False, directory=tmp_path)
    with pytest.raises(ValueError, match="nothing to tune"):
        kt.RandomSearch(build, "val_loss", tune_new_entries=False, directory=tmp_path)


class Failing(kt.GridSearch):
    """Fails with some values."""

    error = ValueError

    def run_trial(self, trial, **kwargs):
        value = trial.hyperparameters.Int("value", 1, 5)
        self.begun = getattr(self, "begun", 0) + 1
        if value in (2, 3):
            raise self.error(f"value {value}")
        return value


def test_errors_are_tried_again_and_fail_their_trial(tmp_path, capsys):
    tuner = Failing(max_retries_per_trial=2, directory=tmp_path)
    tuner.search()

    assert tuner.begun == 3 + 2 * 3
    assert [trial.status for trial in tuner.oracle.trials.values()].count("FAILED") == 2
    assert "2 retries left" in capsys.readouterr().out
    assert "value 2" in tuner.oracle.get_trial("0001").message


def test_a_trial_that_is_given_up_is_not_tried_again(tmp_path):
    class GivenUp(Failing):
        error = kt.errors.FailedTrialError

    tuner = GivenUp(max_retries_per_trial=2, directory=tmp_path)
    tuner.search(verbose=0)

    assert tuner.begun == 5


def test_a_fatal_error_ends_the_search_as_it_is(tmp_path):
    class Fatal(Failing):
        error = kt.errors.FatalValueError

    tuner = Fatal(max_retries_per_trial=2, directory=tmp_path)

    with pytest.raises(kt.errors.FatalError, match="value 2"):
        tuner.search(verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED", "RUNNING"]


def test_too_many_failures_in_a_row_end_the_search(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(build, "val_loss", max_model_size=4, directory=tmp_path)

    with pytest.raises(RuntimeError, match=r"(?s)Number of consecutive failures exceeded the limit of 3.*Oversized"):
        tuner.search(x, y, validation_data=validation, verbose=0)


def test_a_search_is_continued_by_a_tuner_of_its_kind_alone(tmp_path, capsys):
    first = Polynomial(max_trials=2, directory=tmp_path)
    first.search(verbose=0)

    again = Polynomial(max_trials=5, directory=tmp_path)
    assert "Reloading Tuner" in capsys.readouterr().out
    assert len(again.oracle.trials) == 2
    assert again.remaining_trials == 3
    again.search(verbose=0)
    assert len(again.oracle.trials) == 5
    with pytest.raises(RuntimeError, match="pass `overwrite=True`"):
        kt.Hyperband(build, "val_loss", directory=tmp_path)
    anew = Polynomial(max_trials=1, directory=tmp_path, overwrite=True)
    assert anew.oracle.trials == {}
    anew.search(verbose=0)
    assert len(anew.oracle.trials) == 1


def test_models_are_compiled_with_the_tuners_own_optimizer_loss_and_metrics(data, tmp_path):
    (x, y), _ = data
    tuner = kt.RandomSearch(
        build,
        "val_mae",
        max_trials=1,
        optimizer=keras.optimizers.SGD(0.01),
        loss="mse",
        metrics=["mae"],
        directory=tmp_path,
    )
    targets = keras.utils.to_categorical(y)
    tuner.search(x, targets, validation_split=0.25, verbose=0)

    model = tuner.get_best_models()[0]
    assert type(model.optimizer).__name__ == "SGD"
    assert model.loss == "mse"


def test_scikit_learns_estimators_are_cross_validated(data, tmp_path):
    (x, y), _ = data
    tuner = kt.SklearnTuner(
        oracle=kt.oracles.BayesianOptimizationOracle(objective=kt.Objective("score", "max"), max_trials=3),
        hypermodel=lambda hp: LogisticRegression(C=hp.Float("C", 1e-3, 10, sampling="log")),
        cv=KFold(3),
        directory=tmp_path,
    )
    tuner.search(x, y)

    assert len(tuner.oracle.trials) == 3
    assert tuner.get_best_models()[0].score(x, y) > 0.8


def test_settings_without_a_meaning_are_told(tmp_path):
    with pytest.warns(UserWarning, match="no use for alpha and beta"):
        kt.BayesianOptimization(build, "val_loss", alpha=1e-3, beta=2.6, directory=tmp_path)
    with pytest.deprecated_call(match="logger"):
        kt.RandomSearch(build, "val_loss", logger=1, directory=tmp_path)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda where: kt.RandomSearch(build, "val_loss", trials=3, directory=where), ValueError, "Unrecognized arg"),
        (lambda where: kt.RandomSearch(build, "my_metric", directory=where), ValueError, "Could not infer optim"),
        (lambda where: kt.RandomSearch("build", "val_loss", directory=where), ValueError, "should be either a call"),
        (lambda where: kt.RandomSearch(objective="val_loss", directory=where), ValueError, "Received `hypermodel=No"),
        (lambda where: kt.Tuner("oracle", build, directory=where), ValueError, "to be an instance of `Oracle`"),
        (lambda where: kt.Hyperband(build, "val_loss", factor=1, directory=where), ValueError, "factor needs"),
        (lambda where: kt.applications.HyperResNet(), NotImplementedError, "Take it from KerasTuner itself"),
    ],
)
def test_what_can_not_be_offered_is_refused_at_once(make, error, words, tmp_path):
    with pytest.raises(error, match=words):
        make(tmp_path)


def test_a_parallel_search_by_chief_and_workers_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")

    with pytest.raises(RuntimeError, match="workers=4"):
        kt.RandomSearch(build, "val_loss", directory=tmp_path)


def test_an_oracle_that_chooses_itself_is_a_strategy(tmp_path):
    class Countdown(kt.Oracle):
        def populate_space(self, trial_id):
            if int(trial_id) == 3:
                return {"status": "STOPPED"}
            return {"status": "RUNNING", "values": {"x": 3 - int(trial_id)}}

    class Counted(kt.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, **kwargs):
            return trial.hyperparameters.Int("x", 0, 9)

    tuner = Counted(Countdown(), directory=tmp_path)
    tuner.search(verbose=0)

    assert [trial.score for trial in tuner.oracle.trials.values()] == [3, 2, 1]
    with pytest.raises(NotImplementedError, match="strategy="):
        tuner.oracle.create_trial("tuner0")


@pytest.mark.drill
def test_the_librarys_own_settings_pass_through(data, tmp_path):
    (x, y), validation = data
    seen = []
    tuner = kt.RandomSearch(
        build,
        "val_loss",
        max_trials=50,
        directory=tmp_path,
        engine="fit",
        views=[lambda event, study: seen.append(type(event).__name__)],
    )
    tuner.search(x, y, validation_data=validation, max_epochs_total=2, verbose=0)

    assert len(tuner.study.trials) == 2
    assert "TrialEnded" in seen


def write_project(folder, trials):
    """A project as KerasTuner 1.4 writes it."""
    space = [
        {
            "class_name": "Int",
            "config": {
                "name": "units",
                "default": None,
                "conditions": [],
                "min_value": 4,
                "max_value": 12,
                "step": 4,
                "sampling": "linear",
            },
        },
        {
            "class_name": "Float",
            "config": {
                "name": "rate",
                "default": 0.001,
                "conditions": [
                    {"class_name": "Parent", "config": {"name": "units", "values": [8, 12]}},
                ],
                "min_value": 0.001,
                "max_value": 0.1,
                "step": None,
                "sampling": "log",
            },
        },
    ]
    folder.mkdir(parents=True)
    names = [f"{number}" for number in range(len(trials))]
    state = {"hyperparameters": {"space": space, "values": {"units": 4}}, "start_order": names, "seed": 3}
    (folder / "oracle.json").write_text(json.dumps(state))
    for name, (values, score) in zip(names, trials, strict=True):
        metrics = {
            metric: {"direction": "min", "observations": [{"value": [value], "step": 2}]}
            for metric, value in (("loss", 0.5), ("val_loss", score))
            if score is not None
        }
        trial = {
            "trial_id": name,
            "hyperparameters": {"space": space, "values": values},
            "metrics": {"metrics": metrics},
            "score": score,
            "best_step": None if score is None else 2,
            "status": "INVALID" if score is None else "COMPLETED",
            "message": "Traceback\nValueError: no memory" if score is None else None,
        }
        (folder / f"trial_{name}").mkdir()
        (folder / f"trial_{name}" / "trial.json").write_text(json.dumps(trial))


TRIALS = [({"units": 8, "rate": 0.01}, 0.4), ({"units": 4}, 0.3), ({"units": 12, "rate": 0.002}, None)]


def test_a_project_that_keras_tuner_wrote_is_a_study(tmp_path):
    write_project(tmp_path / "old", TRIALS)

    study = kerastune_lite.Study.from_keras_tuner(tmp_path / "old")

    assert study.objective == kerastune_lite.Objective("val_loss", "min")
    assert study.best.values == {"units": 4}
    assert study.best.best_epoch == 2
    assert study.trial(0).curve[2] == {"loss": 0.5, "val_loss": 0.4}
    assert str(study.trial(2).error) == "Failed: ValueError: no memory"
    assert not (tmp_path / "old" / "journal.jsonl").exists()


def test_the_trials_of_a_project_seed_a_new_search(tmp_path):
    write_project(tmp_path / "old", TRIALS)
    kerastune_lite.Study.from_keras_tuner(tmp_path / "old", directory=tmp_path / "new")

    def build_fn(hp):
        units = hp.int("units", 4, 12, step=4)
        return 0.1 * units + (hp.float("rate", 0.001, 0.1, log=True) if units > 4 else 0.0)

    tuner = kerastune_lite.RandomSearch(build_fn, "val_loss", max_trials=5, directory=tmp_path / "new", verbose=0)
    study = tuner.search()

    assert len(study.trials) == 5
    assert study.best.number == 1
    with pytest.raises(kerastune_lite.StudyError, match="holds a study already"):
        kerastune_lite.Study.from_keras_tuner(tmp_path / "old", directory=tmp_path / "new")


def test_a_project_of_keras_tuner_is_continued_where_it_lies(tmp_path, capsys):
    write_project(tmp_path / "old", TRIALS)

    class Units(kt.RandomSearch):
        def run_trial(self, trial, **kwargs):
            return {"val_loss": float(trial.hyperparameters.Int("units", 4, 12, step=4))}

    tuner = Units(objective="val_loss", max_trials=4, directory=tmp_path, project_name="old")
    assert "Reloading Tuner" in capsys.readouterr().out
    assert len(tuner.oracle.trials) == 3
    tuner.search(verbose=0)

    assert len(tuner.oracle.trials) == 4
    assert tuner.oracle.get_best_trials()[0].score == 0.3


def test_what_is_no_project_is_told(tmp_path):
    with pytest.raises(kerastune_lite.StudyError, match=r"holds no oracle\.json"):
        kerastune_lite.Study.from_keras_tuner(tmp_path)
    write_project(tmp_path / "old", [({"units": 4}, None)])
    with pytest.raises(kerastune_lite.StudyError, match="objective='val_loss'"):
        kerastune_lite.Study.from_keras_tuner(tmp_path / "old")


def test_the_result_of_a_trial_is_what_its_best_epochs_have():
    utils, objective = kt.engine.tuner_utils, kt.Objective("val_loss", "min")
    histories = [{"val_loss": [3.0, 1.0, 2.0], "loss": [9.0, 8.0, 7.0]}, {"val_loss": [5.0, 4.0], "loss": [6.0, 2.0]}]

    assert utils.convert_to_metrics_dict(histories, objective) == {"val_loss": 2.5, "loss": 5.0}
    assert utils.get_best_step(histories, objective) == 1
    with pytest.raises(kt.errors.FatalValueError, match="to have the objective 'val_loss'"):
        utils.validate_trial_results({"loss": 1.0}, objective, "Tuner.run_trial()")


def test_the_modules_that_code_imports_from_are_there():
    from kerastune_lite.compat.keras_tuner.engine.hypermodel import HyperModel
    from kerastune_lite.compat.keras_tuner.engine.hyperparameters import HyperParameters
    from kerastune_lite.compat.keras_tuner.engine.multi_execution_tuner import MultiExecutionTuner
    from kerastune_lite.compat.keras_tuner.engine.trial import TrialStatus
    from kerastune_lite.compat.keras_tuner.oracles import BayesianOptimization
    from kerastune_lite.compat.keras_tuner.tuners import Sklearn
    from kerastune_lite.compat.keras_tuner.tuners.hyperband import Hyperband

    assert (HyperModel, HyperParameters, Hyperband) == (kt.HyperModel, kt.HyperParameters, kt.Hyperband)
    assert (MultiExecutionTuner, Sklearn) == (kt.Tuner, kt.SklearnTuner)
    assert BayesianOptimization is kt.oracles.BayesianOptimizationOracle
    assert TrialStatus.COMPLETED == "COMPLETED"
    assert kt.__version__ == kerastune_lite.__version__


def test_a_trial_comes_back_from_its_file(tmp_path):
    hp = kt.HyperParameters()
    hp.Int("units", 1, 4)
    trial = kt.engine.trial.Trial(hp, "007", "COMPLETED")
    for step, loss in enumerate([0.5, 0.25, 0.75]):
        trial.metrics.update("val_loss", loss, step)
    trial.score, trial.best_step = 0.25, 1
    trial.save(tmp_path / "trial.json")

    again = kt.engine.trial.Trial.load(tmp_path / "trial.json")

    assert again.get_state() == trial.get_state()
    assert again.metrics.get_best_value("val_loss") == 0.25
    assert again.metrics.get_best_step("val_loss") == 1
    assert again.metrics.get_last_value("val_loss") == 0.75
    assert again.metrics.get_statistics("val_loss") == {"min": 0.25, "max": 0.75, "mean": 0.5, "median": 0.5}


def test_weights_that_keras_tuner_kept_are_given_back(data, tmp_path):
    (x, _), _ = data
    write_project(tmp_path / "old", [({"units": 8, "rate": 0.01}, 0.4)])

    def build_linear(hp):
        units = hp.Int("units", 4, 12, step=4)
        hp.Float("rate", 0.001, 0.1, sampling="log", parent_name="units", parent_values=[8, 12])
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    hp = kt.HyperParameters()
    hp.values["units"] = 8
    trained = build_linear(hp)
    trained.save_weights(tmp_path / "old" / "trial_0" / "checkpoint.weights.h5")
    tuner = kt.RandomSearch(build_linear, "val_loss", max_trials=1, directory=tmp_path, project_name="old")

    (model,) = tuner.get_best_models()

    assert np.allclose(model.predict(x, verbose=0), trained.predict(x, verbose=0))


@pytest.mark.drill
def test_trials_of_the_layer_run_in_worker_processes(data, tmp_path):
    (x, y), validation = data
    tuner = kt.RandomSearch(Tuned(), objective="val_loss", max_trials=4, workers=2, directory=tmp_path)
    tuner.search(x, y, epochs=2, validation_data=validation, verbose=0)

    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 4
    assert {parameter.name for parameter in tuner.oracle.get_space().space} >= {"batch_size", "shuffle", "units"}
    assert len(tuner.get_best_models(4)) == 4
