"""A search in a notebook: one output, updated in place, that stays with what a person has to know."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from kerastune_lite import Objective, RandomSearch
from kerastune_lite.errors import SearchTerminated
from kerastune_lite.space import Choice, Float
from kerastune_lite.study.events import (
    Confirmed,
    EpochEnded,
    EpochsKnown,
    ParameterLearned,
    SearchBegun,
    SearchEnded,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import TrialFailure, TrialState
from kerastune_lite.views.notebook import UPDATES_A_SECOND, UPDATES_AT_ONCE, NotebookDisplay, notebook_output

LOSS = Objective("val_loss", "min")
HOSTILE = "<script>alert('&')</script>\x1b[2J\udce9"


class Page:
    """A notebook's page that keeps the bundles of its one output, with a clock that is set by hand."""

    def __init__(self, objective=LOSS):
        self.bundles = []
        self.outputs = 0
        self.now = 0.0
        self.display = NotebookDisplay(self.output, clock=lambda: self.now)
        self.study = Study(Path("runs/one"), objective, 0)

    def output(self, bundle):
        self.outputs += 1
        self.bundles.append(bundle)
        return self.bundles.append

    def show(self, *events):
        for event in events:
            self.now += 1.0
            if not isinstance(event, (SearchBegun, SearchEnded)):
                self.study = self.study.after(event)
            self.display(event, self.study)
        return self

    @property
    def html(self):
        return fragment(self.bundles[-1])

    @property
    def text(self):
        return " ".join(" ".join(self.html.itertext()).split())

    @property
    def bars(self):
        return self.html.findall(".//div[@role='progressbar']")

    def table(self, caption):
        (found,) = [table for table in self.html.iter("table") if table.findtext("caption") == caption]
        return [["".join(cell.itertext()) for cell in row] for row in found.iter("tr")]


def fragment(bundle):
    """The HTML, read by a parser of XML, which bears no tag that isn't closed and nothing that isn't escaped."""
    assert not re.search(r"<(script|style|link|img|iframe)|\bid=|https?:|\bon\w+=", bundle["text/html"], re.IGNORECASE)
    json.dumps(bundle, ensure_ascii=False).encode("utf-8")
    return ElementTree.fromstring(bundle["text/html"])


def learned(*parameters):
    return [ParameterLearned(parameter=parameter) for parameter in parameters]


def begun(number, **values):
    return TrialBegun(trial=number, values=values)


def epoch(number, value, at=0):
    return EpochEnded(trial=number, epoch=at, logs={"val_loss": value})


def ended(number, score=0.5, state=TrialState.COMPLETED, **fields):
    known = {"values": {"units": 8}, "score": score, "best_epoch": 0, "seconds": 2.0}
    return TrialEnded(trial=number, state=state, **{**known, **fields})


def trials(count, score=lambda number: 1.0 / (number + 1)):
    return [event for n in range(count) for event in (begun(n, units=8), epoch(n, score(n)), ended(n, score(n)))]


UNITS = learned(Choice(name="units", options=(8, 16)))


def test_a_search_is_one_output_that_is_updated_in_place():
    page = Page().show(SearchBegun(max_trials=3), *UNITS, *trials(3), SearchEnded(reason="all done"))

    assert page.outputs == 1
    assert len(page.bundles) > 5
    assert all(set(bundle) == {"text/html", "text/plain"} for bundle in page.bundles)


def test_a_trial_that_runs_is_shown_with_its_epoch_its_score_and_its_curve():
    page = Page().show(SearchBegun(max_trials=3), *UNITS, begun(0, units=16), EpochsKnown(trial=0, epochs=9))
    page.show(epoch(0, 0.5), epoch(0, 0.25, at=1))

    assert page.table("Running") == [
        ["trial", "epoch", "val_loss", "over the epochs", "units"],
        ["0", "2/9", "0.25", "val_loss over 2 epochs", "16"],
    ]
    assert "trial 0: epoch 2/9, val_loss 0.25" in page.bundles[-1]["text/plain"]


