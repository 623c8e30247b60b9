"""What a person reads while a search runs: events in, lines out."""

from __future__ import annotations

import io
import re
import sys
from datetime import datetime
from pathlib import Path

import pyte
import pytest
from rich.cells import cell_len
from rich.console import Console
from waiting import wait_until

from kerastune_lite import Objective
from kerastune_lite.space.parameters import Choice, Condition, Float, Int
from kerastune_lite.study.events import (
    ConfirmationFailed,
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
from kerastune_lite.study.trial import Note, Trained, TrialFailure, TrialState
from kerastune_lite.views.progress import Progress

LOSS = Objective("val_loss", "min")
NOON = datetime(2026, 11, 27, 12, 0, 0)
WIDTHS = [80, 100, 120, 200]


class Shown:
    """A progress that prints into a text, with a clock that is set by hand."""

    def __init__(self, *, width=200, height=40, terminal=False, verbose=1, encoding="utf-8"):
        self.file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        self.now = 0.0
        console = Console(
            file=self.file, force_terminal=terminal, width=width, height=height, color_system=None, force_jupyter=False
        )
        self.progress = Progress(verbose, console, clock=lambda: self.now, now=lambda: NOON)
        self.study = Study(Path("runs/one"), LOSS, 0)
        self.encoding = encoding

    def show(self, *events):
        for event in events:
            if not isinstance(event, (SearchBegun, SearchEnded)):
                self.study = self.study.after(event)
            self.progress(event, self.study)
        return self.lines()

    def text(self):
        return self.file.buffer.getvalue().decode(self.encoding)

    def lines(self):
        """The lines that were printed, without those that are drawn in place."""
        printed = re.sub(r"\r\x1b\[J.*?\x1b\[\d+A\r", "", self.text(), flags=re.DOTALL).replace("\r\x1b[J", "")
        return printed.splitlines()

    def log(self):
        """The lines of a log, without the time of day."""
        return [line.removeprefix("12:00:00 ") for line in self.lines()]


def begun(number, **values):
    return TrialBegun(trial=number, values=values)


def ended(number, score=0.5, state=TrialState.COMPLETED, **fields):
    known = {"values": {"units": 8}, "score": score, "best_epoch": 0, "seconds": 2.0}
    return TrialEnded(trial=number, state=state, **{**known, **fields})


def epoch(number, value=0.5, epoch=0):
    return EpochEnded(trial=number, epoch=epoch, logs={"val_loss": value})


UNITS = ParameterLearned(parameter=Int(name="units", low=1, high=64))
FAILURE = TrialFailure(type="ValueError", message="no\nmore", traceback="Traceback")


# In a log


def test_a_search_begins_with_the_place_of_its_study():
    assert Shown().show(SearchBegun()) == ["12:00:00 The study is kept in runs/one"]


def test_a_study_that_is_removed_afterwards_is_not_said_to_be_kept():
    interrupted = SearchEnded(reason=None, is_interrupted=True, is_kept=False)

    assert Shown().show(SearchBegun(is_kept=False, remarks=["cross-validation"]), interrupted) == [
        "12:00:00 cross-validation",
        "12:00:00 Interrupted: the trials are not kept, since no directory was given.",
    ]


def test_a_resumed_search_says_what_it_found_and_what_was_wrong():
    shown = Shown()
    shown.study = shown.study.after(begun(0)).after(ended(0)).after(begun(1))
    shown.show(SearchBegun(remarks=["line 3 is damaged"]))

    assert shown.log() == [
        "runs/one: line 3 is damaged",
        "Resuming the study in runs/one: 1 trial finished, 1 trial to run again",
    ]


def test_without_a_terminal_an_ended_trial_is_a_line_with_a_time_of_day():
    lines = Shown().show(SearchBegun(max_trials=4), begun(0, units=8), epoch(0), ended(0))

    assert lines[1] == "12:00:00 trial 0 completed  val_loss 0.5 at epoch 1 of 1 (new best)  2.0s  units=8"


def test_a_failed_trial_shows_the_first_line_of_its_error():
    shown = Shown()
    shown.show(SearchBegun(), begun(0), ended(0, None, TrialState.FAILED, error=FAILURE, best_epoch=None))

    assert shown.log()[1] == "trial 0 failed  2.0s  ValueError: no  units=8"


@pytest.mark.parametrize(("kind", "is_shown"), [("model", True), ("checkpoint", True), ("setting", False)])
@pytest.mark.parametrize("terminal", [True, False])
def test_notes_that_change_what_a_person_can_do_with_a_trial_are_told_with_it(kind, is_shown, terminal):
    shown = Shown(terminal=terminal)
    lines = shown.show(SearchBegun(), begun(0), ended(0, notes=(Note("a remark", kind),)), SearchEnded(reason=None))

    assert any("a remark" in line for line in lines) == is_shown


@pytest.mark.parametrize("terminal", [True, False])
def test_confirmations_lost_workers_and_what_failed_have_lines_of_their_own(terminal):
    shown = Shown(terminal=terminal)
    shown.show(
        begun(0),
        WorkerLost(trial=0, reason="its worker was ended by SIGKILL"),
        Confirmed(trial=0, scores=(0.25, 0.75)),
        ConfirmationFailed(trial=0, error=FAILURE),
    )

    assert shown.log() == [
        "trial 0: its worker was ended by SIGKILL",
        "trial 0 again: 0.75, so far 0.5 ± 0.35 of 2",
        "trial 0 again: failed: ValueError: no",
    ]


def test_a_search_ends_with_its_reason_what_it_spared_and_its_best():
    shown = Shown()
    shown.show(SearchBegun(), begun(0), epoch(0), ended(0, trained=Trained("shared")))
    shown.now = 5.0
    shown.show(SearchEnded(reason="all done", seconds_saved=3.0, remarks=["Trial 7 may be the better choice"]))

    assert shown.log()[2:] == [
        "Search ended: all done (1 completed; 1 epoch in 5.0s)",
        "1 trial ran programs compiled for earlier ones, which saved about 3.0s",
        "Trial 7 may be the better choice",
        "best: trial 0 with val_loss 0.5 at epoch 1 of 1: units 8",
    ]


def test_a_search_that_could_not_use_compiled_epochs_says_why():
    shown = Shown()
    shown.show(SearchBegun(), begun(0), ended(0, trained=Trained("fit", "the model trains by itself")))
    shown.show(SearchEnded(reason="all done"))

    assert "1 trial trained by Keras's fit, epoch by epoch: the model trains by itself" in shown.log()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_search_that_an_exception_ends_leaves_the_last_word_to_the_exception(terminal):
    lines = Shown(terminal=terminal).show(SearchBegun(), SearchEnded(reason=None))

    assert len(lines) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_an_interrupted_search_ends_with_what_is_kept_where_and_how_to_go_on(terminal):
    shown = Shown(terminal=terminal)
    shown.show(SearchBegun(), begun(0), ended(0), begun(1))
    cut_off = ended(1, None, TrialState.INTERRUPTED, best_epoch=None)
    shown.show(cut_off, SearchEnded(reason=None, is_interrupted=True))

    assert shown.log()[-1] == "Interrupted: 1 trial kept in runs/one. Search again to go on."


@pytest.mark.parametrize("terminal", [True, False])
def test_verbose_0_prints_nothing(terminal):
    shown = Shown(verbose=0, terminal=terminal)

    assert shown.show(SearchBegun(), begun(0), ended(0), SearchEnded(reason="all done")) == []


# In a terminal


def test_a_terminal_shows_a_table_that_grows_by_a_row_a_trial():
    shown = Shown(width=80, terminal=True)
    shown.show(SearchBegun(), UNITS, begun(0, units=8), epoch(0), ended(0))
    shown.show(begun(1, units=16), epoch(1, 0.7), ended(1, 0.7, values={"units": 16}))
    lines = shown.show(SearchEnded(reason=None))

    assert [line.split() for line in lines] == [
        ["The", "study", "is", "kept", "in", "runs/one"],
        [],
        ["best"],
        ["trial", "units", "val_loss", "epoch", "time", "state", "reason"],
        ["★", "0", "8", "0.5", "1/1", "2.0s", "completed"],
        ["1", "16", "0.7", "1/1", "2.0s", "completed"],
    ]
    assert lines[4].index("completed") == lines[5].index("completed")


def test_a_failed_trial_has_a_row_and_its_error_below_it():
    shown = Shown(width=80, terminal=True)
    failed = ended(0, None, TrialState.FAILED, error=FAILURE, best_epoch=None)
    lines = shown.show(SearchBegun(), UNITS, begun(0), failed, SearchEnded(reason=None))

    assert lines[-2].split() == ["0", "8", "·", "·", "2.0s", "failed", "ValueError"]
    assert lines[-1] == "      ValueError: no"


def test_a_parameter_that_is_met_later_begins_a_new_header():
    shown = Shown(width=100, terminal=True)
    shown.show(SearchBegun(), UNITS, begun(0), ended(0))
    momentum = Float(name="momentum", low=0.0, high=1.0, conditions=(Condition("units", (8,)),))
    shown.show(ParameterLearned(parameter=momentum), begun(1), ended(1, values={"units": 8, "momentum": 0.25}))
    lines = shown.show(begun(2), ended(2), SearchEnded(reason=None))

    headers = [line.split() for line in lines if "trial" in line.split()]
    assert [("momentum" in header) for header in headers] == [False, True]
    assert lines[-1].split()[:3] == ["2", "8", "·"]


def test_a_terminal_that_was_made_wider_gets_a_new_header():
    shown = Shown(width=80, terminal=True)
    many = [ParameterLearned(parameter=Int(name=f"parameter_{n}", low=0, high=9)) for n in range(12)]
    shown.show(SearchBegun(), *many, begun(0), ended(0))
    shown.progress._console.width = 200
    lines = shown.show(begun(1), ended(1), SearchEnded(reason=None))

    assert sum("trial " in line and "state" in line for line in lines) == 2
    told = re.compile(r"\d more parameters: kerastune-lite show runs/one --trial N")
    assert len([line for line in lines if told.fullmatch(line)]) == 1


MANY = [
    *(ParameterLearned(parameter=Int(name=f"layer_{n}/units", low=16, high=512)) for n in range(6)),
    *(ParameterLearned(parameter=Float(name=f"dropout_{n}", low=0.0, high=0.5)) for n in range(4)),
    ParameterLearned(parameter=Choice(name="optimizer", options=("adam", "stochastic_gradient_descent"))),
    ParameterLearned(parameter=Float(name="learning_rate", low=1e-5, high=1e-1, log=True)),
]
VALUES = {
    **{f"layer_{n}/units": 128 for n in range(6)},
    **{f"dropout_{n}": 0.123456789 for n in range(4)},
    "optimizer": "stochastic_gradient_descent",
    "learning_rate": 1.23456789e-05,
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_with_many_parameters_no_line_is_wider_than_the_terminal(width, encoding):
    shown = Shown(width=width, terminal=True, encoding=encoding)
    shown.show(SearchBegun(max_trials=4, max_epochs=80), *MANY)
    stop = "EarlyStopping: val_loss did not improve for 3 epochs (best 0.1)"
    reasons = [{}, {"stop_reason": stop}, {"state": TrialState.FAILED, "error": FAILURE, "score": None}]
    for number, fields in enumerate(reasons):
        shown.show(
            begun(number, **VALUES), EpochsKnown(trial=number, epochs=20), *[epoch(number, 0.5, e) for e in range(9)]
        )
        shown.show(ended(number, **{"values": VALUES, **fields}))
    shown.show(begun(3, **VALUES), begun(4, **VALUES), epoch(3), epoch(4))
    area = [line.plain for line in shown.progress._drawn._area()]
    lines = shown.show(SearchEnded(reason="4 trials are done", remarks=["a long remark of many words " * 9]))

    assert max(map(cell_len, lines)) <= width
    assert max(map(cell_len, area)) <= width - 1
    assert encoding != "ascii" or shown.text().isascii()


def test_the_live_area_tells_how_far_the_search_is_the_best_and_what_runs():
    shown = Shown(width=100, terminal=True)
    shown.show(SearchBegun(max_trials=4), begun(0, units=8), EpochsKnown(trial=0, epochs=2), epoch(0), ended(0))
    shown.show(begun(1, units=9), EpochsKnown(trial=1, epochs=2), epoch(1, 0.25))
    shown.now = 3.0
    lines = [line.plain for line in shown.progress._drawn._area()]
    shown.show(SearchEnded(reason=None))

    assert lines[0] == ""
    assert lines[1].endswith("  1 of 4 trials · 2 epochs, 5 left · 3.0s, 5.0s left")
    assert lines[1].count("━") == round(19 * 1.5 / 4)
    assert lines[2] == "★ best 0.5       trial 0  units 8"
    assert lines[3] == "  trial 1  epoch 1/2  0.25      ▅   units 9"


def test_with_many_workers_the_live_area_is_no_higher_than_the_terminal():
    shown = Shown(width=80, height=8, terminal=True)
    lines = shown.show(SearchBegun(), *(begun(number) for number in range(20)))
    area = [line.plain for line in shown.progress._drawn._area()]
    shown.show(SearchEnded(reason=None))

    assert lines
    assert len(area) <= 7
    assert area[-1] == "and 16 more running"


def test_beside_keras_output_there_is_no_live_area():
    shown = Shown(terminal=True, verbose=2)
    shown.show(SearchBegun(), begun(0), epoch(0))

    assert shown.progress._drawn._area() == ()
    shown.show(SearchEnded(reason=None))


class Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def encoding(self):
        return "utf-8"


def test_what_others_print_in_between_may_scroll_the_header_away_and_it_is_printed_again(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    shown = Shown(width=80)
    shown.progress = Progress(1, Console(force_terminal=True, width=80, height=10, color_system=None))
    shown.show(SearchBegun(), UNITS, begun(0), ended(0))
    print("a line\n" * 10)
    shown.show(begun(1), ended(1), SearchEnded(reason=None))

    assert sys.stdout.getvalue().count("val_loss") == 2


def test_a_whole_search_in_an_emulated_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    shown = Shown()
    shown.progress = Progress(1, Console(force_terminal=True, width=80, height=12, color_system=None))

    def display():
        screen = pyte.Screen(80, 12)
        screen.set_mode(pyte.modes.LNM)
        pyte.Stream(screen).feed(terminal.getvalue())
        return [line.rstrip() for line in screen.display]

    shown.show(SearchBegun(max_trials=2), UNITS, begun(0, units=8), epoch(0))
    wait_until(lambda: "  trial 0  epoch 1     0.5       ▅" in "\n".join(display()))
    print("from build_fn")
    shown.show(ended(0), begun(1), epoch(1, 0.4), ended(1, 0.4), SearchEnded(reason="2 trials are done"))

    shows = display()
    assert shows[:2] == ["The study is kept in runs/one", "from build_fn"]
    best = next(number for number, line in enumerate(shows) if "best:" in line)
    assert shows[best : best + 2] == ["★ best: trial 1 with val_loss 0.4 at epoch 1 of 1", "  units 8"]
    assert not any("━" in line for line in shows)


def test_a_console_that_records_keeps_the_table_and_not_the_lines_that_are_drawn_in_place():
    console = Console(record=True, force_terminal=True, width=100, file=io.StringIO())
    shown = Shown()
    shown.progress = Progress(1, console)
    shown.show(SearchBegun(max_trials=1), UNITS, begun(0, units=8), epoch(0), ended(0))
    wait_until(lambda: "━" in console.file.getvalue())
    shown.show(SearchEnded(reason="1 trials are done"))

    text = console.export_text(clear=False)
    assert "★" in text
    assert "best: trial 0" in text
    assert "━" not in text
    assert "<svg" in console.export_svg(title="a search")
