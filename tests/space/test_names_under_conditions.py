"""One name with different ranges under conditions that exclude each other."""

from __future__ import annotations

import pytest

from kerastune_lite import GridSearch, HyperParameters, Objective, RangeChangedError, Study


def ask(hp):
    hp.choice("optimizer", ["sgd", "adam", "lamb"])
    with hp.when("optimizer", "sgd"):
        hp.float("rate", 0.1, 1.0, step=0.9)
    with hp.when("optimizer", "adam"):
        hp.float("rate", 0.001, 0.01, step=0.009)
    return 0.0 if hp["optimizer"] == "lamb" else hp["rate"]


@pytest.mark.parametrize(
    ("optimizer", "rate", "values"),
    [
        ("sgd", 0.1, {"optimizer": "sgd", "rate": 0.1}),
        ("adam", 0.001, {"optimizer": "adam", "rate@optimizer=adam": 0.001}),
        ("lamb", 0.0, {"optimizer": "lamb"}),
    ],
)
def test_a_name_has_the_range_of_the_condition_that_holds(optimizer, rate, values):
    hp = HyperParameters({"optimizer": optimizer})

    assert ask(hp) == rate
    assert hp.values == values
    assert ("rate" in hp) == (optimizer != "lamb")


def test_both_ranges_are_in_the_space_each_with_its_condition():
    hp = HyperParameters()
    ask(hp)

    assert str(hp.space).splitlines() == [
        "choice 'optimizer' (one of 'sgd', 'adam', 'lamb')",
        "float 'rate' (low=0.1, high=1.0, step=0.9) when optimizer=sgd",
        "float 'rate@optimizer=adam' (low=0.001, high=0.01, step=0.009) when optimizer=adam",
    ]


def test_a_search_tries_every_value_of_each_range_and_goes_on(tmp_path):
    def build_fn(hp):
        return ask(hp)

    for max_trials in (2, None):
        tuner = GridSearch(build_fn, Objective("s", "min"), directory=tmp_path, max_trials=max_trials, verbose=0)
        tuner.search()

    assert [trial.score for trial in Study.open(tmp_path).trials] == [0.1, 1.0, 0.001, 0.01, 0.0]


@pytest.mark.parametrize("conditions", [(("a", 1), ("a", [1, 2])), (("a", 1), ("b", 1))], ids=["overlap", "others"])
def test_ranges_that_may_both_be_active_are_refused(conditions):
    hp = HyperParameters()
    hp.choice("a", [1, 2])
    hp.choice("b", [1, 2])
    first, second = conditions
    with hp.when(*first):
        hp.int("units", 1, 8)

    with pytest.raises(RangeChangedError, match="was asked for as int 'units'"), hp.when(*second):
        hp.int("units", 1, 9)
