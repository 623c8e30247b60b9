"""The table of a terminal: as wide as the terminal and no wider, aligned in all rows, with words left whole."""

from __future__ import annotations

import dataclasses
import re

import pytest
from rich.cells import cell_len

from kerastune_lite.space.parameters import Boolean, Choice, Condition, Fixed, Float, Int
from kerastune_lite.study.trial import TrialState
from kerastune_lite.views.glyphs import ASCII, UNICODE
from kerastune_lite.views.trial_table import Needs, cut, layout_of, number_text, option_text
from kerastune_lite.views.watched import TrialRow

WIDTHS = [80, 100, 120, 200]
QUICKSTART = (
    Choice(name="units", options=(32, 64, 128, 256)),
    Choice(name="activation", options=("relu", "gelu")),
    Float(name="dropout", low=0.0, high=0.5),
    Float(name="learning_rate", low=1e-4, high=1e-1, log=True),
)
TWELVE = (
    *QUICKSTART,
    Choice(name="optimizer", options=("adam", "sgd", "rmsprop")),
    Float(name="momentum", low=0.0, high=0.99, conditions=(Condition("optimizer", ("sgd",)),)),
    Int(name="layers", low=1, high=6),
    Boolean(name="batch_normalization"),
    Float(name="l2", low=1e-8, high=1e-2, log=True),
    Int(name="batch_size", low=16, high=512, step=2, log=True),
    Choice(name="initializer", options=("glorot_uniform", "he_normal", "orthogonal")),
    Float(name="label_smoothing", low=0.0, high=0.2),
)


def row(number=3, **fields):
    known = {
        "values": {"units": 128, "activation": "relu", "dropout": 0.123456, "learning_rate": 0.000123456},
        "score": 0.9756,
        "spread": None,
        "best_epoch": 12,
        "epochs": 20,
        "seconds": 1.23,
        "state": TrialState.COMPLETED,
        "is_paused": False,
        "reason": "",
        "told": "",
    }
    return TrialRow(number=number, **{**known, **fields})


def layout(width, parameters=QUICKSTART, glyphs=UNICODE, **needs):
    return layout_of(Needs(parameters, "val_accuracy", **needs), width, glyphs)


def line(layout, row):
    return (" " * layout.gap).join(cell.text for cell in layout.row(row))


def cells(layout, row):
    return {column_name(cell.column): cell.text.strip() for cell in layout.row(row)}


def column_name(column):
    return column.parameter.name if column.parameter is not None else column.kind


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("parameters", [QUICKSTART, TWELVE], ids=["4 parameters", "12 parameters"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"is_new_best": True},
        {"state": TrialState.FAILED, "score": None, "best_epoch": None, "reason": "ResourceExhaustedError"},
        {"state": TrialState.STOPPED, "reason": "successive halving"},
        {"state": TrialState.STOPPED, "is_paused": True, "reason": "may go on"},
        {"reason": "early stopping", "score": -1.23456e-05},
        {"values": {}},
    ],
    ids=["completed", "best", "failed", "stopped", "paused", "stopped early", "no values"],
)
def test_no_line_is_wider_than_the_terminal_and_all_are_aligned(width, parameters, fields):
    made = layout(width, parameters)
    shown = row(**fields)

    assert all(cell_len(cell.text) == cell.column.width for cell in made.row(shown))
    assert cell_len(line(made, shown)) <= width
    assert all(cell_len(title) <= width for title in made.header())


@pytest.mark.parametrize("width", range(10, 80, 7))
def test_a_terminal_that_is_very_narrow_leaves_out_what_matters_least(width):
    made = layout(width, TWELVE)

    assert cell_len(line(made, row())) <= width or width < 50
    assert column_name(made.columns[0]) == "trial"


def test_all_parameters_of_the_quickstart_fit_into_80_columns():
    made = layout(80)

    assert not made.left_out
    assert cells(made, row()) == {
        "trial": "3",
        "units": "128",
        "activation": "relu",
        "dropout": "0.1235",
        "learning_rate": "0.0001235",
        "score": "0.9756",
        "epoch": "12/20",
        "time": "1.2s",
        "state": "completed",
    }


