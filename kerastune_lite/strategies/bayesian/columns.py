"""The columns of a search space as arrays, and functions of their rows.

Arrays only, without parameters and trials. Symbols:

    d    columns, one a parameter that has more than one value       f    features of the kernel
    z    (n, d) rows: a number in [0, 1] on its own scale, ends included; a category as its index
    on   (n, d) whether each column is active in each row            E    (n, f) features

The values of discrete numbers (integers, floats with a step) are numbered by their level 0, 1, …, levels - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats, Integers

FEW_LEVELS = 8
"""A discrete number with at most this many levels is searched level by level, one with more like a continuous one."""
STEPS = (0.3, 0.1, 0.03, 0.01)
"""The standard deviations of the steps by which rows are perturbed."""
KEY_DIGITS = 6
"""Rows that agree in every active column to this many digits count as the same row."""


@dataclass(frozen=True, eq=False)
class Gate:
    """A condition: `column` is active where `parent` is active and has a value inside one of the intervals.

    Attributes:
        column: The column that is gated.
        parent: An earlier column.
        intervals: (k, 2) the lowest and the highest value of the parent in each interval, both included.
    """

    column: int
    parent: int
    intervals: Floats

    def is_open(self, values: Floats) -> Flags:
        """(n,) whether each of the parent's values, (n,), lies in an interval."""
        inside = (values[:, None] >= self.intervals[:, 0]) & (values[:, None] <= self.intervals[:, 1])
        return np.asarray(inside.any(axis=1))


@dataclass(frozen=True, eq=False)
class Columns:
    """A space as the numerical files see it.

    Attributes:
        levels: (d,) how many values a discrete column has; 0 for a continuous one.
        is_category: (d,) whether the values have no order.
        log_low: (d,) the lowest value of an integer on a logarithmic scale, whose levels are unevenly spaced; 0 for all
            others.
        gates: The conditions; a column is active where all of its gates are open.
    """

    levels: Floats
    is_category: Flags
    log_low: Floats
    gates: tuple[Gate, ...] = ()

    @property
    def count(self) -> int:
        """The number of columns, d."""
        return len(self.levels)

    @property
    def size(self) -> float:
        """How many different rows there are, conditions not counted; infinity with a continuous column."""
        return math.inf if (self.levels == 0).any() else math.prod(self.levels.tolist())

    @property
    def is_smooth(self) -> Flags:
        """(d,) whether a column is searched with gradients: a continuous one, or one with many levels."""
        return np.asarray(~self.is_category & ((self.levels == 0) | (self.levels > FEW_LEVELS)))

    @cached_property
    def group(self) -> Integers:
        """(f,) the column of each feature: a number has one feature, a category has one for each option."""
        return np.repeat(np.arange(self.count), np.where(self.is_category, self.levels, 1).astype(np.intp))

    @cached_property
    def first_feature(self) -> Integers:
        """(d,) the index of each column's first feature."""
        return np.searchsorted(self.group, np.arange(self.count)).astype(np.intp)


def value_at(columns: Columns, level: Floats, column: int) -> Floats:
    """The values in z of a discrete column's levels, of the levels' shape."""
    if columns.is_category[column]:
        return np.asarray(level, dtype=np.float64)
    last, low = columns.levels[column] - 1.0, columns.log_low[column]
    if low > 0.0:
        return np.asarray(np.log1p(level / low) / math.log1p(last / low))
    return np.asarray(level / last)


def level_at(columns: Columns, value: Floats, column: int) -> Floats:
    """The levels of a discrete column that are nearest to values in z, of the values' shape."""
    if columns.is_category[column]:
        return np.asarray(value, dtype=np.float64)
    last, low = columns.levels[column] - 1.0, columns.log_low[column]
    level = low * np.expm1(value * math.log1p(last / low)) if low > 0.0 else value * last
    return np.asarray(np.clip(np.rint(level), 0.0, last))


def snapped(columns: Columns, z: Floats) -> Floats:
    """Rows, (n, d), with every discrete number moved to its nearest level."""
    z = z.copy()
    for column in np.flatnonzero((columns.levels > 0) & ~columns.is_category).tolist():
        z[:, column] = value_at(columns, level_at(columns, z[:, column], column), column)
    return z


def rows_of_cube(columns: Columns, cube: Floats) -> Floats:
    """Rows, (n, d), of points of the unit cube, (n, d); uniform points give uniformly distributed values.

    Every level has an equal share of [0, 1); the integer n on a logarithmic scale has that of [log(n - ½), log(n + ½)].
    """
    z = cube.copy()
    for column in np.flatnonzero(columns.levels > 0).tolist():
        count, low = columns.levels[column], columns.log_low[column]
        if low > 0.0:
            ratio = math.log((low + count - 0.5) / (low - 0.5))
            level = np.rint((low - 0.5) * np.exp(cube[:, column] * ratio) - low)
        else:
            level = np.floor(cube[:, column] * count)
        z[:, column] = value_at(columns, np.clip(level, 0.0, count - 1.0), column)
    return z


