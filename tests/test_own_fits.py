"""Builders with a fit of their own: what it returns is the score, and the model that is kept has it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold

from kerastune_lite import GridSearch, Hyperband, Objective
from kerastune_lite.errors import BuildError, NoResultError, ObjectiveError

CROSSENTROPY = "sparse_categorical_crossentropy"
QUIET = {"verbose": 0, "seed": 0}

_x, _y = load_iris(return_X_y=True)
_order = np.random.default_rng(0).permutation(len(_x))
X, Y = _x[_order].astype("float32"), _y[_order].astype("int32")
TRAIN, VALIDATION = (X[:100], Y[:100]), (X[100:], Y[100:])


def compiled(model, rate=0.05, metrics=None):
    # Eagerly: a few steps of a small model take less time than their tracing would.
    model.compile(keras.optimizers.Adam(rate), CROSSENTROPY, metrics=metrics, run_eagerly=True)
    return model


def classifier(units, **settings):
    layers = [keras.Input((4,)), keras.layers.Dense(units, activation="relu")]
    return compiled(keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")]), **settings)


def builder(fit, metrics=None):
    """An object with a build of two settings, and this fit."""

    class Builder:
        def build(self, hp):
            return classifier(hp.choice("units", [4, 8]), metrics=metrics)

    Builder.fit = staticmethod(fit)
    return Builder()


def searched(fit, directory, objective="val_loss", *, metrics=None, epochs=3, **settings):
    """The tuner and the study of a search by such a builder."""
    tuner = GridSearch(builder(fit, metrics), objective, directory=directory, **QUIET, **settings)
    return tuner, tuner.search(*TRAIN, validation_data=VALIDATION, epochs=epochs, batch_size=50)


def evaluated(model):
    return model.evaluate(*VALIDATION, verbose=0, return_dict=True)


# Folds and repeats


def folds_of(model, x, y, kwargs):
    """The best validation loss of each of three folds on copies of a model."""
    for train, test in KFold(3).split(x):
        fold = compiled(keras.models.clone_model(model))
        history = fold.fit(x[train], y[train], validation_data=(x[test], y[test]), **kwargs).history
        yield min(history["val_loss"])


@pytest.mark.parametrize(
    "form",
    [
        "dict",
        *(
            pytest.param(form, marks=pytest.mark.drill)
            for form in ("list", "list of histories", "mean", "tuple", "array", "list of dicts")
        ),
    ],
)
def test_the_score_of_folds_is_the_mean_that_fit_returns_in_any_form(tmp_path, form):
    means = []

    def fit(hp, model, x, y, validation_data, **kwargs):
        if form == "list of histories":
            histories = [classifier(4).fit(x, y, validation_data=validation_data, **kwargs) for _ in range(2)]
            means.append(np.mean([min(history.history["val_loss"]) for history in histories]))
            return histories
        losses = list(folds_of(model, x, y, kwargs))
        means.append(np.mean(losses))
        return {
            "mean": lambda: means[-1],
            "dict": lambda: {"val_loss": means[-1]},
            "list": lambda: losses,
            "tuple": lambda: tuple(losses),
            "array": lambda: np.array(losses),
            "list of dicts": lambda: [{"val_loss": loss, "seconds": 1.0} for loss in losses],
        }[form]()

    tuner, study = searched(fit, tmp_path, epochs=2)

    assert [trial.score for trial in study.trials] == pytest.approx(means)
    assert study.best.number == int(np.argmin(means))
    assert len(study.best.curve) == (4 if form == "list of histories" else 6)
    with pytest.raises(NoResultError, match=r"fit of build_fn trained other models .*tuner\.build\(trial\)"):
        tuner.best_model()


def test_folds_whose_fit_returns_nothing_are_scored_by_their_best_epoch_and_it_is_said(tmp_path):
    def fit(hp, model, x, y, validation_data, **kwargs):
        list(folds_of(model, x, y, kwargs))

    _, study = searched(fit, tmp_path, epochs=2)

    assert study.best.score == min(logs["val_loss"] for logs in study.best.curve)
    assert "the score is the best of 3 trainings of other models: let fit return their mean" in study.best.notes


def test_repeats_of_the_trials_own_model_are_averaged_and_the_best_of_them_is_kept(tmp_path):
    def fit(hp, model, x, y, **kwargs):
        begin = model.get_weights()
        losses = []
        for _ in range(2):
            model.set_weights(begin)
            losses.append(min(model.fit(x, y, **kwargs).history["val_loss"]))
        return losses

    tuner, study = searched(fit, tmp_path)
    curve = [logs["val_loss"] for logs in study.best.curve]

    assert study.best.score == pytest.approx((min(curve[:3]) + min(curve[3:])) / 2)
    assert study.best.best_epoch == int(np.argmin(curve))
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(min(curve), abs=1e-6)


def test_a_list_that_holds_no_result_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"list that holds 'no'.*folds or repeats"):
        searched(lambda hp, model, *data, **kwargs: [0.5, "no"], tmp_path / "one")
    with pytest.raises(BuildError, match="empty list"):
        searched(lambda hp, model, *data, **kwargs: [], tmp_path / "two")


# Stages


@pytest.mark.parametrize(
    "counts_on", [False, pytest.param(True, marks=pytest.mark.drill)], ids=["counted from 0", "initial_epoch"]
)
def test_the_epochs_of_stages_follow_one_another_and_the_best_of_all_is_kept(tmp_path, counts_on):
    ends = []

    def fit(hp, model, x, y, epochs, **kwargs):
        model.layers[0].trainable = False
        first = compiled(model).fit(x, y, epochs=2, **kwargs).history["val_loss"]
        model.layers[0].trainable = True
        # So fast that it gets worse.
        model.compile(keras.optimizers.SGD(5.0), CROSSENTROPY, run_eagerly=True)
        span = {"initial_epoch": 2, "epochs": 5} if counts_on else {"epochs": 3}
        second = model.fit(x, y, **span, **kwargs)
        ends.append(first + second.history["val_loss"])
        return second

    tuner, study = searched(fit, tmp_path)
    losses = ends[study.best.number]

    assert [logs["val_loss"] for logs in study.best.curve] == losses
    assert study.best.score == min(losses)
    assert study.best.best_epoch == int(np.argmin(losses))
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(min(losses), abs=1e-6)


def test_copies_that_are_trained_beside_the_trials_model_do_not_replace_it(tmp_path):
    def fit(hp, model, x, y, **kwargs):
        model.fit(x, y, **kwargs)
        copy = compiled(keras.models.clone_model(model))
        copy.set_weights(model.get_weights())
        copy.fit(x, y, **{**kwargs, "epochs": 8})  # better, and another model

    tuner, study = searched(fit, tmp_path, epochs=2, max_trials=1)

    assert study.best.score == min(logs["val_loss"] for logs in study.best.curve[:2])
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


def test_a_stopping_rule_ends_a_trial_of_stages_between_them(tmp_path):
    stages = []

    class StopAtOnce:
        def should_stop(self, trial, trials, objective):
            return "enough"

    def fit(hp, model, x, y, epochs, **kwargs):
        for stage in range(2):
            stages.append(stage)
            model.fit(x, y, epochs=2, **kwargs)

    tuner, study = searched(fit, tmp_path, stopping=StopAtOnce())

    assert [trial.state.value for trial in study.trials] == ["stopped", "stopped"]
    assert [len(trial.curve) for trial in study.trials] == [1, 1]
    assert stages == [0, 1, 0, 1]  # the second stage is begun, and doesn't train
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


def test_a_search_that_pauses_trials_refuses_stages_which_it_could_not_resume(tmp_path):
    def fit(hp, model, x, y, epochs, initial_epoch=0, **kwargs):
        model.fit(x, y, epochs=1, **kwargs)
        return model.fit(x, y, epochs=epochs, **kwargs)

    with pytest.raises(BuildError, match="trains several times or compiles its model anew"):
        Hyperband(builder(fit), "val_loss", max_epochs=4, factor=2, directory=tmp_path, **QUIET).search(
            *TRAIN, validation_data=VALIDATION
        )


def test_a_search_that_pauses_trials_resumes_an_own_fit_that_trains_once(tmp_path):
    def fit(hp, model, *data, **kwargs):
        return model.fit(*data, **kwargs)

    tuner = Hyperband(builder(fit), "val_loss", max_epochs=4, factor=2, directory=tmp_path, **QUIET)
    study = tuner.search(*TRAIN, validation_data=VALIDATION)

    assert max(len(trial.curve) for trial in study.trials) == 4
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


# What is returned


def own_result(make):
    """A fit that trains once and returns what `make` makes of the history and the model."""

    def fit(hp, model, *data, **kwargs):
        return make(model.fit(*data, **kwargs), model)

    return fit


@pytest.mark.parametrize(
    "make",
    [
        lambda history, model: None,
        lambda history, model: model,
        lambda history, model: history,
        lambda history, model: history.history,
        lambda history, model: min(history.history["val_loss"]),
        lambda history, model: np.float32(min(history.history["val_loss"])),
        lambda history, model: keras.ops.convert_to_tensor([min(history.history["val_loss"])]),
        lambda history, model: {"val_loss": min(history.history["val_loss"]), "note": "a text", "model": model},
    ],
    ids=["nothing", "the model", "History", "history", "number", "NumPy", "tensor", "dict"],
)
def test_every_way_to_return_the_best_epoch_keeps_that_epoch(tmp_path, make):
    tuner, study = searched(own_result(make), tmp_path, max_trials=1)
    losses = [logs["val_loss"] for logs in study.best.curve]

    assert study.best.score == pytest.approx(min(losses))
    assert study.best.best_epoch == int(np.argmin(losses))
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


@pytest.mark.parametrize("as_dict", [False, True], ids=["list", "dict"])
def test_what_evaluate_returns_counts_by_its_names_and_keeps_the_last_epoch(tmp_path, as_dict):
    def make(history, model):
        return model.evaluate(*VALIDATION, verbose=0, return_dict=as_dict)

    tuner, study = searched(own_result(make), tmp_path, "val_accuracy", metrics=["accuracy"], max_trials=1)

    assert [trial.score for trial in study.trials] == [trial.curve[-1]["val_accuracy"] for trial in study.trials]
    assert evaluated(tuner.best_model())["accuracy"] == study.best.score


def test_a_metric_that_the_model_does_not_report_is_taken_from_the_dict(tmp_path):
    def fit(hp, model, *data, **kwargs):
        losses = model.fit(*data, **kwargs).history["loss"]
        return {"aic": 2 * model.count_params() + losses[-1]}

    tuner, study = searched(fit, tmp_path, Objective("aic", "min"))

    assert study.best.values == {"units": 4}
    assert study.best.score == pytest.approx(2 * 35 + study.best.curve[-1]["loss"])
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.curve[-1]["val_loss"], abs=1e-6)


def test_an_own_fit_that_does_not_pass_the_callbacks_on_is_recorded_all_the_same(tmp_path):
    def fit(hp, model, x, y, validation_data, **kwargs):
        model.optimizer.learning_rate = 0.5  # the best epoch isn't the last
        return model.fit(x, y, validation_data=validation_data, epochs=6, verbose=0)

    tuner, study = searched(fit, tmp_path)

    assert len(study.best.curve) == 6
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)
    assert "fit" not in vars(tuner.best_model())


def test_a_training_loop_of_ones_own_is_kept_as_it_ended(tmp_path):
    def fit(hp, model, x, y, validation_data, **kwargs):
        for _ in range(3):
            model.train_on_batch(x, y)
        return model.evaluate(*validation_data, verbose=0)

    tuner, study = searched(fit, tmp_path)

    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


def test_the_model_that_comes_with_the_score_is_the_one_that_is_kept(tmp_path):
    def fit(hp, model, x, y, **kwargs):
        other = classifier(6)
        other.fit(x, y, **kwargs)
        return {"val_loss": other.evaluate(*VALIDATION, verbose=0), "model": other}

    tuner, study = searched(fit, tmp_path)

    assert tuner.best_model().layers[0].units == 6
    assert evaluated(tuner.best_model())["loss"] == pytest.approx(study.best.score, abs=1e-6)


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        (own_result(lambda history, model: "done"), BuildError, r"fit of build_fn returned 'done' \(str\)"),
        (own_result(lambda history, model: {"seconds": 3.0}), ObjectiveError, "'val_loss'. It reports: seconds"),
        (lambda hp, model, *data, **kwargs: None, BuildError, "returned nothing, and trained no epoch by model.fit"),
    ],
    ids=["text", "a dict without the objective", "nothing"],
)
def test_what_is_no_result_ends_the_search(tmp_path, fit, error, message):
    with pytest.raises(error, match=message):
        searched(fit, tmp_path)


def test_an_objective_that_neither_the_epochs_nor_fit_report_names_both_ways(tmp_path):
    with pytest.raises(ObjectiveError, match=r"'aic'. It reports: loss, val_loss.*may return it, in a dict"):
        searched(own_result(lambda history, model: None), tmp_path, Objective("aic", "min"))


# Training again


@pytest.mark.drill
def test_retraining_goes_through_the_own_fit_with_the_arguments_of_the_search(tmp_path):
    calls = []

    class Counting(keras.callbacks.Callback):
        pass

    def fit(hp, model, x, y, **kwargs):
        calls.append({**kwargs, "size": hp.choice("size", [5, 10]), "samples": len(x)})
        return model.fit(0.1 * x, y, **kwargs)

    tuner = GridSearch(builder(fit), "val_loss", directory=tmp_path, **QUIET)
    settings = {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, "batch_size": 20}
    callbacks = [Counting(), keras.callbacks.EarlyStopping(patience=5)]
    best = tuner.search(*TRAIN, validation_data=VALIDATION, epochs=3, callbacks=callbacks, **settings).best
    searches = len(calls)
    model = tuner.retrain(X, Y)

    assert len(calls) == searches + 1
    again = calls[-1]
    assert (again["samples"], again["size"]) == (150, best.values["size"])
    assert {name: again[name] for name in settings} == settings
    assert again["epochs"] == best.best_epoch + 1
    assert [type(callback) for callback in again["callbacks"]] == [Counting]
    assert "validation_data" not in again
    assert len(model.history.epoch) == best.best_epoch + 1


@pytest.mark.drill
def test_retraining_takes_arguments_that_are_given_instead_of_those_of_the_search(tmp_path):
    tuner = GridSearch(lambda hp: classifier(hp.choice("units", [4])), "loss", directory=tmp_path, **QUIET)
    tuner.search(*TRAIN, epochs=2, batch_size=50)

    assert tuner.retrain(*TRAIN).history.params["steps"] == 2
    assert tuner.retrain(*TRAIN, batch_size=10).history.params["steps"] == 10
    assert len(tuner.retrain(*TRAIN, epochs=4).history.epoch) == 4


def test_retraining_in_another_process_takes_what_the_journal_knows_of_the_search(tmp_path):
    calls = []

    def fit(hp, model, x, y, **kwargs):
        calls.append(kwargs)
        return model.fit(x, y, **kwargs)

    settings = {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, "batch_size": 20, "shuffle": False}
    _, study = searched(fit, tmp_path)
    GridSearch(builder(fit), "val_loss", directory=tmp_path, **QUIET).search(
        *TRAIN, validation_data=VALIDATION, epochs=3, **settings
    )
    GridSearch(builder(fit), "val_loss", directory=tmp_path, **QUIET).retrain(X, Y)

    assert {name: calls[-1][name] for name in settings} == settings
    assert calls[-1]["epochs"] == study.best.best_epoch + 1


@pytest.mark.drill
def test_retraining_folds_says_that_they_leave_no_model(tmp_path):
    def fit(hp, model, x, y, validation_data=None, **kwargs):
        return list(folds_of(model, x, y, kwargs))

    tuner, _ = searched(fit, tmp_path, epochs=1)

    with pytest.raises(NoResultError, match="trained other models than build_fn's"):
        tuner.retrain(X, Y)
