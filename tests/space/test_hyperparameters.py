"""`hp`: what a build is answered."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite import HyperParameters, SpaceError


def test_a_setting_answers_and_is_recorded_in_the_order_of_asking():
    hp = HyperParameters({"b": 2, "a": 0.5, "unused": 1})

    assert (hp.float("a", 0.0, 1.0), hp.int("b", 1, 3)) == (0.5, 2)
    assert list(hp.values.items()) == [("a", 0.5), ("b", 2)]
    assert hp["a"] == 0.5


def test_what_a_setting_lacks_is_its_default_or_its_first_value():
    hp = HyperParameters()

    assert hp.int("a", 3, 9) == 3
    assert hp.int("b", 3, 9, default=7) == 7
    assert hp.choice("c", ["x", "y"]) == "x"
    assert hp.boolean("d") is False


def test_numpy_ranges_give_plain_values():
    hp = HyperParameters()
    answers = [
        hp.choice("a", np.array([32, 64])),
        hp.int("b", np.int64(2), np.int64(5)),
        hp.float("c", np.float32(0.5), 1),
        hp.fixed("d", np.float64(0.25)),
        hp.boolean("e", default=np.True_),
    ]

    assert [type(answer) for answer in answers] == [int, int, float, float, bool]
    assert answers == [32, 2, 0.5, 0.25, True]


@pytest.mark.parametrize(
    ("ask", "values"),
    [
        (lambda hp: hp.uniform("p", 0, 1), {"p": 0.25}),
        (lambda hp: hp.loguniform("p", 1e-3, 1), {"p": 0.25}),
        (lambda hp: hp.quniform("p", 0, 1, 0.25), {"p": 0.25}),
        (lambda hp: hp.randint("p", 0, 10), {"p": 10}),
        (lambda hp: hp.int("p", 0, 10), {"p": 10}),
    ],
)
def test_the_words_of_hyperas_ask_too(ask, values):
    assert ask(HyperParameters(values)) == values["p"]


def test_a_value_with_rounding_dust_is_put_on_the_grid():
    assert HyperParameters({"p": 0.1 + 0.2}).float("p", 0.0, 1.0, step=0.1) == 0.3


def test_a_value_outside_the_range_is_refused_by_name():
    with pytest.raises(SpaceError, match=r"12 was given for int 'p' \(low=1, high=9\)"):
        HyperParameters({"p": 12}).int("p", 1, 9)


def test_a_name_asked_twice_gets_the_same_answer():
    hp = HyperParameters({"p": 5})

    assert hp.int("p", 1, 9) == hp.int("p", 1, 9) == 5
    assert list(hp.values) == ["p"]


def test_a_name_asked_twice_with_another_range_is_refused_with_both():
    hp = HyperParameters()
    hp.int("units", 30, 50)
    with pytest.raises(SpaceError, match=r"low=30, high=50\) and now as int 'units' \(low=20, high=50"):
        hp.int("units", 20, 50)


def test_options_made_afresh_by_each_call_are_those_of_the_call():
    made = [object(), object()]
    again = [object(), object()]
    hp = HyperParameters({"p": made[1]})
    hp.choice("p", made)

    assert HyperParameters(hp.values, hp.space).choice("p", again) in again


def test_a_condition_that_does_not_hold_leaves_its_parameters_out():
    hp = HyperParameters({"optimizer": "adam", "momentum": 0.9})
    hp.choice("optimizer", ["sgd", "adam"])
    with hp.when("optimizer", "sgd") as used:
        momentum = hp.float("momentum", 0.0, 0.9, default=0.3)

    assert not used
    assert momentum == 0.3
    assert "momentum" not in hp
    assert [parameter.name for parameter in hp.space] == ["optimizer", "momentum"]


def test_conditions_nest_and_take_several_values():
    hp = HyperParameters({"a": 2, "b": 5, "c": 7})
    hp.int("a", 1, 3)
    with hp.when("a", [2, 3]):
        hp.int("b", 1, 9)
        with hp.when("b", (4, 5)):
            hp.int("c", 1, 9)

    assert hp.values == {"a": 2, "b": 5, "c": 7}


def test_a_child_of_an_inactive_parameter_is_inactive():
    hp = HyperParameters({"a": 1})
    hp.int("a", 1, 3)
    with hp.when("a", 2):
        hp.choice("b", [1, 2])
    with hp.when("b", 1):
        hp.choice("c", [1, 2])

    assert hp.values == {"a": 1}


def test_a_tuple_that_is_an_option_is_one_value_of_a_condition():
    hp = HyperParameters({"kernel": (3, 3)})
    hp.choice("kernel", [(3, 3), (5, 5)])
    with hp.when("kernel", (3, 3)) as used:
        pass

    assert used


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("b", 1, "has not asked for 'b' before"),
        ("a", 9, "9 is not one of the values of int 'a'"),
        ("a", [], "is not one"),
    ],
)
def test_a_condition_on_what_was_not_asked_or_cannot_be_is_refused(name, value, told):
    hp = HyperParameters()
    hp.int("a", 1, 3)
    with pytest.raises(SpaceError, match=told), hp.when(name, value):
        pass


def test_scopes_prefix_names():
    hp = HyperParameters({"block1/conv/filters": 5})
    with hp.scope("block1"), hp.scope("conv"):
        assert hp.int("filters", 1, 9) == 5
    hp.int("filters", 1, 9)

    assert list(hp.values) == ["block1/conv/filters", "filters"]


def test_asking_for_what_was_not_asked_names_what_was():
    hp = HyperParameters()
    hp.int("a", 1, 3)
    with pytest.raises(SpaceError, match=r"hp\['b'\].*Asked for so far: a"):
        hp["b"]