def test_workers_trials_are_shown_together():
    page = Page().show(SearchBegun(), *UNITS, begun(0, units=8), begun(1, units=16), epoch(1, 0.5))

    assert [row[0] for row in page.table("Running")[1:]] == ["0", "1"]


def test_the_bar_tells_how_much_is_done_and_is_gone_at_the_end():
    page = Page().show(SearchBegun(max_trials=4), *UNITS, *trials(2))

    (bar,) = page.bars
    assert bar.get("aria-valuenow") == "50"
    assert "2 of 4 trials · 2 epochs" in page.text
    assert page.show(SearchEnded(reason="all done")).bars == []


def test_the_latest_trials_stand_first_with_their_states_and_a_star_for_each_new_best():
    failure = TrialFailure(type="ValueError", message="no memory")
    page = Page().show(SearchBegun(), *UNITS, *trials(1), begun(1, units=16))
    page.show(ended(1, None, TrialState.FAILED, error=failure, best_epoch=None))

    assert page.table("Latest trials") == [
        ["trial", "val_loss", "epoch", "seconds", "state", "units"],
        ["1", "", "", "2.0", "failed: ValueError", "8"],
        ["0", "★ 1", "1/1", "2.0", "completed", "8"],
    ]
    assert next(span.get("title") for span in page.html.iter("span")) == "ValueError: no memory"


def test_the_best_trials_have_a_table_once_there_are_more_than_the_latest():
    page = Page().show(SearchBegun(), *UNITS, *trials(9))

    assert [row[1] for row in page.table("Best trials")[1:]] == ["8", "7", "6", "5", "4"]
    assert [row[0] for row in page.table("Latest trials")[1:]] == ["8", "7", "6", "5", "4"]
    assert page.html.findall(".//svg")[-1].find("title").text.startswith("best val_loss so far: 0.11111")


def test_a_parameter_that_a_trial_did_not_ask_for_has_an_empty_cell():
    page = Page().show(SearchBegun(), *UNITS, *learned(Float(name="rate", low=0.0, high=1.0)), *trials(1))

    assert page.table("Latest trials")[1][5:7] == ["8", ""]


def test_of_a_great_many_parameters_the_first_have_columns_and_the_others_are_counted():
    parameters = [Float(name=f"p{number}", low=0.0, high=1.0) for number in range(40)]
    page = Page().show(SearchBegun(), *learned(*parameters), begun(0), ended(0, values={"p0": 0.5}))

    assert len(page.table("Latest trials")[0]) < 20
    assert "and 28 more parameters" in page.text


def test_a_fast_search_is_not_updated_more_than_a_few_times_a_second():
    page = Page().show(SearchBegun(), *UNITS)
    page.now = 0.0
    for number in range(3000):
        page.now += 0.01
        page.study = page.study.after(begun(number, units=8))
        page.display(begun(number, units=8), page.study)

    assert len(page.bundles) <= 1 + UPDATES_AT_ONCE + 30 * UPDATES_A_SECOND + 1


def test_updates_that_take_long_are_rarer():
    page = Page().show(SearchBegun(), *UNITS)
    slow = []

    def update(bundle):
        page.now += 0.1
        slow.append(bundle)

    page.display._update = update
    for number in range(3000):
        page.now += 0.01
        page.display(begun(number, units=8), page.study)

    # A tenth of a second each, of which there may be one in five seconds to take a fiftieth of the time.
    assert 1 < len(slow) <= UPDATES_AT_ONCE + page.now / 5


def test_a_slow_search_shows_what_happens_at_once():
    page = Page().show(SearchBegun(), *UNITS, *trials(1))
    page.now += 60.0
    page.study = page.study.after(ended(0)).after(begun(1, units=8))
    page.display(ended(0), page.study)
    page.display(begun(1, units=8), page.study)

    assert [row[0] for row in page.table("Running")[1:]] == ["1"]


