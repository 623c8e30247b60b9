"""Trials, leaderboards and studies as a notebook shows them. However large a study is, what is shown of it is small."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kerastune_lite import markup
from kerastune_lite.markup import Html
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.study.leaderboard import (
    Leaderboard,
    confirmed_text,
    duration_text,
    epoch_text,
    score_text,
    seconds_text,
    value_text,
)
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.texts import bounded, end_of
from kerastune_lite.study.trial import Trial, TrialState, state_now

if TYPE_CHECKING:
    from kerastune_lite.study.study import Study

FEW_TRIALS, MOST_TRIALS = 5, 20
"""How many of the best trials a study shows, and how many a leaderboard."""
MOST_PARAMETERS, MOST_ROWS, MOST_NOTES = 12, 40, 10
"""How many parameters have a column in a table, and how many values, metrics or notes of a trial are shown."""
MOST_DOTS = 300
"""How many trials a curve of the best score so far shows besides."""
LONGEST_TRACEBACK = 8_000
FAR = 5.0
"""A curve of scores has room for those up to this many interquartile ranges beyond the worse quartile."""


def study_html(study: Study) -> Html:
    """A study: its objective and counts, the best score after each trial, the best few trials, and what failed."""
    is_running = is_locked(study.directory)
    states = Counter(state_now(record, is_running=is_running) for record in study.records.values())
    counts = ", ".join(f"{states[state]} {state.value}" for state in TrialState if state in states)
    objective = study.objective
    goal = f"{objective.name} ({objective.known_direction or 'direction not known yet'})" if objective else "not known"
    failed = (study.records[number] for number in reversed(study.records))
    failure = next((trial.error for trial in failed if trial.state is TrialState.FAILED and trial.error), None)
    parts: list[object] = [
        markup.line(markup.strong("Study "), end_of(str(study.directory))),
        markup.line(f"objective {goal} · {len(study.records)} trials", f": {counts}" if counts else "", soft=True),
        markup.line(f"{study.epochs_spent} epochs and {duration_text(study.seconds_spent)} of training", soft=True),
        history_html([(number, study.tally.sign * rank) for rank, number in study.tally.ranked], objective),
        trials_html(study.leaderboard(FEW_TRIALS), objective, caption="Best trials"),
    ]
    if failure is not None:
        parts.append(markup.line("last failure: ", markup.short(failure.summary), soft=True))
    if study.damages:
        parts.append(markup.line(f"{len(study.damages)} damages of the journal: see study.damages", soft=True))
    return markup.block(*parts)


def leaderboard_html(board: Leaderboard) -> Html:
    """A leaderboard, of which the first rows are shown."""
    if not board:
        return markup.line(str(board))
    more = len(board) - MOST_TRIALS
    rest = markup.line(f"and {more} more trials; print() shows all of them", soft=True) if more > 0 else ""
    return markup.block(trials_html(board[:MOST_TRIALS], board.objective, caption="Leaderboard"), rest)


def trials_html(trials: Sequence[Trial], objective: Objective | None, caption: str) -> Html:
    """A table of trials, the best first, in which parameters have columns of their own; nothing without trials."""
    if not trials:
        return Html("")
    has_confirmations = any(trial.confirmations for trial in trials)
    names = parameters_to_show(trials)
    header = ["rank", "trial", objective.name if objective else "score", *(["confirmed"] if has_confirmations else [])]
    rows = [
        [
            rank,
            trial.number,
            score_text(trial),
            *([confirmed_text(trial)] if has_confirmations else []),
            epoch_text(trial),
            seconds_text(trial),
            *(value_text(trial.values[name]) if name in trial.values else "" for name in names),
        ]
        for rank, trial in enumerate(trials, start=1)
    ]
    made = markup.table([*header, "epoch", "seconds", *names], rows, caption=caption)
    left_out = len({name for trial in trials for name in trial.values}) - len(names)
    rest = markup.line(f"and {left_out} more parameters: see trial.values", soft=True) if left_out else ""
    return markup.block(made, rest)


def parameters_to_show(trials: Sequence[Trial], most: int = MOST_PARAMETERS) -> list[str]:
    """The names of at most so many parameters, in the order in which build_fn asks: first of all those that vary."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    if len(names) <= most:
        return names
    varying = [name for name in names if len({_told(trial, name) for trial in trials}) > 1]
    chosen = {*varying[:most], *[name for name in names if name not in varying][: max(most - len(varying), 0)]}
    return [name for name in names if name in chosen]


def _told(trial: Trial, name: str) -> str | None:
    return value_text(trial.values[name]) if name in trial.values else None


