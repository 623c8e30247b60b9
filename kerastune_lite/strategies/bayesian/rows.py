"""Conversion of trials and settings to rows of arrays, and of rows back to settings.

columns.py defines what a row is. A parameter with one value has no column. In a trial, a parameter is active if the
trial asked for it. In a candidate, it is active if the conditions declared with `hp.when` hold, and those that were
learnt from trials (seen_conditions.py) too. A failed build may have ended before it asked for all of its parameters, so
nothing is learnt from failed trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kerastune_lite.space import Choice, Int, Parameter, Space, Value
from kerastune_lite.strategies.bayesian.arrays import Flags, Floats
from kerastune_lite.strategies.bayesian.columns import Columns, Gate, activity, level_at, value_at
from kerastune_lite.strategies.bayesian.partial_trials import expected_ends, has_score
from kerastune_lite.strategies.bayesian.seen_conditions import TOLERANCE, seen_gates
from kerastune_lite.study.trial import Trial, TrialState


@dataclass(frozen=True, eq=False)
class Table:
    """A space and its trials as arrays.

    Attributes:
        space: The space.
        parameters: The parameter of each column.
        columns: The kinds and conditions of the columns.
        tried: The trials that have ended or have a score already, one for each row.
        z: (n, d) their rows.
        on: (n, d) which columns they asked for.
        scores: (n,) the scores that they would have if all were trained to the end; NaN where there is none.
        running_z: (r, d) the rows of trials that have no score yet, or will be run again.
        running_on: (r, d) which columns these have.
    """

    space: Space
    parameters: tuple[Parameter, ...]
    columns: Columns
    tried: tuple[Trial, ...]
    z: Floats
    on: Flags
    scores: Floats
    running_z: Floats
    running_on: Flags

    @property
    def known_rows(self) -> tuple[Floats, Flags]:
        """Rows and activity, (n + r, d) each, of every trial, tried or running."""
        return np.concatenate([self.z, self.running_z]), np.concatenate([self.on, self.running_on])


def table_of(space: Space, trials: Sequence[Trial]) -> Table:
    """The trials of a space as arrays."""
    parameters = tuple(p for p in space if p.size > 1 and _requirements(p, space) is not None)
    columns = _columns(parameters, space)
    tried = tuple(trial for trial in trials if trial.state.ended or has_score(trial))
    running = tuple(trial for trial in trials if not (trial.state.ended or has_score(trial)))
    z, on = _encoded(parameters, columns, [trial.values for trial in tried])
    running_z, running_on = _encoded(parameters, columns, [trial.values for trial in running])
    informative = np.array([trial.state is not TrialState.FAILED for trial in tried], dtype=np.bool_)
    gates = (*columns.gates, *seen_gates(columns, z[informative], on[informative]))
    columns = replace(columns, gates=gates)
    # A running trial's values may hold more than build_fn asks for; what it asked for is only known later.
    running_on &= activity(columns, running_z)
    return Table(space, parameters, columns, tried, z, on, expected_ends(tried), running_z, running_on)


def setting_of(table: Table, row: Floats) -> dict[str, Value]:
    """The setting of a row, (d,), with every parameter whose declared conditions hold."""
    places = {parameter.name: place for place, parameter in enumerate(table.parameters)}
    values: dict[str, Value] = {}
    for parameter in table.space:
        if all(condition.holds(values) for condition in parameter.conditions):
            place = places.get(parameter.name)
            values[parameter.name] = (
                parameter.decode(0.5) if place is None else _value(parameter, table.columns, place, row[place])
            )
    return values


def rows_of(table: Table, settings: Sequence[Mapping[str, Value]]) -> tuple[Floats, Flags]:
    """Rows and activity, (n, d) each, of candidate settings; active is what they hold and the gates allow."""
    z, on = _encoded(table.parameters, table.columns, settings)
    return z, on & activity(table.columns, z)


def _columns(parameters: Sequence[Parameter], space: Space) -> Columns:
    """The columns of parameters, with gates for the declared conditions."""
    places = {parameter.name: place for place, parameter in enumerate(parameters)}
    bare = Columns(
        levels=np.array([0.0 if p.size == math.inf else float(p.size) for p in parameters]),
        is_category=np.array([isinstance(p, Choice) for p in parameters], dtype=np.bool_),
        log_low=np.array([_log_low(p) for p in parameters], dtype=np.float64),
    )
    gates = []
    for column, parameter in enumerate(parameters):
        for parent, values in _requirements(parameter, space) or ():
            place = places[parent]
            numbers = [_number(space[parent], value) for value in values]
            allowed = np.array([number for number in numbers if number is not None])
            if bare.levels[place] > 0:
                allowed = value_at(bare, allowed, place)
            gates.append(Gate(column, place, np.stack([allowed - TOLERANCE, allowed + TOLERANCE], axis=1)))
    return replace(bare, gates=tuple(gates))


def _requirements(parameter: Parameter, space: Space) -> list[tuple[str, tuple[Value, ...]]] | None:
    """The parameters that decide whether one is active, with the values that allow it; None if it never can be active.

    A condition on a parameter with one value either never holds, or holds where that parameter is active.
    """
    required: list[tuple[str, tuple[Value, ...]]] = []
    for condition in parameter.conditions:
        parent = space.get(condition.parent)
        above = None if parent is None else _requirements(parent, space)
        if parent is None or above is None:
            return None
        if parent.size > 1:
            required.append((parent.name, condition.values))
        elif condition.holds({parent.name: parent.decode(0.5)}):
            required += above
        else:
            return None
    return required


def _log_low(parameter: Parameter) -> float:
    """The low end of an integer on a log scale, or 0; points that a multiplying step makes are evenly spaced on it."""
    if not isinstance(parameter, Int) or parameter.step is not None or parameter.is_reversed or not parameter.log:
        return 0.0
    return float(parameter.low)


def _encoded(
    parameters: Sequence[Parameter], columns: Columns, settings: Sequence[Mapping[str, Value]]
) -> tuple[Floats, Flags]:
    """Rows of settings, (n, d), and which columns they hold, (n, d); a column that isn't held is 0."""
    z = np.zeros((len(settings), len(parameters)))
    on = np.zeros(z.shape, dtype=np.bool_)
    for column, parameter in enumerate(parameters):
        name = parameter.name
        held = [_number(parameter, values[name]) if name in values else None for values in settings]
        on[:, column] = [number is not None for number in held]
        numbers = np.array([number or 0.0 for number in held], dtype=np.float64)
        z[:, column] = value_at(columns, numbers, column) if columns.levels[column] > 0 else numbers
    return z, on


def _number(parameter: Parameter, value: Value) -> float | None:
    """The level of a value, or its position on the scale of a continuous parameter; None if it is outside the range."""
    try:
        if parameter.size < math.inf:
            return float(parameter.index_of(value))
        if not parameter.contains(value):
            return None
        position = parameter.encode(value)
    except (ValueError, OverflowError):
        return None
    return position if math.isfinite(position) else None


def _value(parameter: Parameter, columns: Columns, column: int, position: float) -> Value:
    """The parameter's value at a position of its column: the inverse of `_number` and `value_at`."""
    if columns.levels[column] == 0:
        return parameter.decode(float(position))
    level = int(level_at(columns, np.asarray(position), column))
    return parameter.value_at(min(level, int(parameter.size) - 1))
