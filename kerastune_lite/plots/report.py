"""The report: one HTML file that shows a study, and explains its words where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kerastune_lite._version import __version__
from kerastune_lite.importances import Importances
from kerastune_lite.plots import over_space, over_time, page
from kerastune_lite.plots.style import plotly, scored
from kerastune_lite.space import OptionLabel, Value, label_of
from kerastune_lite.space.values import is_data
from kerastune_lite.study.atomic_files import written_whole
from kerastune_lite.study.leaderboard import duration_text, epoch_text, score_text, values_text
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState

MOST_PANELS, MOST_ROWS = 24, 10
MANY_TRIALS = 500
"""From this many trials on, the texts under the pointer are short in all figures but the history."""


def write_report(study: Study, path: Path) -> Path:
    """Writes the report of a study and gives its path back.

    Raises:
        ImportError: Plotly isn't installed.
    """
    made = report(study)
    with written_whole(path) as unfinished:
        unfinished.write_text(made, encoding="utf-8")
    return path


def report(study: Study) -> str:
    """The report of a study as HTML."""
    plotly()
    from plotly.offline import get_plotlyjs

    found = over_space.known_importances(study)
    names = over_space.most_important(study, found)
    sections = [
        ("Best setting", _best(study)),
        ("History", _history(study)),
        ("Learning curves", _curves(study)),
        ("What mattered", _importances(study, found)),
        ("Parameters", _parameters(study, names)),
        ("Parallel coordinates", _parallel(study)),
        ("Two parameters", _contour(study, names)),
        ("Failures", _failures(study)),
        ("Time", _time(study)),
        ("Engine", _engine(study)),
        ("How it was searched", _search(study)),
    ]
    title = f"Study {study.directory.name or study.directory}"
    return page.page(title, _head(study), [(name, made) for name, made in sections if made], get_plotlyjs())


def setting_as_code(values: Mapping[str, Value]) -> str:
    """A setting as a Python dict to be pasted; an option that is an object stands as its name, with a remark."""
    return "\n".join(["{", *(f"    {name!r}: {_as_code(value)}" for name, value in values.items()), "}"])


def _as_code(value: Value) -> str:
    if not isinstance(value, OptionLabel) and is_data(value):
        return f"{value!r},"
    if isinstance(value, float):
        return f"float({str(value)!r}),"
    name = label_of(value)
    is_dotted = all(part.isidentifier() for part in name.split("."))
    return f"{name if is_dotted else repr(name)},  # the object of this name, as build_fn offers it"


def _head(study: Study) -> str:
    states = Counter(trial.state for trial in study.trials)
    counts = ", ".join(f"{states[state]} {state.value}" for state in TrialState if states[state]) or "none"
    objective = study.objective
    direction = {"min": "less is better", "max": "more is better"}.get(str(objective and objective.direction), "")
    ranked = study.leaderboard(1)
    told = [
        ("trials: " + counts, str(len(study.trials))),
        (f"best {objective.name if objective else 'score'}" + (f", {direction}" if direction else ""),
         score_text(ranked[0]) if ranked else "none yet"),
        ("epochs trained", str(study.epochs_spent)),
        ("epochs not trained, since trials were stopped early", str(study.epochs_saved)),
    ]  # fmt: skip
    span = _span(study.trials)
    told += [("from the first trial's begin to the last one's end", duration_text(span))] if span is not None else []
    remarks = [f"{len(study.outside)} trials lie outside the space, since it was changed, and don't count"]
    remarks = [*(remarks if study.outside else []), *(f"damaged: {damage}" for damage in study.damages)]
    return page.facts(told) + "".join(f'<p class="word">{page.text(remark)}</p>' for remark in remarks)


def _best(study: Study) -> str:
    ranked = study.leaderboard(MOST_ROWS)
    if not ranked:
        return page.section("Best setting", "No trial has a score yet.")
    best = ranked[0]
    source = (
        f"# trial {best.number}: {study.objective.name if study.objective else 'score'} {score_text(best)}\n"
        f"values = {setting_as_code(best.values)}\n"
        "model = tuner.build(values)  # a fresh model; tuner.best_model() is the one that was trained"
    )
    return page.section(
        "Best setting",
        "A setting is a value for each parameter, and a trial is one training with it. A trial's score is the "
        "objective at its best epoch. Options that are functions or other objects stand as their names.",
        page.code(source),
        page.table(
            ["rank", "trial", "score", "best epoch", "seconds", "values"],
            (
                [rank, trial.number, score_text(trial), epoch_text(trial),
                 "-" if trial.seconds is None else round(trial.seconds, 1), values_text(trial.values)]
                for rank, trial in enumerate(ranked, start=1)
            ),
            wraps=False,
        ),
    )  # fmt: skip


def _history(study: Study) -> str:
    return page.section(
        "History",
        "Each mark is a trial; the line is the best score so far. Trials that were stopped early are triangles, and "
        "those without a score are crosses at the lower edge. Scores far worse than the others lie outside the view.",
        page.plot(over_time.history(study)),
        "<h3>Distribution of the scores</h3>",
        page.plot(over_time.edf(study).update_layout(height=300)),
    )


def _curves(study: Study) -> str:
    return page.section(
        "Learning curves",
        "The objective after each epoch, a line for each trial, coloured by its score.",
        page.plot(_brief(study, over_time.curves(study))),
    )


def _importances(study: Study, found: Importances | None) -> str:
    return page.section(
        "What mattered",
        "How much of the variance of the score each parameter explains by itself, over the whole space (functional "
        "analysis of variance). The thin lines hold 90 % of what resampled trials give: where they are long, more "
        "trials are needed. What depends on several parameters together is in none of the bars.",
        page.plot(over_space.importances(study, found)),
    )


def _parameters(study: Study, names: Sequence[str]) -> str:
    if not names or not study.trials:
        return ""
    word = (
        "The score over the values of each parameter; later trials are darker. The line is what a Gaussian process "
        "expects where all other parameters are those of the best trial, and the band is its doubt (two standard "
        "deviations)."
    )
    shown_names = names[:MOST_PANELS]
    if len(names) > MOST_PANELS:
        word += f" The {MOST_PANELS} that matter most are shown, of {len(names)}."
    shown = [
        f"<div><h3>{page.text(name)}</h3>{page.plot(_brief(study, panel.update_layout(height=340)))}</div>"
        for name, panel in over_space.panels(study, shown_names)
    ]
    return page.section("Parameters", word, f'<div class="grid">{"".join(shown)}</div>')


def _parallel(study: Study) -> str:
    if not scored(study):
        return ""
    return page.section(
        "Parallel coordinates",
        "A line for each trial, across an axis for each parameter and one for the score. Drag along an axis to keep "
        "only the lines that pass there, click to let go, and drag a name to move its axis.",
        page.plot(over_space.parallel(study).update_layout(height=420, margin={"t": 60}), is_wide=True),
    )


def _contour(study: Study, names: Sequence[str]) -> str:
    if len(names) < 2 or not scored(study):
        return ""
    return page.section(
        "Two parameters",
        "The two parameters that matter most: the score that the Gaussian process expects, beside it how much it "
        "doubts that, and the trials. All other parameters are those of the best trial.",
        page.plot(_brief(study, over_space.contour(study, *names[:2])).update_layout(height=420), is_wide=True),
    )


def _failures(study: Study) -> str:
    failed = [trial for trial in study.trials if trial.state is TrialState.FAILED]
    if not failed:
        return ""
    causes = grouped(failed)
    rows = [
        [len(trials), error.summary if error else "unknown", ", ".join(str(t.number) for t in trials[:12])
         + (" …" if len(trials) > 12 else "")]
        for error, trials in causes
    ]  # fmt: skip
    return page.section(
        "Failures",
        "Trials that failed, grouped by what they said; numbers in the messages aside.",
        page.table(["trials", "cause", "numbers"], rows),
        *(page.details(f"traceback of trial {trials[0].number}", error.traceback)
          for error, trials in causes if error and error.traceback),
    )  # fmt: skip


def grouped(failed: Iterable[Trial]) -> list[tuple[TrialFailure | None, list[Trial]]]:
    """Failed trials by their causes, the most frequent first."""
    groups: list[tuple[TrialFailure | None, list[Trial]]] = []
    for trial in failed:
        for error, trials in groups:
            if (error is None) == (trial.error is None) and (
                not error or not trial.error or error.is_like(trial.error)
            ):
                trials.append(trial)
                break
        else:
            groups.append((trial.error, [trial]))
    return sorted(groups, key=lambda group: -len(group[1]))


def _time(study: Study) -> str:
    trials = [trial for trial in study.trials if trial.started is not None]
    if not trials:
        return ""
    rows = [_times(state.value, [trial for trial in trials if trial.state is state]) for state in TrialState]
    span, idle = _span(trials), _idle(trials)
    rows = [[*row] for row in rows if row[1]]
    word = "When each trial ran, from the beginning of its build to the end of its last epoch."
    if span is not None and idle is not None:
        word += (
            f" Of {duration_text(span)} between the first begin and the last end, no trial ran for "
            f"{duration_text(idle)}: the search was choosing settings, keeping models, or not running."
        )
    return page.section(
        "Time",
        word,
        page.plot(_brief(study, over_time.timeline(study))),
        page.table(["state", "trials", "epochs", "seconds in all", "seconds a trial"], rows),
    )


def _times(name: str, trials: list[Trial]) -> list[object]:
    known = [trial.seconds for trial in trials if trial.seconds is not None]
    epochs = sum(trial.epochs_spent for trial in trials)
    return [name, len(trials), epochs, round(sum(known), 1), round(sum(known) / len(known), 2) if known else "-"]


def _engine(study: Study) -> str:
    trials = [trial for trial in study.trials if trial.trained is not None]
    if not trials:
        return ""
    ways = dict.fromkeys(trial.engine for trial in trials)
    rows = [_times(str(way), [trial for trial in trials if trial.engine == way]) for way in ways]
    return page.section(
        "Engine",
        "How trials were trained: shared means by programs that were traced for an earlier trial, compiled by new "
        "ones, and fit by Keras's own loop. Behind it stands why a trial could not be shared.",
        page.table(["trained", "trials", "epochs", "seconds in all", "seconds a trial"],
                   sorted(rows, key=lambda row: -int(str(row[1])))),
    )  # fmt: skip


def _search(study: Study) -> str:
    described = study.latest_search or {}
    rows = [[name, value] for key in described for name, value in _flat(str(key), described[key])]
    rows += [["seed", study.seed], ["directory", study.directory], ["reported by kerastune_lite", __version__]]
    return page.section("How it was searched", "What the latest search was done with.", page.table(["", ""], rows))


def _flat(name: str, value: Any) -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [pair for key, each in value.items() for pair in _flat(f"{name}.{key}", each)]
    return [(name, str(value))]


def _span(trials: Iterable[Trial]) -> float | None:
    periods = _periods(trials)
    return (max(end for _, end in periods) - periods[0][0]).total_seconds() if periods else None


def _idle(trials: Iterable[Trial]) -> float | None:
    """For how many seconds between the first begin and the last end no trial ran."""
    periods = _periods(trials)
    if not periods:
        return None
    idle, until = 0.0, periods[0][1]
    for begin, end in periods:
        idle += max((begin - until).total_seconds(), 0.0)
        until = max(until, end)
    return idle


def _periods(trials: Iterable[Trial]) -> list[tuple[datetime, datetime]]:
    return sorted((trial.started, trial.ended) for trial in trials if trial.started and trial.ended)


def _brief(study: Study, figure: Any) -> Any:
    """The figure with the first two lines of the texts under the pointer, where there would be thousands of texts."""
    if len(study.trials) > MANY_TRIALS:
        for trace in figure.data:
            for field in ("text", "hovertext"):
                texts = getattr(trace, field, None)
                if isinstance(texts, (tuple, list)):
                    trace[field] = ["<br>".join(text.split("<br>")[:2]) for text in texts]
    return figure
