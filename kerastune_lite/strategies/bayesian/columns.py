"""The columns of a search space as arrays, and what can be done to their rows.

Arrays only; knows no parameter and no trial. Symbols:

    d    columns, one a parameter that has more than one value       f    features of the kernel
    z    (n, d) rows: a number in [0, 1] on its own scale, ends included; a category as its index
    on   (n, d) whether each column is active in each row            E    (n, f) features

Discrete numbers (integers, floats with a step) are told by their level 0, 1, …, levels - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats, Integers

FEW_LEVELS = 8
"""A discrete number of at most so many levels is searched level by level, one of more like a continuous one."""
STEPS = (0.3, 0.1, 0.03, 0.01)
"""Deviations of the steps by which rows are perturbed."""
KEY_DIGITS = 6
"""Rows that agree in every active column to so many digits are the same row."""


@dataclass(frozen=True, eq=False)
class Gate:
    """`column` is active where `parent` is and has a value inside one of the intervals.

    Attributes:
        column: The column that is gated.
        parent: An earlier column.
        intervals: (k, 2) lowest and highest value of the parent's, both included.
    """

    column: int
    parent: int
    intervals: Floats

    def is_open(self, values: Floats) -> Flags:
        """Whether the parent's values, (n,), lie in an interval, (n,)."""
        inside = (values[:, None] >= self.intervals[:, 0]) & (values[:, None] <= self.intervals[:, 1])
        return np.asarray(inside.any(axis=1))


@dataclass(frozen=True, eq=False)
class Columns:
    """What the numerical files know of a space.

    Attributes:
        levels: (d,) how many values a discrete column has; 0 for a continuous one.
        is_category: (d,) whether the values have no order.
        log_low: (d,) the lowest value of a logarithmic integer, whose levels lie unevenly; 0 for all others.
        gates: The conditions; all of those of a column have to be open.
    """

    levels: Floats
    is_category: Flags
    log_low: Floats
    gates: tuple[Gate, ...] = ()

    @property
    def count(self) -> int:
        """d."""
        return len(self.levels)

    @property
    def size(self) -> float:
        """How many rows there are, conditions not counted; infinity with a continuous column."""
        return math.inf if (self.levels == 0).any() else math.prod(self.levels.tolist())

    @property
    def is_smooth(self) -> Flags:
        """(d,) whether a column is searched by gradients: continuous, or with many levels."""
        return np.asarray(~self.is_category & ((self.levels == 0) | (self.levels > FEW_LEVELS)))

    @cached_property
    def group(self) -> Integers:
        """(f,) the column that each feature belongs to: one for a number, one an option for a category."""
        return np.repeat(np.arange(self.count), np.where(self.is_category, self.levels, 1).astype(np.intp))

    @cached_property
    def first_feature(self) -> Integers:
        """(d,) the place of each column's first feature."""
        return np.searchsorted(self.group, np.arange(self.count)).astype(np.intp)


def value_at(columns: Columns, level: Floats, column: int) -> Floats:
    """A discrete column's values of z at its levels, of the shape given."""
    if columns.is_category[column]:
        return np.asarray(level, dtype=np.float64)
    last, low = columns.levels[column] - 1.0, columns.log_low[column]
    if low > 0.0:
        return np.asarray(np.log1p(level / low) / math.log1p(last / low))
    return np.asarray(level / last)


def level_at(columns: Columns, value: Floats, column: int) -> Floats:
    """The nearest level to a discrete column's values of z, of the shape given."""
    if columns.is_category[column]:
        return np.asarray(value, dtype=np.float64)
    last, low = columns.levels[column] - 1.0, columns.log_low[column]
    level = low * np.expm1(value * math.log1p(last / low)) if low > 0.0 else value * last
    return np.asarray(np.clip(np.rint(level), 0.0, last))


def snapped(columns: Columns, z: Floats) -> Floats:
    """Rows with every discrete number at its nearest level, (n, d)."""
    z = z.copy()
    for column in np.flatnonzero((columns.levels > 0) & ~columns.is_category).tolist():
        z[:, column] = value_at(columns, level_at(columns, z[:, column], column), column)
    return z


def rows_of_cube(columns: Columns, cube: Floats) -> Floats:
    """Rows, (n, d), of points of the unit cube, (n, d), so that even points make even rows.

    Every level owns an equal share of [0, 1); level n of a logarithmic integer that of [log(n - ½), log(n + ½)].
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
    """Uniform rows, (count, d)."""
    return rows_of_cube(columns, rng.random((count, columns.count)))


def every_row(columns: Columns) -> Floats:
    """All rows of a discrete space, (size, d)."""
    counts = columns.levels.astype(np.intp)
    levels = np.stack(np.unravel_index(np.arange(int(columns.size)), counts), axis=1).astype(np.float64)
    return np.stack([value_at(columns, levels[:, j], j) for j in range(columns.count)], axis=1)


def activity(columns: Columns, z: Floats) -> Flags:
    """Which columns are active in rows (n, d), by the gates: (n, d)."""
    on = np.ones(z.shape, dtype=np.bool_)
    # A parent stands before its children, so that its own activity is settled when theirs is asked.
    for gate in sorted(columns.gates, key=lambda gate: gate.column):
        on[:, gate.column] &= on[:, gate.parent] & gate.is_open(z[:, gate.parent])
    return on


def features(columns: Columns, z: Floats, on: Flags) -> Floats:
    """What the kernel sees of rows, (n, f).

    A number as it is, 0.5 where inactive; a category one-hot times √½, so that two options are at squared distance
    1, and zeros where inactive, at squared distance ½ from each.
    """
    owner = z[:, columns.group]
    option = np.arange(len(columns.group)) - columns.first_feature[columns.group]
    active = on[:, columns.group]
    one_hot = np.where(active & (owner == option), math.sqrt(0.5), 0.0)
    return np.where(columns.is_category[columns.group], one_hot, np.where(active, owner, 0.5))


def row_keys(z: Floats, on: Flags) -> list[bytes]:
    """What tells rows (n, d) apart: their active columns, to KEY_DIGITS digits."""
    # Adding 0 makes -0 a 0, which has other bytes.
    return [row.tobytes() for row in np.round(np.where(on, z, -1.0), KEY_DIGITS) + 0.0]


def perturbed(columns: Columns, base: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Rows near those of `base`, (k, d): (count, d).

    Of a row drawn from `base`, one, two, three or all coordinates move: numbers by normal steps of mixed sizes, half
    of the discrete ones by one level up or down, categories to any option. Inactive columns are drawn anew.
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
    # A step across the border ends on it half of the time; else it is folded back inside.
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
    """Rows that differ from one, (d,), in one active discrete column, (k, d).

    Every other option of a category and level of a short range; of a long one, the next level up and down.
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
