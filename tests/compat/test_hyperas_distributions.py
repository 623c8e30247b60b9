"""The values of templates have hyperopt's distributions: compared with their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kerastune_lite import SpaceError
from kerastune_lite.compat.hyperas.parameters import parameter_of
from kerastune_lite.space import Rounded, Space, parameter_from_json

DRAWS = 4000
LUCK = 1e-3
"""A sample of the right distribution is refused once in a thousand times; the seeds are fixed."""


def drawn(distribution, *arguments):
    parameter = parameter_of("x", distribution, arguments, {})
    generator = np.random.default_rng(5)
    return [parameter.decode(float(position)) for position in generator.random(DRAWS)]


CONTINUOUS = {
    "uniform": ((2.0, 5.0), stats.uniform(2, 3)),
    "loguniform": ((-5.0, 0.0), stats.loguniform(math.exp(-5), 1)),
    "normal": ((3.0, 2.0), stats.norm(3, 2)),
    "lognormal": ((0.5, 1.5), stats.lognorm(1.5, scale=math.exp(0.5))),
}


@pytest.mark.parametrize("distribution", CONTINUOUS)
def test_a_continuous_distribution_is_hyperopts(distribution):
    arguments, expected = CONTINUOUS[distribution]

    assert stats.kstest(drawn(distribution, *arguments), expected.cdf).pvalue > LUCK


QUANTISED = {
    "quniform, aligned": ("quniform", (0.0, 1.0, 0.25), stats.uniform(0, 1)),
    "quniform, not aligned": ("quniform", (1.0, 10.0, 4.0), stats.uniform(1, 9)),
    "quniform, low end outside": ("quniform", (0.0, 1.0, 0.3), stats.uniform(0, 1)),
    "qloguniform": ("qloguniform", (0.0, 3.0, 2.0), stats.loguniform(1, math.exp(3))),
    "qnormal": ("qnormal", (10.0, 3.0, 2.0), stats.norm(10, 3)),
    "qlognormal": ("qlognormal", (1.0, 0.5, 1.0), stats.lognorm(0.5, scale=math.exp(1))),
    "uniformint": ("uniformint", (1, 5), stats.uniform(1, 4)),
}


@pytest.mark.parametrize("case", QUANTISED)
def test_a_rounded_distribution_has_the_share_of_what_is_rounded_to_each_value(case):
    distribution, arguments, drawn_from = QUANTISED[case]
    q = arguments[2] if len(arguments) > 2 else 1.0
    values, counts = np.unique(drawn(distribution, *arguments), return_counts=True)
    shares = drawn_from.cdf(values + q / 2) - drawn_from.cdf(values - q / 2)
    # What is drawn too seldom for a test of counts is put together.
    often = shares * DRAWS >= 5
    observed = [*counts[often], DRAWS - counts[often].sum()]
    expected = [*shares[often], 1 - shares[often].sum()]
    kept = np.array(expected) * DRAWS > 1e-9

    assert np.allclose(values / q, np.round(values / q))
    assert stats.chisquare(np.array(observed)[kept], np.array(expected)[kept] * DRAWS).pvalue > LUCK


def test_a_rounded_float_takes_the_values_that_hyperopt_takes():
    # Seen with hyperopt 0.3.0.
    assert sorted({*drawn("quniform", 1, 10, 4)}) == [0, 4, 8]
    assert sorted({*drawn("quniform", 0, 1, 0.3)}) == [0.0, 0.3, 0.6, 0.9]


def test_a_rounded_float_is_an_integer_where_the_step_is_whole():
    assert {type(value) for value in drawn("quniform", 8, 64.0, 8.0)} == {int}
    assert {type(value) for value in drawn("quniform", 0, 1, 0.5)} == {float}


def test_an_integer_is_drawn_below_the_upper_bound():
    for arguments, values in (((3,), [0, 1, 2]), ((2, 5), [2, 3, 4])):
        found, counts = np.unique(drawn("randint", *arguments), return_counts=True)
        assert list(found) == values
        assert stats.chisquare(counts).pvalue > LUCK


def test_a_weighted_choice_has_its_weights():
    found, counts = np.unique(drawn("pchoice", [(0.1, "a"), (0.2, "b"), (0.7, "c")]), return_counts=True)

    assert list(found) == ["a", "b", "c"]
    assert stats.chisquare(counts, DRAWS * np.array([0.1, 0.2, 0.7])).pvalue > LUCK


def test_options_that_stand_twice_are_told_apart_by_their_places():
    parameter = parameter_of("x", "choice", [[8, 16, 8]], {})

    assert [parameter.index_of(option) for option in parameter.options] == [0, 1, 2]


@pytest.mark.parametrize(
    ("distribution", "arguments", "told"),
    [
        ("uniform", (0.0,), "has other arguments than hyperopt's uniform: .*high"),
        ("uniform", (1.0, 0.0), "low is greater than high"),
        ("quniform", (0.0, 1.0, 0.0), "step of 'x' has to be a finite number above 0"),
        ("randint", (0,), "low is greater than high"),
        ("choice", ([],), "nothing to choose from"),
    ],
)
def test_impossible_arguments_are_refused(distribution, arguments, told):
    with pytest.raises(SpaceError, match=told):
        parameter_of("x", distribution, arguments, {})


ROUNDED = {
    "whole": Rounded(name="x", low=1.0, high=10.0, step=4.0),
    "fractions": Rounded(name="x", low=0.0, high=1.0, step=0.1),
    "logarithmic": Rounded(name="x", low=1.0, high=100.0, step=3.0, log=True),
    "one value": Rounded(name="x", low=0.9, high=1.1, step=1.0),
}


@pytest.mark.parametrize("parameter", ROUNDED.values(), ids=ROUNDED)
def test_a_rounded_parameter_finds_each_of_its_values_again(parameter):
    values = list(parameter.grid(2))

    assert len(values) == parameter.size
    for index, value in enumerate(values):
        assert parameter.decode(parameter.encode(value)) == value
        assert parameter.index_of(value) == index
        assert parameter.value_at(index) == value
        assert parameter.contains(value)
    assert not parameter.contains(values[-1] + parameter.step)
    assert not parameter.contains(values[0] + parameter.step / 3)
    assert not parameter.contains("a")
    assert not parameter.contains(math.nan)


@pytest.mark.parametrize("parameter", ROUNDED.values(), ids=ROUNDED)
def test_a_journal_keeps_a_rounded_parameter(parameter):
    assert parameter_from_json(parameter.describe()) == parameter
    assert Space([parameter]).with_parameter(parameter_from_json(parameter.describe())) == Space([parameter])
