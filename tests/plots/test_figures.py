"""The figures of a study: they are looked at as plotly's data, without a browser."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from studies_to_draw import MANY_OPTIONS, ONE, SPACE, study_of, with_scores

from kerastune_lite import Objective, Study, Trial, TrialState
from kerastune_lite.errors import SpaceError

FIGURES = ("history", "curves", "parallel", "slices", "contour", "importances", "timeline", "edf")
ALL_STATES = (
    TrialState.COMPLETED,
    TrialState.STOPPED,
    TrialState.FAILED,
    TrialState.COMPLETED,
    TrialState.RUNNING,
    TrialState.INTERRUPTED,
)


STUDIES = {
    "no trial": lambda: study_of(0),
    "no trial, no space, no objective": lambda: study_of(0, space=type(SPACE)(), objective=None),
    "one trial": lambda: study_of(1),
    "failed trials only": lambda: study_of(5, states=(TrialState.FAILED,)),
    "running trials only": lambda: study_of(3, states=(TrialState.RUNNING,)),
    "scores that are no numbers": lambda: with_scores(study_of(12), [math.nan, math.inf, -math.inf]),
    "scores that are no numbers only": lambda: with_scores(study_of(3), [math.nan] * 3),
    "one huge score": lambda: with_scores(study_of(20), [-1e300]),
    "equal scores": lambda: with_scores(study_of(12), [0.5] * 12),
    "one parameter": lambda: study_of(12, space=ONE),
    "an option of 200": lambda: study_of(12, space=MANY_OPTIONS),
    "every state": lambda: study_of(30, states=ALL_STATES),
    "trials without times and curves": lambda: without_records(study_of(12)),
    "no direction": lambda: study_of(12, objective=Objective("my_metric")),
}

TELLING = ("no trial, no space, no objective", "failed trials only", "equal scores", "one huge score")
"""Those of which a model is most easily at a loss."""


def without_records(study):
    records = {n: Trial(number=n, values=t.values, score=t.score, state=t.state) for n, t in study.records.items()}
    return Study(study.directory, study.objective, 0, study.space, records)


OF_THE_MODEL = ("contour", "importances")
"""The figures that fit a model first, which takes a second: only the telling studies' are drawn outside drills."""
PAIRS = [
    pytest.param(study, name, marks=pytest.mark.drill if name in OF_THE_MODEL and study not in TELLING else ())
    for study in STUDIES
    for name in FIGURES
]


def points_of(figure, name):
    """(x, y) of every point of the traces of a name."""
    return [pair for trace in figure.data if trace.name == name for pair in zip(trace.x, trace.y, strict=True)]


@pytest.mark.parametrize(("study", "name"), PAIRS)
def test_every_figure_can_be_drawn_of_any_study(study, name):
    figure = getattr(STUDIES[study]().plot, name)()

    assert figure.layout.title.text
    assert figure.data or figure.layout.annotations
    assert "<script>" not in figure.to_json().replace("\\u003c", "<").replace(
        '"ticktext":["adam","sgd","<script>alert(1)…"]', ""
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.drill if name in OF_THE_MODEL else ()) for name in FIGURES]
)
def test_a_figure_of_many_trials_is_drawn_with_few_traces(name):
    figure = getattr(study_of(400, states=ALL_STATES[:3]).plot, name)()

    assert len(figure.data) < 60


def test_the_history_shows_the_best_so_far_in_the_objectives_direction():
    scores = [0.5, 0.7, 0.6, 0.9]
    most = with_scores(study_of(4), scores)
    least = with_scores(study_of(4, objective=Objective("val_loss", "min")), scores)

    assert [y for _, y in points_of(most.plot.history(), "best so far")] == [0.5, 0.7, 0.7, 0.9, 0.9]
    assert [y for _, y in points_of(least.plot.history(), "best so far")] == [0.5, 0.5, 0.5, 0.5, 0.5]


def test_stopped_and_failed_trials_are_told_apart_from_the_others():
    figure = study_of(6, states=ALL_STATES[:3]).plot.history()

    assert [x for x, _ in points_of(figure, "completed")] == [0, 3]
    assert [x for x, _ in points_of(figure, "stopped")] == [1, 4]
    assert [x for x, _ in points_of(figure, "failed (no score)")] == [2, 5]
    assert len({trace.marker.symbol for trace in figure.data if trace.mode == "markers"}) == 3


