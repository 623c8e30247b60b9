"""What all figures share: colours, symbols, texts, and an empty figure that says why it is empty.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), which people with any colour vision can tell
apart. States also differ by their symbols. Plotly reads texts as HTML, so every name and value goes through `safe`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerastune_lite.study.leaderboard import value_text
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState, best_first

BLUE, ORANGE, GREEN, VERMILION, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#8a949c"
SCORE_SCALE = ((0.0, BLUE), (0.5, "#9fb3bd"), (1.0, ORANGE))
"""From the best score to the worst; both ends stand out on white and on black."""
STATE_COLOURS = {
    TrialState.COMPLETED: BLUE,
    TrialState.STOPPED: ORANGE,
    TrialState.FAILED: VERMILION,
    TrialState.INTERRUPTED: PURPLE,
    TrialState.RUNNING: GREEN,
}
STATE_SYMBOLS = {
    TrialState.COMPLETED: "circle",
    TrialState.STOPPED: "triangle-down",
    TrialState.FAILED: "x",
    TrialState.INTERRUPTED: "square-open",
    TrialState.RUNNING: "diamond-open",
}
LONGEST_TEXT = 60
"""Longer names and values are cut in figures."""
FAR = 5.0
"""The first view of an axis of scores ends this many interquartile ranges beyond the worse quartile."""


def plotly() -> Any:
    """The module plotly.graph_objects.

    Raises:
        ImportError: Plotly isn't installed.
    """
    try:
        import plotly.graph_objects
    except ImportError as error:
        raise ImportError(
            "Plots and reports of a study need plotly: pip install 'kerastune_lite[plot]'. "
            "Without it, study.to_dataframe() and study.trials hold the same records."
        ) from error
    return plotly.graph_objects


def safe(text: object) -> str:
    """A text as plotly shows it letter by letter, cut where it is long."""
    told = str(text)
    return html.escape(told if len(told) <= LONGEST_TEXT else told[: LONGEST_TEXT - 1] + "…")


def objective_name(study: Study) -> str:
    """The objective's name as a title."""
    return safe(study.objective.name if study.objective else "score")


def sign_of(study: Study) -> int:
    """The factor that turns scores so that less is better; 1 where the direction isn't known."""
    return -1 if study.objective is not None and study.objective.known_direction == "max" else 1


def is_scored(trial: Trial) -> bool:
    """Whether the trial has a score that counts and can be drawn; one that was cut has to be run again."""
    return trial.score is not None and math.isfinite(trial.score) and bool(best_first([trial], "min"))


def scored(study: Study) -> list[Trial]:
    """The trials that can be drawn at their score, by number."""
    return [trial for trial in study.trials if is_scored(trial)]


def hover(study: Study, trial: Trial) -> str:
    """What is shown of a trial under the pointer: number, state, score, values, and why it failed or stopped."""
    lines = [f"<b>trial {trial.number}</b> ({trial.state.value}{', outside the space' if trial.is_outside else ''})"]
    if trial.score is not None:
        lines.append(f"{objective_name(study)}: {trial.score:.5g}")
    lines += [f"{safe(name)} = {safe(value_text(value))}" for name, value in list(trial.values.items())[:20]]
    lines += [f"… and {len(trial.values) - 20} more"] if len(trial.values) > 20 else []
    lines += [safe(trial.stop_reason)] if trial.stop_reason else []
    lines += [safe(trial.error.summary)] if trial.error else []
    return "<br>".join(lines)


def figure(title: str, **layout: Any) -> Any:
    """An empty figure with the library's layout."""
    made = plotly().Figure()
    made.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left"},
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
        hoverlabel={"align": "left"},
        **layout,
    )
    return made


def nothing(title: str, reason: str) -> Any:
    """A figure without data that says why there is none."""
    made = figure(title, height=220)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(text=reason, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return made


def scale_of(study: Study, scores: Sequence[float]) -> dict[str, Any]:
    """The colours of scores as plotly's arguments, which don't depend on a few scores that are far worse."""
    low, high = view_of(scores, sign_of(study))
    return {
        "colorscale": [list(stop) for stop in SCORE_SCALE],
        "reversescale": sign_of(study) < 0,
        "cmin": low,
        "cmax": high,
        "colorbar": {"title": {"text": objective_name(study)}, "thickness": 12},
    }


def view_of(scores: Iterable[float], sign: int) -> tuple[float, float]:
    """The lowest and the highest score that the first view of an axis shows: all but those that are far worse."""
    turned = sign * np.array([score for score in scores if math.isfinite(score)], dtype=np.float64)
    if not turned.size:
        return 0.0, 1.0
    lower, upper = np.quantile(turned, [0.25, 0.75])
    worst = min(float(turned.max()), float(upper + FAR * (upper - lower)))
    ends = sorted((sign * float(turned.min()), sign * max(worst, float(turned.min()))))
    return ends[0], ends[1]


def axis_of_scores(study: Study, scores: Iterable[float]) -> dict[str, Any]:
    """An axis of scores whose first view leaves out those that are far worse than the others."""
    known = [score for score in scores if math.isfinite(score)]
    axis: dict[str, Any] = {"title": {"text": objective_name(study)}}
    low, high = view_of(known, sign_of(study))
    if known and (min(known) < low or max(known) > high):
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        axis["range"] = [low - room, high + room]
    return axis
