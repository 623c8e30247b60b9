"""A search that runs, or has ended, as a notebook shows it; pure functions of what there is to be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kerastune_lite import markup
from kerastune_lite.markup import Html
from kerastune_lite.space import Value
from kerastune_lite.study import Study
from kerastune_lite.study.as_html import FEW_TRIALS, MOST_PARAMETERS, history_html, left_out_html, trials_html
from kerastune_lite.study.leaderboard import duration_text, score_text, value_text
from kerastune_lite.study.texts import counted
from kerastune_lite.study.trial import TrialState
from kerastune_lite.views.watched import Picture, RunningTrial, TrialRow

MOST_RUNNING = 16
"""How many of the trials that run are shown."""


def search_html(picture: Picture, study: Study, said: Sequence[str]) -> Html:
    """The display: a bar, the trials that run, the best score so far as a curve, and the latest and the best trials.

    Args:
        picture: What there is to be seen of the search.
        study: The study as it is now.
        said: Sentences to show, such as what is kept of a search that was interrupted.
    """
    parameters = picture.parameters[:MOST_PARAMETERS]
    left_out = len(picture.parameters) - len(parameters)
    scores = [(number, study.tally.sign * rank) for _, rank, number in study.tally.ranked]
    is_long = len(study.records) > FEW_TRIALS
    best = trials_html(study.leaderboard(FEW_TRIALS), study.objective, "Best trials", parameters) if is_long else ""
    return markup.block(
        ""
        if picture.share is None or picture.ended
        else markup.progress(picture.share, "how much of the search is done"),
        markup.line(_spent(picture)),
        markup.line(_best(study)),
        _running(picture, parameters),
        history_html(scores, study.objective),
        _latest(picture, parameters),
        best,
        left_out_html(left_out),
        *(markup.line(sentence, soft=True) for sentence in said),
    )


def search_text(picture: Picture, study: Study, said: Sequence[str]) -> str:
    """The same as a few lines of text, for whatever can't show HTML."""
    running = [
        f"trial {trial.number}: epoch {_epoch(trial)}{_scored(picture, trial.score)}"
        for trial in picture.running[:MOST_RUNNING]
    ]
    return "\n".join(line for line in (_spent(picture), _best(study), *running, *said) if line)


def _spent(picture: Picture) -> str:
    """How much is done, and for how long the search has run and will run."""
    left = picture.seconds_left
    parts = [
        f"{picture.trials}{_of(picture.max_trials, ' of ')} trials",
        f"{picture.epochs}{_of(picture.max_epochs, ' of ')} epochs",
        *([] if picture.epochs_left is None or picture.max_epochs else [f"at most {picture.epochs_left} epochs left"]),
        f"{duration_text(picture.seconds)} spent",
        *([] if left is None or picture.ended else [f"about {duration_text(left)} left"]),
    ]
    return " · ".join(parts)


def _epoch(trial: RunningTrial) -> str:
    return f"{trial.epoch}{_of(trial.epochs)}" + (f", {trial.run_text}" if trial.run_text else "")


def _of(whole: int | None, joint: str = "/") -> str:
    return "" if whole is None else f"{joint}{whole}"


def _best(study: Study) -> str:
    name = study.objective.name if study.objective else "score"
    return "".join(f"best {name} {score_text(trial)}, by trial {trial.number}" for trial in study.leaderboard(1))


def _scored(picture: Picture, score: float | None) -> str:
    return "" if score is None else f", {picture.objective} {score:.5g}"


def _running(picture: Picture, parameters: Sequence[str]) -> Html:
    """The trials that run, each with the curve of its objective."""
    if not picture.running or picture.ended:
        return Html("")
    header = ["trial", "epoch", picture.objective, "over the epochs", *parameters]
    rows = [
        [
            trial.number,
            _epoch(trial),
            "" if trial.score is None else f"{trial.score:.5g}",
            _curve(trial, picture),
            *_cells(trial.values, parameters),
        ]
        for trial in picture.running[:MOST_RUNNING]
    ]
    return markup.table(header, rows, caption="Running", texts=(3,))


def _curve(trial: RunningTrial, picture: Picture) -> Html:
    label = f"{picture.objective} over {counted(trial.epoch, 'epoch')}"
    return markup.sparkline([trial.curve], label, mark=len(trial.curve) - 1)


def _latest(picture: Picture, parameters: Sequence[str]) -> Html:
    """The trials that ended last, the latest first; one that was the best when it ended has a star."""
    rows = [picture.rows[place] for place in range(len(picture.rows) - 1, -1, -1)[:FEW_TRIALS]]
    if not rows:
        return Html("")
    header = ["trial", picture.objective, "epoch", "seconds", "state", *parameters]
    return markup.table(
        header,
        [
            [
                row.number,
                _score(row),
                f"{row.best_epoch}/{row.epochs}" if row.best_epoch else "",
                f"{row.seconds:.1f}",
                _state(row),
                *_cells(row.values, parameters),
            ]
            for row in rows
        ],
        caption="Latest trials",
        texts=(4,),
    )


def _score(row: TrialRow) -> object:
    if row.score is None:
        return ""
    told = f"{row.score:.5g}" + ("" if row.spread is None else f" ± {row.spread:.2g}")
    if not row.is_new_best:
        return told
    return markup.tag("span", f"★ {told}", style=f"color:{markup.BEST};font-weight:bold", title="the best so far")


def _state(row: TrialRow) -> object:
    """The state, with the reason in a word or two; the whole sentence is shown under the pointer."""
    told = row.state_word + (f": {row.reason}" if row.reason else "")
    colour = f"color:{markup.WRONG}" if row.state is TrialState.FAILED else None
    sentence = "; ".join(part for part in (row.told, *row.remarks) if part)[: 10 * markup.LONGEST_TEXT]
    if not sentence and colour is None:
        return told
    return markup.tag("span", markup.short(told), style=colour, title=sentence or None)


def _cells(values: Mapping[str, Value], parameters: Sequence[str]) -> list[str]:
    """The values of parameters; of one that the trial didn't ask for nothing."""
    return [value_text(values[name]) if name in values else "" for name in parameters]
