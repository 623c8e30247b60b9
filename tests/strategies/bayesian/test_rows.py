"""Trials as rows and back, and conditions: declared, seen, and both."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite.space import Boolean, Choice, Condition, Fixed, Float, Int, Space
from kerastune_lite.strategies.bayesian.columns import activity, random_rows
from kerastune_lite.strategies.bayesian.rows import rows_of, setting_of, table_of
from kerastune_lite.study.trial import Trial, TrialState

EVERY_KIND = Space(
    [
        Choice(name="option", options=("a", None, (1, 2))),
        Boolean(name="flag"),
        Fixed(name="fixed", options=(7,)),
        Int(name="plain", low=-3, high=12),
        Int(name="log", low=1, high=1000, log=True),
        Int(name="step", low=1, high=10, step=4),
        Int(name="powers", low=16, high=256, step=2, log=True),
        Float(name="float", low=-1.0, high=3.0),
        Float(name="rate", low=1e-5, high=1.0, log=True),
        Float(name="tenths", low=0.0, high=1.0, step=0.1),
        Float(name="point", low=2.0, high=2.0),
        Int(name="huge", low=0, high=10**17),
    ]
)


def trial(number, values, score=1.0, state=TrialState.COMPLETED):
    return Trial(number=number, values=values, score=score, state=state)


def test_settings_survive_the_way_to_rows_and_back():
    settings = [EVERY_KIND.decode(point) for point in np.random.default_rng(0).random((200, len(EVERY_KIND)))]
    table = table_of(EVERY_KIND, [trial(number, values) for number, values in enumerate(settings)])

    for row, values in zip(table.z, settings, strict=True):
        back = setting_of(table, row)
        assert back.pop("float") == pytest.approx(values["float"])
        assert back.pop("rate") == pytest.approx(values["rate"])
        assert abs(back.pop("huge") - values["huge"]) <= 64
        assert back == {name: value for name, value in values.items() if name in back}


def test_rows_become_settings_of_the_space_in_plain_python_values():
    table = table_of(EVERY_KIND, [])

    for row in random_rows(table.columns, 200, np.random.default_rng(0)):
        values = setting_of(table, row)
        assert all(EVERY_KIND[name].contains(value) for name, value in values.items())
        assert not any(isinstance(value, np.generic) for value in values.values())


def test_the_ends_of_a_range_are_the_ends_of_its_column():
    low = {"plain": -3, "log": 1, "step": 1, "powers": 16, "float": -1.0, "rate": 1e-5, "tenths": 0.0, "huge": 0}
    high = {
        "plain": 12,
        "log": 1000,
        "step": 9,
        "powers": 256,
        "float": 3.0,
        "rate": 1.0,
        "tenths": 1.0,
        "huge": 10**17,
    }
    table = table_of(EVERY_KIND, [trial(0, low), trial(1, high)])

    np.testing.assert_allclose(table.z[0][table.on[0]], 0.0, atol=1e-12)
    np.testing.assert_allclose(table.z[1][table.on[1]], 1.0, atol=1e-12)


def test_a_parameter_with_one_value_has_no_column():
    names = [parameter.name for parameter in table_of(EVERY_KIND, []).parameters]

    assert "fixed" not in names
    assert "point" not in names


def test_a_fixed_parameter_is_part_of_every_setting():
    table = table_of(EVERY_KIND, [])

    assert setting_of(table, random_rows(table.columns, 1, np.random.default_rng(0))[0])["fixed"] == 7


SGD = (Condition("optimizer", ("sgd",)),)
DECLARED = Space(
    [
        Choice(name="optimizer", options=("sgd", "adam")),
        Boolean(name="use_momentum", conditions=SGD),
        Float(name="momentum", low=0.0, high=1.0, conditions=(*SGD, Condition("use_momentum", (True,)))),
    ]
)


def test_declared_conditions_decide_what_a_row_asks_for():
    table = table_of(DECLARED, [])
    z = np.array([[0.0, 1.0, 0.3], [0.0, 0.0, 0.3], [1.0, 1.0, 0.3]])

    settings = [setting_of(table, row) for row in z]

    assert [list(values) for values in settings] == [
        ["optimizer", "use_momentum", "momentum"],
        ["optimizer", "use_momentum"],
        ["optimizer"],
    ]
    for values, on in zip(settings, activity(table.columns, z), strict=True):
        assert on.sum() == len(values)


def test_a_condition_on_a_fixed_parameter_holds_always_or_never():
    space = Space(
        [
            Fixed(name="mode", options=("fast",)),
            Float(name="open", low=0.0, high=1.0, conditions=(Condition("mode", ("fast",)),)),
            Float(name="shut", low=0.0, high=1.0, conditions=(Condition("mode", ("slow",)),)),
        ]
    )
    table = table_of(space, [])

    assert [parameter.name for parameter in table.parameters] == ["open"]
    assert activity(table.columns, np.array([[0.5]])).all()


def test_a_condition_on_a_number_holds_at_its_values():
    space = Space(
        [
            Int(name="layers", low=1, high=4),
            Float(name="width", low=0.0, high=1.0, conditions=(Condition("layers", (2, 4)),)),
        ]
    )
    table = table_of(space, [])
    z, _ = rows_of(table, [{"layers": layers} for layers in (1, 2, 3, 4)])

    assert activity(table.columns, z)[:, 1].tolist() == [False, True, False, True]


UNDECLARED = Space(
    [
        Choice(name="optimizer", options=("sgd", "adam", "rmsprop")),
        Float(name="momentum", low=0.0, high=1.0),
        Boolean(name="nesterov"),
        Int(name="layers", low=1, high=20),
        Float(name="dropout", low=0.0, high=1.0),
    ]
)


def asked_by_build_fn(values):
    """if optimizer is sgd: momentum, nesterov; if layers > 6: dropout"""
    asked = dict(values)
    if values["optimizer"] != "sgd":
        asked.pop("momentum")
        asked.pop("nesterov")
    if values["layers"] <= 6:
        asked.pop("dropout")
    return asked


def seen(points):
    settings = [asked_by_build_fn(UNDECLARED.decode(point)) for point in points]
    return [trial(number, values) for number, values in enumerate(settings)]


def test_conditions_that_nobody_declared_are_learnt_from_what_trials_asked_for():
    rng = np.random.default_rng(0)
    table = table_of(UNDECLARED, seen(rng.random((40, 5))))
    candidates = [UNDECLARED.decode(point) for point in rng.random((300, 5))]

    z, _ = rows_of(table, candidates)
    predicted = activity(table.columns, z)

    names = [parameter.name for parameter in table.parameters]
    right = [[name in asked_by_build_fn(values) for name in names] for values in candidates]
    assert np.mean(predicted == right) > 0.99


def test_a_parameter_whose_activity_nobody_knows_counts_as_active():
    trials = seen([[0.1, 0.5, 0.5, 0.1, 0.5], [0.5, 0.5, 0.5, 0.1, 0.5]])  # sgd and adam
    table = table_of(UNDECLARED, trials)
    rmsprop, _ = rows_of(table, [{"optimizer": "rmsprop", "momentum": 0.5, "nesterov": True}])

    assert activity(table.columns, rmsprop)[0, 1]


def test_a_parameter_that_one_value_decides_about_is_inactive_elsewhere():
    trials = seen([[0.1, 0.5, 0.5, 0.1, 0.5], [0.5, 0.5, 0.5, 0.1, 0.5]])
    table = table_of(UNDECLARED, trials)
    adam, _ = rows_of(table, [{"optimizer": "adam", "momentum": 0.5}])

    assert not activity(table.columns, adam)[0, 1]


def test_a_failed_build_teaches_no_conditions():
    trials = [trial(0, {"optimizer": "sgd", "momentum": 0.1}), trial(1, {"optimizer": "adam"}, state=TrialState.FAILED)]
    table = table_of(UNDECLARED, trials)
    adam, _ = rows_of(table, [{"optimizer": "adam", "momentum": 0.5}])

    assert activity(table.columns, adam)[0, 1]


def test_a_parameter_that_appears_late_was_inactive_before():
    space = Space([Float(name="x", low=0.0, high=1.0), Float(name="late", low=0.0, high=1.0)])

    table = table_of(space, [trial(0, {"x": 0.2}), trial(1, {"x": 0.9, "late": 0.4})])

    assert table.on.tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("score", [None, float("nan"), float("inf"), float("-inf")])
def test_a_trial_without_a_finite_score_is_a_failure(score):
    table = table_of(UNDECLARED, [trial(0, {"optimizer": "sgd"}, score=score)])

    assert np.isnan(table.scores).tolist() == [True]


def test_the_score_of_a_failed_trial_does_not_count():
    assert np.isnan(table_of(UNDECLARED, [trial(0, {}, score=0.1, state=TrialState.FAILED)]).scores[0])


def test_running_and_interrupted_trials_are_pending():
    trials = [trial(0, {"optimizer": "sgd"}, None, TrialState.RUNNING), trial(1, {}, None, TrialState.INTERRUPTED)]

    table = table_of(UNDECLARED, trials)

    assert len(table.z) == 0
    assert len(table.running_z) == 2


def test_values_outside_the_space_count_as_not_asked_for():
    table = table_of(UNDECLARED, [trial(0, {"optimizer": "lion", "layers": 99, "unknown": 1, "momentum": 0.5})])

    assert table.on.tolist() == [[False, True, False, False, False]]
