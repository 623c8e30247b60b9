"""Figures of the space: parallel coordinates, slices, contours and importances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerastune_lite.errors import NoResultError, SpaceError
from kerastune_lite.importances import Importances
from kerastune_lite.importances import importances as importances_of
from kerastune_lite.plots.axes import Axis
from kerastune_lite.plots.model import LINE_POINTS, PLANE_POINTS, along, base_for, over, predictions
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
    safe,
    scale_of,
    scored,
    sign_of,
)
from kerastune_lite.strategies.bayesian.predictions import Prediction
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState

MOST_COLUMNS, PANEL_HEIGHT, FEW_POINTS = 3, 300, 300


def parallel(study: Study) -> Any:
    """A line for each trial across an axis a parameter and that of the score; an axis can be brushed with the mouse."""
    title, trials = "Parallel coordinates", scored(study)
    if not trials:
        return nothing(title, "No trial has a score yet.")
    scores = [trial.score or 0.0 for trial in trials]
    scale = scale_of(study, scores)
    dimensions = [
        Axis(parameter).dimension([trial.values.get(parameter.name) if parameter.name in trial.values else None
                                   for trial in trials])
        for parameter in study.space
    ]  # fmt: skip
    width = scale["cmax"] - scale["cmin"]
    shown = {"range": [scale["cmin"], scale["cmax"]]} if width > 0.0 else {}
    dimensions.append({"label": objective_name(study), "values": scores, **shown})
    made = figure(title)
    made.add_trace(plotly().Parcoords(line={"color": scores, "showscale": True, **scale}, dimensions=dimensions))
    # The names stand above the axes, where they need more room than a title leaves.
    made.update_layout(margin={"l": 80, "r": 40, "t": 110, "b": 40})
    return made


def slices(study: Study, names: Sequence[str] | None = None) -> Any:
    """A panel for each parameter: scores over its values, coloured by the trial's number, and what the model expects.

    The line is the Gaussian process's mean, where all other parameters are those of the best trial, and the band is two
    standard deviations of its doubt on both sides.
    """
    title = "Slices"
    axes = _axes(study, names)
    if not axes or not study.trials:
        return nothing(title, "There are no trials yet." if axes else "The study has no parameters yet.")
    columns = min(MOST_COLUMNS, len(axes))
    rows = -(-len(axes) // columns)
    made = figure(title, height=90 + PANEL_HEIGHT * rows)
    made.set_subplots(rows, columns, vertical_spacing=min(0.28 / rows, 0.2), horizontal_spacing=0.22 / columns)
    lines = _expected_along(study, axes)
    for place, axis in enumerate(axes):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        for trace in _panel(study, axis, lines.get(axis.parameter.name), is_first=place == 0):
            made.add_trace(trace, **where)
        made.update_xaxes(axis.layout(), **where)
        scores = [trial.score or 0.0 for trial in scored(study)]
        made.update_yaxes(axis_of_scores(study, scores) if where["col"] == 1 else _untitled(study, scores), **where)
    return made


def panels(study: Study, names: Sequence[str]) -> list[tuple[str, Any]]:
    """The slices of some parameters as a figure each, with the name of each; one model is made for all of them."""
    axes = _axes(study, names)
    lines = _expected_along(study, axes)
    scores = [trial.score or 0.0 for trial in scored(study)]
    made = []
    for axis in axes:
        panel = figure(axis.title)
        panel.add_traces(_panel(study, axis, lines.get(axis.parameter.name), is_first=True))
        # The page says once what symbols and colours mean; a panel is too small to say it again.
        panel.update_traces(marker={"showscale": False}, selector={"mode": "markers"})
        panel.update_layout(xaxis=axis.layout(), yaxis=axis_of_scores(study, scores), showlegend=False)
        made.append((axis.parameter.name, panel))
    return made


def contour(study: Study, one: str | None = None, other: str | None = None) -> Any:
    """The score over two parameters: the Gaussian process's mean, beside it its doubt, and the trials on both.

    All other parameters are those of the best trial in which the two are active. Without names, the two parameters that
    matter most are shown.
    """
    title = "Contour"
    names = [name for name in (one, other) if name is not None]
    if one == other and one is not None:
        raise SpaceError(f"A contour needs two different parameters. Received: {one!r} twice.")
    if len(names) < 2:
        names += [name for name in most_important(study, known_importances(study)) if name not in names]
    names = names[:2]
    axes = _axes(study, names)
    if len(axes) < 2:
        return nothing(title, "A contour needs two parameters, and the study has fewer.")
    x, y = axes
    trials = [trial for trial in scored(study) if _place(x, trial) is not None and _place(y, trial) is not None]
    if not trials:
        return nothing(title, f"{x.title} and {y.title} were never active together in a trial with a score.")
    base = base_for(study, names)
    expected = None if base is None else predictions(study, over(x, y, base))
    made = figure(f"{title} of {x.title} and {y.title}")
    made.update_layout(legend={"y": -0.18, "yanchor": "top"})
    made.set_subplots(
        1, 1 if expected is None else 2, subplot_titles=_panel_titles(study, expected), horizontal_spacing=0.2
    )
    if expected is not None:
        _add_fields(made, study, x, y, expected)
    scale = scale_of(study, [trial.score or 0.0 for trial in trials])
    for column in (1,) if expected is None else (1, 2):
        made.add_trace(_cloud(study, x, y, trials, scale if expected is None else None), row=1, col=column)
        made.update_xaxes(x.layout(), row=1, col=column)
        made.update_yaxes(y.layout() | ({"title": None} if column == 2 else {}), row=1, col=column)
    failed = [t for t in study.trials if not is_scored(t) and None not in (_place(x, t), _place(y, t))]
    if failed:
        made.add_trace(_cloud(study, x, y, failed, None).update(name="no score", showlegend=True), row=1, col=1)
    return made


def importances(study: Study, found: Importances | None) -> Any:
    """A bar for each parameter: how much of the score's variance it explains, with a 90 % interval."""
    title = "Importances"
    if found is None:
        return nothing(title, "Too few trials have ended with a score.")
    names, known = list(found)[::-1], list(found.values())[::-1]
    if not names:
        return nothing(title, "The study has no parameters yet.")
    made = figure(f"{title}: share of the variance of {objective_name(study)}", height=150 + 28 * len(names))
    made.add_trace(
        plotly().Bar(
            x=[each.share for each in known],
            y=list(range(len(names))),
            orientation="h",
            marker={"color": BLUE},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [each.high - each.share for each in known],
                "arrayminus": [each.share - each.low for each in known],
                "color": GREY,
                "thickness": 1.5,
            },
            hovertext=[
                f"{safe(name)}: {each.share:.0%} ({each.low:.0%} to {each.high:.0%})" for name, each in found.items()
            ][::-1],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    made.update_layout(
        xaxis={"tickformat": ".0%", "range": [0.0, min(1.02, 0.05 + max(each.high for each in known))]},
        yaxis={"tickvals": list(range(len(names))), "ticktext": [safe(name) for name in names], "automargin": True},
    )
    return made


def known_importances(study: Study) -> Importances | None:
    """The study's importances; None while too few trials have ended with a score."""
    try:
        return importances_of(study)
    except NoResultError:
        return None


def most_important(study: Study, found: Importances | None) -> list[str]:
    """The parameters with more than one value, the most important first; as in the space while nothing is known."""
    able = [parameter.name for parameter in study.space if parameter.size > 1]
    return able if found is None else [name for name in found if name in able]


def _axes(study: Study, names: Sequence[str] | None) -> list[Axis]:
    """The axes of the parameters of these names, or of all that have more than one value."""
    if names is None:
        return [Axis(parameter) for parameter in study.space if parameter.size > 1]
    unknown = [name for name in names if name not in study.space]
    if unknown:
        known = ", ".join(repr(parameter.name) for parameter in study.space) or "none yet"
        raise SpaceError(f"The study has no parameter {unknown[0]!r}. It has: {known}.")
    return [Axis(study.space[name]) for name in names]


def _place(axis: Axis, trial: Trial) -> float | None:
    """Where a trial lies on an axis; None where the parameter wasn't active, or no longer takes the value."""
    name = axis.parameter.name
    return axis.position(trial.values[name]) if name in trial.values else None


def _jittered(axis: Axis, trial: Trial) -> float | None:
    """Where a trial's point is drawn: beside others of the same option, at a distance that its number decides."""
    place = _place(axis, trial)
    if place is None or not axis.is_category:
        return place
    # The golden ratio spreads successive numbers evenly.
    return place + 0.36 * (math.modf(trial.number * 0.6180339887)[0] - 0.5)


def _panel(study: Study, axis: Axis, expected: list[Prediction] | None, *, is_first: bool) -> list[Any]:
    """The traces of a panel: the trials on the band of the model's doubt, and under the line of its mean."""
    points = _slice(study, axis, is_first=is_first)
    return [*_band(axis, expected), *points, *_mean(axis, expected)] if expected else points


def _slice(study: Study, axis: Axis, *, is_first: bool) -> list[Any]:
    """The points of a panel: a trace for each state, so that the legend tells the symbols."""
    traces: list[Any] = []
    numbers = [trial.number for trial in study.trials]
    for state in TrialState:
        trials = [t for t in study.trials if t.state is state and _place(axis, t) is not None]
        known = [trial for trial in trials if is_scored(trial)]
        if known:
            marker = {
                "color": [trial.number for trial in known],
                "colorscale": "Viridis",
                "reversescale": True,
                "cmin": numbers[0],
                "cmax": max(numbers[-1], numbers[0] + 1),
                "symbol": STATE_SYMBOLS[state],
                "size": 6,
                "line": {"width": 0.5, "color": GREY},
                "showscale": is_first and not traces,
                "colorbar": {"title": {"text": "trial"}, "thickness": 12},
            }
            y = [trial.score for trial in known]
            traces.append(_panel_points(study, axis, state, known, y, marker, is_first=is_first))
        without = [trial for trial in trials if not is_scored(trial)]
        if without:
            lowest = _bottom(study)
            marker = {"color": STATE_COLOURS[state], "symbol": STATE_SYMBOLS[state], "size": 7}
            y = [lowest] * len(without)
            trace = _panel_points(study, axis, state, without, y, marker, is_first=is_first)
            traces.append(trace.update(name=f"{state.value} (no score)"))
    return traces


def _panel_points(
    study: Study, axis: Axis, state: TrialState, trials: list[Trial], y: Sequence[float | None],
    marker: dict[str, Any], *, is_first: bool,
) -> Any:  # fmt: skip
    return plotly().Scatter(
        x=[_jittered(axis, trial) for trial in trials],
        y=list(y),
        mode="markers",
        marker=marker,
        text=[hover(study, trial) for trial in trials],
        hovertemplate="%{text}<extra></extra>",
        name=state.value,
        showlegend=is_first,
        legendgroup=state.value,
    )


def _bottom(study: Study) -> float:
    """The height at which trials without a score are drawn: a little below all scores that are in view."""
    scores = [trial.score or 0.0 for trial in scored(study)]
    low, high = axis_of_scores(study, scores).get("range") or (min(scores, default=0.0), max(scores, default=1.0))
    return low if "range" in axis_of_scores(study, scores) else low - 0.06 * ((high - low) or abs(low) or 1.0)


def _untitled(study: Study, scores: Sequence[float]) -> dict[str, Any]:
    return {key: value for key, value in axis_of_scores(study, scores).items() if key != "title"}


def _expected_along(study: Study, axes: Sequence[Axis]) -> dict[str, list[Prediction]]:
    """What one model expects along each axis, where there is a model and a trial to hold the other parameters at."""
    bases = {axis.parameter.name: base_for(study, [axis.parameter.name]) for axis in axes}
    settings = {
        axis.parameter.name: along(axis, base) for axis in axes if (base := bases[axis.parameter.name]) is not None
    }
    expected = predictions(study, [setting for line in settings.values() for setting in line])
    if expected is None:
        return {}
    rest = iter(expected)
    return {name: [next(rest) for _ in line] for name, line in settings.items()}


_TOLD = {"hoverinfo": "skip", "showlegend": False}


def _band(axis: Axis, expected: list[Prediction]) -> list[Any]:
    """The model's doubt along a number, two standard deviations on both sides; options have bars with their means."""
    if axis.is_category:
        return []
    x = [axis.position(value) for value in axis.grid(LINE_POINTS)]
    lower, upper = ([each.mean + side * each.deviation for each in expected] for side in (-2.0, 2.0))
    edge = {"mode": "lines", "line": {"width": 0}, **_TOLD}
    fill = {"fill": "tonexty", "fillcolor": "rgba(0,158,115,0.18)"}
    return [plotly().Scatter(x=x, y=lower, **edge), plotly().Scatter(x=x, y=upper, **edge, **fill)]


def _mean(axis: Axis, expected: list[Prediction]) -> list[Any]:
    """The model's mean as a line, or for options as a mark with a bar of its doubt."""
    x = [axis.position(value) for value in axis.grid(LINE_POINTS)]
    means = [each.mean for each in expected]
    if not axis.is_category:
        return [plotly().Scatter(x=x, y=means, mode="lines", line={"color": GREEN, "width": 2}, **_TOLD)]
    doubts = {"type": "data", "array": [2.0 * each.deviation for each in expected], "color": GREEN, "thickness": 1.5}
    marker = {"symbol": "line-ew-open", "color": GREEN, "size": 16, "line": {"width": 2}}
    return [plotly().Scatter(x=x, y=means, mode="markers", marker=marker, error_y=doubts, **_TOLD)]


def _panel_titles(study: Study, expected: list[Prediction] | None) -> list[str] | None:
    if expected is None:
        return None
    return [f"expected {objective_name(study)}", "doubt (one standard deviation)"]


def _add_fields(made: Any, study: Study, x: Axis, y: Axis, expected: list[Prediction]) -> None:
    """Adds the model's mean to the left panel and its doubt to the right one."""
    across = [x.position(value) for value in x.grid(PLANE_POINTS)]
    up = [y.position(value) for value in y.grid(PLANE_POINTS)]
    fields = [
        ([each.mean for each in expected], "Viridis", sign_of(study) > 0, 0.405),
        ([each.deviation for each in expected], "Greys", False, 1.0),
    ]
    kind = plotly().Heatmap if x.is_category or y.is_category or min(len(across), len(up)) < 3 else plotly().Contour
    for column, (values, colours, is_reversed, place) in enumerate(fields, start=1):
        made.add_trace(
            kind(
                x=across,
                y=up,
                z=[values[row * len(across) : (row + 1) * len(across)] for row in range(len(up))],
                colorscale=colours,
                reversescale=is_reversed,
                colorbar={"x": place, "thickness": 10},
                hovertemplate="%{z:.5g}<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _cloud(study: Study, x: Axis, y: Axis, trials: Sequence[Trial], scale: dict[str, Any] | None) -> Any:
    """The trials over two axes: coloured by their scores where nothing else tells them."""
    colour: dict[str, Any] = {"color": "black"}
    if scale is not None:
        colour = {"color": [trial.score for trial in trials], "showscale": True, **scale}
    return plotly().Scatter(
        x=[_jittered(x, trial) for trial in trials],
        y=[_jittered(y, trial) for trial in trials],
        mode="markers",
        marker={
            "symbol": [STATE_SYMBOLS[trial.state] for trial in trials],
            # Thousands of points would hide the field below them.
            "size": 6 if len(trials) <= FEW_POINTS else 4,
            "opacity": 1.0 if len(trials) <= FEW_POINTS else 0.4,
            "line": {"width": 1 if len(trials) <= FEW_POINTS else 0, "color": "white"},
            **colour,
        },
        text=[hover(study, trial) for trial in trials],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        name="trials",
    )
