"""Figures of how a search went: history, learning curves, timeline, and the distribution of its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastune_lite.errors import ObjectiveError
from kerastune_lite.plots.style import (
    BLUE,
    GREEN,
    GREY,
    STATE_COLOURS,
    STATE_SYMBOLS,
    axis_of_scores,
    figure,
    hover,
    is_scored,
    nothing,
    objective_name,
    plotly,
    scale_of,
    scored,
    sign_of,
)
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState

CURVE_COLOURS, MOST_POINTS = 16, 60_000
"""Curves are drawn in groups of like scores, which is fast with thousands, and with at most about so many points."""


def history(study: Study) -> Any:
    """The score of each trial, and the best so far as a step line; trials without a score are marks below."""
    title, trials = "History", study.trials
    if not trials:
        return nothing(title, "There are no trials yet.")
    made = figure(title)
    for state, group in _by_state([trial for trial in trials if is_scored(trial)]):
        made.add_trace(_points(study, state, group, [trial.score for trial in group]))
    without = [trial for trial in trials if not is_scored(trial)]
    for state, group in _by_state(without):
        marks = _points(study, state, group, [0.03] * len(group), name=f"{state.value} (no score)")
        made.add_trace(marks.update(yaxis="y2", cliponaxis=False))
    counted = [trial for trial in scored(study) if not trial.is_outside]
    if counted:
        best = sign_of(study) * np.minimum.accumulate([sign_of(study) * (t.score or 0.0) for t in counted])
        made.add_trace(
            plotly().Scatter(
                x=[*(trial.number for trial in counted), trials[-1].number],
                y=[*best.tolist(), float(best[-1])],
                mode="lines",
                line={"shape": "hv", "color": GREEN, "width": 2},
                name="best so far",
                hovertemplate="best so far: %{y:.5g}<extra></extra>",
            )
        )
    made.update_layout(
        xaxis={"title": {"text": "trial"}, "zeroline": False},
        yaxis=axis_of_scores(study, [trial.score or 0.0 for trial in scored(study)]),
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    return made


def curves(study: Study) -> Any:
    """The objective over the epochs of each trial, coloured by its score; a mark ends those that were stopped early."""
    title = "Learning curves"
    drawn = [(trial, values) for trial in study.trials if (values := _curve(study, trial))]
    if not drawn:
        return nothing(title, f"No trial has reported {objective_name(study)} at the end of an epoch yet.")
    made = figure(title)
    scores = [trial.score for trial, _ in drawn if is_scored(trial) and trial.score is not None]
    scale = scale_of(study, scores)
    stride = -(-sum(len(values) for _, values in drawn) // MOST_POINTS)
    groups: dict[str, list[tuple[Trial, list[float]]]] = {}
    # The best are drawn last, on top of the others.
    for trial, values in sorted(drawn, key=lambda pair: -_rank(study, pair[0])):
        groups.setdefault(_colour(study, trial, scale), []).append((trial, values))
    for colour, group in groups.items():
        made.add_trace(_lines(group, colour, stride))
    for state in (TrialState.STOPPED, TrialState.FAILED):
        ends = [(trial, values) for trial, values in drawn if trial.state is state]
        if ends:
            made.add_trace(
                plotly().Scatter(
                    x=[len(values) for _, values in ends],
                    y=[values[-1] for _, values in ends],
                    mode="markers",
                    marker={"symbol": STATE_SYMBOLS[state], "color": STATE_COLOURS[state], "size": 7},
                    text=[hover(study, trial) for trial, _ in ends],
                    hovertemplate="%{text}<extra></extra>",
                    name=f"{state.value} here",
                )
            )
    if scores:
        made.add_trace(_colour_bar(scale))
    made.update_layout(
        xaxis={"title": {"text": "epoch"}},
        yaxis=axis_of_scores(study, [value for _, values in drawn for value in values]),
    )
    return made


def timeline(study: Study) -> Any:
    """A bar for each trial from when it began to when it ended, coloured by its state."""
    title = "Timeline"
    trials = [trial for trial in study.trials if trial.started is not None]
    if not trials:
        return nothing(title, "No trial has begun yet.")
    latest = max(trial.ended or trial.started for trial in trials if trial.started)
    made = figure(title, barmode="overlay", bargap=0.15)
    for state, group in _by_state(trials):
        begun = [trial.started for trial in group if trial.started]
        ends = [trial.ended or latest for trial in group]
        made.add_trace(
            plotly().Bar(
                base=begun,
                # Plotly's lengths on an axis of dates are milliseconds.
                x=[1000.0 * max((end - start).total_seconds(), 0.0) for start, end in zip(begun, ends, strict=True)],
                y=[trial.number for trial in group],
                orientation="h",
                marker={"color": STATE_COLOURS[state], "line": {"width": 0}},
                name=state.value,
                hovertext=[f"{hover(study, t)}<br>{t.seconds or 0.0:.1f} seconds" for t in group],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    made.update_layout(
        xaxis={"type": "date", "title": {"text": "time (UTC)"}},
        # The first trial stands on top, and a bar is never wider than a fifth of the figure.
        yaxis={
            "title": {"text": "trial"},
            "range": [trials[0].number + max(trials[-1].number - trials[0].number, 4) + 0.6, trials[0].number - 0.6],
            "tickformat": "d",
            "zeroline": False,
        },
    )
    return made


def edf(study: Study) -> Any:
    """The empirical distribution function: which share of the trials has at most each score."""
    title = "Distribution of the scores"
    scores = sorted(trial.score for trial in scored(study) if trial.score is not None)
    if not scores:
        return nothing(title, "No trial has a score yet.")
    made = figure(title)
    made.add_trace(
        plotly().Scatter(
            x=[scores[0], *scores],
            y=[0.0, *(np.arange(1, len(scores) + 1) / len(scores)).tolist()],
            mode="lines+markers" if len(scores) == 1 else "lines",
            line={"shape": "hv", "color": BLUE, "width": 2},
            hovertemplate="%{y:.0%} of the trials have at most %{x:.5g}<extra></extra>",
            name="trials",
        )
    )
    made.update_layout(
        xaxis=axis_of_scores(study, scores),
        yaxis={"title": {"text": "share of the trials"}, "tickformat": ".0%", "range": [-0.02, 1.03]},
    )
    return made


def _by_state(trials: Sequence[Trial]) -> list[tuple[TrialState, list[Trial]]]:
    groups = [(state, [trial for trial in trials if trial.state is state]) for state in TrialState]
    return [(state, group) for state, group in groups if group]


def _points(study: Study, state: TrialState, group: list[Trial], y: Sequence[float | None], name: str = "") -> Any:
    return plotly().Scatter(
        x=[trial.number for trial in group],
        y=list(y),
        mode="markers",
        marker={
            "symbol": STATE_SYMBOLS[state],
            "color": [GREY if trial.is_outside else STATE_COLOURS[state] for trial in group],
            "size": 7,
        },
        text=[hover(study, trial) for trial in group],
        hovertemplate="%{text}<extra></extra>",
        name=name or state.value,
    )


def _curve(study: Study, trial: Trial) -> list[float]:
    """The objective after each epoch; NaN where it isn't a finite number, and empty where it never is."""
    if study.objective is None or not trial.curve:
        return []
    try:
        name = study.objective.reported_name(set[str]().union(*trial.curve))
    except ObjectiveError:
        return []
    values = [float(logs.get(name, math.nan)) for logs in trial.curve]
    finite = [value if math.isfinite(value) else math.nan for value in values]
    while finite and math.isnan(finite[-1]):
        finite.pop()
    return finite


