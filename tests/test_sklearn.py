"""TunedClassifier and TunedRegressor: searches that stand where scikit-learn expects an estimator."""

from __future__ import annotations

import functools
import pickle

import keras
import numpy as np
import pandas
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerastune_lite import BayesianOptimization, HyperParameters, SpaceError
from kerastune_lite.sklearn import TunedClassifier, TunedRegressor
from kerastune_lite.sklearn.questions import asked
from kerastune_lite.space import Float, Int, Normal

_x, _y = load_iris(return_X_y=True)
_order = np.random.default_rng(0).permutation(len(_x))[:90]
X, Y = _x[_order], np.array(["setosa", "versicolor", "virginica"])[_y[_order]]
GRID = {"units": [4, 8], "batch_size": [16]}


def create_model(meta, units=4, rate=0.05):
    model = keras.Sequential(
        [
            keras.Input(meta["shape"]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )
    # Eagerly: a few steps of a small model take less time than their tracing would.
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


def tuned(**settings):
    settings = {"param_grid": GRID, "tuner": "grid", "epochs": 4, "random_state": 0} | settings
    return TunedClassifier(create_model, **settings)


def test_results_have_the_form_of_a_grid_search_of_scikit_learn():
    ours = tuned(cv=3, scoring=["accuracy", "neg_log_loss"], refit="accuracy").fit(X, Y).cv_results_
    theirs = GridSearchCV(
        LogisticRegression(max_iter=500), {"C": [1, 2]}, cv=3, scoring=["accuracy", "neg_log_loss"], refit="accuracy"
    )
    theirs = theirs.fit(X, Y).cv_results_

    assert {name for name in ours if "param" not in name} == {name for name in theirs if "param" not in name}
    assert set(ours) - set(theirs) == {"param_units", "param_batch_size"}
    for name in set(ours) & set(theirs) - {"params"}:
        assert (ours[name].shape, ours[name].dtype) == (theirs[name].shape, theirs[name].dtype), name
    assert ours["params"] == [{"units": 4, "batch_size": 16}, {"units": 8, "batch_size": 16}]
    folds = [ours[f"split{fold}_test_accuracy"] for fold in range(3)]
    assert ours["mean_test_accuracy"] == pytest.approx(np.mean(folds, axis=0))
    assert ours["std_test_accuracy"] == pytest.approx(np.std(folds, axis=0))


def test_scores_are_those_of_scikit_learn_on_the_held_out_samples():
    fitted = tuned(cv=GroupKFold(3), refit=False).fit(X, Y, groups=np.arange(90) % 6)

    assert fitted.n_splits_ == 3
    assert fitted.best_score_ == max(fitted.cv_results_["mean_test_score"])
    assert fitted.best_params_ == fitted.cv_results_["params"][fitted.best_index_]
    # Accuracies of 30 samples.
    assert np.allclose(fitted.cv_results_["split1_test_score"] * 30 % 1, 0.0, atol=1e-6)
    assert not hasattr(fitted, "predict")


def test_a_fitted_pipeline_predicts_labels_and_survives_pickling():
    fitted = make_pipeline(StandardScaler(), tuned(epochs=12)).fit(X, Y)
    read = pickle.loads(pickle.dumps(fitted))

    assert set(fitted.predict(X)) <= set(Y)
    assert fitted.score(X, Y) == np.mean(fitted.predict(X) == Y) > 0.8
    assert fitted.predict_proba(X).sum(axis=1) == pytest.approx(1.0)
    assert list(fitted.classes_) == ["setosa", "versicolor", "virginica"]
    assert read.predict_proba(X) == pytest.approx(fitted.predict_proba(X))


def test_several_grids_are_tried_one_beside_the_other():
    fitted = tuned(param_grid=[{"units": [3]}, {"rate": [0.1, 0.2]}], scoring="val_accuracy", epochs=1).fit(X, Y)
    results = fitted.cv_results_

    assert results["params"] == [{"units": 3}, {"rate": 0.1}, {"rate": 0.2}]
    assert results["param_units"].mask.tolist() == [False, True, True]
    assert results["param_rate"].tolist() == [None, 0.1, 0.2]


def test_tables_and_weights_are_taken_and_the_search_runs_inside_a_cross_validation():
    table = pandas.DataFrame(X, columns=list("abcd"))
    fitted = tuned(epochs=1).fit(table, Y, sample_weight=np.ones(90))

    assert list(fitted.feature_names_in_) == list("abcd")
    assert clone(fitted).get_params()["param_grid"] == GRID
    assert len(cross_val_score(tuned(epochs=1, param_grid={"units": [4]}), X, Y, cv=2)) == 2


def test_a_build_function_of_hp_is_asked_and_told_of_the_data():
    told = []

    def build_fn(hp, meta):
        told.append(meta)
        return create_model(meta, hp.choice("units", [4, 8]))

    tuner = functools.partial(BayesianOptimization, initial_trials=2)
    fitted = TunedClassifier(build_fn, tuner=tuner, n_iter=2, epochs=1, random_state=0).fit(X, Y)

    assert set(fitted.best_params_) == {"units"}
    assert (told[0]["n_features_in_"], told[0]["shape"], told[0]["n_classes_"]) == (4, (4,), 3)


def test_hyperband_goes_by_a_keras_metric():
    fitted = tuned(tuner="hyperband", n_iter=3, epochs=3).fit(X, Y)

    assert fitted.best_score_ < 0.0  # the negative validation loss
    with pytest.raises(ValueError, match="Hyperband compares trials while they train, by a Keras metric"):
        tuned(tuner="hyperband", scoring="accuracy").fit(X, Y)


@pytest.mark.parametrize("targets", [1, 2])
def test_a_regressor_predicts_one_or_several_targets(targets):
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    y = y if targets == 1 else np.stack([y, -y], axis=1)
    fitted = TunedRegressor(n_iter=1, epochs=5, random_state=0).fit(x, y)

    assert fitted.predict(x).shape == y.shape
    assert fitted.score(x, y) > 0.2


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
        ({"tuner": "hyperopt"}, ValueError, "tuner has to be one of 'grid'"),
    ],
)
def test_what_means_nothing_is_refused_when_it_is_fitted(settings, error, told):
    with pytest.raises(error, match=told):
        tuned(**settings).fit(X, Y)
