"""The overview: a study as one text, for the command line."""

from __future__ import annotations

from collections import Counter

from kerastune_lite.study import Study
from kerastune_lite.study.leaderboard import duration_text, values_text
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import TrialState, state_now


def counts_text(study: Study, *, is_running: bool) -> str:
    """How many trials there are, and how many of them are in which state."""
    states = Counter(state_now(record, is_running=is_running) for record in study.records.values())
    counts = ", ".join(f"{states[state]} {state.value}" for state in TrialState if state in states)
    return f"{len(study.records)}" + (f": {counts}" if counts else "")


def search_text(study: Study, *, is_running: bool) -> str:
    """Whether a search runs, was interrupted in the middle of trials, or isn't running."""
    if is_running:
        return "running now"
    is_cut = any(not record.state.ended for record in study.records.values())
    return "interrupted; search again in this directory to resume it" if is_cut else "not running"


def objective_text(study: Study) -> str:
    """The objective with its direction."""
    objective = study.objective
    return f"{objective.name} ({objective.direction or 'direction not known yet'})" if objective else "unknown"


def overview(study: Study, n: int, *, is_running: bool) -> str:
    """The study's objective and counts, its best `n` trials, its failures, and the trials that haven't ended."""
    records = study.records.values()
    outside = len(study.outside)
    told_outside = [f"outside    {outside} of them: the space was changed, and they don't count"]
    lines = [
        f"study      {study.directory}",
        f"objective  {objective_text(study)}",
        f"trials     {counts_text(study, is_running=is_running)}",
        *(told_outside if outside else []),
        f"search     {search_text(study, is_running=is_running)}",
        f"spent      {study.epochs_spent} epochs, {duration_text(study.seconds_spent)} of training",
        *(f"damaged    {damage}" for damage in study.damages),
        "",
        *str(study.leaderboard(n)).splitlines(),
    ]
    failed = [study.trial(record.number) for record in records if record.state is TrialState.FAILED]
    if failed:
        lines += ["", "failures"]
        lines += [
            line
            for trial in failed
            for line in (
                f"  trial {trial.number}  {values_text(trial.values)}",
                f"    {trial.error and trial.error.summary}",
            )
        ]
    unfinished = [study.trial(record.number) for record in records if not record.state.ended]
    if unfinished:
        lines += ["", "running" if is_running else "interrupted, to be run again when the search is resumed"]
        lines += [
            f"  trial {trial.number}  epoch {len(trial.curve)}{f'/{trial.epochs}' if trial.epochs else ''}"
            f"  {values_text(trial.values)}"
            for trial in unfinished
        ]
    return "\n".join(map(printable, lines))