def test_under_the_pointer_stand_number_values_score_and_reason():
    figure = study_of(2, states=(TrialState.STOPPED, TrialState.FAILED)).plot.history()
    stopped, failed = (trace.text[0] for trace in figure.data[:2])

    assert "trial 0" in stopped
    assert "val_accuracy: " in stopped
    assert "rate = " in stopped
    assert "worse than half" in stopped
    assert "OOM: tensor 1 &lt;script&gt;" in failed


def test_a_far_worse_score_does_not_squeeze_the_others():
    low, high = with_scores(study_of(30), [-1e6]).plot.history().layout.yaxis.range

    assert -5.0 < low < 0.6
    assert high > 0.8


def test_curves_are_grouped_by_score_and_marked_where_a_trial_was_stopped():
    study = study_of(8, states=(TrialState.COMPLETED, TrialState.STOPPED), epochs=6)
    figure = study.plot.curves()

    assert [x for x, _ in points_of(figure, "stopped here")] == [3, 3, 3, 3]
    drawn = {number for trace in figure.data if trace.customdata is not None for number in trace.customdata}
    assert drawn - {None} == set(range(8))


def test_parallel_coordinates_show_where_a_parameter_is_not_active():
    study = study_of(20)
    axes = {axis.label: axis for axis in study.plot.parallel().data[0].dimensions}
    missing = axes["momentum"].tickvals[0]

    assert axes["momentum"].ticktext[0] == "not active"
    assert [value == missing for value in axes["momentum"].values] == [
        "momentum" not in trial.values for trial in study.trials
    ]
    assert axes["rate"].ticktext[0] == "0.0001"
    assert list(axes["layers"].tickvals) == [1.0, 2.0, 3.0, 4.0]


def test_a_slice_has_the_scale_of_its_parameter_and_the_trials_where_it_is_active():
    study = study_of(30)
    figure = study.plot.slices(["rate", "momentum"])
    momenta = [x for trace in figure.data if trace.xaxis == "x2" and trace.text is not None for x in trace.x]

    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis2.type is None
    assert sorted(momenta) == sorted(t.values["momentum"] for t in study.trials if "momentum" in t.values)


def test_slices_and_contours_hold_what_the_model_expects():
    study = study_of(20)
    bands = [trace for trace in study.plot.slices(["rate"]).data if trace.fill == "tonexty"]
    mean, doubt = [trace for trace in study.plot.contour("rate", "units<b>").data if trace.type == "contour"]

    assert len(bands) == 1
    best = study.best
    expected = study.predict({**best.values, "rate": mean.x[3], "units<b>": mean.y[5]})
    assert mean.z[5][3] == pytest.approx(expected.mean)
    assert doubt.z[5][3] == pytest.approx(expected.deviation)


def test_a_contour_of_parameters_that_are_never_active_together_says_so():
    study = study_of(12)
    records = {n: trial for n, trial in study.records.items() if "momentum" not in trial.values}
    figure = Study(study.directory, study.objective, 0, study.space, records).plot.contour("momentum", "rate")

    assert "never active together" in figure.layout.annotations[0].text


def test_a_contour_without_names_shows_what_matters_most():
    assert "rate" in study_of(40).plot.contour().layout.title.text


def test_unknown_and_equal_names_are_refused():
    with pytest.raises(SpaceError, match=r"no parameter 'speed'. It has: 'optimizer', 'rate'"):
        study_of(3).plot.slices(["speed"])
    with pytest.raises(SpaceError, match="two different parameters"):
        study_of(3).plot.contour("rate", "rate")


def test_importances_are_bars_with_intervals_the_greatest_on_top():
    study = study_of(40)
    figure, found = study.plot.importances(), study.importances()

    assert figure.layout.yaxis.ticktext[-1] == next(iter(found)) == "rate"
    assert figure.data[0].x[-1] == found["rate"].share
    assert figure.data[0].error_x.array[-1] == pytest.approx(found["rate"].high - found["rate"].share)


def test_the_timeline_has_a_bar_as_long_as_the_trial():
    figure = study_of(3).plot.timeline()

    assert list(figure.data[0].x) == [3000.0] * 3


def test_the_distribution_ends_at_all_trials():
    figure = study_of(4).plot.edf()

    assert list(figure.data[0].y) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert list(figure.data[0].x) == sorted(figure.data[0].x)


def test_without_plotly_the_error_says_how_to_install_it():
    program = (
        "import sys; sys.modules['plotly'] = None\n"
        "from kerastune_lite import Study; from pathlib import Path\n"
        "Study(Path('x')).plot.history()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "ImportError: Plots and reports of a study need plotly: pip install 'kerastune_lite[plot]'" in done.stderr
