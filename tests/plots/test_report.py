"""The report: one HTML file, which is read here as a browser would read its parts, without one."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from studies_to_draw import MANY_OPTIONS, SPACE, study_of

from kerastune_lite import Study, TrialState
from kerastune_lite.cli import main
from kerastune_lite.plots.report import grouped, report, setting_as_code
from kerastune_lite.space import OptionLabel
from kerastune_lite.study.trial import Trained, TrialFailure

MIXED = (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED, TrialState.RUNNING)


class Page(HTMLParser):
    """What a page holds: its texts, the sources of its scripts and figures, and every address in it."""

    def __init__(self, source):
        super().__init__()
        self.texts, self.figures, self.scripts, self.addresses, self.open = [], [], 0, [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.open.append((tag, dict(attributes)))
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attributes if name in ("href", "src", "action")]

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.figures.append(json.loads(data))
        elif tag not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def test_the_report_of_a_study_holds_what_a_person_asks_it():
    study = study_of(40, states=MIXED)
    trained = Trained("fit", "a layer of its own")
    records = {number: dataclasses.replace(trial, trained=trained) for number, trial in study.records.items()}
    study = dataclasses.replace(study, records=records)
    page = Page(report(study))

    for heading in (
        "Best setting",
        "History",
        "Learning curves",
        "What mattered",
        "Parameters",
        "Parallel coordinates",
        "Two parameters",
        "Failures",
        "Time",
        "Engine",
    ):
        assert heading in page.texts
    assert f"trial {study.best.number}: val_accuracy" in page.text
    assert "fit: a layer of its own" in page.text
    # History, distribution, curves, importances, a panel a parameter, parallel coordinates, contour, timeline.
    assert len(page.figures) == 7 + len(SPACE)


def test_the_report_asks_no_other_host_for_anything():
    page = Page(report(study_of(2)))

    assert [address for address in page.addresses if not address.startswith(("#", "data:"))] == []


def test_its_policy_forbids_every_request():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', report(study_of(2))).group(1)

    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_nothing_of_a_study_is_read_as_html():
    study = study_of(12, states=MIXED)
    damaged = dataclasses.replace(
        study,
        damages=("<script>alert(3)</script>",),
        latest_search={"strategy": {"<script>": "</script><script>alert(4)</script>"}},
        directory=study.directory / "<script>",
    )
    page = Page(report(damaged))

    # Plotly, the page's own script, and one for each figure.
    assert page.scripts == 2 + len(page.figures)
    assert "alert(1)" in page.text
    assert "alert(2)" in page.text
    assert "alert(3)" in page.text
    assert "alert(4)" in page.text


@pytest.mark.parametrize(
    "study",
    [
        study_of(0),
        study_of(0, space=type(SPACE)(), objective=None),
        study_of(1),
        study_of(4, states=(TrialState.FAILED,)),
        pytest.param(study_of(12, space=MANY_OPTIONS), marks=pytest.mark.drill),
    ],
    ids=["empty", "nothing known", "one trial", "failed only", "an option of 200"],
)
def test_every_study_has_a_report(study):
    page = Page(report(study))

    assert "Best setting" in page.texts
    assert page.figures


@pytest.mark.drill
def test_two_thousand_trials_fit_into_fifteen_megabytes():
    assert len(report(study_of(2000, states=MIXED[:3])).encode()) < 15e6


def test_failures_are_grouped_by_what_they_say():
    study = study_of(6, states=(TrialState.FAILED,))
    other = dataclasses.replace(study.trials[0], error=TrialFailure(type="ValueError", message="shapes"))
    unknown = dataclasses.replace(study.trials[1], error=None)

    sizes = [(error and error.type, len(trials)) for error, trials in grouped([unknown, other, *study.trials[2:]])]
    assert sizes == [("OOM", 4), (None, 1), ("ValueError", 1)]


def test_the_best_setting_can_be_pasted_as_python():
    values = {"a'b": "it's", "rate": 0.001, "pair": (1, 2), "none": None, "flags": [True, {"k": 1.5}]}

    assert eval(setting_as_code(values)) == values


def test_an_option_that_is_an_object_is_told_as_such():
    source = setting_as_code({"activation": OptionLabel("my_module.swish", 0), "layer": OptionLabel("<Dense at …>", 1)})

    assert "'activation': my_module.swish,  # the object of this name" in source
    assert "'layer': '<Dense at …>',  # the object of this name" in source


@pytest.fixture
def kept(tmp_path):
    """The directory of a study with one trial."""
    time = "2026-01-01T00:00:00+00:00"
    lines = [
        {"event": "study", "time": time, "objective": "val_loss", "direction": "min", "seed": 1},
        {"event": "end", "time": time, "trial": 0, "state": "completed", "score": 0.5, "values": {}},
    ]
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_command_writes_the_report_into_the_study_or_where_it_is_told(kept, tmp_path, capsys):
    assert main(["report", str(kept)]) == 0
    assert main(["report", str(kept), "-o", str(tmp_path / "new" / "page.html")]) == 0
    written = [kept / "report.html", tmp_path / "new" / "page.html"]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert written[0].read_text() == written[1].read_text()
    assert Study.open(kept).report() == written[0]


def test_without_plotly_the_command_says_how_to_install_it(kept):
    program = (
        "import sys; sys.modules['plotly'] = None\n"
        f"from kerastune_lite.cli import main; sys.exit(main(['report', {str(kept)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "pip install 'kerastune_lite[plot]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (kept / "report.html").exists()
