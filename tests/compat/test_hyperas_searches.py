"""Programs in the manner of Hyperas's examples run on Keras 3 with their imports changed."""

from __future__ import annotations

import functools
import linecache
import math
import subprocess
import sys
from pathlib import Path

import hyperas_programs as programs
import numpy as np
import pytest

from kerastune_lite import BuildError, SpaceError, Study, StudyError
from kerastune_lite.compat.hyperas import STATUS_FAIL, Trials, optim, rand, space_eval, tpe
from kerastune_lite.compat.hyperas.distributions import choice, uniform
from kerastune_lite.compat.hyperas.ensemble import VotingModel
from kerastune_lite.compat.hyperas.utils import eval_hyperopt_space
from kerastune_lite.space import Choice, Space
from kerastune_lite.strategies.random_search import RandomStrategy


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_simple_example_gives_its_best_run_and_the_model_that_has_it():
    trials = Trials()

    best_run, best_model = optim.minimize(
        model=programs.simple, data=programs.data, algo=tpe.suggest, max_evals=3, trials=trials, verbose=False
    )
    *_, x_test, y_test = programs.data()

    assert set(best_run) == {"Dropout", "Dense", "Dropout_1", "batch_size"}
    assert 0 <= best_run["Dropout"] <= 1
    assert best_run["Dense"] in (0, 1, 2)
    assert best_model.layers[3].units == [8, 16, 32][best_run["Dense"]]
    assert -best_model.evaluate(x_test, y_test, verbose=0)[1] == pytest.approx(min(trials.losses()))
    assert best_run == trials.argmin
    assert trials.statuses() == ["ok"] * 3
    assert trials.tids == [0, 1, 2]


@pytest.mark.drill
def test_layers_that_are_there_or_not_are_asked_for_where_they_are():
    trials = Trials()

    best_run, _, space = optim.minimize(
        model=programs.conditional_layers,
        data=programs.data,
        algo=rand.suggest,
        max_evals=3,
        trials=trials,
        return_space=True,
        verbose=False,
    )

    names = {"Dropout", "Dense", "Activation", "Dropout_1", "Dropout_2", "add", "optimizer", "batch_size"}
    assert {parameter.name for parameter in space} == names
    fourth = [bool(misc["vals"]["add"]) for misc in trials.miscs]
    assert fourth == [misc["vals"]["Dropout_2"] == [1] for misc in trials.miscs]
    assert {*fourth} == {True, False}
    assert space["add"].options == ("Dropout(0.5)", "Activation('linear')")
    assert space_eval(space, best_run)["optimizer"] in ("rmsprop", "adam", "sgd")


def test_an_option_is_evaluated_in_the_trial_that_chooses_it():
    made = []

    def data():
        return (1,)

    def model(x):
        def layer(units):
            made.append(units)
            return units + x

        return {"loss": {{choice([layer(1), layer(2), layer(3)])}}, "model": None}

    trials = []
    best_run, _ = optim.minimize(model, data, rand.suggest, 3, trials, verbose=False)

    assert sorted(made) == [1, 2, 3]
    assert best_run == {"choice": 0}
    assert [doc["result"]["loss"] for doc in trials] == [units + 1 for units in made]


@pytest.mark.drill
def test_a_recurrent_model_sees_the_data_by_name_in_any_order():
    best_run, best_model = optim.minimize(
        model=programs.lstm, data=programs.text_data, algo=tpe.suggest, max_evals=2, trials=Trials(), verbose=False
    )

    assert set(best_run) == {"LSTM", "Dropout"}
    assert best_model.layers[0].input_dim == 30
    assert best_model.input_shape == (None, 5)


@pytest.mark.drill
def test_data_is_given_in_order_where_the_names_are_others_and_helpers_are_found():
    trials = Trials()

    best_run, best_model = optim.minimize(
        model=programs.with_functions,
        data=programs.visualization_data,
        algo=tpe.suggest,
        max_evals=1,
        trials=trials,
        functions=[programs.built_by_a_function],
        eval_space=True,
        verbose=False,
    )

    assert best_model.layers[0].units == best_run["units"] in (8, 12, 16)
    assert [result["note"] for result in trials.results] == ["own functions"]


def counted(x_train, y_train):
    return {"loss": len(x_train) + {{uniform(0, 1)}}, "model": None}


def test_the_data_function_is_called_once_with_its_arguments():
    programs.CALLS.clear()

    optim.minimize(counted, programs.data, rand.suggest, 2, Trials(), data_args=(30,), verbose=False)

    assert programs.CALLS == [30]


