"""A study as tables for analysis: a row a trial, and a row a value of a learning curve. Without pandas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kerastune_lite.study.trial import Trial, state_now

if TYPE_CHECKING:
    from kerastune_lite.study.study import Study

CURVE_COLUMNS = ("trial", "run", "epoch", "metric", "value")


@dataclass(frozen=True)
class Table:
    """Rows of cells under the names of their columns.

    Attributes:
        columns: The names, each of them once.
        rows: As many cells in each as there are columns; None where a trial has nothing to say.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def records(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict, without its empty cells."""
        for row in self.rows:
            yield {name: cell for name, cell in zip(self.columns, row, strict=True) if cell is not None}


_RECORD: Mapping[str, Callable[[Trial], Any]] = {
    "spread": lambda trial: trial.spread,
    "confirmed": lambda trial: trial.confirmed,
    "confirmed_spread": lambda trial: trial.confirmed_spread,
    "confirmations": lambda trial: len(trial.confirmations),
    "best_epoch": lambda trial: trial.best_epoch,
    "epochs": lambda trial: len(trial.curve),
    "epochs_spent": lambda trial: trial.epochs_spent,
    "seconds": lambda trial: trial.seconds,
    "seconds_spent": lambda trial: trial.seconds_spent,
    "started": lambda trial: trial.started,
    "ended": lambda trial: trial.ended,
    "stop_reason": lambda trial: trial.stop_reason,
    "error": lambda trial: trial.error and str(trial.error),
    "engine": lambda trial: trial.engine,
    "attempts": lambda trial: trial.attempts,
    "seed": lambda trial: trial.seed,
    "is_outside": lambda trial: trial.is_outside,
}
_GROUPS: Mapping[str, Callable[[Trial], Mapping[str, Any]]] = {
    "values": lambda trial: trial.values,
    "metrics": lambda trial: metrics_at_best_epoch(trial),
    "returned": lambda trial: trial.returned,
}


def trials_table(study: Study, *, is_running: bool = True) -> Table:
    """A row a trial: number, state, score, parameters, metrics at the best epoch, what build_fn returned, and record.

    With cross-validation the record begins with the score of each fold: "fold_0", "fold_1" and so on.

    A parameter, a metric or something returned whose name is another column's too is "values.<name>",
    "metrics.<name>" or "returned.<name>".

    Args:
        study: The study.
        is_running: Whether its search may still be running; else trials that haven't ended were interrupted.
    """
    trials = study.trials
    columns: dict[str, Callable[[Trial], Any]] = {
        "number": lambda trial: trial.number,
        "state": lambda trial: state_now(trial, is_running=is_running).value,
        "score": lambda trial: trial.score,
    }
    taken = {*columns, *_folds_of(trials), *_RECORD}
    for group, read in _GROUPS.items():
        names = list(dict.fromkeys(name for trial in trials for name in read(trial)))
        if group == "values":
            asked = [parameter.name for parameter in study.space if parameter.name in set(names)]
            names = list(dict.fromkeys([*asked, *names]))
        for name in names:
            column = _free_name(name, group, taken)
            taken.add(column)
            columns[column] = _cell_of(read, name)
    columns |= _folds_of(trials)
    columns |= _RECORD
    return Table(list(columns), [[cell(trial) for cell in columns.values()] for trial in trials])


def _folds_of(trials: Sequence[Trial]) -> dict[str, Callable[[Trial], Any]]:
    """A column for the score of each fold, as many as the trials have."""
    count = max((trial.folds for trial in trials), default=0)
    return {f"fold_{fold}": partial(_score_of_fold, fold) for fold in range(count)}


def _score_of_fold(fold: int, trial: Trial) -> float | None:
    return trial.fold_scores[fold] if fold < len(trial.fold_scores) else None


def curves_table(study: Study) -> Table:
    """A row a value: trial, run, epoch (from 0), metric and value, of the epochs that each trial trained itself."""
    rows = [
        [trial.number, run, epoch, metric, value]
        for trial in study.trials
        for run, curve in enumerate(trial.curves)
        for epoch, logs in enumerate(curve)
        if epoch >= trial.first_epoch
        for metric, value in logs.items()
    ]
    return Table(CURVE_COLUMNS, rows)


def metrics_at_best_epoch(trial: Trial) -> Mapping[str, float]:
    """Every metric that was reported of the epoch that a trial's score is from; none where there is no such epoch."""
    if trial.best_epoch is None or trial.best_epoch >= len(trial.curve):
        return {}
    return trial.curve[trial.best_epoch]


def _free_name(name: str, group: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{group}.{name}"
    return name


def _cell_of(read: Callable[[Trial], Mapping[str, Any]], name: str) -> Callable[[Trial], Any]:
    return lambda trial: read(trial).get(name)
