"""Parameters and the unit cube."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest

from kerastune_lite import RangeChangedError, SpaceError
from kerastune_lite.space import (
    UNSET,
    Boolean,
    Choice,
    Condition,
    Fixed,
    Float,
    Int,
    OptionLabel,
    Space,
    label_of,
    moved_label,
    parameter_from_json,
    same_value,
)


def first(value):
    return value


PARAMETERS = [
    Choice(name="p", options=("a", None, 3, 2.5, True)),
    Boolean(name="p"),
    Fixed(name="p", options=(7,)),
    Int(name="p", low=-3, high=12),
    Int(name="p", low=1, high=1000, log=True),
    Int(name="p", low=3, high=10, step=4),
    Int(name="p", low=16, high=256, step=2, log=True),
    Int(name="p", low=5, high=5),
    Float(name="p", low=0.0, high=1.0, step=0.1),
    Float(name="p", low=1e-4, high=1e-1, step=10.0, log=True),
    Float(name="p", low=2.0, high=2.0),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_every_value_of_a_discrete_parameter_comes_back_from_the_cube(parameter):
    values = list(parameter.grid(5))

    assert len(values) == parameter.size
    assert [parameter.decode(parameter.encode(value)) for value in values] == values
    assert [parameter.index_of(value) for value in values] == list(range(len(values)))


@pytest.mark.parametrize(
    "parameter", [p for p in PARAMETERS if not (p.kind == "int" and p.log and p.step is None)], ids=str
)
def test_every_value_owns_an_equal_share_of_the_cube(parameter):
    positions = (np.arange(20_000) + 0.5) / 20_000
    values = [parameter.decode(position) for position in positions]
    shares = [sum(same_value(value, other) for other in values) / len(values) for value in parameter.grid(5)]

    assert shares == pytest.approx([1 / parameter.size] * int(parameter.size), abs=1e-3)


def test_an_integer_on_a_log_scale_owns_its_proportional_share():
    parameter = Int(name="p", low=1, high=20, log=True)
    positions = (np.arange(100_000) + 0.5) / 100_000
    counts = np.bincount([parameter.decode(position) for position in positions], minlength=21)[1:]
    expected = [math.log((n + 0.5) / (n - 0.5)) / math.log(20.5 / 0.5) for n in range(1, 21)]

    assert counts / 100_000 == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (Int(name="p", low=3, high=10, step=4), [3, 7]),
        (Int(name="p", low=16, high=256, step=2, log=True), [16, 32, 64, 128, 256]),
        (Int(name="p", low=3, high=50, step=3, log=True), [3, 9, 27]),
        (Float(name="p", low=0.0, high=0.5, step=0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (Float(name="p", low=0.0, high=1.0, step=0.3), [0.0, 0.3, 0.6, 0.9]),
        (Float(name="p", low=1e-4, high=1e-1, step=10.0, log=True), [0.0001, 0.001, 0.01, 0.1]),
        (Float(name="p", low=1e-4, high=1e-1, log=True), [0.0001, 0.001, 0.01, 0.1]),
        (Float(name="p", low=0.0, high=0.9), [0.0, 0.3, 0.6, 0.9]),
    ],
    ids=str,
)
def test_a_grid_has_exactly_these_points(parameter, values):
    assert list(parameter.grid(4)) == values


@pytest.mark.parametrize(("log", "middle"), [(False, 50.5), (True, 10.0)])
def test_the_middle_of_the_cube_is_the_middle_of_the_scale(log, middle):
    parameter = Float(name="p", low=1.0, high=100.0, log=log)

    assert parameter.decode(0.5) == pytest.approx(middle)
    assert parameter.encode(middle) == pytest.approx(0.5)
    assert (parameter.decode(0.0), parameter.decode(1.0)) == (1.0, 100.0)


@pytest.mark.parametrize("position", [0.0, 1.0 - 1e-16, 1.0])
@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_the_ends_of_the_cube_are_inside_the_range(parameter, position):
    assert parameter.contains(parameter.decode(position))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Int(name="p", low=1, high=5), 6),
        (Int(name="p", low=1, high=5), 2.5),
        (Int(name="p", low=1, high=5), True),
        (Int(name="p", low=3, high=10, step=4), 10),
        (Int(name="p", low=1, high=5), float("nan")),
        (Float(name="p", low=0.0, high=1.0), 1.1),
        (Float(name="p", low=0.0, high=1.0), "0.5"),
        (Float(name="p", low=0.0, high=1.0, step=0.5), 0.25),
        (Float(name="p", low=0.0, high=1.0, step=0.5), float("inf")),
        (Choice(name="p", options=(1, 2)), 3),
        (Choice(name="p", options=(1, 2)), True),
        (Boolean(name="p"), 1),
    ],
    ids=str,
)
def test_what_is_outside_a_range_is_not_one_of_its_values(parameter, value):
    assert not parameter.contains(value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Int(name="u", low=8, high=4), r"hp.int\('u', 8, 4\): low is greater than high"),
        (
            lambda: Float(name="r", low=0.0, high=1.0, log=True),
            r"hp.float\('r', 0.0, 1.0, log=True\): a log",
        ),
        (lambda: Int(name="u", low=1, high=4, step=0), "step has to be greater than 0"),
        (lambda: Int(name="u", low=1, high=4, step=1, log=True), "step multiplies, so it has to be greater than 1"),
        (lambda: Float(name="r", low=0.0, high=float("nan")), "high has to be a finite number. Received: nan"),
        (lambda: Int(name="u", low=1.5, high=4), "low has to be an integer. Received: 1.5"),
        (lambda: Choice(name="c", options=()), r"hp.choice\('c', \[\]\): there is nothing to choose from"),
        (lambda: Choice(name="c", options=(1, 2, 1)), "1 stands there twice"),
        (lambda: Int(name="u", low=1, high=4, default=9), "int 'u' .*the default 9 is not one of its values"),
        (lambda: Choice(name="c", options=("a",), default="b"), "the default 'b' is not one of its values"),
        (lambda: Int(name="", low=1, high=4), "name has to be a string that is not empty"),
    ],
)
def test_an_impossible_range_is_refused_by_name_and_value(make, told):
    with pytest.raises(SpaceError, match=told):
        make()


def test_true_is_not_one_and_two_is_two():
    assert not same_value(True, 1)
    assert not same_value("1", 1)
    assert same_value(2, 2.0)
    assert same_value((1, "a"), (1, "a"))
    assert not same_value((1, True), (1, 1))


def test_mixed_options_keep_their_places():
    parameter = Choice(name="p", options=(1, True, "1", None, 1.5, (1, 2), first))

    assert [parameter.index_of(option) for option in parameter.options] == list(range(7))


def test_two_functions_of_one_name_are_two_options():
    one, two = (lambda x: x), (lambda x: 2 * x)
    parameter = Choice(name="p", options=(one, two))

    assert [parameter.index_of(one), parameter.index_of(two)] == [0, 1]
    assert parameter.index_of(OptionLabel(label_of(two), 1)) == 1


def test_a_label_is_the_same_in_every_process():
    assert label_of(first).endswith("test_space.first")
    assert " at 0x" not in label_of(object())


@pytest.mark.parametrize(
    "parameter",
    [
        *PARAMETERS,
        Float(name="p", low=1e-4, high=1e-1, log=True, default=0.01),
        Choice(name="p", options=((3, 3), (5, 5)), default=(5, 5)),
        Int(name="p", low=1, high=4, conditions=(Condition("q", ("a", 1, True)),)),
    ],
    ids=str,
)
def test_a_parameter_comes_back_from_its_description(parameter):
    assert parameter_from_json(parameter.describe()) == parameter


def test_options_that_are_objects_come_back_as_their_labels():
    parameter = parameter_from_json(Choice(name="p", options=(first, len), default=len).describe())

    assert parameter.options == (label_of(first), label_of(len))
    assert parameter.index_of(len) == 1
    assert parameter.default == label_of(len)


def test_a_space_decodes_only_what_is_active():
    space = Space(
        [
            Choice(name="optimizer", options=("adam", "sgd")),
            Float(name="momentum", low=0.0, high=1.0, conditions=(Condition("optimizer", ("sgd",)),)),
            Boolean(name="nesterov", conditions=(Condition("momentum", (0.5,)),)),
        ]
    )

    assert space.decode([0.1, 0.5, 0.9]) == {"optimizer": "adam"}
    assert space.decode([0.9, 0.5, 0.9]) == {"optimizer": "sgd", "momentum": 0.5, "nesterov": True}
    assert space.decode([0.9, 0.4, 0.9]) == {"optimizer": "sgd", "momentum": 0.4}
    assert space.encode({"optimizer": "sgd", "momentum": 0.25}).tolist() == [0.75, 0.25, 0.5]


def test_a_space_counts_its_settings():
    assert Space([Int(name="a", low=1, high=3), Boolean(name="b")]).size == 6
    assert Space([Int(name="a", low=1, high=3), Float(name="b", low=0.0, high=1.0)]).size == math.inf


def test_a_name_with_another_range_is_refused_with_both():
    space = Space([Int(name="a", low=1, high=3)])
    with pytest.raises(SpaceError, match=r"int 'a' \(low=1, high=3\) and now as int 'a' \(low=1, high=4\).*hp.float"):
        space.with_parameter(Int(name="a", low=1, high=4))
    with pytest.raises(SpaceError, match=r"int 'a' .* and now as float 'a'"):
        space.with_parameter(Float(name="a", low=1.0, high=3.0))


def test_a_name_asked_for_in_two_branches_keeps_what_both_share():
    outer, one, two = (Condition(name, (1,)) for name in ("outer", "one", "two"))
    space = Space([Int(name="a", low=1, high=3, conditions=(outer, one))])
    space = space.with_parameter(Int(name="a", low=1, high=3, conditions=(outer, two)))

    assert space["a"].conditions == (outer,)


def test_no_default_stays_no_default_in_another_process():
    parameter = pickle.loads(pickle.dumps(Float(name="x", low=0.0, high=1.0)))

    assert parameter.default is UNSET
    assert "default" not in parameter.describe()


def test_what_is_asked_takes_the_place_of_what_is_remembered_once():
    before = Space([Int(name="a", low=1, high=2), Int(name="b", low=1, high=2)]).as_remembered()

    now = before.with_parameter(Int(name="a", low=2, high=9, default=3))

    assert [str(parameter) for parameter in now] == ["int 'a' (low=2, high=9)", "int 'b' (low=1, high=2)"]
    assert now.remembered == {"b"}
    with pytest.raises(RangeChangedError):
        now.with_parameter(Int(name="a", low=1, high=2))


@pytest.mark.parametrize("other", [Float(name="a", low=1.0, high=2.0), Choice(name="a", options=(1, 2))])
def test_a_remembered_parameter_keeps_its_kind(other):
    remembered = Space([Int(name="a", low=1, high=2)]).as_remembered()

    with pytest.raises(RangeChangedError):
        remembered.with_parameter(other)
    assert remembered.conflicts([other]) == [f"its int 'a' (low=1, high=2), and this search's {other}"]


def test_a_remembered_parameter_may_be_held_and_set_free():
    one, free = Fixed(name="a", options=(2,)), Int(name="a", low=1, high=2)

    assert list(Space([free]).as_remembered().with_parameter(one)) == [one]
    assert list(Space([one]).as_remembered().with_parameter(free)) == [free]
    assert Space([free]).as_remembered().conflicts([one]) == []


def test_a_space_contains_the_settings_whose_values_its_parameters_take():
    space = Space([Int(name="a", low=1, high=2), Choice(name="b", options=(first, len))])

    assert space.contains({"a": 2, "b": first, "unknown": 5})
    assert space.contains({"b": OptionLabel(label_of(len), 1)})
    assert not space.contains({"a": 3})
    assert not space.contains({"b": OptionLabel(label_of(len), 0)})


def choice(*options):
    return Choice(name="p", options=options)


def place_of(option, place, *choices):
    label = OptionLabel(label_of(option), place)
    for before, now in itertools.pairwise(choices):
        label = moved_label(label, before, now)
    return label.place if choices[-1].contains(label) else None


ONE, OTHER = (lambda: 1), (lambda: 2)


@pytest.mark.parametrize(
    ("option", "place", "choices", "expected"),
    [
        (len, 1, [choice(first, len), choice(first, max, len)], 2),
        (len, 1, [choice(first, len), choice(len, first)], 0),
        (len, 1, [choice(first, len), choice(first, max)], None),
        (len, 1, [choice(first, len), choice(first), choice(len, first)], 0),
        (ONE, 0, [choice(ONE, OTHER), choice(len, ONE, OTHER)], 1),
        (OTHER, 1, [choice(ONE, OTHER), choice(len, ONE, OTHER)], 2),
        (OTHER, 1, [choice(ONE, OTHER), choice(OTHER)], None),
        (OTHER, 1, [choice(ONE, OTHER), choice(OTHER), choice(ONE, OTHER)], None),
        (len, 1, [choice(first, len), Fixed(name="p", options=(len,))], 0),
        (len, 1, [choice(first, len), Fixed(name="p", options=(first,)), choice(first, len)], 1),
        ((1, 2), 0, [choice((1, 2), 3), choice(3, (1, 2))], 1),
    ],
)
def test_a_label_is_found_among_other_options_where_it_can_be_told_apart(option, place, choices, expected):
    assert place_of(option, place, *choices) == expected


def test_a_parameter_that_comes_to_depend_on_a_later_one_stands_after_it():
    space = Space([Int(name="child", low=1, high=2), Int(name="parent", low=1, high=2)]).as_remembered()
    child = Int(name="child", low=1, high=3, conditions=(Condition("parent", (2,)),))

    now = space.with_parameter(Int(name="parent", low=1, high=2)).with_parameter(child)

    assert [parameter.name for parameter in now] == ["parent", "child"]
    assert now.decode([0.9, 0.9]) == {"parent": 2, "child": 3}
