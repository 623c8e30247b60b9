"""Distributions that parameters are drawn from: normals, weighted choices and reversed scales, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kerastune_lite import HyperParameters, Objective, SpaceError, Study, Tuner
from kerastune_lite.space import Choice, Float, Int, Normal, Space, parameter_from_json
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.population import changed
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.testing import simulated_search

DRAWS = 4000
LEAST_P = 1e-3
"""The seed is fixed: a distribution that is right gives its p-value once and for all."""


def drawn(parameter):
    rng = np.random.default_rng(0)
    return np.array([parameter.decode(position) for position in rng.random(DRAWS)])


NORMALS = [
    Normal(name="p", mean=3.0, sd=2.0),
    Normal(name="p", mean=-2.0, sd=0.7, log=True),
    Normal(name="p", mean=0.0, sd=3.0, step=0.5),
    Normal(name="p", mean=1.0, sd=1.0, step=2.0, log=True),
]
REVERSED = [
    Float(name="p", low=0.5, high=0.999, log=True, is_reversed=True),
    Float(name="p", low=1.0, high=1000.0, step=10.0, log=True, is_reversed=True),
    Int(name="p", low=1, high=500, log=True, is_reversed=True),
    Int(name="p", low=3, high=100, step=3, log=True, is_reversed=True),
]


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [(NORMALS[0], stats.norm(3.0, 2.0)), (NORMALS[1], stats.lognorm(s=0.7, scale=math.exp(-2.0)))],
    ids=["normal", "lognormal"],
)
def test_draws_of_a_normal_are_normally_distributed(parameter, expected):
    assert stats.kstest(drawn(parameter), expected.cdf).pvalue > LEAST_P


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [(NORMALS[2], stats.norm(0.0, 3.0)), (NORMALS[3], stats.lognorm(s=1.0, scale=math.e))],
    ids=["normal", "lognormal"],
)
def test_a_step_rounds_the_draws_of_a_normal_to_its_multiples(parameter, expected):
    values, counts = np.unique(drawn(parameter), return_counts=True)
    half = parameter.step / 2
    shares = expected.cdf(values + half) - expected.cdf(values - half)
    often = shares * DRAWS >= 5

    assert np.allclose(values % parameter.step, 0.0)
    few = DRAWS - counts[often].sum()
    observed, predicted = [*counts[often], few], [*(shares[often] * DRAWS), DRAWS * (1 - shares[often].sum())]
    assert stats.chisquare(observed, predicted).pvalue > LEAST_P


def test_options_are_drawn_as_often_as_their_weights_say():
    parameter = Choice(name="p", options=("a", None, 3), weights=(1.0, 0.5, 2.5))
    draws = [parameter.decode(position) for position in np.random.default_rng(0).random(DRAWS)]
    counts = [sum(value is option for value in draws) for option in ("a", None, 3)]

    assert stats.chisquare(counts, DRAWS * np.array([0.25, 0.125, 0.625])).pvalue > LEAST_P
    assert [parameter.decode(parameter.encode(option)) for option in parameter.options] == list(parameter.options)
    assert [parameter.decode(position) for position in (0.0, 1.0)] == ["a", 3]


def test_a_reversed_scale_is_the_mirror_image_of_the_logarithmic_one():
    parameter = REVERSED[0]
    mirrored = stats.loguniform(0.5, 0.999)

    assert stats.kstest(0.5 + 0.999 - drawn(parameter), mirrored.cdf).pvalue > LEAST_P
    assert parameter.decode(0.0) == pytest.approx(0.5)
    assert parameter.decode(1.0) == pytest.approx(0.999)


def test_a_reversed_step_multiplies_the_distance_from_the_upper_end():
    assert REVERSED[1].grid(5) == [1.0, 901.0, 991.0, 1000.0]
    assert REVERSED[3].grid(5) == [22, 76, 94, 100]


@pytest.mark.parametrize("parameter", [*NORMALS, *REVERSED], ids=str)
def test_values_come_back_from_the_cube(parameter):
    positions = np.linspace(0.01, 0.99, 50)
    values = [parameter.decode(position) for position in positions]

    assert values == sorted(values)
    assert all(map(parameter.contains, values))
    assert [parameter.decode(parameter.encode(value)) for value in values] == pytest.approx(values)
    assert all(map(parameter.contains, parameter.grid(4)))


@pytest.mark.parametrize("parameter", [p for p in REVERSED if p.size < math.inf], ids=str)
def test_every_value_of_a_reversed_scale_has_its_index(parameter):
    values = list(parameter.grid(2))

    assert len(values) == parameter.size
    assert [parameter.index_of(value) for value in values] == list(range(len(values)))
    assert [parameter.value_at(index) for index in range(len(values))] == values


@pytest.mark.parametrize(
    "parameter", [*NORMALS, *REVERSED, Choice(name="p", options=("a", 2), weights=(1.0, 3.0))], ids=str
)
def test_parameters_are_the_same_after_their_description(parameter):
    assert parameter_from_json(parameter.describe()) == parameter


def test_earlier_versions_read_a_normal_as_a_float_of_a_wide_range():
    described = NORMALS[0].describe()
    known_to_them = {name: described[name] for name in ("kind", "low", "high", "step", "log")}

    assert known_to_them == {"kind": "float", "low": -13.0, "high": 19.0, "step": None, "log": False}


def test_a_normal_takes_values_that_no_draw_reaches():
    hp = HyperParameters({"p": 1e6, "q": 0.30000000000000004})

    assert hp.normal("p", 0, 1) == 1e6
    assert hp.normal("q", 0, 1, step=0.1) == 0.3


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda hp: hp.normal("p", 0, 0), r"hp.normal\('p', 0.0, 0.0\): sd has to be greater than 0"),
        (lambda hp: hp.normal("p", math.nan, 1), "mean has to be a finite number"),
        (lambda hp: hp.normal("p", 0, 1, step=-1), "step has to be greater than 0"),
        (lambda hp: hp.lognormal("p", 500, 100), "beyond all floats"),
        (lambda hp: hp.lognormal("p", 0, 1, default=-1.0), "the default -1.0 is not one of its values"),
        (lambda hp: hp.choice("p", [1, 2], weights=[1]), "2 options and 1 weights"),
        (lambda hp: hp.choice("p", [1, 2], weights=[1, 0]), "finite number above 0. Received: 0.0"),
        (lambda hp: hp.float("p", 0.1, 1, log="reversed"), "log=\"reverse\". Received: log='reversed'"),
        (lambda hp: hp.float("p", 0.0, 1, log="reverse"), r'log="reverse"\): a log scale needs low > 0'),
    ],
)
def test_impossible_distributions_are_refused(ask, told):
    with pytest.raises(SpaceError, match=told):
        ask(HyperParameters())


def test_other_weights_are_no_other_range():
    space = Space([Choice(name="p", options=(1, 2), weights=(1.0, 3.0))])
    changed = space.with_parameter(Choice(name="p", options=(1, 2), weights=(2.0, 1.0)))

    assert changed["p"].weights == (2.0, 1.0)


def asks_for_all(hp):
    total = hp.normal("normal", 0, 1) + hp.lognormal("lognormal", 0, 1, step=0.5)
    total += hp.choice("choice", [0.0, 1.0, 5.0], weights=[1, 2, 3])
    return total + hp.float("float", 0.5, 0.99, log="reverse") + hp.int("int", 1, 9, log="reverse")


@pytest.mark.parametrize("strategy", [RandomStrategy(), lambda seed: BayesianStrategy(seed=seed, design=8)])
def test_a_search_learns_from_all_distributions_and_reads_them_back(tmp_path, strategy):
    tuner = Tuner(
        asks_for_all, Objective("s", "min"), strategy=strategy, max_trials=14, directory=tmp_path, seed=0, verbose=0
    )
    study = tuner.search()
    read = Study.open(tmp_path)

    assert len(study.trials) == 14
    assert read.space == study.space
    assert not read.damages
    assert [trial.values for trial in read.trials] == [trial.values for trial in study.trials]


def test_random_search_repeats_no_setting_of_a_normal_with_a_step():
    search = simulated_search(
        RandomStrategy(), Space([Normal(name="p", mean=0.0, sd=1.0, step=0.5)]), lambda values, epoch: 0.0, max_trials=9
    )
    values = [trial.values["p"] for trial in search.trials]

    assert len(set(values)) == len(values) == 9


def test_a_member_of_a_population_moves_along_the_steps_of_a_normal():
    space = Space([Normal(name="p", mean=0.0, sd=5.0, step=0.5)])
    moved = [changed({"p": 3.0}, space, lambda values: (), np.random.default_rng(seed)) for seed in range(30)]

    assert all(space["p"].contains(values["p"]) for values in moved)
    assert {2.5, 3.5} <= {values["p"] for values in moved}


def test_a_grid_takes_the_middles_of_equal_shares_of_a_normal():
    expected = stats.norm(3.0, 2.0).ppf([0.1, 0.3, 0.5, 0.7, 0.9])

    assert NORMALS[0].grid(5) == pytest.approx(expected)
