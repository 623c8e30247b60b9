"""Studies that are resumed with another plan, other data or other arguments: refused, or told in one line."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from kerastune_lite import (
    BayesianOptimization,
    Hyperband,
    Objective,
    PopulationBasedTraining,
    RandomSearch,
    Study,
    StudyMismatchError,
)
from kerastune_lite.search.description import differences
from kerastune_lite.stopping import MedianRule
from kerastune_lite.study.events import EpochEnded
from kerastune_lite.training.data import prepare
from kerastune_lite.training.data_summary import summary_of

JOURNALS = Path(__file__).parents[1] / "study" / "journals"
X = np.linspace(-1.0, 1.0, 40, dtype="float32")[:, None]
Y = 2.0 * X


def line(low=1e-4, high=1.0, questions=()):
    """The build_fn of a linear model."""

    def build_fn(hp):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        for name in questions:
            hp.choice(name, [1, 2])
        model.compile(keras.optimizers.SGD(hp.float("rate", low, high, log=True)), "mse")
        return model

    return build_fn


def cut(after):
    """A view that interrupts the search after so many epochs."""
    seen = []

    def view(event, study):
        if isinstance(event, EpochEnded):
            seen.append(event)
            if len(seen) == after:
                raise KeyboardInterrupt

    return view


@pytest.fixture
def hyperband(tmp_path):
    def play(build_fn=None, epochs=None, **settings):
        settings = {"max_epochs": 4, "factor": 2, "directory": tmp_path, "seed": 0, "verbose": 0, **settings}
        return Hyperband(build_fn or line(), "loss", **settings).search(X, Y)

    return play


@pytest.fixture
def population(tmp_path):
    def play(build_fn=None, epochs=3, **settings):
        settings = {"population": 4, "interval": 1, "directory": tmp_path, "seed": 0, "verbose": 0, **settings}
        return PopulationBasedTraining(build_fn or line(), "loss", **settings).search(X, Y, epochs=epochs)

    return play


@pytest.mark.parametrize(
    ("change", "is_cut"),
    [
        ({"max_epochs": 8}, False),
        *(
            pytest.param(change, is_cut, marks=pytest.mark.drill)
            for change in ({"max_epochs": 8}, {"max_epochs": 3}, {"factor": 4})
            for is_cut in (False, True)
            if is_cut or change != {"max_epochs": 8}
        ),
    ],
)
def test_hyperband_with_another_plan_is_refused_with_both_before_anything_starts(hyperband, tmp_path, change, is_cut):
    if is_cut:
        with pytest.raises(KeyboardInterrupt):
            hyperband(views=[cut(3)])
    else:
        hyperband()
    before = (tmp_path / "journal.jsonl").read_text()

    with pytest.raises(
        StudyMismatchError, match=r"max_epochs=4, factor=2, and Hyperband has max_epochs=\d, factor=\d now"
    ):
        hyperband(**change)

    assert (tmp_path / "journal.jsonl").read_text() == before


def test_hyperband_goes_on_with_more_iterations(hyperband):
    once = hyperband()

    twice = hyperband(iterations=2)

    assert len(twice.trials) == 2 * len(once.trials)
    assert twice.epochs_spent == 2 * once.epochs_spent


@pytest.mark.parametrize(
    "change",
    [
        {"population": 5},
        *(pytest.param(c, marks=pytest.mark.drill) for c in ({"epochs": 5}, {"interval": 2}, {"epochs": 2})),
    ],
)
def test_a_population_with_another_plan_is_refused_with_both(population, change):
    population()

    with pytest.raises(
        StudyMismatchError, match=r"population=4, interval=1, epochs=3, and PopulationBasedTraining has"
    ):
        population(**change)


@pytest.mark.parametrize("tuner", ["hyperband", "population"])
def test_a_study_of_single_trials_is_no_beginning_of_a_plan(tuner, tmp_path, request):
    RandomSearch(line(), "loss", max_trials=2, directory=tmp_path, seed=0, verbose=0).search(X, Y)

    with pytest.raises(StudyMismatchError, match="trial 0 was begun by a search that made no such plan"):
        request.getfixturevalue(tuner)()


@pytest.mark.parametrize(
    ("name", "play", "told"),
    [
        (
            "hyperband",
            lambda d: Hyperband(line(), "loss", max_epochs=50, directory=d, verbose=0).search(X, Y),
            "max_epochs",
        ),
        (
            "population",
            lambda d: PopulationBasedTraining(line(), "loss", population=7, directory=d, verbose=0).search(
                X, Y, epochs=9
            ),
            "population=7",
        ),
    ],
)
def test_a_journal_that_does_not_hold_the_plan_shows_it_by_its_trials(tmp_path, name, play, told):
    shutil.copy(JOURNALS / f"{name}.jsonl", tmp_path / "journal.jsonl")
    objective = Study.open(tmp_path).objective
    lines = (tmp_path / "journal.jsonl").read_text().replace(f'"{objective.name}"', '"loss"')
    # Lines without checksums are read as they are.
    unchecked = [{key: value for key, value in json.loads(line).items() if key != "crc"} for line in lines.splitlines()]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in unchecked))

    with pytest.raises(StudyMismatchError, match=rf"its trial 0 was begun to train \d+ epochs.*{told}"):
        play(tmp_path)


def test_a_narrowed_hyperband_fills_its_brackets_with_trials_that_count(hyperband):
    with pytest.raises(KeyboardInterrupt):
        hyperband(views=[cut(4)])

    study = hyperband(line(1e-2, 1.0))

    inside = [trial for trial in study.trials if not trial.is_outside]
    complete = [trial for trial in inside if len(trial.curve) == 4]
    assert study.outside
    assert len(inside) == 4 + 2 + 3
    assert len(complete) >= 1 + 1 + 3
    assert all(1e-2 <= trial.values["rate"] <= 1.0 for trial in inside)


def test_a_hyperband_whose_trials_all_lie_outside_is_run_anew(hyperband):
    first = hyperband()

    study = hyperband(line(questions=["new"]))

    assert len(study.outside) == len(first.trials)
    assert len(study.trials) == 2 * len(first.trials)
    assert study.best.values.keys() == {"new", "rate"}


@pytest.mark.drill
def test_hyperbands_trials_that_come_back_into_the_space_are_trained_as_far_as_their_bracket_asks(hyperband):
    hyperband()
    hyperband(line(1e-2, 1.0))
    study = hyperband(line())

    assert study.outside == ()
    ends = [len(trial.curve) for trial in study.trials]
    assert ends.count(4) >= 5


def test_a_member_that_lies_outside_takes_over_from_another(population):
    with pytest.raises(KeyboardInterrupt):
        population(views=[cut(6)])

    study = population(line(1e-2, 1.0))

    outside = {trial.number for trial in study.outside}
    assert outside
    assert not outside & {trial.parent for trial in study.trials if trial.number > max(outside)}
    assert len(study.trials) == 12


def test_a_population_of_which_nobody_lies_in_the_space_is_refused_and_its_study_kept(population, tmp_path):
    before = population()

    with pytest.raises(StudyMismatchError, match="none of the trials from which PopulationBasedTraining would go on"):
        population(line(questions=["new"]))

    study = Study.open(tmp_path)
    assert (study.best.number, study.outside) == (before.best.number, ())


@pytest.fixture(scope="module")
def one_trial(tmp_path_factory):
    """The directory of a study with one trial, to be copied."""
    directory = tmp_path_factory.mktemp("one_trial")
    RandomSearch(line(), "loss", max_trials=1, directory=directory, seed=0, verbose=0).search(X, Y)
    return directory


def searched(tmp_path, capsys, x=X, y=Y, max_trials=1, tuner=None, **arguments):
    capsys.readouterr()
    settings = {"max_trials": max_trials, "directory": tmp_path, "seed": 0, **(tuner or {})}
    RandomSearch(line(), "loss", **settings).search(x, y, **arguments)
    told = [each for each in capsys.readouterr().out.splitlines() if "since the last search" in each]
    return [each.split(": ", 1)[1].removeprefix("since the last search of this study: ") for each in told]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 3}, "epochs 3, before 1"),
        ({"batch_size": 8}, "batch_size 8, before none"),
        ({"shuffle": False}, "shuffle False, before none"),
        ({"x": X[:30], "y": Y[:30]}, "x has 30 samples, before 40; y has 30 samples, before 40"),
        ({"y": Y + 1.0}, "y holds other values"),
        ({"x": X.astype("float64")}, "x has the type float64, before float32"),
        ({"validation_data": (X, Y)}, "validation_data[0] is new; validation_data[1] is new"),
        ({"sample_weight": np.ones(40)}, "sample_weight is new"),
        ({"tuner": {"executions_per_trial": 2}}, "executions_per_trial 2, before 1"),
    ],
)
def test_what_a_search_is_done_with_is_told_in_one_line_where_it_differs(tmp_path, capsys, one_trial, change, told):
    shutil.copytree(one_trial, tmp_path, dirs_exist_ok=True)

    assert searched(tmp_path, capsys, max_trials=2, **change) == [f"{told}: scores may not compare"]


def test_more_trials_are_no_difference_and_write_no_line(tmp_path, capsys):
    assert searched(tmp_path, capsys) == []
    assert searched(tmp_path, capsys, max_trials=3) == []
    lines = [json.loads(each) for each in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert sum("search" in each for each in lines) == 1


def test_the_journal_keeps_what_each_search_was_done_with(tmp_path, capsys):
    searched(tmp_path, capsys)
    searched(tmp_path, capsys, epochs=2)

    described = [
        json.loads(each) for each in (tmp_path / "journal.jsonl").read_text().splitlines() if '"search"' in each
    ]
    assert [each["search"]["training"]["epochs"] for each in described] == [1, 2]
    strategy = described[0]["search"]["strategy"]
    assert (strategy["tuner"], strategy["class"]) == ("RandomSearch", "RandomStrategy")
    versions = described[0]["search"]["versions"]
    assert (versions["keras"], versions["python"]) == (keras.__version__, platform.python_version())
    assert versions.keys() == {"kerastune_lite", "python", "keras", "backend", "tensorflow"}
    assert Study.open(tmp_path).latest_search == described[1]["search"]


def test_another_version_is_a_difference():
    before = {"versions": {"keras": "3.0.0", "backend": "jax"}}
    now = {"versions": {"keras": "3.1.0", "backend": "tensorflow"}}

    assert differences(before, now) == ["keras 3.1.0, before 3.0.0", "backend tensorflow, before jax"]


def test_a_version_that_an_earlier_journal_lacks_and_that_of_python_are_none():
    before = {"versions": {"keras": "3.1.0", "python": "3.11.1"}}
    now = {"versions": {"keras": "3.1.0", "python": "3.12.0", "tensorflow": "2.20.0"}}

    assert differences(before, now) == []


def test_the_journal_keeps_the_settings_of_the_strategy_and_of_the_stopping_rule(tmp_path, iris, build_iris):
    x, y = iris
    settings = {"max_trials": 1, "directory": tmp_path, "seed": 3, "verbose": 0}
    tuner = BayesianOptimization(build_iris, "val_loss", initial_trials=5, stopping=MedianRule(2), **settings)

    study = tuner.search(x, y, validation_split=0.2, epochs=3, callbacks=keras.callbacks.EarlyStopping())

    described = study.latest_search
    assert described["strategy"]["settings"] | {"design": 5, "seed": 3} == described["strategy"]["settings"]
    assert described["stopping"] == {"class": "MedianRule", "settings": {"grace_epochs": 2, "min_trials": 5}}
    assert described["callbacks"] == ["EarlyStopping"]
    assert described["data"]["x"]["samples"] == 120


def test_another_strategy_is_none():
    assert differences({"strategy": {"tuner": "GridSearch"}}, {"strategy": {"tuner": "RandomSearch"}}) == []


def a_dataset(length, dtype):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(np.zeros((length, 2), dtype)).batch(4)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[:2], Y[:2]


def summary(x, y=None):
    return summary_of(prepare(x, y, None, 0.0, {}))


def test_the_summary_of_data_tells_what_it_can():
    pandas = pytest.importorskip("pandas")

    assert summary_of(None) == {}
    assert summary(lambda: X) == {}
    assert summary(a_dataset(8, "float32"))["x"]["length"] == 2
    assert "float16" in summary(a_dataset(8, "float16"))["x"]["elements"]
    assert summary(Batches())["x"] == {"elements": "Batches", "length": 3}
    assert list(summary({"a": X, "b": [X, Y]}, Y)) == ["x['a']", "x['b'][0]", "x['b'][1]", "y"]
    assert summary(pandas.DataFrame(X), Y)["x"]["samples"] == 40
    assert json.loads(json.dumps(summary(X, Y))) == summary(X, Y)


class Unreadable(keras.utils.PyDataset):
    """A dataset that doesn't know how long it is before it is trained on."""

    @property
    def num_batches(self):
        raise RuntimeError("not yet")

    def __getitem__(self, index):
        return X[:2], Y[:2]