def test_where_there_is_room_names_are_whole_and_the_reason_has_a_column():
    made = layout(120)

    assert len(made.header()) == 2  # "best epoch" is the only title in two lines
    assert re.split(r"\s{2,}", made.header()[-1].strip()) == [
        *("trial", "units", "activation", "dropout", "learning_rate"),
        *("val_accuracy", "epoch", "time", "state", "reason"),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_names_are_parted_behind_underscores_only(width):
    made = layout(width, TWELVE)

    for column in made.columns:
        name = "".join(column.title)
        assert name in {"trial", "val_accuracy", "bestepoch", "time", "state", "reason"} | {p.name for p in TWELVE}
        assert all(part.endswith("_") for part in column.title[:-1] if column.kind in ("parameter", "score"))


def test_what_does_not_fit_is_left_out_conditional_parameters_first_and_those_of_a_logarithmic_scale_last():
    made = layout(100, TWELVE)
    shown = [column.parameter.name for column in made.columns if column.parameter is not None]

    assert made.left_out
    assert "momentum" in made.left_out
    assert not {"learning_rate", "l2", "batch_size"} & set(made.left_out)
    assert shown == [parameter.name for parameter in TWELVE if parameter.name in shown]
    assert len(shown) + len(made.left_out) == len(TWELVE)


def test_a_parameter_that_has_one_value_has_no_column_and_is_not_missed():
    made = layout(80, (Fixed(name="depth", options=(3,)), *QUICKSTART))

    assert "depth" not in [column_name(column) for column in made.columns]
    assert not made.left_out


def test_an_inactive_parameter_is_a_dot():
    assert cells(layout(120), row(values={"units": 32}))["dropout"] == "·"


def test_a_new_best_is_marked_with_a_star():
    assert cells(layout(80), row(is_new_best=True))["trial"].split() == ["★", "3"]
    assert cells(layout(80, glyphs=ASCII), row(is_new_best=True))["trial"].split() == ["*", "3"]


@pytest.mark.parametrize(
    ("fields", "narrow", "wide"),
    [
        ({}, "completed", ("completed", "")),
        ({"reason": "early stopping"}, "early stopping", ("completed", "early stopping")),
        (
            {"state": TrialState.STOPPED, "reason": "median rule"},
            "median rule",
            ("stopped", "median rule"),
        ),
        ({"state": TrialState.FAILED, "reason": "ValueError"}, "failed", ("failed", "ValueError")),
        (
            {"state": TrialState.STOPPED, "is_paused": True, "reason": "may go on"},
            "paused",
            ("paused", "may go on"),
        ),
    ],
    ids=["completed", "stopped early", "stopped", "failed", "paused"],
)
def test_the_state_is_told_with_its_reason_or_by_it(fields, narrow, wide):
    of_wide = cells(layout(140), row(**fields))

    assert cells(layout(80), row(**fields))["state"] == narrow
    assert (of_wide["state"], of_wide["reason"]) == wide


def test_a_row_that_needs_more_room_gets_it_from_a_new_layout():
    needs = Needs(QUICKSTART, "val_accuracy")
    long = row(number=1234, seconds=36_900.0, best_epoch=1500, epochs=2000, spread=0.001)

    made = layout_of(needs.with_row(long, UNICODE), 120, UNICODE)

    assert needs.with_row(row(99), UNICODE) == needs
    shown = cells(made, long)
    assert (shown["trial"], shown["epoch"], shown["time"]) == ("1234", "1500/2000", "10h15m")
    assert shown["score"] == "0.9756 ± 0.001"


def test_wide_characters_count_as_two_cells():
    parameters = (Choice(name="模型", options=("卷积网络", "循环")),)
    made = layout(80, parameters)

    first, second = (line(made, row(values={"模型": option})) for option in parameters[0].options)
    assert cell_len(first) == cell_len(second) <= 80


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [(0.000123456, 8, "0.000123"), (0.5, 8, "0.5"), (1234567.0, 8, "1.23e+06"), (0.000123456, 6, "0.0001")],
)
def test_a_number_has_as_many_digits_as_fit(value, width, text):
    assert number_text(value, width) == text


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("early stopping", 14, "early stopping"),
        ("successive halving", 14, "successive…"),
        ("glorot_uniform_v2", 14, "glorot…"),
        ("incomprehensibilities", 10, "incompreh…"),
        ("two\nlines", 12, "two\\nlines"),
    ],
)
def test_a_text_that_is_too_long_ends_with_a_whole_word(text, width, shown):
    assert cut(text, width, UNICODE) == shown


def test_of_a_dotted_name_the_last_part_is_shown():
    assert option_text("keras.src.optimizers.adam.Adam", 16, UNICODE) == "Adam"


def test_layouts_for_other_widths_have_other_shapes_and_equal_needs_the_same():
    assert layout(80).shape == layout(80).shape
    assert layout(80).shape != layout(120).shape
    assert dataclasses.replace(layout(80), width=81).shape == layout(80).shape
