"""The overview: a study as one text, for the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kerastune_lite.study import Study
from kerastune_lite.study.leaderboard import duration_text, values_text
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import Trial, TrialState, state_now
from kerastune_lite.views.glyphs import Glyphs
from kerastune_lite.views.trial_table import Needs, cut, layout_of
from kerastune_lite.views.watched import row_of


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


def overview(study: Study, n: int, *, is_running: bool, width: int | None = None, glyphs: Glyphs | None = None) -> str:
    """The study's objective and counts, its best `n` trials, its failures, and the trials that haven't ended.

    Args:
        study: The study.
        n: How many of the best trials.
        is_running: Whether a search runs in it.
        width: How many cells a line may have, in a terminal; None for any number.
        glyphs: The signs of the terminal; given with a width.
    """
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
        *_best(study, n, width, glyphs),
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
    if width is not None and glyphs is not None:
        lines = [line if line.startswith(_WHOLE) else cut(line, width, glyphs) for line in lines]
    return "\n".join(map(printable, lines))


_WHOLE = ("study", "damaged")
"""The beginnings of lines that are never cut: paths, and what is wrong."""


def _best(study: Study, n: int, width: int | None, glyphs: Glyphs | None) -> Sequence[str]:
    """The best trials: in a terminal a table that fits into it, with the parameters in columns of their own."""
    best = study.leaderboard(n)
    if width is None or glyphs is None or not best or not _fit_into_columns(study, best):
        return str(best).splitlines()
    rows = [row_of(trial) for trial in best]
    needs = Needs(tuple(study.space), study.objective.name if study.objective else "score")
    for row in rows:
        needs = needs.with_row(row, glyphs)
    layout = layout_of(needs, width, glyphs)
    told = [f"{len(layout.left_out)} more of the parameters are told by --trial N"] if layout.left_out else []
    body = [(" " * layout.gap).join(cell.text for cell in layout.row(row)).rstrip() for row in rows]
    return [*told, *layout.header(), *body]


def _fit_into_columns(study: Study, trials: Sequence[Trial]) -> bool:
    """Whether columns tell all of these trials: their parameters are known, and none was trained again."""
    return all(name in study.space for trial in trials for name in trial.values) and not any(
        trial.confirmations for trial in trials
    )
