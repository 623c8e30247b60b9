"""Options that are lists, dicts and nested tuples come back as they were, from the journal and by way of JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kerastune_lite import GridSearch, HyperParameters, RandomSearch, SpaceError, Study
from kerastune_lite.space import Choice, OptionLabel, Space, parameter_from_json
from kerastune_lite.study.labels import resolved, values_from_json, values_to_json

DATA = [
    [64, 32],
    [],
    [1.5, "same", None, True],
    {"units": 64, "dropout": 0.5},
    {1: "a", "1": "b"},
    {},
    [[1, 2], {"a": (3, 4)}],
    ((3, 3), "same"),
    (1, [2, {"a": None}]),
    (3, 3),
]


def same(one, other):
    """Whether two values are equal, and of the same types inside and out."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("option", DATA, ids=repr)
def test_data_come_back_from_a_journal_with_their_types(tmp_path, option):
    def search(max_trials):
        tuner = GridSearch(lambda hp: float(hp.choice("x", [option, "other"]) == "other"), "loss", directory=tmp_path)
        tuner.max_trials, tuner.verbose = max_trials, 0
        return tuner.search()

    for study in (search(1), search(2), Study.open(tmp_path)):
        assert same(study.best.values["x"], option)
        assert same(study.space["x"].options, (option, "other"))
    assert study.damages == ()


@pytest.mark.parametrize("option", DATA, ids=repr)
def test_fixed_values_and_conditions_may_be_data(tmp_path, option):
    def build_fn(hp):
        hp.fixed("fixed", option)
        hp.choice("x", ["other", option], default=option)
        with hp.when("x", [option]):
            hp.int("inside", 1, 2)
        return 1.0

    GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()
    study = Study.open(tmp_path)

    assert all(same(trial.values["fixed"], option) for trial in study.trials)
    assert [trial.values.get("inside") for trial in study.trials] == [1, None, 2]
    assert same(study.space["x"].default, option)
    assert study.space["inside"].conditions[0].holds({"x": option})


@pytest.mark.parametrize("option", DATA, ids=repr)
def test_a_setting_that_was_kept_as_json_is_taken(option):
    kept = json.loads(json.dumps({"x": option}))

    for options in ([option, "other"], ["other", option]):
        assert same(HyperParameters(kept).choice("x", options), option)


def test_a_list_stands_for_itself_before_it_stands_for_a_tuple():
    options = [(3, 3), [3, 3], (3.0, "3")]

    assert HyperParameters({"x": [3, 3]}).choice("x", options) == [3, 3]
    assert HyperParameters({"x": (3, 3)}).choice("x", options) == (3, 3)
    assert HyperParameters({"x": [3.0, "3"]}).choice("x", options) == (3.0, "3")
    with pytest.raises(SpaceError, match="doesn't take it"):
        HyperParameters({"x": [True, 3]}).choice("x", options)


def test_the_best_setting_may_be_enqueued_and_built_after_it_was_kept_as_json(tmp_path):
    kernels = [(3, 3), (5, 5), [7, {"rate": (1, 2)}]]
    built = []

    def build_fn(hp):
        built.append(hp.choice("kernel", kernels))
        with hp.when("kernel", [[3, 3], (5, 5)]) as is_small:
            rate = hp.float("rate", 0.0, 1.0)
        return rate if is_small else 2.0

    def tuner(name, count):
        return RandomSearch(build_fn, "loss", max_trials=count, directory=tmp_path / name, seed=0, verbose=0)

    best = tuner("one", 4).search().best
    kept = json.loads(json.dumps(dict(best.values)))
    again = tuner("two", 2)
    again.enqueue(kept)
    again.enqueue({"kernel": [7, {"rate": [1, 2]}]})
    study = again.search()

    assert isinstance(kept["kernel"], list)
    assert same([trial.values["kernel"] for trial in study.trials], [best.values["kernel"], kernels[2]])
    assert study.trials[0].values == best.values
    # What the study has tried is not tried again.
    again.max_trials = 3
    assert "enqueued" not in again.search().trials[2].notes


def test_a_build_that_changes_what_it_was_given_changes_nothing_else(tmp_path):
    layers = [[64, 32], {"units": [8]}]

    def build_fn(hp):
        given, again = hp.choice("layers", layers), hp["layers"]
        (given if isinstance(given, list) else given["units"]).append(99)
        fixed = hp.fixed("fixed", layers[0])
        fixed.clear()
        hp.values["layers"].clear()
        return float(len(again))

    study = GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()
    study.best.values["fixed"].append(1)

    assert layers == [[64, 32], {"units": [8]}]
    for known in (study, Study.open(tmp_path)):
        assert [trial.values["layers"] for trial in known.trials] == layers
    assert Study.open(tmp_path).best.values["fixed"] == [64, 32]


def test_numpys_numbers_inside_of_options_are_plain_numbers():
    hp = HyperParameters()

    assert same(hp.choice("x", [[np.int64(1), (np.float32(0.5),)], {"a": np.bool_(True)}]), [1, (0.5,)])


def test_the_same_list_twice_is_refused():
    with pytest.raises(SpaceError, match=r"\[1, 2\] stands there twice"):
        HyperParameters().choice("x", [[1, 2], [1, 2]])


def test_readers_that_know_only_labels_find_them(tmp_path):
    """As version 0.1's first journals had them: beside the label stands what they passed over."""
    known = Choice(name="x", options=([1, 2], {"a": 1}, (1, [2]), (1, 2)))

    options = known.describe()["options"]
    assert [option.get("label") for option in options] == ["[1, 2]", "{'a': 1}", "(1, [2])", None]
    assert options[3] == {"tuple": [1, 2]}
    assert all("tuple" not in option for option in options[:3])
    old = parameter_from_json({"name": "x", "kind": "choice", "options": [{"label": "[1, 2]"}, {"label": "{'a': 1}"}]})
    assert all(isinstance(option, OptionLabel) for option in old.options)


def test_a_study_whose_journal_has_labels_alone_is_resumed(tmp_path):
    labels = {"name": "x", "kind": "choice", "options": [{"label": "[1, 2]"}, {"label": "[3]"}]}
    asked = Choice(name="x", options=([1, 2], [3]))

    space = Space([parameter_from_json(labels)]).with_parameter(asked)

    assert space["x"].options == ([1, 2], [3])
    values = values_from_json(values_to_json({"x": OptionLabel("[3]", 1)}, space))
    assert resolved(values, space) == {"x": [3]}
