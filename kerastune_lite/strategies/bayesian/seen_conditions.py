"""Conditions that nobody declared, learnt from which columns trials asked for.

Arrays only. build_fn may ask for a parameter inside a plain `if`. Trials then tell where it was asked for and where
not, and the rule is: **a column is gated by an earlier one that explains every trial, and counts as active where none
does.** Explaining means, over the trials in which declared conditions would have it asked for:

* where the earlier column was inactive, so was this one; and
* a category or a short range: at each of its values this one was always active or always not. Values that no trial
  tried count as active;
* any other number: this one was active on one side of a threshold and not on the other, with enough trials on
  both. The threshold lies halfway.

Nested conditions come out as chains of gates. An earlier column is one whose first question came first; a parameter
that decides about another always does.
"""

from __future__ import annotations

import math

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Flags, Floats
from kerastune_lite.strategies.bayesian.columns import FEW_LEVELS, Columns, Gate, activity, value_at

MIN_TRIALS_A_SIDE = 3
"""Fewer on one side of a threshold are explained by some number or other too often."""
TOLERANCE = 1e-9


def seen_gates(columns: Columns, z: Floats, on: Flags) -> tuple[Gate, ...]:
    """The gates that explain which columns trials at rows (n, d) asked for, (n, d), beyond the declared ones."""
    expected = activity(columns, z)
    gates = []
    for column in range(columns.count):
        rows = expected[:, column]
        asked = on[rows, column]
        # With no trial that asked for it there is nothing to tell where it would be; it counts as active.
        if asked.all() or not asked.any():
            continue
        gate = _explanation(columns, column, z[rows], on[rows])
        if gate is not None:
            gates.append(gate)
    return tuple(gates)


def _explanation(columns: Columns, column: int, z: Floats, on: Flags) -> Gate | None:
    """The gate of a column by the nearest earlier one that explains it, tables of values before thresholds."""
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
    """Intervals around the parent's values at which the child may be asked for, (k, 2)."""
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
    """One interval of the parent's values, open to one side, in which the child is asked for, (1, 2)."""
    inside, outside = values[asked], values[~asked]
    if columns.is_category[parent] or min(len(inside), len(outside)) < MIN_TRIALS_A_SIDE:
        return None
    if inside.max() < outside.min():
        return np.array([[-math.inf, 0.5 * (inside.max() + outside.min())]])
    if outside.max() < inside.min():
        return np.array([[0.5 * (outside.max() + inside.min()), math.inf]])
    return None