def random_rows(columns: Columns, count: int, rng: np.random.Generator) -> Floats:
    """Rows drawn uniformly, (count, d)."""
    return rows_of_cube(columns, rng.random((count, columns.count)))


def every_row(columns: Columns) -> Floats:
    """All rows of a discrete space, (size, d)."""
    counts = columns.levels.astype(np.intp)
    levels = np.stack(np.unravel_index(np.arange(int(columns.size)), counts), axis=1).astype(np.float64)
    return np.stack([value_at(columns, levels[:, j], j) for j in range(columns.count)], axis=1)


def activity(columns: Columns, z: Floats) -> Flags:
    """Which columns are active in rows (n, d) according to the gates, (n, d)."""
    on = np.ones(z.shape, dtype=np.bool_)
    # Parents come before their children, so that a parent's activity is final when a child's is computed.
    for gate in sorted(columns.gates, key=lambda gate: gate.column):
        on[:, gate.column] &= on[:, gate.parent] & gate.is_open(z[:, gate.parent])
    return on


def features(columns: Columns, z: Floats, on: Flags) -> Floats:
    """The features that the kernel compares of rows (n, d) with activity (n, d): (n, f).

    A number is its value, and 0.5 where it is inactive. A category is one-hot times √½, so that two options are at a
    squared distance of 1, and zero where it is inactive, at a squared distance of ½ from each option.
    """
    owner = z[:, columns.group]
    option = np.arange(len(columns.group)) - columns.first_feature[columns.group]
    active = on[:, columns.group]
    one_hot = np.where(active & (owner == option), math.sqrt(0.5), 0.0)
    return np.where(columns.is_category[columns.group], one_hot, np.where(active, owner, 0.5))


def row_keys(z: Floats, on: Flags) -> list[bytes]:
    """A key for each of the rows (n, d); rows with equal active columns, to KEY_DIGITS digits, have equal keys."""
    # Adding 0 turns -0 into 0; the two have different bytes.
    return [row.tobytes() for row in np.round(np.where(on, z, -1.0), KEY_DIGITS) + 0.0]


def perturbed(columns: Columns, base: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Rows, (count, d), near those of `base`, (k, d).

    In a row drawn from `base`, one, two, three or all coordinates move: numbers by normal steps of mixed sizes, half of
    the discrete ones by one level up or down, categories to any option. Inactive columns are drawn again.
    """
    d = columns.count
    z = base[rng.integers(len(base), size=count)]
    on = activity(columns, z)
    z = np.where(on, z, random_rows(columns, count, rng))
    moved = rng.choice([1, 2, 3, d], size=count, p=[0.3, 0.25, 0.15, 0.3])
    moves = rng.random(z.shape) < (moved / np.maximum(on.sum(axis=1), 1))[:, None]
    moves[np.arange(count), rng.integers(d, size=count)] = True
    steps = rng.standard_normal(z.shape) * rng.choice(STEPS, size=count)[:, None]
    far = z + steps
    # Half of the steps across a border end on it; the others are folded back inside.
    folded = np.where(rng.random(z.shape) < 0.5, far, np.abs(far) % 1.0)
    far = np.where((far < 0.0) | (far > 1.0), np.clip(folded, 0.0, 1.0), far)
    z = np.where(moves & ~columns.is_category, far, z)
    for column in np.flatnonzero(columns.levels > 0).tolist():
        if columns.is_category[column]:
            # Where all coordinates move, most categories stay: else nothing of the row would be left.
            flips = moves[:, column] & ((moved < d) | (rng.random(count) < 0.2))
            z[flips, column] = rng.integers(int(columns.levels[column]), size=int(flips.sum()))
        else:
            near = moves[:, column] & (rng.random(count) < 0.5)
            level = level_at(columns, z[near, column], column) + rng.choice([-1.0, 1.0], size=int(near.sum()))
            z[near, column] = value_at(columns, np.clip(level, 0.0, columns.levels[column] - 1.0), column)
    return snapped(columns, z)


def neighbours(columns: Columns, row: Floats) -> Floats:
    """The rows, (k, d), that differ from one row, (d,), in one active discrete column.

    The column has every other option of a category or level of a short range, or the next level up or down of a long
    one.
    """
    on = activity(columns, row[None])[0]
    rows = []
    for column in np.flatnonzero(on & (columns.levels > 0)).tolist():
        count = columns.levels[column]
        here = float(level_at(columns, row[column : column + 1], column)[0])
        if columns.is_category[column] or count <= FEW_LEVELS:
            levels = np.setdiff1d(np.arange(count), [here])
        else:
            levels = np.array([level for level in (here - 1.0, here + 1.0) if 0.0 <= level < count])
        others = np.repeat(row[None], len(levels), axis=0)
        others[:, column] = value_at(columns, levels, column)
        rows.append(others)
    return np.concatenate(rows) if rows else np.empty((0, columns.count))
