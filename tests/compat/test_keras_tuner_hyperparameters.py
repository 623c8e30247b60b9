"""KerasTuner's `hp`, outside of any search: what it answers, refuses, and tells of itself."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite.compat import keras_tuner as kt
from kerastune_lite.compat.keras_tuner.engine import hyperparameters as module


def test_parameters_have_their_defaults_and_both_ends_belong_to_a_range():
    hp = kt.HyperParameters()

    answers = [
        hp.Int("units", 32, 128, step=32),
        hp.Float("rate", 1e-4, 1e-2, sampling="LOG", default=1e-3),
        hp.Choice("activation", ["relu", "tanh"], default="tanh"),
        hp.Boolean("dropout"),
        hp.Fixed("seed", 7),
    ]

    assert answers == [32, 1e-3, "tanh", False, 7]
    assert hp.values == {"units": 32, "rate": 1e-3, "activation": "tanh", "dropout": False, "seed": 7}
    assert hp.space[0].values == [32, 64, 96, 128]


def test_the_range_that_is_asked_for_first_stays():
    hp = kt.HyperParameters()
    hp.Int("units", 0, 10)

    assert hp.Int("units", 50, 60) == 0
    assert len(hp.space) == 1


def test_a_value_that_was_written_is_answered():
    hp = kt.HyperParameters()
    hp.values["units"] = 77

    assert hp.Int("units", 1, 10) == 77


def test_one_name_has_other_ranges_under_other_conditions():
    hp = kt.HyperParameters()
    model = hp.Choice("model", ["small", "deep"], default="deep")
    with hp.conditional_scope("model", "small"):
        small = hp.Int("units", 1, 4)
    with hp.conditional_scope("model", ["deep"]):
        deep = hp.Int("units", 100, 200)

    assert (model, small, deep) == ("deep", None, 100)
    assert hp.values == {"model": "deep", "units": 100}
    assert len(hp.space) == 3


def test_a_name_scope_prefixes_names_and_parents():
    hp = kt.HyperParameters()
    with hp.name_scope("block"):
        hp.Boolean("dense", default=True)
        hp.Int("units", 1, 4, parent_name="dense", parent_values=True)

    assert hp.values == {"block/dense": True, "block/units": 1}


def test_unknown_and_inactive_parameters_are_told_apart():
    hp = kt.HyperParameters()
    hp.Boolean("dense")
    hp.Int("units", 1, 4, parent_name="dense", parent_values=[True])

    with pytest.raises(ValueError, match="units is currently inactive"):
        hp.get("units")
    with pytest.raises(KeyError, match="depth does not exist"):
        hp["depth"]
    with pytest.raises(ValueError, match="`HyperParameter` named: depth not defined"), hp.conditional_scope("depth", 1):
        pass
    assert "dense" in hp
    assert "units" not in hp


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda hp: hp.Int("a", 0.5, 3), ValueError, "min_value must be an int"),
        (lambda hp: hp.Int("a", 3, 1), ValueError, "min_value 3 is greater than the max_value 1"),
        (lambda hp: hp.Float("a", 0, 1, sampling="log"), ValueError, "does not support negative values or 0"),
        (lambda hp: hp.Float("a", 1, 9, step=1, sampling="log"), ValueError, "expected step > 1"),
        (lambda hp: hp.Float("a", 0, 1, sampling="cubic"), ValueError, "sampling must be one of"),
        (lambda hp: hp.Choice("a", []), ValueError, "`values` must be provided"),
        (lambda hp: hp.Choice("a", ["x", 1]), TypeError, "can contain only one"),
        (lambda hp: hp.Choice("a", [(1, 2)]), TypeError, "can contain only `int`"),
        (lambda hp: hp.Choice("a", [1, 2], default=3), ValueError, "default value should be"),
        (lambda hp: hp.Choice("a", ["x"], ordered=True), ValueError, "must be `False`"),
        (lambda hp: hp.Boolean("a", default="yes"), ValueError, "must be a Python boolean"),
        (lambda hp: hp.Fixed("a", None), ValueError, "value must be an"),
    ],
)
def test_what_keras_tuner_refuses_is_refused_with_its_kind_of_error(ask, error, words):
    with pytest.raises(error, match=words):
        ask(kt.HyperParameters())


def test_numpy_values_are_plain_afterwards():
    hp = kt.HyperParameters()

    assert type(hp.Choice("units", np.array([8, 16]))) is int
    assert type(hp.Int("depth", np.int64(1), np.int64(4))) is int


def test_a_container_comes_back_from_its_configuration():
    hp = kt.HyperParameters()
    hp.Boolean("dense", default=True)
    hp.Float("rate", 0.1, 0.9, sampling="reverse_log", parent_name="dense", parent_values=[True])
    hp.Int("units", 2, 32, step=2, sampling="log")
    hp.values["units"] = 8

    again = module.deserialize(module.serialize(hp))

    assert again.get_config() == hp.get_config()
    assert again.values == {"dense": True, "rate": 0.1, "units": 8}


def test_a_copy_is_changed_alone_and_a_merge_takes_over_what_is_new():
    hp = kt.HyperParameters()
    hp.Int("units", 1, 4)
    other = hp.copy()
    other.values["units"] = 3
    other.Boolean("dense", default=True)

    assert hp.values == {"units": 1}
    hp.merge(other, overwrite=False)
    assert hp.values == {"units": 1, "dense": True}
    hp.merge(other)
    assert hp.values == {"units": 3, "dense": True}


def test_random_values_lie_on_the_points_of_a_range():
    parameter = module.Int("units", 2, 32, step=2, sampling="log")

    drawn = {parameter.random_sample(seed) for seed in range(60)}

    assert drawn == {2, 4, 8, 16, 32}
    assert parameter.prob_to_value(parameter.value_to_prob(8)) == 8


def test_a_range_without_a_step_has_ten_even_values_on_its_scale():
    values = module.Float("rate", 1e-4, 1.0, sampling="log").values

    assert len(values) == 10
    ratios = np.diff(np.log10(values))
    assert np.allclose(ratios, 0.4)
