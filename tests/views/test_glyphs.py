"""The signs of displays: curves and bars in one line, and plain ones where the encoding has no others."""

from __future__ import annotations

import math

import pytest

from kerastune_lite.views.glyphs import ASCII, UNICODE, glyphs_for


def test_a_curve_goes_from_its_lowest_to_its_highest_value():
    assert UNICODE.curve([0.0, 0.5, 1.0], 10) == "▁▅█"


def test_a_flat_curve_is_in_the_middle():
    assert UNICODE.curve([0.3, 0.3], 10) == "▅▅"


def test_of_a_long_curve_the_last_value_of_each_part_is_shown():
    assert UNICODE.curve([*range(100)], 4) == UNICODE.curve([24, 49, 74, 99], 4)


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_a_blank(hole):
    assert UNICODE.curve([0.0, hole, 1.0], 10) == "▁ █"


def test_the_range_of_a_curve_may_be_as_large_as_floats_are():
    assert UNICODE.curve([-1.7e308, 1.7e308], 10) == "▁█"


def test_an_empty_curve_is_empty():
    assert UNICODE.curve([], 10) == ""


@pytest.mark.parametrize(("share", "bar"), [(0.0, "────"), (0.5, "━━──"), (1.0, "━━━━"), (2.0, "━━━━")])
def test_a_bar_has_the_share_that_is_done(share, bar):
    assert "".join(UNICODE.bar(share, 4)) == bar


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "an unknown one"])
def test_an_encoding_that_lacks_a_sign_gets_plain_ones(encoding):
    glyphs = glyphs_for(encoding)

    assert glyphs.star == ASCII.star
    assert glyphs.curve([0.0, 1.0], 2).isascii()
    assert glyphs.shown("\x1b[2J \u4e2d") == "\\x1b[2J \\u4e2d"


def test_utf_8_has_all_signs():
    assert glyphs_for("utf-8") == UNICODE
