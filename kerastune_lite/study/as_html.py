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
from kerastune_lite.study.texts import beginning_of, bounded, counted, end_of
from kerastune_lite.study.trial import Trial, TrialState, state_now

if TYPE_CHECKING:
    from kerastune_lite.study.study import Study

FEW_TRIALS, MOST_TRIALS = 5, 20
"""How many of the best trials a study shows, and how many a leaderboard."""
MOST_PARAMETERS, MOST_ROWS, MOST_NOTES = 12, 40, 10
"""How many parameters have a column in a table, and how many values, metrics or notes of a trial are shown."""
MOST_DOTS = 300
"""How many trials a curve of the best score so far shows besides."""
LONGEST_LINE, LONGEST_TRACEBACK = 300, 8_000
"""Characters of a note or of what an error says, and of its traceback."""
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
        markup.line(
            f"objective {goal} · {counted(len(study.records), 'trial')}", f": {counts}" if counts else "", soft=True
        ),
        markup.line(
            f"{counted(study.epochs_spent, 'epoch')} and {duration_text(study.seconds_spent)} of training", soft=True
        ),
        history_html([(number, study.tally.sign * rank) for _, rank, number in study.tally.ranked], objective),
        trials_html(study.leaderboard(FEW_TRIALS), objective, caption="Best trials"),
    ]
    if failure is not None:
        parts.append(markup.line("last failure: ", beginning_of(failure.summary, LONGEST_LINE), soft=True))
    if study.damages:
        parts.append(
            markup.line(f"{counted(len(study.damages), 'damage')} of the journal: see study.damages", soft=True)
        )
    return markup.block(*parts)


def leaderboard_html(board: Leaderboard) -> Html:
    """A leaderboard, of which the first rows are shown."""
    if not board:
        return markup.line(str(board))
    more = len(board) - MOST_TRIALS
    rest = markup.line(f"and {counted(more, 'more trial')}; print() shows all of them", soft=True) if more > 0 else ""
    return markup.block(trials_html(board[:MOST_TRIALS], board.objective, caption="Leaderboard"), rest)


def trials_html(
    trials: Sequence[Trial], objective: Objective | None, caption: str, parameters: Sequence[str] | None = None
) -> Html:
    """A table of trials, the best first, in which parameters have columns of their own; nothing without trials.

    Args:
        trials: The trials.
        objective: What they were scored by.
        caption: What they are.
        parameters: Which parameters have columns; by default as many as there is room for.
    """
    if not trials:
        return Html("")
    has_confirmations = any(trial.confirmations for trial in trials)
    names = parameters_to_show(trials) if parameters is None else parameters
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
    left_out = 0 if parameters is not None else len({name for trial in trials for name in trial.values}) - len(names)
    return markup.block(made, left_out_html(left_out))


def left_out_html(count: int) -> Html:
    """How many parameters have no column, and where they are; nothing where all have one."""
    return markup.line(f"and {counted(count, 'more parameter')}: see trial.values", soft=True) if count else Html("")


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
        "score": None if trial.score is None else score_text(trial),
        "best epoch": None if trial.best_epoch is None else epoch_text(trial),
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
            pairs_html("Result", [(name, fact) for name, fact in facts.items() if fact is not None]),
            pairs_html("Values", [(name, value_text(value)) for name, value in trial.values.items()]),
            _metrics_html(trial),
        ),
        *(markup.line(beginning_of(note, LONGEST_LINE), soft=True) for note in trial.notes[:MOST_NOTES]),
        ""
        if error is None
        else markup.folded(
            beginning_of(error.summary, LONGEST_LINE), bounded(error.traceback or str(error), LONGEST_TRACEBACK)
        ),
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
        rows.append([name, at_best, markup.sparkline([values], f"{name} over {counted(len(curve), 'epoch')}", best)])
    header = ["metric", "at the best epoch", "over the epochs"]
    made = markup.table(header, rows, caption="Metrics", texts=(0, 2), is_headed_by_rows=True)
    return made if rows else Html("")


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
        markup.stroke(dots, width=4.5, opacity=0.5),
        markup.stroke(view.steps(bests), markup.USUAL, width=2),
        markup.stroke(view.dots([bests[-1]]), markup.BEST, width=7),
        label=label,
        style="display:block;width:100%;height:6em",
    )
    return _with_axes(
        drawn,
        title=f"{beginning_of(objective.name)} of each trial, and the best so far",
        heights=(f"{high:.4g}", f"{low:.4g}"),
        ends=(f"trial {known[0][0]}", f"trial {last}"),
    )


def _with_axes(picture: Html, title: str, heights: tuple[str, str], ends: tuple[str, str]) -> Html:
    """A picture with what its upper and lower edge, and its left and right one stand for.

    The words are HTML: in a picture that is stretched to the page's width they would be stretched too.
    """
    apart = "display:flex;justify-content:space-between"
    small = "font-size:.85em;opacity:.7;font-variant-numeric:tabular-nums"
    beside = markup.block(
        *map(markup.block, heights), style=f"{apart};{small};flex-direction:column;text-align:right;margin:-.6em 0 1em"
    )
    below = markup.block(*map(markup.block, ends), style=f"{apart};{small};margin-top:.4em")
    return markup.block(
        markup.block(title, style=f"{small};margin-bottom:.8em"),
        markup.block(beside, markup.block(picture, below, style="flex:1;min-width:0"), style="display:flex;gap:.8em"),
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
