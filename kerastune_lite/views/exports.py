"""Studies as JSON and CSV, for other programs."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from typing import Any

from kerastune_lite.space import OptionLabel, label_of
from kerastune_lite.study import Study
from kerastune_lite.study.tables import Table, metrics_at_best_epoch
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import Trial, TrialState, state_now


def as_json(content: Any, *, indent: int | None = 2) -> str:
    """Anything of a study as JSON: times in ISO 8601, options that are objects by name, NaN as the text "NaN"."""
    return json.dumps(_plain(content), indent=indent, allow_nan=False)


def as_csv(table: Table) -> str:
    """A table as CSV with a header; an empty cell where a trial has nothing to say, JSON in cells of several values.

    Control characters other than the ends of lines and tabs are written as escapes: CSV is looked at in terminals.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_escaped, table.columns))
    writer.writerows([_cell(cell) for cell in row] for row in table.rows)
    return file.getvalue().rstrip("\n")


def study_summary(study: Study, n: int, *, is_running: bool) -> dict[str, Any]:
    """What `show` tells of a study: objective, counts, its best `n` trials, and those that failed or haven't ended."""
    states = {record.number: state_now(record, is_running=is_running) for record in study.records.values()}
    told = (TrialState.FAILED, TrialState.RUNNING, TrialState.INTERRUPTED)
    return {
        "directory": str(study.directory),
        "objective": None if study.objective is None else study.objective.name,
        "direction": None if study.objective is None else study.objective.direction,
        "is_running": is_running,
        "trials": len(states),
        "states": {state: sum(each is state for each in states.values()) for state in TrialState},
        "epochs_spent": study.epochs_spent,
        "seconds_spent": study.seconds_spent,
        "search": study.latest_search,
        "damages": list(study.damages),
        "best": [trial_record(trial, is_running=is_running) for trial in study.leaderboard(n)],
        **{
            state.value: [
                trial_record(study.trial(number), is_running=is_running)
                for number, each in states.items()
                if each is state
            ]
            for state in told
        },
    }


def trial_record(trial: Trial, *, is_running: bool, with_curves: bool = False) -> dict[str, Any]:
    """Everything that is known of a trial; its learning curves, a list of epochs for each run, where they are asked."""
    record = {
        "number": trial.number,
        "state": state_now(trial, is_running=is_running),
        "score": trial.score,
        "values": trial.values,
        "metrics": metrics_at_best_epoch(trial),
        "returned": trial.returned,
        "scores": trial.scores,
        "confirmations": trial.confirmations,
        "best_epoch": trial.best_epoch,
        "best_run": trial.best_run,
        "epochs": len(trial.curve),
        "seconds": trial.seconds,
        "started": trial.started,
        "ended": trial.ended,
        "stop_reason": trial.stop_reason,
        "error": None if trial.error is None else asdict(trial.error),
        "engine": trial.engine,
        "attempts": trial.attempts,
        "seed": trial.seed,
        "notes": trial.notes,
        "is_outside": trial.is_outside,
    }
    return {**record, "curves": trial.curves} if with_curves else record


def _plain(value: Any) -> Any:
    """The value with nothing but what JSON has."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else _word(value)
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case OptionLabel() | str():
            return str(value)
        case Mapping():
            return {_key(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return label_of(value)


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _key(key: Any) -> str:
    return str(key.value if isinstance(key, Enum) else key)


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return _escaped(plain)
    return json.dumps(plain) if isinstance(plain, (list, dict)) else plain


def _escaped(text: str) -> str:
    return "".join(part if part in ("\n", "\t") else printable(part) for part in re.split(r"([\n\t])", text))