def test_a_status_of_failure_gives_its_setting_up():
    trials = Trials()

    best_run, best_model = optim.minimize(programs.failing, programs.data, rand.suggest, 4, trials, verbose=False)

    assert (best_run, best_model) == ({"size": 0}, 1)
    assert sorted(trials.statuses()) == ["fail", "ok", "ok", "ok"]
    assert trials.results[trials.statuses().index(STATUS_FAIL)]["error"].startswith("FailedTrial: the model function")


def test_a_conditional_template_that_is_not_reached_is_left_out():
    trials = Trials()
    optim.minimize(programs.with_names, lambda: (1, 2), rand.suggest, 8, trials, verbose=False, rseed=3)

    asked = [{name for name, value in misc["vals"].items() if value} for misc in trials.miscs]
    assert {"rate", "conditional"} in asked
    assert {"rate", "conditional", "rate_1"} in asked or {"rate", "conditional", "conditional_1"} in asked


def test_the_same_seed_tries_the_same_settings():
    runs = [Trials(), Trials()]
    for number, trials in enumerate(runs):
        optim.minimize(scored, nothing, rand.suggest, 4, trials, verbose=False, directory=f"run{number}")

    assert runs[0].vals == runs[1].vals
    assert len({*runs[0].vals["x"]}) == 4


def nothing():
    return ()


def scored():
    x = {{uniform(-1, 1)}}
    return {"loss": x**2, "status": "ok", "model": x}


def test_trials_that_are_given_again_go_on_where_they_were():
    trials = Trials()
    optim.minimize(scored, nothing, tpe.suggest, 3, trials, verbose=False)
    before = trials.losses()

    best_run, _ = optim.minimize(scored, nothing, tpe.suggest, 5, trials, verbose=False)

    assert trials.losses()[:3] == before
    assert len(trials) == 5
    assert best_run["x"] ** 2 == min(trials.losses())
    assert Study.open(trials.kerastune_directory).best.values == best_run


@pytest.mark.parametrize(
    ("algo", "told"),
    [
        (tpe.suggest, "algo=tpe.suggest: settings are chosen by this library's Bayesian optimization\n"),
        (functools.partial(tpe.suggest, n_startup_jobs=5), "algo=tpe.suggest: settings are chosen by"),
        (rand.suggest, "algo=rand.suggest: settings are drawn by this library's random search\n"),
    ],
)
def test_a_line_tells_which_strategy_an_algorithm_stands_for(algo, told, capsys):
    optim.minimize(scored, nothing, algo, 1, Trials(), verbose=True)

    assert capsys.readouterr().out.count(told) == 1


def test_a_strategy_of_this_library_is_an_algorithm_too(capsys):
    best_run, _ = optim.minimize(scored, nothing, RandomStrategy(), 2, Trials(), verbose=False)

    assert set(best_run) == {"x"}
    assert capsys.readouterr().out == ""


@pytest.mark.drill
def test_the_best_models_are_those_of_the_least_losses():
    trials = Trials()

    models = optim.best_models(2, programs.simple, programs.data, rand.suggest, 4, trials, verbose=0)

    *_, x_test, y_test = programs.data()
    losses = [-model.evaluate(x_test, y_test, verbose=0)[1] for model in models]
    assert losses == pytest.approx(sorted(trials.losses())[:2])


@pytest.mark.drill
def test_an_ensemble_votes_with_the_best_models():
    model = optim.best_ensemble(
        2, programs.simple, programs.data, rand.suggest, 3, Trials(), voting="soft", nb_classes=2, verbose=0
    )

    *_, x_test, _ = programs.data()
    assert model.predict(x_test).sum(axis=-1) == pytest.approx(np.ones(len(x_test)), abs=1e-5)


@pytest.mark.drill
def test_worker_processes_run_a_model_function():
    trials = Trials()

    best_run, best_model = optim.minimize(
        programs.simple, programs.data, rand.suggest, 4, trials, verbose=False, workers=2
    )

    *_, x_test, y_test = programs.data()
    assert best_run == trials.argmin
    assert -best_model.evaluate(x_test, y_test, verbose=0)[1] == pytest.approx(min(trials.losses()))


def data_of_many_names():
    first, second, third = 1, 2, 3
    unused = "not returned"  # noqa: F841 - the model function mentions it

    def inner():
        return "another function's"

    if first:
        return third, first, second
    return inner()


def asks_by_name(first, second):
    rate = {{uniform(0, 1)}}
    return {"loss": first + 10 * second + 100 * third + rate, "seen": unused, "model": None}  # noqa: F821


def test_the_variables_of_the_data_function_are_seen_by_name():
    trials = Trials()

    optim.minimize(asks_by_name, data_of_many_names, rand.suggest, 1, trials, verbose=False)

    assert math.floor(trials.losses()[0]) == 321
    assert trials.results[0]["seen"] == "not returned"
    with pytest.raises(NameError):
        asks_by_name_elsewhere()


