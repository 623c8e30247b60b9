"""The overview: a study as one text, for the command line."""

from __future__ import annotations

from collections import Counter

from kerastune_lite.study import Study
from kerastune_lite.study.leaderboard import values_text
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import TrialState


def overview(study: Study, n: int, *, is_running: bool) -> str:
    """The study's objective and counts, its best `n` trials, its failures, and the trials that haven't ended."""
    records = study.records.values()
    states = Counter(record.state for record in records)
    counts = ", ".join(f"{states[state]} {state.value}" for state in TrialState if state in states)
    objective = study.objective
    named = f"{objective.name} ({objective.direction or 'direction not known yet'})" if objective else "unknown"
    outside = len(study.outside)
    told_outside = [f"outside    {outside} of them: the space was changed, and they don't count"]
    lines = [
        f"study      {study.directory}",
        f"objective  {named}",
        f"trials     {len(records)}" + (f": {counts}" if counts else ""),
        *(told_outside if outside else []),
        f"search     {'running now' if is_running else 'not running'}",
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
        lines += ["", "running" if is_running else "cut, to be run again when the search is resumed"]
        lines += [
            f"  trial {trial.number}  epoch {len(trial.curve)}{f'/{trial.epochs}' if trial.epochs else ''}"
            f"  {values_text(trial.values)}"
            for trial in unfinished
        ]
    return "\n".join(map(printable, lines))
