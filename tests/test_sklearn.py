"""TunedClassifier and TunedRegressor: searches that stand where scikit-learn expects an estimator."""

from __future__ import annotations

import functools
import json
import pickle
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pandas
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import get_scorer, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import estimator_checks_generator

from kerastune_lite import (
    BayesianOptimization,
    BuildError,
    GridSearch,
    HyperParameters,
    NoScoreError,
    PopulationBasedTraining,
    SpaceError,
    Study,
    TooManyFailuresError,
    Trial,
    TrialState,
)
from kerastune_lite.cli import main
from kerastune_lite.sklearn import TunedClassifier, TunedRegressor
from kerastune_lite.sklearn.arguments import ClassWeights
from kerastune_lite.sklearn.questions import asked
from kerastune_lite.sklearn.results import cv_results
from kerastune_lite.space import Float, Int, Normal

_x, _y = load_iris(return_X_y=True)
_order = np.random.default_rng(0).permutation(len(_x))[:90]
X, Y = _x[_order], np.array(["setosa", "versicolor", "virginica"])[_y[_order]]
GRID = {"units": [4, 8], "batch_size": [45]}
ONE_SETTING = {"units": [8]}


def create_model(meta, units=4, rate=0.05):
    model = keras.Sequential(
        [
            keras.Input(meta["shape"]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )
    # Eagerly, and by SGD: a few steps of a small model take less time than their tracing would.
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def create_regressor(meta, units=4):
    model = keras.Sequential(
        [keras.Input(meta["shape"]), keras.layers.Dense(units, "relu"), keras.layers.Dense(meta["n_outputs_"])]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    return model


def tuned(**settings):
    settings = {"param_grid": GRID, "tuner": "grid", "epochs": 1, "batch_size": 45, "random_state": 0} | settings
    return TunedClassifier(create_model, **settings)


class EstimatorWithTheSameArguments(GaussianNB):
    def __init__(self, units=4, batch_size=45):
        super().__init__()
        self.units = units
        self.batch_size = batch_size


# The results of a search

SCORING = {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "cv": 2, "return_train_score": True}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A grid that was searched with two folds and two scorers, and the directory of its study."""
    directory = tmp_path_factory.mktemp("searched") / "study"
    return tuned(directory=directory, **SCORING).fit(X, Y), directory


def test_results_have_the_form_of_a_grid_search_of_scikit_learn(searched):
    ours = searched[0].cv_results_
    theirs = GridSearchCV(EstimatorWithTheSameArguments(), GRID, **SCORING).fit(X, Y).cv_results_

    assert set(ours) == set(theirs)
    for name in set(ours) - {"params"}:
        assert (type(ours[name]), ours[name].shape, ours[name].dtype) == (
            type(theirs[name]),
            theirs[name].shape,
            theirs[name].dtype,
        ), name
    assert ours["params"] == theirs["params"]


def test_means_deviations_and_ranks_are_those_of_the_folds(searched):
    results = searched[0].cv_results_
    folds = np.array([results[f"split{fold}_test_neg_log_loss"] for fold in range(2)])

    assert results["mean_test_neg_log_loss"] == pytest.approx(folds.mean(axis=0))
    assert results["std_test_neg_log_loss"] == pytest.approx(folds.std(axis=0))
    assert results["rank_test_neg_log_loss"][folds.mean(axis=0).argmax()] == 1
    assert searched[0].best_score_ == folds.mean(axis=0).max()


def test_the_scores_of_every_scorer_are_in_the_record_of_each_trial(searched, capsys):
    fitted, directory = searched
    accuracies, losses = (
        [float(fitted.cv_results_[f"split{fold}_test_{name}"][1]) for fold in range(2)]
        for name in ("accuracy", "neg_log_loss")
    )
    # Of 45 samples each, although the model has a metric of the same name, of the samples that it was trained on.
    assert np.multiply(accuracies, 45) == pytest.approx(np.round(np.multiply(accuracies, 45)))

    study = Study.open(directory)
    main(["show", str(directory), "--trial", "1"])
    shown = capsys.readouterr().out
    main(["show", str(directory), "--trial", "1", "--json"])
    as_json = json.loads(capsys.readouterr().out)

    assert study.trials[1].returned["test_neg_log_loss"] == losses
    assert study.to_dataframe()["test_neg_log_loss"][1] == losses
    assert str(losses) in shown
    assert as_json["returned"]["test_neg_log_loss"] == losses


def test_the_score_of_an_estimator_is_by_the_scorer_that_settings_are_ranked_by(searched):
    fitted = searched[0]

    assert fitted.score(X, Y) == get_scorer("neg_log_loss")(fitted, X, Y)


def test_scores_are_those_of_scikit_learn_on_the_held_out_samples():
    groups = np.arange(90) % 6
    fitted = tuned(cv=GroupKFold(2), refit=False).fit(X, Y, groups=groups)

    assert fitted.n_splits_ == 2
    assert fitted.best_score_ == max(fitted.cv_results_["mean_test_score"])
    assert fitted.best_params_ == fitted.cv_results_["params"][fitted.best_index_]
    # Accuracies of 45 samples.
    assert fitted.cv_results_["split1_test_score"] * 45 == pytest.approx(
        np.round(fitted.cv_results_["split1_test_score"] * 45)
    )
    assert not hasattr(fitted, "predict")
    with pytest.raises(AttributeError, match="made with refit=False"):
        fitted.score(X, Y)


def test_a_model_scores_the_same_on_training_and_on_test_where_the_samples_are_the_same():
    cv = [(rows, rows) for rows in (np.arange(90), np.arange(0, 90, 2))]
    results = tuned(param_grid=ONE_SETTING, cv=cv, return_train_score=True, refit=False).fit(X, Y).cv_results_

    for column in ("split0_{}_score", "split1_{}_score", "mean_{}_score", "std_{}_score"):
        assert results[column.format("train")] == results[column.format("test")]


def test_a_keras_metric_of_training_is_the_one_at_the_epoch_that_counts():
    settings = {"param_grid": ONE_SETTING, "cv": 2, "scoring": "val_loss", "epochs": 2, "refit": False}
    fitted = tuned(return_train_score=True, **settings).fit(X, Y)
    trial = fitted.study_.trials[0]

    for fold, epoch in enumerate(trial.best_epochs):
        assert fitted.cv_results_[f"split{fold}_train_score"] == -trial.curves[fold][epoch]["loss"]


# Settings that fail


def create_if_positive(meta, units):
    if units < 0:
        raise RuntimeError("a layer of no units")
    return create_model(meta, units)


def failing(units, **settings):
    grid, model = {"units": units}, {"tuner": "grid", "epochs": 1, "batch_size": 45, "random_state": 0}
    return TunedClassifier(create_if_positive, param_grid=grid, refit=False, **model, **settings)


def test_a_setting_that_fails_is_warned_of_and_has_the_last_rank():
    with pytest.warns(FitFailedWarning, match="1 of 2 settings failed, and have the score nan.*a layer of no units"):
        results = failing([-1, 4]).fit(X, Y).cv_results_

    assert results["rank_test_score"].tolist() == [2, 1]
    assert np.isnan(results["mean_test_score"][0])


def test_with_a_score_for_failures_the_search_goes_on_however_many_there_are():
    with pytest.warns(FitFailedWarning, match="4 of 5 settings failed"):
        results = failing([-1, -2, -3, -4, 4], error_score=-1.0, return_train_score=True).fit(X, Y).cv_results_

    assert results["mean_test_score"][:4].tolist() == results["mean_train_score"][:4].tolist() == [-1.0] * 4
    assert results["rank_test_score"].tolist() == [2, 2, 2, 2, 1]


def test_the_first_failure_may_end_the_search():
    with pytest.raises(TooManyFailuresError, match="a layer of no units"):
        failing([-1, 4], error_score="raise").fit(X, Y)


def test_where_every_setting_fails_nothing_is_said_of_trying_again_what_is_not_kept():
    with pytest.raises(NoScoreError, match=r"Mend what failed and search again\. (?!With retry_failed)"):
        failing([-1, -2], error_score=-1.0).fit(X, Y)


def made_up(number, scores, score=0.5, **settings):
    return Trial(number=number, scores=scores, score=score, state=TrialState.COMPLETED, folds=2, **settings)


def test_a_trial_that_failed_or_lacks_folds_has_nan_and_the_last_rank():
    trials = [made_up(0, (0.9,)), made_up(1, (0.2, 0.4)), made_up(2, (0.9,), score=None), made_up(3, (0.1, 0.9))]
    results = cv_results(trials, [{}] * 4, ["score"], splits=2, sign=1)

    assert results["split0_test_score"] == pytest.approx([0.9, 0.2, np.nan, 0.1], nan_ok=True)
    assert results["split1_test_score"] == pytest.approx([np.nan, 0.4, np.nan, 0.9], nan_ok=True)
    assert results["rank_test_score"].tolist() == [3, 2, 3, 1]


def test_a_fold_that_was_trained_several_times_has_the_mean_of_its_scores():
    trial = made_up(0, (0.1, 0.5, 0.3, 0.9), returned={"test_f1": [0.0, 1.0, 1.0, 1.0]})
    scores, of_two = (cv_results([trial], [{}], names, splits=2, sign=1) for names in (["score"], ["f1", "f1"]))

    assert (scores["split0_test_score"][0], scores["split1_test_score"][0]) == pytest.approx((0.2, 0.7))
    assert (of_two["split0_test_f1"][0], of_two["split1_test_f1"][0]) == (0.5, 1.0)


def test_one_of_several_scorers_may_be_called_score():
    trial = made_up(0, (0.1,), returned={"test_score": 0.7, "test_f1": 0.1})
    results = cv_results([trial], [{}], ["score", "f1"], splits=1, sign=1)

    assert results["mean_test_score"].tolist() == [0.7]


# The estimator that was fitted


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(StandardScaler(), tuned(param_grid={"units": [8], "rate": [0.3]}, epochs=8)).fit(X, Y)


def test_a_fitted_pipeline_predicts_the_labels(pipeline):
    assert set(pipeline.predict(X)) <= set(Y)
    assert pipeline.score(X, Y) == np.mean(pipeline.predict(X) == Y) > 0.7
    assert pipeline.predict_proba(X).sum(axis=1) == pytest.approx(1.0)
    assert np.exp(pipeline.predict_log_proba(X)) == pytest.approx(pipeline.predict_proba(X))
    assert list(pipeline.classes_) == ["setosa", "versicolor", "virginica"]


def test_a_sample_is_predicted_alike_wherever_it_stands(pipeline):
    order = np.random.default_rng(0).permutation(len(X))
    expected = pipeline.predict_proba(X)

    assert pipeline.predict_proba(X[order]) == pytest.approx(expected[order], abs=1e-6)
    assert pipeline.predict_proba(X[:7]) == pytest.approx(expected[:7], abs=1e-6)


def test_a_fitted_pipeline_survives_pickling(pipeline):
    read = pickle.loads(pickle.dumps(pipeline))

    assert read.predict_proba(X) == pytest.approx(pipeline.predict_proba(X))
    assert read[-1].study_.best.score == pipeline[-1].best_score_


@pytest.mark.drill
def test_a_searched_pipeline_predicts_the_same_in_a_new_process(tmp_path):
    fitted = make_pipeline(StandardScaler(), TunedClassifier(n_iter=2, epochs=2, random_state=0)).fit(X, Y)
    (tmp_path / "pipeline.pickle").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "x.npy", X)
    program = (
        "import pickle, numpy; from pathlib import Path\n"
        "fitted = pickle.loads(Path('pipeline.pickle').read_bytes())\n"
        "numpy.save('predicted.npy', fitted.predict_proba(numpy.load('x.npy')))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)

    assert np.load(tmp_path / "predicted.npy") == pytest.approx(fitted.predict_proba(X), abs=1e-6)


@pytest.mark.drill
def test_a_search_inside_a_cross_validation_learns_digits():
    x, y = load_digits(return_X_y=True)
    estimator = TunedClassifier(n_iter=2, epochs=5, batch_size=32, random_state=0)

    assert cross_val_score(estimator, x, y, cv=3).min() > 0.85


# What is searched


def test_several_grids_are_tried_one_beside_the_other():
    fitted = tuned(param_grid=[{"units": [3]}, {"rate": [0.1, 0.2]}], scoring="val_accuracy").fit(X, Y)
    results = fitted.cv_results_

    assert results["params"] == [{"units": 3}, {"rate": 0.1}, {"rate": 0.2}]
    assert results["param_units"].mask.tolist() == [False, True, True]
    assert results["param_rate"].tolist() == [None, 0.1, 0.2]


def test_tables_and_weights_are_taken():
    table = pandas.DataFrame(X, columns=list("abcd"))
    fitted = tuned(param_grid=ONE_SETTING).fit(table, Y, sample_weight=np.ones(90))

    assert list(fitted.feature_names_in_) == list("abcd")
    assert clone(fitted).get_params()["param_grid"] == ONE_SETTING


def test_weights_of_classes_go_by_the_labels():
    grid = {"class_weight": [{"setosa": 0.0, "versicolor": 0.0, "virginica": 1.0}], "rate": [0.3]}
    fitted = tuned(param_grid=grid, epochs=4).fit(X, Y)

    assert set(fitted.predict(X)) == {"virginica"}


def test_balanced_weights_of_classes_are_those_of_scikit_learn():
    labels, numbers = np.array(["a", "b", "c"]), np.array([2, 0, 2, 2, 1, 0])
    weights = ClassWeights(labels, numbers)

    assert weights.by_number("balanced") == pytest.approx(
        dict(enumerate(compute_class_weight("balanced", classes=labels, y=labels[numbers])))
    )
    assert weights.by_number({"c": 2}) == {2: 2.0}


def test_a_search_without_a_directory_does_not_tell_of_one_that_is_removed(capsys):
    tuned(param_grid=ONE_SETTING, refit=lambda results: 0, verbose=1).fit(X, Y)
    printed = capsys.readouterr().out

    assert "trial 0 completed" in printed
    assert tempfile.gettempdir() not in printed


def test_a_build_function_of_hp_is_asked_and_told_of_the_data():
    told = []

    def build_fn(hp, meta):
        told.append(meta)
        return create_model(meta, hp.choice("units", [4, 8]))

    tuner = functools.partial(BayesianOptimization, initial_trials=2)
    fitted = TunedClassifier(build_fn, tuner=tuner, n_iter=2, epochs=1, batch_size=45, random_state=0)
    fitted.fit(X, Y)

    assert set(fitted.best_params_) == {"units"}
    assert (told[0]["n_features_in_"], told[0]["shape"], told[0]["n_classes_"]) == (4, (4,), 3)


@pytest.mark.parametrize(("tuner", "name"), [("hyperband", "Hyperband"), ("freeze-thaw", "FreezeThaw")])
def test_a_search_that_pauses_trials_goes_by_a_keras_metric(tuner, name):
    fitted = tuned(tuner=tuner, n_iter=3, epochs=3).fit(X, Y)

    assert len(fitted.study_.trials) == 2  # the whole grid
    assert fitted.best_score_ == -fitted.study_.best.score < 0.0  # the negative validation loss
    assert fitted.score(X, Y) > 1 / 3
    with pytest.raises(ValueError, match=f"{name} compares trials while they train, by a Keras metric"):
        tuned(tuner=tuner, scoring="accuracy").fit(X, Y)


def test_a_population_has_no_setting_to_train_again():
    with pytest.raises(ValueError, match="there is no best setting to train again: search with it by itself"):
        tuned(tuner=PopulationBasedTraining).fit(X, Y)


@pytest.mark.drill
def test_a_tuner_with_settings_of_its_own_is_taken():
    tuner = functools.partial(GridSearch, executions_per_trial=2)
    fitted = tuned(tuner=tuner, param_grid=ONE_SETTING, refit=False, cv=2).fit(X, Y)
    scores = fitted.study_.trials[0].scores

    assert len(scores) == 4
    assert fitted.cv_results_["split1_test_score"] == pytest.approx([np.mean(scores[1::2])])


@pytest.mark.parametrize("targets", [1, 2])
def test_a_regressor_predicts_one_or_several_targets(targets):
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:100], (y[:100] - y.mean()) / y.std()
    y = y if targets == 1 else np.stack([y, -y], axis=1)
    fitted = TunedRegressor(create_regressor, param_grid=ONE_SETTING, epochs=1, batch_size=50, random_state=0)
    fitted.fit(x, y)

    assert fitted.predict(x).shape == y.shape
    assert fitted.score(x, y) == pytest.approx(r2_score(y, fitted.predict(x)))


@pytest.mark.drill
def test_the_regressor_of_no_build_function_learns():
    x, y = load_diabetes(return_X_y=True)
    fitted = TunedRegressor(n_iter=1, random_state=0).fit(x, (y - y.mean()) / y.std())

    assert fitted.score(x, (y - y.mean()) / y.std()) > 0.2


@pytest.mark.parametrize(
    ("distribution", "parameter"),
    [
        (stats.uniform(1, 2), Float(name="p", low=1.0, high=3.0)),
        (stats.loguniform(1e-3, 1.0), Float(name="p", low=1e-3, high=1.0, log=True)),
        (stats.randint(2, 9), Int(name="p", low=2, high=8)),
        (stats.norm(1, 2), Normal(name="p", mean=1.0, sd=2.0)),
        (stats.lognorm(s=0.5, scale=np.exp(2)), Normal(name="p", mean=2.0, sd=0.5, log=True)),
    ],
    ids=["uniform", "loguniform", "randint", "norm", "lognorm"],
)
def test_a_distribution_asks_for_a_parameter_that_is_drawn_from_it(distribution, parameter):
    hp = HyperParameters()
    asked(hp, "p", distribution)
    positions = np.linspace(0.05, 0.95, 7)

    assert type(hp.space["p"]) is type(parameter)
    ours, expected = ([p.decode(position) for position in positions] for p in (hp.space["p"], parameter))
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"param_distributions": GRID}, ValueError, "either param_grid or param_distributions"),
        (
            {"param_grid": {"units": stats.expon()}},
            SpaceError,
            "a frozen uniform, loguniform, randint, norm or lognorm",
        ),
        ({"param_grid": 5}, TypeError, "a dict of values by argument"),
        ({"scoring": ["accuracy", "neg_log_loss"]}, ValueError, "refit has to name the one to choose by"),
        (
            {"param_grid": {"unitz": [4]}},
            ValueError,
            r"'unitz', which is an argument neither of build_fn \(rate, units\)",
        ),
        ({"param_grid": {"model__units": [4]}}, ValueError, "Names have no prefixes here: call it 'units'"),
        ({"tuner": "hyperopt"}, ValueError, "tuner has to be one of 'grid'"),
        ({"tuner": "random", "n_iter": 0}, ValueError, "n_iter has to be an integer of at least 1. Received: 0"),
        ({"n_jobs": 0}, ValueError, "n_jobs has to be an integer of at least 1. Received: 0"),
        ({"validation_fraction": 1.5}, ValueError, "validation_fraction has to be between 0 and 1.*Received: 1.5"),
        ({"error_score": "nan"}, ValueError, "error_score has to be a number.*Received: 'nan'"),
        ({"cv": GroupKFold(2)}, ValueError, r"Pass fit\(X, y, groups=…\)"),
        ({"cv": []}, ValueError, r"cv=\[\] makes no fold of 90 samples"),
        ({"fit_arguments": {"class_weight": {0: 2.0}}}, ValueError, "goes by the labels in y: 'setosa'.*for 0"),
        ({"param_grid": {"class_weight": [5]}}, ValueError, "a dict of weights by label, or 'balanced'. Received: 5"),
        ({"scoring": lambda *_: {"a": 0.0, "b": 1.0}}, BuildError, "several scores: a, b. Pass a dict with a function"),
        ({"refit": lambda results: 9}, IndexError, "an index from 0 to 1. It returned: 9"),
    ],
)
def test_what_means_nothing_is_refused_when_it_is_fitted(settings, error, told):
    with pytest.raises(error, match=told):
        tuned(**settings).fit(X, Y)


def test_weights_of_samples_and_of_classes_are_refused_together():
    with pytest.raises(ValueError, match="Keras takes either sample_weight or class_weight"):
        tuned(fit_arguments={"class_weight": "balanced"}).fit(X, Y, sample_weight=np.ones(90))


def test_a_loss_of_one_hot_targets_is_refused_at_the_first_build():
    def build_fn(hp, meta):
        model = create_model(meta, hp.choice("units", [4, 8]))
        model.compile("sgd", keras.losses.CategoricalCrossentropy())
        return model

    with pytest.raises(BuildError, match='Compile it with loss="sparse_categorical_crossentropy"'):
        TunedClassifier(build_fn, random_state=0).fit(X, Y)


# What scikit-learn says

NOT_MET = {
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 isn't the same as a repeated sample: it changes "
    "which samples share a batch, the statistics of their normalisation, and which samples are held out"
}
ROUNDED = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
"""They want equal numbers to 1e-9. TensorFlow rounds a float32, which has seven digits, by the place of its row."""


def checks():
    """All checks of a classifier, and those of a regressor that a classifier doesn't have: the other code is one."""
    params, known = [], set()
    for estimator in (TunedClassifier(n_iter=1, random_state=0), TunedRegressor(n_iter=1, random_state=0)):
        named = [(getattr(check, "func", check).__name__, check) for _, check in estimator_checks_generator(estimator)]
        for name, check in named:
            if name not in known:
                marks = pytest.mark.xfail(strict=name in NOT_MET) if name in (*NOT_MET, *ROUNDED) else ()
                params.append(pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}", marks=marks))
        known |= {name for name, _ in named}
    return params


@pytest.mark.drill
@pytest.mark.parametrize(("estimator", "check"), checks())
def test_an_estimator_is_one_of_scikit_learn(estimator, check):
    check(estimator)