def _rank(study: Study, trial: Trial) -> float:
    return sign_of(study) * (trial.score or 0.0) if is_scored(trial) else math.inf


def _colour(study: Study, trial: Trial, scale: dict[str, Any]) -> str:
    """The colour of a trial's score, one of CURVE_COLOURS; grey where it has none."""
    if not is_scored(trial) or trial.score is None:
        return GREY
    width = (scale["cmax"] - scale["cmin"]) or 1.0
    share = min(max((trial.score - scale["cmin"]) / width, 0.0), 1.0)
    share = round(share * (CURVE_COLOURS - 1)) / (CURVE_COLOURS - 1)
    share = 1.0 - share if scale["reversescale"] else share
    stops = scale["colorscale"]
    (left, start), (right, end) = (stops[0], stops[1]) if share <= 0.5 else (stops[1], stops[2])
    weight = (share - left) / (right - left)
    parts = [(int(start[at : at + 2], 16), int(end[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(low + weight * (high - low)):02x}" for low, high in parts)


def _lines(group: Sequence[tuple[Trial, list[float]]], colour: str, stride: int) -> Any:
    """One trace of several curves, with a gap between each two."""
    x: list[int | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for trial, values in group:
        # Every stride-th epoch, and always the last.
        epochs = [epoch for epoch in range(len(values)) if epoch % stride == 0 or epoch == len(values) - 1]
        x += [*(epoch + 1 for epoch in epochs), None]
        y += [*(float(f"{values[epoch]:.5g}") for epoch in epochs), None]
        numbers += [*(trial.number for _ in epochs), None]
    return plotly().Scatter(
        x=x,
        y=y,
        customdata=numbers,
        mode="lines+markers" if len(x) < 2000 else "lines",
        line={"color": colour, "width": 1.5},
        marker={"size": 3},
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.5g}<extra></extra>",
        showlegend=False,
    )


def _colour_bar(scale: dict[str, Any]) -> Any:
    return plotly().Scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"color": [scale["cmin"]], "showscale": True, **scale},
        showlegend=False,
        hoverinfo="skip",
    )
