"""Rows: levels, uniform draws, activity, features, perturbations, neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite.space import Choice, Int, Space
from kerastune_lite.strategies.bayesian.columns import (
    Columns,
    Gate,
    activity,
    every_row,
    features,
    level_at,
    neighbours,
    perturbed,
    random_rows,
    row_keys,
    rows_of_cube,
    snapped,
    value_at,
)

# A continuous number, a category of 3, an integer of 5 levels, a logarithmic integer from 4 to 128.
COLUMNS = Columns(
    levels=np.array([0.0, 3.0, 5.0, 125.0]),
    is_category=np.array([False, True, False, False]),
    log_low=np.array([0.0, 0.0, 0.0, 4.0]),
    gates=(Gate(2, 1, np.array([[-0.1, 0.1], [1.9, 2.1]])),),
)


def test_levels_and_values_are_each_others_inverse():
    for column in (1, 2, 3):
        levels = np.arange(COLUMNS.levels[column])
        np.testing.assert_array_equal(level_at(COLUMNS, value_at(COLUMNS, levels, column), column), levels)


def test_numbers_reach_both_ends_of_their_scale():
    for column in (2, 3):
        ends = value_at(COLUMNS, np.array([0.0, COLUMNS.levels[column] - 1.0]), column)
        np.testing.assert_allclose(ends, [0.0, 1.0])


def test_the_middle_of_a_log_scale_is_the_geometric_mean():
    # √(4 · 128) = 22.6, and 23 is 19 levels above 4.
    assert level_at(COLUMNS, np.array([0.5]), 3)[0] == 19


def test_points_of_the_cube_become_the_values_that_the_space_gives_them():
    space = Space([Choice(name="c", options=("a", "b", "c")), Int(name="n", low=4, high=128, log=True)])
    cube = np.random.default_rng(0).random((500, 4))

    z = rows_of_cube(COLUMNS, cube)

    for row, point in zip(z, cube, strict=True):
        values = space.decode(point[[1, 3]])
        assert "abc"[int(row[1])] == values["c"]
        assert 4 + level_at(COLUMNS, row[3:], 3)[0] == values["n"]


def test_snapping_moves_a_number_to_its_nearest_level():
    z = snapped(COLUMNS, np.array([[0.123, 1.0, 0.61, 0.5]]))

    np.testing.assert_allclose(z[0, :3], [0.123, 1.0, 0.5])


def test_a_gate_closes_its_column_and_those_behind_it():
    chained = Columns(
        levels=np.array([2.0, 2.0, 0.0]),
        is_category=np.array([True, True, False]),
        log_low=np.zeros(3),
        gates=(Gate(2, 1, np.array([[0.9, 1.1]])), Gate(1, 0, np.array([[0.9, 1.1]]))),
    )
    z = np.array([[1.0, 1.0, 0.3], [1.0, 0.0, 0.3], [0.0, 1.0, 0.3]])

    np.testing.assert_array_equal(activity(chained, z), [[True, True, True], [True, True, False], [True, False, False]])


def test_options_are_at_distance_one_and_inactive_columns_tell_nothing():
    z = np.array([[0.2, 0.0, 0.25, 0.5], [0.2, 2.0, 0.25, 0.5], [0.2, 1.0, 0.25, 0.5], [0.2, 1.0, 1.0, 0.5]])

    seen = features(COLUMNS, z, activity(COLUMNS, z))

    assert np.sum((seen[0] - seen[1]) ** 2) == pytest.approx(1.0)
    np.testing.assert_array_equal(seen[2], seen[3])


def test_rows_that_differ_only_where_inactive_have_the_same_key():
    z = np.array([[0.2, 1.0, 0.25, 0.5], [0.2, 1.0, 1.0, 0.5], [0.2, 2.0, 1.0, 0.5]])

    one, same, other = row_keys(z, activity(COLUMNS, z))

    assert one == same != other


def test_every_row_of_a_discrete_space_is_there_once():
    discrete = Columns(np.array([3.0, 4.0]), np.array([True, False]), np.zeros(2))

    rows = every_row(discrete)

    assert len({tuple(row) for row in rows}) == len(rows) == 12 == discrete.size


@pytest.mark.parametrize("draw", ["random", "perturbed"])
def test_drawn_rows_lie_on_the_space(draw):
    rng = np.random.default_rng(0)
    rows = random_rows(COLUMNS, 300, rng)
    if draw == "perturbed":
        rows = perturbed(COLUMNS, rows[:5], 300, rng)

    np.testing.assert_allclose(snapped(COLUMNS, rows), rows)
    assert ((rows[:, [0, 2, 3]] >= 0.0) & (rows[:, [0, 2, 3]] <= 1.0)).all()
    assert set(rows[:, 1]) == {0.0, 1.0, 2.0}


def test_perturbed_rows_are_near_their_base_in_most_columns():
    base = np.array([[0.5, 1.0, 0.5, 0.5]])

    rows = perturbed(COLUMNS, base, 400, np.random.default_rng(0))

    assert np.median(np.abs(rows[:, 0] - 0.5)) < 0.05


def test_neighbours_differ_in_one_active_discrete_column():
    row = np.array([0.3, 0.0, 0.5, value_at(COLUMNS, np.array(60.0), 3)])

    others = neighbours(COLUMNS, row)

    # 2 other options, 4 other levels of the short range, 2 adjacent ones of the long range
    assert len(others) == 8
    assert ((np.abs(others - row) > 1e-12).sum(axis=1) == 1).all()


def test_an_inactive_column_has_no_neighbours():
    assert len(neighbours(COLUMNS, np.array([0.3, 1.0, 0.5, 0.0]))) == 2 + 1