def asks_by_name_elsewhere():
    return third  # noqa: F821 - the search leaves the module's own names as they are


def test_functions_of_a_notebook_are_searched():
    # A notebook keeps the source of a cell under a name of its own in the lines that tracebacks are made from.
    source = "def model():\n    x = {{uniform(1, 2)}}\n    return {'loss': x, 'model': None}\n"
    name = "<ipython-input-1-0123456789ab>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    cell = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), cell)

    best_run, _ = optim.minimize(
        cell["model"], nothing, rand.suggest, 2, Trials(), verbose=False, notebook_name="Search"
    )

    assert 1 <= best_run["x"] <= 2


class Fixed:
    """A model that predicts the same whatever it is asked."""

    def __init__(self, *rows):
        self.rows = np.array(rows)

    def predict(self, x, batch_size, verbose):
        return self.rows


def test_a_hard_vote_is_the_majoritys_and_a_soft_one_the_means():
    models = [Fixed([0.4, 0.6]), Fixed([0.4, 0.6]), Fixed([1.0, 0.0])]

    assert list(VotingModel(models).predict(None)) == [1]
    assert list(VotingModel(models, weights=[1, 1, 3]).predict(None)) == [0]
    assert VotingModel(models, "soft").predict(None) == pytest.approx(np.array([[0.6, 0.4]]))
    with pytest.raises(ValueError, match=r"'hard' or 'soft'\. Received: 'loud'"):
        VotingModel(models, "loud")


def wrong_names(features):
    return {"loss": {{uniform(0, 1)}}, "model": features}


def no_template():
    return {"loss": 1.0}


class MongoTrials(Trials):
    pass


@pytest.mark.parametrize(
    ("model", "data", "algo", "trials", "error", "told"),
    [
        (
            wrong_names,
            programs.data,
            tpe.suggest,
            [],
            BuildError,
            r"wrong_names\(features\) has 1 parameters, .* 4 ",
        ),
        (no_template, nothing, tpe.suggest, [], BuildError, "no_template has no template, so there is nothing to sear"),
        (scored, nothing, "tpe", [], TypeError, "algo has to be hyperopt's tpe.suggest or rand.suggest .*'tpe'"),
        (scored, nothing, tpe, [], TypeError, "algo has to be hyperopt's tpe.suggest or rand.suggest"),
        (scored, nothing, tpe.suggest, MongoTrials(), StudyError, r"Pass Trials\(\) and workers=4"),
    ],
)
def test_what_can_not_be_searched_is_refused(model, data, algo, trials, error, told):
    with pytest.raises(error, match=told):
        optim.minimize(model, data, algo, 2, trials, verbose=False)


def test_a_run_is_evaluated_by_the_space():
    trials = Trials()
    best_run, _, space = optim.minimize(
        programs.failing, programs.data, rand.suggest, 2, trials, return_space=True, verbose=False
    )

    assert eval_hyperopt_space(space, best_run) == {"size": best_run["size"] + 1}
    assert [eval_hyperopt_space(space, misc["vals"])["size"] for misc in trials.miscs] == [
        vals["size"][0] + 1 for vals in (misc["vals"] for misc in trials.miscs)
    ]


def test_a_run_that_is_evaluated_already_is_told():
    space = Space([Choice(name="size", options=(8, 16))])

    with pytest.raises(SpaceError, match=r"'size' has 2 options, and 16 isn't.*eval_space=True.*already"):
        eval_hyperopt_space(space, {"size": 16})


SCRIPT = """
from kerastune_lite.compat.hyperas import Trials, STATUS_OK, tpe
from kerastune_lite.compat.hyperas import optim
from kerastune_lite.compat.hyperas.distributions import choice, uniform


def data():
    import numpy as np
    offset = np.float64(0.25)
    return offset,


def create_model(offset):
    x = {{uniform(0, 1)}}
    if {{choice(["near", "far"])}} == "far":
        x = x + 10
    return {"loss": float(abs(x - offset)), "status": STATUS_OK, "model": x}


if __name__ == "__main__":
    best_run, best_model = optim.minimize(create_model, data, algo=tpe.suggest, max_evals=12, trials=Trials())
    print("best:", best_run["x_1"], abs(best_run["x"] - 0.25) < 0.25, best_model == best_run["x"])
"""


@pytest.mark.drill
def test_a_script_runs_as_it_does_with_hyperas(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)

    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "best: 0 True True"
    assert "algo=tpe.suggest: " in done.stdout
    assert [path.name for path in Path(tmp_path).iterdir() if path.suffix == ".py"] == ["script.py"]
