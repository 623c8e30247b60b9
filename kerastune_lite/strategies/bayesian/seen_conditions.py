"""Undeclared conditions, learnt from which columns trials asked for.

Arrays only. build_fn may ask for a parameter inside a plain `if`. Trials then show where it was asked for and where it
wasn't. The rule is: **a column is gated by an earlier column that explains every trial, and counts as active where no
column does.** An earlier column explains this one if, over the trials in which the declared conditions of this one
hold:

* wherever the earlier column was inactive, this one was inactive too; and
* if the earlier column is a category or a short range: at each of its values, this one was always active or always
  inactive. Values that no trial tried count as active;
* if it is any other number: this one was active on one side of a threshold and inactive on the other, with enough
  trials on both sides. The threshold lies halfway between them.

Nested conditions become chains of gates. Columns are in the order in which build_fn first asked for their parameters; a
parameter that decides about another one always comes first.
"""

from __future__ import annotations

import math

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats
from kerastune_lite.strategies.bayesian.columns import FEW_LEVELS, Columns, Gate, activity, value_at

MIN_TRIALS_A_SIDE = 3
"""With fewer trials on a side, some unrelated number too often has a threshold that explains them."""
TOLERANCE = 1e-9


def seen_gates(columns: Columns, z: Floats, on: Flags) -> tuple[Gate, ...]:
    """The gates, besides the declared ones, that explain which columns trials asked for.

    Args:
        columns: The columns, with the gates of declared conditions.
        z: (n, d) the trials' rows.
        on: (n, d) which columns they asked for.
    """
    expected = activity(columns, z)
    gates = []
    for column in range(columns.count):
        rows = expected[:, column]
        asked = on[rows, column]
        # Where no trial asked for it, nothing is known of its condition, and it counts as active.
        if asked.all() or not asked.any():
            continue
        gate = _explanation(columns, column, z[rows], on[rows])
        if gate is not None:
            gates.append(gate)
    return tuple(gates)


def _explanation(columns: Columns, column: int, z: Floats, on: Flags) -> Gate | None:
    """The gate of a column by the nearest earlier column that explains it; tables of values come before thresholds."""
    for explain in (_by_values, _by_threshold):
        for parent in range(column - 1, -1, -1):
            if (on[:, column] & ~on[:, parent]).any():
                continue
            there = on[:, parent]
            intervals = explain(columns, parent, z[there, parent], on[there, column])
            if intervals is not None:
                return Gate(column, parent, intervals)
    return None


def _by_values(columns: Columns, parent: int, values: Floats, asked: Flags) -> Floats | None:
    """Intervals, (k, 2), around the parent's values at which the child may be active; None if they don't explain it."""
    if asked.all():
        return np.array([[-math.inf, math.inf]])
    if not columns.is_category[parent] and not 0 < columns.levels[parent] <= FEW_LEVELS:
        return None
    every = value_at(columns, np.arange(columns.levels[parent]), parent)
    near = np.abs(values[:, None] - every) < TOLERANCE
    ever, never = near[asked].any(axis=0), near[~asked].any(axis=0)
    if (ever & never).any():
        return None
    allowed = every[~never]
    return np.stack([allowed - TOLERANCE, allowed + TOLERANCE], axis=1)


def _by_threshold(columns: Columns, parent: int, values: Floats, asked: Flags) -> Floats | None:
    """The interval, (1, 2), on one side of a threshold of the parent, in which the child is active, or None."""
    inside, outside = values[asked], values[~asked]
    if columns.is_category[parent] or min(len(inside), len(outside)) < MIN_TRIALS_A_SIDE:
        return None
    if inside.max() < outside.min():
        return np.array([[-math.inf, 0.5 * (inside.max() + outside.min())]])
    if outside.max() < inside.min():
        return np.array([[0.5 * (outside.max() + inside.min()), math.inf]])
    return None