def test_the_end_is_shown_however_short_the_pause_before_it():
    page = Page().show(SearchBegun(), *UNITS)
    for number in range(50):
        page.display(begun(number, units=8), page.study)

    page.display(SearchEnded(reason="all 50 trials done"), page.study)

    assert "all 50 trials done" in page.text


def test_an_interrupted_search_says_what_is_kept_and_how_to_go_on():
    page = Page().show(SearchBegun(max_trials=9), *UNITS, *trials(2), begun(2, units=8))
    page.show(SearchEnded(reason=None, is_interrupted=True))

    assert "Interrupted: 2 trials kept" in page.text
    assert "runs/one" in page.text
    assert "tuner.study" in page.text
    assert "Running" not in page.text
    assert "Interrupted" in page.bundles[-1]["text/plain"]


def test_a_search_that_an_error_ends_says_what_is_kept():
    page = Page().show(SearchBegun(), *UNITS, *trials(2), SearchEnded(reason=None))

    assert "Ended by an error. The trials so far are kept in runs/one. tuner.study holds them." in page.text


def test_what_was_found_and_what_happens_beside_trials_is_told():
    page = Page().show(SearchBegun(remarks=["line 3 is damaged"]), *UNITS, begun(0, units=8))
    page.show(WorkerLost(trial=0, reason="its worker was ended by SIGKILL"))

    assert "line 3 is damaged" in page.text
    assert "trial 0: its worker was ended by SIGKILL" in page.text


def test_confirmations_are_shown_without_a_search():
    page = Page()
    page.study = page.study.after(begun(0, units=8)).after(ended(0))

    assert "trial 0 again: 0.75" in page.show(Confirmed(trial=0, scores=(0.25, 0.75))).text
    assert "1.0s spent" in page.text


def test_names_values_and_reasons_are_shown_letter_by_letter():
    page = Page(Objective(f"val_{HOSTILE}", "min"))
    failure = TrialFailure(type="ValueError", message=HOSTILE)
    page.show(SearchBegun(), *learned(Choice(name=HOSTILE, options=(HOSTILE,))), begun(0, **{HOSTILE: HOSTILE}))
    page.show(ended(0, None, TrialState.FAILED, error=failure, values={HOSTILE: HOSTILE}, best_epoch=None))
    page.show(begun(1, **{HOSTILE: HOSTILE}))

    assert page.text.count("<script>alert('&')</script>") >= 4


def test_the_output_of_a_long_search_stays_small():
    study = Study(Path("runs/one"), LOSS, 0)
    page = Page()
    page.show(SearchBegun(max_trials=5000), *UNITS)
    for event in trials(2000, score=lambda number: 1.0 + number % 37):
        study = page.study = page.study.after(event)
        page.display(event, study)
    page.show(SearchEnded(reason="all done"))

    assert len(page.bundles[-1]["text/html"]) < 60_000


@pytest.mark.parametrize("error", [RuntimeError("the kernel's socket is closed"), OSError(28, "no space")], ids=repr)
def test_a_page_that_cannot_be_written_does_not_end_the_search(error):
    def show(bundle):
        raise error

    display = NotebookDisplay(show)
    study = Study(Path("runs/one"), LOSS, 0)

    display(SearchBegun(), study)
    display(SearchEnded(reason="all done"), study)


def test_what_ends_the_search_is_not_kept_from_it():
    def show(bundle):
        raise SearchTerminated("enough")

    with pytest.raises(SearchTerminated):
        NotebookDisplay(show)(SearchBegun(), Study(Path("runs/one"), LOSS, 0))


@pytest.mark.parametrize(
    ("shell", "is_notebook"),
    [
        (None, False),
        (SimpleNamespace(), False),
        (SimpleNamespace(kernel=None), False),
        (SimpleNamespace(kernel=1), True),
    ],
    ids=["plain Python", "IPython in a terminal", "no kernel", "kernel"],
)
def test_there_is_a_notebook_where_the_shell_of_ipython_has_a_kernel(monkeypatch, shell, is_notebook):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    assert (notebook_output() is not None) == is_notebook