def trial_html(trial: Trial) -> Html:
    """A trial: its state and score, its values, its metrics with their learning curves, its notes and its error."""
    facts = {
        "score": score_text(trial),
        "best epoch": epoch_text(trial),
        "confirmed": confirmed_text(trial) if trial.confirmations else None,
        "seconds": None if trial.seconds is None else seconds_text(trial),
        "stopped": trial.stop_reason,
        "trained": None if trial.trained is None else trial.trained.how,
        "attempts": trial.attempts if trial.attempts > 1 else None,
        "goes on from": None if trial.parent is None else f"trial {trial.parent}, epoch {trial.first_epoch}",
        "seed": trial.seed,
    }
    state = trial.state.value + (", outside the space" if trial.is_outside else "")
    error = trial.error
    return markup.block(
        markup.line(markup.strong(f"Trial {trial.number} "), state),
        markup.side_by_side(
            pairs_html("", [(name, fact) for name, fact in facts.items() if fact is not None]),
            pairs_html("Values", [(name, value_text(value)) for name, value in trial.values.items()]),
            _metrics_html(trial),
        ),
        *(markup.line(markup.short(note), soft=True) for note in trial.notes[:MOST_NOTES]),
        ""
        if error is None
        else markup.folded(markup.short(error.summary), bounded(error.traceback or str(error), LONGEST_TRACEBACK)),
    )


def pairs_html(caption: str, pairs: Sequence[tuple[str, object]]) -> Html:
    """Names with what they stand for, a row each; nothing without any."""
    if not pairs:
        return Html("")
    more = len(pairs) - MOST_ROWS
    rest = markup.line(f"and {more} more", soft=True) if more > 0 else ""
    return markup.block(
        markup.table([], pairs[:MOST_ROWS], caption=caption, texts=(0, 1), is_headed_by_rows=True), rest
    )


def _metrics_html(trial: Trial) -> Html:
    """The metrics of a trial's best run: at its best epoch, and over all epochs, that of validation as a thin line."""
    curve = trial.curve
    best = trial.best_epoch if trial.best_epoch is not None and trial.best_epoch < len(curve) else None
    names = list(dict.fromkeys(name for logs in curve for name in logs))
    rows = []
    for name in names[:MOST_ROWS]:
        values = [logs.get(name, math.nan) for logs in curve]
        at_best = "" if best is None or name not in curve[best] else f"{curve[best][name]:.5g}"
        rows.append([name, at_best, markup.sparkline([values], f"{name} over {len(curve)} epochs", best)])
    header = ["metric", "at the best epoch", "over the epochs"]
    return markup.table(header, rows, texts=(0, 2), is_headed_by_rows=True) if rows else Html("")


def history_html(scores: Iterable[tuple[int, float]], objective: Objective | None) -> Html:
    """The scores of trials by their numbers as dots, and the best score so far as a line; nothing without two scores.

    Args:
        scores: The numbers and scores of trials, in any order.
        objective: What is optimised; its direction is known.
    """
    known = sorted((number, score) for number, score in scores if math.isfinite(score))
    direction = None if objective is None else objective.known_direction
    if objective is None or direction is None or len(known) < 2:
        return Html("")
    sign = 1 if direction == "min" else -1
    bests: list[tuple[float, float]] = []
    for number, score in known:
        if not bests or sign * score < sign * bests[-1][1]:
            bests.append((float(number), score))
    low, high = _range_of([score for _, score in known], sign)
    last = known[-1][0]
    view = markup.View(float(known[0][0]), float(last), low, high)
    shown = markup.thinned([score for _, score in known], MOST_DOTS)
    dots = view.dots((float(known[int(place)][0]), score) for place, score in shown)
    label = f"best {objective.name} so far: {bests[-1][1]:.5g}, reached by trial {bests[-1][0]:.0f} of 0 to {last}"
    drawn = markup.picture(
        markup.stroke(dots, width=3.5, opacity=0.35),
        markup.stroke(view.steps(bests), markup.USUAL, width=2),
        markup.stroke(view.dots([bests[-1]]), markup.BEST, width=7),
        label=label,
        style="display:block;width:100%;height:6em",
    )
    ends = "display:flex;justify-content:space-between;font-size:.85em;opacity:.7;font-variant-numeric:tabular-nums"
    return markup.block(
        markup.block(f"{objective.name}, and the best so far", style="font-size:.85em;opacity:.7"),
        markup.block(
            markup.block(
                markup.block(f"{high:.4g}"),
                markup.block(f"{low:.4g}"),
                style=f"{ends};flex-direction:column;text-align:right;height:6.5em;margin:-.3em 0",
            ),
            markup.block(drawn, style="flex:1;min-width:0"),
            style="display:flex;gap:.8em",
        ),
        markup.block(
            markup.block(f"trial {known[0][0]}"), markup.block(f"trial {last}"), style=f"{ends};padding-left:4em"
        ),
        style="max-width:40em;margin:.6em 0;padding-right:.5em",
    )


def _range_of(scores: Sequence[float], sign: int) -> tuple[float, float]:
    """The least and the greatest score that a curve has room for: all but those that are far worse than the others."""
    turned = sorted(sign * score for score in scores)
    worst = turned[-1]
    if len(turned) >= 4:
        lower, _, upper = statistics.quantiles(turned, n=4, method="inclusive")
        worst = min(worst, upper + FAR * (upper - lower))
    ends = sorted((sign * turned[0], sign * max(worst, turned[0])))
    return ends[0], ends[1]