def test_data_that_cannot_be_summarised_keep_no_search_from_running():
    import tensorflow as tf

    assert summary(Unreadable()) == {"x": {"elements": "Unreadable"}}
    assert summary(tf.ragged.constant([[1.0], [1.0, 2.0]]))["x"]["shape"] == [None]


def test_a_beginning_that_is_damaged_keeps_no_hyperband_from_going_on(hyperband, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        hyperband(views=[cut(3)])
    journal = tmp_path / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    without = [line for line in lines if '"search"' not in line]
    first = next(place for place, line in enumerate(without) if '"begin"' in line)
    journal.write_text("".join([*without[:first], "noise\n", *without[first + 1 :]]))

    assert len(hyperband().trials) == 9


def test_the_checksum_of_an_array_is_that_of_its_values():
    assert summary(X, Y) == summary(X.copy(), Y.copy())
    assert summary(X, Y)["x"] != summary(X + 1, Y)["x"]
    assert summary(X[::-1], Y)["x"]["checksum"] != summary(X, Y)["x"]["checksum"]
    texts = np.array([["a"], ["b"]], dtype=object)
    assert summary(texts)["x"]["checksum"] == summary(texts.copy())["x"]["checksum"]


def test_a_function_that_trains_by_itself_has_no_data_to_tell_of(tmp_path):
    RandomSearch(
        lambda hp: hp.float("x", 0, 1), Objective("loss", "min"), max_trials=1, directory=tmp_path, verbose=0
    ).search()

    assert Study.open(tmp_path).latest_search["data"] == {}
