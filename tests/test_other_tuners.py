"""A name or an argument that another tuner has is told with the line to write here, and with the guide."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path

import pytest

import kerastune_lite
from kerastune_lite import (
    BayesianOptimization,
    DataError,
    GridSearch,
    Hyperband,
    HyperParameters,
    NoResultError,
    Objective,
    RandomSearch,
    Study,
    Trial,
    Tuner,
    WrongCallError,
)
from kerastune_lite.other_tuners.of_hp import HP_CALLS, HP_NAMES, HP_WORDS
from kerastune_lite.other_tuners.of_package import PACKAGE_NAMES
from kerastune_lite.other_tuners.of_studies import STUDY_NAMES, TRIAL_NAMES
from kerastune_lite.other_tuners.of_tuners import (
    ESTIMATOR_ARGUMENTS,
    OBJECTIVE_ARGUMENTS,
    SEARCH_ARGUMENTS,
    TUNER_ARGUMENTS,
    TUNER_NAMES,
)
from kerastune_lite.other_tuners.words import GUIDES
from kerastune_lite.sklearn import TunedClassifier

ROOT = Path(__file__).parent.parent


def score_of(hp):
    return hp.float("x", 0.0, 1.0)


def a_tuner(tmp_path, **settings):
    return RandomSearch(score_of, "loss", directory=tmp_path, seed=0, verbose=0, **settings)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Int", r"did you mean hp\.int\?.* Write hp\.int\('units', 32, 512, step=32\)\. See docs/from_keras_tuner\.md"),
        ("suggest_float", r"Write hp\.float\('learning_rate', 1e-4, 1e-1, log=True\)\. See docs/from_optuna\.md"),
        ("get", r"did you mean hp\.values\?.* Write hp\['units'\], or hp\.values"),
        ("pchoice", r"Write hp\.choice\('activation', \['relu', 'gelu'\]\)\. See docs/from_hyperas\.md"),
        ("should_prune", r"no hp\.should_prune, which Optuna has\. Leave it out: give the tuner stopping='median'"),
        ("sample_from", r"which Ray Tune has\. Compute it in build_fn"),
        ("conditional_scope", r"Write with hp\.when\('optimizer', 'sgd'\): …\. See docs/from_keras_tuner\.md"),
    ],
)
def test_hp_tells_how_another_tuners_method_is_written_here(name, told):
    with pytest.raises(AttributeError, match=told):
        getattr(HyperParameters(), name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "get_best_models",
            r"tuner\.get_best_models, which KerasTuner has\. Write tuner\.best_models\(n\)\. See",
        ),
        ("results_summary", r"print\(tuner\.study\.leaderboard\(10\)\)"),
        ("oracle", r"tuner\.study"),
        ("optimize", r"which Optuna has\. Write tuner\.search\(x, y, epochs=20\)\. See docs/from_optuna\.md\."),
        ("best_params_", r"which scikit-learn has\. Write tuner\.study\.best_params\."),
    ],
)
def test_a_tuner_tells_what_another_ones_name_is_here(name, told, tmp_path):
    with pytest.raises(AttributeError, match=told):
        getattr(a_tuner(tmp_path), name)


@pytest.mark.parametrize(
    ("tuner", "arguments", "told"),
    [
        (
            RandomSearch,
            {"project_name": "a"},
            r"RandomSearch\(…\): There is no argument project_name='a'.*directory=",
        ),
        (RandomSearch, {"n_trials": 5}, r"n_trials=5, which Optuna has\. Write max_trials=100\. See docs/from_optuna"),
        (RandomSearch, {"param_grid": {}}, r"which scikit-learn has\. Ask for each value in build_fn"),
        (RandomSearch, {"epochs": 3}, r"no argument epochs=3\. Write tuner\.search\(x, y, epochs=20\)"),
        (BayesianOptimization, {"num_initial_points": 3}, r"^BayesianOptimization.*initial_trials=8"),
        (Hyperband, {"max_epochs": 3, "hyperband_iterations": 2}, r"^Hyperband.*iterations=1"),
        (RandomSearch, {"max_evals": 3, "rseed": 0}, r"max_evals=3, which Hyperas has.*no argument rseed=0"),
        (RandomSearch, {"num_samples": 3}, r"num_samples=3, which Ray Tune has\. Write max_trials=100\.$"),
        (
            RandomSearch,
            {"max_trial": 3},
            r"^RandomSearch\(…\): There is no argument max_trial\. Did you mean max_trials\?$",
        ),
        (GridSearch, {"points_per_axes": 3}, r"Did you mean points_per_axis\?"),
        (
            RandomSearch,
            {"strategy": None},
            r"^RandomSearch\(…\): It has a strategy of its own\. Tuner\(build_fn, objective, strategy=…\) takes yours",
        ),
        (RandomSearch, {"zzz": 1}, r"^RandomSearch\(…\): There is no argument zzz\. There are: .*max_trials.*workers"),
    ],
)
def test_a_tuner_tells_what_another_ones_argument_is_here(tuner, arguments, told):
    with pytest.raises(TypeError, match=told):
        tuner(score_of, "loss", **arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"mode": "min"}, r"^Objective\(…\): .*mode='min', which Ray Tune has\. Write Objective\('val_loss', 'min'\)"),
        ({"minimize": True}, r"no argument minimize=True\. Write Objective\('val_loss', 'min'\)\.$"),
        ({"directions": "min"}, r"^Objective\(…\): There is no argument directions\. Did you mean direction\?$"),
    ],
)
def test_an_objective_tells_how_a_direction_is_written(arguments, told):
    with pytest.raises(TypeError, match=told):
        Objective("val_loss", **arguments)


TUNERS = [kind for kind in vars(kerastune_lite).values() if isinstance(kind, type) and issubclass(kind, Tuner)]


@pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner.__name__)
def test_every_tuner_tells_what_another_ones_argument_is_here(tuner):
    with pytest.raises(TypeError, match=rf"^{tuner.__name__}\(…\): There is no argument project_name='p'.*directory="):
        tuner(score_of, "loss", project_name="p")


def test_a_tuner_without_build_fn_is_told_where_the_hypermodel_goes():
    with pytest.raises(TypeError, match=r"hypermodel=<.*It is the first argument.*project_name='p'.*directory="):
        RandomSearch(hypermodel=score_of, objective="val_loss", project_name="p")


def test_an_estimator_tells_what_another_ones_argument_is_here():
    with pytest.raises(TypeError, match=r"^TunedClassifier\(…\): .*model=3, which scikit-learn has\. It is build_fn"):
        TunedClassifier(model=3)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GridSearchCV", r"from kerastune_lite\.sklearn import TunedClassifier, with tuner='grid'"),
        ("HyperModel", r"which KerasTuner has\. Any object with build\(hp\)"),
        ("EarlyStopping", r"from kerastune_lite\.callbacks import EarlyStopping"),
    ],
)
def test_the_package_tells_what_another_ones_name_is_here(name, told):
    with pytest.raises(AttributeError, match=told):
        getattr(kerastune_lite, name)
    with pytest.raises(ImportError, match=told):
        exec(f"from kerastune_lite import {name}")
    assert not hasattr(kerastune_lite, name)


def test_a_name_that_no_tuner_has_is_missed_in_the_package_as_python_does():
    with pytest.raises(ImportError, match="cannot import name 'zzz' from 'kerastune_lite'"):
        exec("from kerastune_lite import zzz")


def test_hp_says_that_it_is_no_dict():
    with pytest.raises(WrongCallError, match=r"hp\.values is a dict of all of them"):
        dict(HyperParameters())


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("n_trials", r"no argument 'n_trials', which Optuna has\. Write RandomSearch\(build_fn, .*max_trials=100"),
        ("overwrite", r"It belongs to the tuner: RandomSearch\(build_fn, objective, overwrite=True\)"),
        ("timeout", r"Write search\(x, y, max_time='10m'\)"),
        ("max_trials", r"It belongs to the tuner: RandomSearch"),
    ],
)
def test_a_search_tells_what_another_ones_argument_is_here(argument, told, tmp_path):
    with pytest.raises(DataError, match=told):
        a_tuner(tmp_path).search(**{argument: 5})


@pytest.mark.parametrize(
    ("thing", "name", "told"),
    [
        (
            Study(Path("a")),
            "trials_dataframe",
            r"no study\.trials_dataframe, which Optuna has\. Write study\.to_d",
        ),
        (Study(Path("a")), "get_best_trials", r"which KerasTuner has\. Write study\.leaderboard\(n\)\."),
        (Trial(number=0), "params", r"no trial\.params, which Optuna has\. Write trial\.values\."),
        (Trial(number=0), "hyperparameters", r"which KerasTuner has\. Write trial\.values\."),
    ],
)
def test_a_study_and_a_trial_tell_what_another_ones_name_is_here(thing, name, told):
    with pytest.raises(AttributeError, match=told):
        getattr(thing, name)
    assert not hasattr(thing, name)


def test_a_name_that_no_tuner_has_is_missed_as_python_does(tmp_path):
    for thing in (a_tuner(tmp_path), Study(tmp_path), Trial(number=0)):
        with pytest.raises(AttributeError, match=f"'{type(thing).__name__}' object has no attribute 'zzz'"):
            _ = thing.zzz


def test_what_tells_names_is_copied_and_pickled_as_before(tmp_path):
    trial, study = Trial(number=3, values={"x": 1}), Study(tmp_path)

    for again in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        assert again(trial) == trial
        assert again(study).directory == tmp_path
        assert again(a_tuner(tmp_path)).max_trials == 10


def test_optunas_words_for_the_best_trial_are_a_studys_too(tmp_path):
    study = a_tuner(tmp_path, max_trials=5).search()

    assert study.best_trial is study.best
    assert study.best_value == study.best.score == min(trial.score for trial in study.trials)
    assert study.best_params == {"x": study.best.score}
    assert type(study.best_params) is dict


def test_the_best_of_a_study_without_scores_is_an_error_under_every_name():
    for name in ("best", "best_trial", "best_params", "best_value"):
        with pytest.raises(NoResultError):
            getattr(Study(Path("a")), name)


def parameters_of(*functions):
    return {name for function in functions for name in inspect.signature(function).parameters}


def test_no_table_has_a_name_that_there_is():
    own = parameters_of(Tuner) - {"self"}

    assert own.isdisjoint(TUNER_ARGUMENTS)
    assert parameters_of(Objective).isdisjoint(OBJECTIVE_ARGUMENTS)
    assert parameters_of(Tuner.search).isdisjoint(SEARCH_ARGUMENTS)
    assert not [name for name in TUNER_NAMES if name in dir(Tuner)]
    assert not [name for name in STUDY_NAMES if name in {*dir(Study), *Study.__dataclass_fields__}]
    assert not [name for name in TRIAL_NAMES if name in {*dir(Trial), *Trial.__dataclass_fields__}]
    assert parameters_of(TunedClassifier).isdisjoint(ESTIMATOR_ARGUMENTS)
    assert not [name for name in HP_WORDS if name in dir(HyperParameters)]
    assert not [name for name in PACKAGE_NAMES if name in vars(kerastune_lite)]
    assert {*HP_NAMES.values(), *HP_CALLS} <= {*dir(HyperParameters)}


@pytest.mark.parametrize("library", ["Hyperas", "KerasTuner", "Optuna", "scikit-learn"])
def test_the_guide_that_is_named_is_there(library):
    assert (ROOT / GUIDES[library]).is_file()
