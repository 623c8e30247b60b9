"""What a person reads while a search runs: events in, lines out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from kerastune_lite import Objective
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    EpochEnded,
    EpochsKnown,
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


class Shown:
    """A progress that prints into a text, with a clock that is set by hand."""

    def __init__(self, *, terminal=False, verbose=1):
        self.file = io.StringIO()
        self.now = 0.0
        console = Console(file=self.file, force_terminal=terminal, width=200, soft_wrap=True, quiet=verbose == 0)
        self.progress = Progress(verbose, console=console, clock=lambda: self.now)
        self.study = Study(Path("runs/one"), LOSS, 0)

    def show(self, *events):
        for event in events:
            if not isinstance(event, (SearchBegun, SearchEnded)):
                self.study = self.study.after(event)
            self.progress(event, self.study)
        return self.lines()

    def lines(self):
        return self.file.getvalue().splitlines()


def begun(number, **values):
    return TrialBegun(trial=number, values=values)


def ended(number, score=0.5, state=TrialState.COMPLETED, **fields):
    known = {"values": {"units": 8}, "score": score, "best_epoch": 0, "seconds": 2.0}
    return TrialEnded(trial=number, state=state, **{**known, **fields})


def epoch(number, value=0.5):
    return EpochEnded(trial=number, epoch=0, logs={"val_loss": value})


def test_a_search_begins_with_the_place_of_its_study():
    assert Shown().show(SearchBegun()) == ["study in runs/one"]


def test_a_resumed_search_says_what_it_found_and_what_was_wrong():
    shown = Shown()
    shown.study = shown.study.after(begun(0)).after(ended(0)).after(begun(1))

    assert shown.show(SearchBegun(remarks=["line 3 is damaged"])) == [
        "runs/one: line 3 is damaged",
        "resuming the study in runs/one: 1 finished trials found, 1 to run again",
    ]


def test_an_ended_trial_is_a_line_with_its_score_its_setting_and_the_best_so_far():
    lines = Shown().show(SearchBegun(max_trials=4), begun(0, units=8), epoch(0), ended(0))

    assert lines[1] == (
        "trial 0 (1 of 4)  completed  val_loss 0.5 (epoch 1/1)  2.0s  units=8  best 0.5 (trial 0)  6.0s left"
    )


def test_a_failed_trial_shows_the_first_line_of_its_error():
    failure = TrialFailure(type="ValueError", message="no\nmore", traceback="Traceback")
    lines = Shown().show(SearchBegun(), begun(0), ended(0, None, TrialState.FAILED, error=failure, best_epoch=None))

    assert lines[1] == "trial 0  failed  2.0s  ValueError: no  units=8"


def test_a_trial_that_was_given_up_does_not_count_among_those_that_are_planned():
    failure = TrialFailure(type="FailedTrial", message="too large")
    gone = ended(0, None, TrialState.FAILED, error=failure, is_rejected=True, best_epoch=None)
    lines = Shown().show(SearchBegun(max_trials=2), begun(0), gone, begun(1), ended(1))

    assert lines[1] == "trial 0  failed  2.0s  FailedTrial: too large  units=8  4.0s left"
    assert lines[2].startswith("trial 1 (1 of 2)  completed")


@pytest.mark.parametrize(("kind", "is_shown"), [("model", True), ("checkpoint", True), ("setting", False)])
def test_notes_that_change_what_a_person_can_do_with_a_trial_stand_in_its_line(kind, is_shown):
    lines = Shown().show(SearchBegun(), begun(0), ended(0, notes=(Note("a remark", kind),)))

    assert ("a remark" in lines[1]) == is_shown


def test_confirmations_lost_workers_and_what_failed_have_lines_of_their_own():
    failure = TrialFailure(type="ValueError", message="no")
    lines = Shown().show(
        begun(0),
        WorkerLost(trial=0, reason="its worker was ended by SIGKILL"),
        Confirmed(trial=0, scores=(0.25, 0.75)),
        ConfirmationFailed(trial=0, error=failure),
    )

    assert lines == [
        "trial 0: its worker was ended by SIGKILL",
        "trial 0 again: 0.75, so far 0.5 ± 0.35 of 2",
        "trial 0 again: failed  ValueError: no",
    ]


def test_a_search_ends_with_its_reason_its_engines_and_its_best():
    shown = Shown()
    shown.show(SearchBegun(), begun(0), epoch(0), ended(0, trained=Trained("shared")))
    shown.now = 5.0

    lines = shown.show(SearchEnded(reason="all done", seconds_saved=3.0, remarks=["recommended: trial 7"]))

    assert lines[2:] == [
        "search ended: all done (1 completed, 5.0s)",
        "trained by: 1 shared  (some 3.0s of tracing saved)",
        "best: trial 0 val_loss 0.5 (epoch 1/1)  units=8",
        "recommended: trial 7",
    ]


def test_a_search_that_an_exception_ends_leaves_the_last_word_to_the_exception():
    assert Shown().show(SearchBegun(), SearchEnded(reason=None)) == ["study in runs/one"]


def test_a_terminal_has_a_line_that_moves_and_is_gone_at_the_end():
    shown = Shown(terminal=True)
    shown.show(SearchBegun(max_trials=2), begun(0, units=8), EpochsKnown(trial=0, epochs=9), epoch(0))

    assert shown.progress._screen._status.status == "trial 0 (1 of 2)  epoch 1/9  val_loss 0.5"

    shown.show(SearchEnded(reason=None))
    assert shown.progress._screen._status is None


def test_the_time_left_follows_the_epochs_where_they_are_planned():
    shown = Shown()
    shown.show(SearchBegun(max_epochs=10), begun(0))
    shown.now = 4.0

    assert shown.show(epoch(0), ended(0))[1].endswith("1 of 10 epochs spent  36s left")


def test_verbose_0_prints_nothing():
    assert Shown(verbose=0).show(SearchBegun(), begun(0), ended(0), SearchEnded(reason="all done")) == []