def test_ipython_is_not_loaded_to_find_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)

    assert notebook_output() is None
    assert "IPython" not in sys.modules


# In a real notebook

BEGIN = """
import os, signal
import numpy as np, keras
import kerastune_lite as kl
rng = np.random.default_rng(0)
x = rng.normal(size=(64, 3)).astype("float32")
y = x.sum(axis=1)
def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(hp.choice("units", [1, 2, 4])), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.float("rate", 1e-3, 1e-1, log=True)), loss="mse")
    return model
def tuner_of(name, max_trials, **settings):
    return kl.RandomSearch(build_fn, "val_loss", directory=name, max_trials=max_trials, seed=0, **settings)
"""
SEARCH = """
tuner = tuner_of("whole", 4)
study = tuner.search(x, y, validation_split=0.25, epochs=2, batch_size=16)
"""
INTERRUPTED = """
def interrupt(event, study):
    if type(event).__name__ == "EpochEnded" and event.trial == 2:
        os.kill(os.getpid(), signal.SIGINT)
tuner = tuner_of("cut", 9, views=[interrupt])
tuner.search(x, y, validation_split=0.25, epochs=2, batch_size=16)
"""
LEFT = "print([trial.state.value for trial in tuner.study.trials])"
SILENT = "tuner_of('silent', 2, verbose=0).search(x, y, validation_split=0.25, epochs=1) and None"
WORKERS = "tuner_of('workers', 4, workers=2).search(x, y, validation_split=0.25, epochs=1) and None"


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Runs cells in a kernel of this interpreter; gives the cells with their outputs, and each cell's messages."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    kernel = tmp_path / "jupyter" / "kernels" / "here" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "here", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for folder in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(folder, str(tmp_path / folder))

    messages = []

    class Client(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            messages.append((cell_index, msg["msg_type"]))
            return super().process_message(msg, cell, cell_index)

    def run(*sources):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        client = Client(
            notebook,
            kernel_name="here",
            timeout=110,
            allow_errors=True,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute()
        nbformat.validate(notebook)
        return notebook.cells, messages

    return run


@pytest.mark.drill
def test_a_search_in_a_notebook_is_one_output_and_leaves_its_study_when_it_is_interrupted(execute):
    cells, messages = execute(BEGIN, SEARCH, INTERRUPTED, LEFT, SILENT, "tuner", "study", "study.best")
    _, whole, cut, left, silent, *objects = cells

    (output,) = whole.outputs
    assert output.output_type == "display_data"
    told = " ".join(fragment(output.data).itertext())
    assert "4 of 4 trials" in told
    assert "Search ended" in told
    assert "best val_loss" in output.data["text/plain"]
    updates = [kind for place, kind in messages if place == 1 and kind == "update_display_data"]
    assert 2 <= len(updates) <= 30

    output, error = cut.outputs
    assert error.traceback == ["KeyboardInterrupt: the search was interrupted, as is told above"]
    assert "Interrupted: 2 trials kept" in " ".join(fragment(output.data).itertext())
    assert left.outputs[0].text == "['completed', 'completed', 'interrupted']\n"
    assert silent.outputs == []

    for cell in objects:
        (output,) = cell.outputs
        fragment(output.data)
        assert output.data["text/plain"].startswith("<")
        assert len(output.data["text/plain"]) < 400


@pytest.mark.drill
def test_a_search_with_workers_in_a_notebook_is_one_output(execute):
    cells, _ = execute(BEGIN, WORKERS)

    (output,) = cells[1].outputs
    assert "4 of 4 trials" in " ".join(fragment(output.data).itertext())


def test_verbose_0_shows_nothing_in_a_notebook(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("kerastune_lite.views.notebook._output", lambda bundle: shown.append)
    shell = SimpleNamespace(kernel=1)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    for verbose in (0, 1):
        RandomSearch(
            lambda hp: hp.float("a", 0.0, 1.0), "loss", directory=tmp_path / str(verbose), max_trials=2, verbose=verbose
        ).search()
        assert bool(shown) == bool(verbose)
