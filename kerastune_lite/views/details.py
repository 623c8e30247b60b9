"""Everything that is known of one trial as a text, and a setting as code to paste."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerastune_lite.space import OptionLabel
from kerastune_lite.study import Study
from kerastune_lite.study.leaderboard import (
    confirmed_text,
    duration_text,
    epoch_text,
    folds_text,
    score_text,
    value_text,
)
from kerastune_lite.study.tables import metrics_at_best_epoch
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import Trial, state_now


def details(study: Study, trial: Trial, *, is_running: bool) -> str:
    """One trial: its setting, score, metrics, learning curve, times, notes and error."""
    name = study.objective.name if study.objective else "score"
    facts = {
        "trial": f"{trial.number} of {study.directory}",
        "state": state_now(trial, is_running=is_running).value + (", outside the space" if trial.is_outside else ""),
        name: score_text(trial),
        "folds": _folds(trial) if trial.folds else None,
        "best epoch": epoch_text(trial),
        "confirmed": confirmed_text(trial) if trial.confirmations else None,
        "stopped": trial.stop_reason,
        "seconds": None if trial.seconds is None else duration_text(trial.seconds),
        "started": trial.started and trial.started.isoformat(sep=" ", timespec="seconds"),
        "ended": trial.ended and trial.ended.isoformat(sep=" ", timespec="seconds"),
        "engine": trial.engine,
        "attempts": trial.attempts,
        "seed": trial.seed,
        "goes on from": None if trial.parent is None else f"trial {trial.parent}, after epoch {trial.first_epoch}",
    }
    known = {what: fact for what, fact in facts.items() if fact is not None}
    sections = [
        _aligned(known),
        *_section("values", {name: value_text(value) for name, value in trial.values.items()}),
        *_section("returned by build_fn besides", {name: str(value) for name, value in trial.returned.items()}),
        *_section("metrics at the best epoch", {name: f"{v:.5g}" for name, v in metrics_at_best_epoch(trial).items()}),
        *(["", "notes", *(f"  {note}" for note in trial.notes)] if trial.notes else []),
        *(["", "epochs", *_curve(trial)] if trial.curve else []),
    ]
    lines = [line for section in sections for line in ([section] if isinstance(section, str) else section)]
    if trial.error is not None:
        lines += ["", "error", f"  {trial.error.type}: {trial.error.message.strip()}"]
        lines += [f"  {line}" for line in trial.error.traceback.strip().splitlines()]
    return "\n".join(printable(line) for text in lines for line in (text.splitlines() or [""]))


def _folds(trial: Trial) -> str:
    scores = ", ".join(f"{score:.5g}" for score in trial.fold_scores)
    return f"{folds_text(trial)}: {scores or '-'}"


def best_text(study: Study, best: Trial) -> str:
    """The best trial's number and score, and a line for each of its values."""
    return "\n".join([printable(_title(study, best)), *map(printable, _aligned(_texts(best.values)))])


def best_code(study: Study, best: Trial) -> str:
    """The best setting as Python code to paste: a dict, with remarks where an option is known by its name only."""
    lines = [f"# {_title(study, best)}", "values = {"]
    for name, value in best.values.items():
        is_object = isinstance(value, OptionLabel)
        remark = "  # the name of the option, which is an object in build_fn" if is_object else ""
        lines.append(f"    {name!r}: {(str(value) if is_object else value)!r},{remark}")
    return "\n".join(map(printable, [*lines, "}"]))


def _title(study: Study, trial: Trial) -> str:
    name = study.objective.name if study.objective else "score"
    return f"trial {trial.number} of {study.directory}: {name} {score_text(trial)} (epoch {epoch_text(trial)})"


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _section(title: str, facts: Mapping[str, str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in _aligned(facts))] if facts else []


def _aligned(facts: Mapping[str, Any]) -> list[str]:
    width = max(map(len, facts), default=0)
    return [f"{name:{width}}  {fact}" for name, fact in facts.items()]


def _curve(trial: Trial) -> Iterator[str]:
    """The learning curve of the best run as a table, a line an epoch, counted from 1 as people do."""
    names = list(dict.fromkeys(name for logs in trial.curve for name in logs))
    rows: list[Sequence[str]] = [["epoch", *names]]
    rows += [
        [str(epoch), *(f"{logs[name]:.5g}" if name in logs else "-" for name in names)]
        for epoch, logs in enumerate(trial.curve, start=1)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
