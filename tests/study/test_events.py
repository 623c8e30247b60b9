"""Journals of every format that was written open for ever, and say the same of the search that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kerastune_lite.running.task import Shared
from kerastune_lite.search.decide import Situation, Start, decide
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.population import PopulationStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.study.event_lines import event_of
from kerastune_lite.study.events import (
    ConfirmationFailed,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.journal import Reading, read_journal
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, TrialFailure

# Written by the version before events had types: format 1. Tracebacks were shortened, and their lines' checksums made
# anew; the expected trials are what that version read.
JOURNALS = Path(__file__).parent / "journals"
NAMES = ("random", "grid", "hyperband", "population", "workers")

PLAN = SearchPlan(shared=Shared(build_fn=lambda hp: None), strategy=RandomStrategy(), max_trials=100)
STRATEGIES = {
    "random": RandomStrategy(),
    "grid": GridStrategy(points_per_axis=4),
    "hyperband": HyperbandStrategy(RandomStrategy(), max_epochs=4, factor=2),
    "population": PopulationStrategy(RandomStrategy(), 4, 1, 3, layout=lambda values: values["units"]),
}


def plain(value):
    return (
        [plain(item) for item in value] if isinstance(value, tuple) else str(value) if isinstance(value, str) else value
    )


def described(trial):
    """A trial by the names under which the expected ones were written."""
    plan = trial.plan
    return {
        "number": trial.number,
        "values": {name: plain(value) for name, value in trial.values.items()},
        "state": trial.state.value,
        "score": trial.score,
        "best_epoch": trial.best_epoch,
        "curves": [[dict(logs) for logs in curve] for curve in trial.curves],
        "scores": list(trial.scores),
        "seconds": trial.seconds,
        "started": trial.started.isoformat(),
        "ended": trial.ended.isoformat(),
        "stop_reason": trial.stop_reason,
        "error": None if trial.error is None else str(trial.error),
        "engine": trial.engine,
        "attempts": trial.attempts,
        "seed": trial.seed,
        "notes": [str(note) for note in trial.notes],
        "epochs": trial.epochs,
        "confirmations": list(trial.confirmations),
        "best_run": trial.best_run,
        "asked_epochs": plan.epochs,
        "pause_at": plan.pause_at,
        "is_turn": plan.continues_as_new_trial,
        "resumed_from": plan.resumed_from,
        "resumed_at": plan.resumed_at,
        "unseen": plan.fill,
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_of_format_1_opens_to_the_trials_that_its_version_read(name):
    expected = json.loads((JOURNALS / f"{name}.expected.json").read_text())

    study = Study.of_events(JOURNALS, read_journal(JOURNALS / f"{name}.jsonl"))

    assert [described(trial) for trial in study.trials] == expected["trials"]
    assert [study.objective.name, study.objective.direction] == expected["objective"]
    assert study.seed == expected["seed"]
    assert [parameter.describe() for parameter in study.space] == expected["space"]
    assert [trial.number for trial in study.leaderboard()] == expected["ranked"]
    assert (study.epochs_spent, study.epochs_saved) == (expected["epochs_spent"], expected["epochs_saved"])
    assert not study.damages


@pytest.mark.parametrize("name", NAMES)
def test_every_event_reads_back_what_it_writes(name):
    for line in read_journal(JOURNALS / f"{name}.jsonl").lines:
        event = event_of(line)

        assert event_of({"event": event.kind, "time": line["time"], **event.to_json()}) == event


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_study_that_was_cut_anywhere_goes_on_with_the_trials_that_it_had_when_it_was_not_cut(name):
    lines = read_journal(JOURNALS / f"{name}.jsonl").lines
    begins = [place for place, line in enumerate(lines) if line["event"] == "begin"]

    for place in begins:
        study = Study.of_events(JOURNALS, Reading(lines[:place]))
        recorded = event_of(lines[place])
        queue = [{"units": 3, "activation": "relu", "broken": False}] if name == "random" else []

        decided = decide(study, PLAN, Situation(strategy=STRATEGIES[name], queue=queue))

        assert isinstance(decided, Start)
        assert decided.begun.to_json() == {**recorded.to_json(), "notes": decided.begun.to_json()["notes"]}
        assert [str(note) for note in decided.begun.notes] == [str(note) for note in recorded.notes]


def test_notes_keep_their_kinds():
    begun = TrialBegun(trial=0, values={}, notes=(Note("enqueued", "setting"),))

    read = event_of({"event": "begin", "time": "2026-01-01T00:00:00+00:00", **begun.to_json()})

    assert [(str(note), note.kind) for note in read.notes] == [("enqueued", "setting")]


def test_a_failed_confirmation_and_a_lost_worker_are_events_of_their_own():
    failure = TrialFailure(type="ValueError", message="no")

    for event in (ConfirmationFailed(trial=3, error=failure), WorkerLost(trial=3, reason="it died")):
        assert event_of({"event": "note", "time": "2026-01-01T00:00:00+00:00", **event.to_json()}) == event


@pytest.mark.parametrize(
    ("kind", "written", "is_rejected"),
    [
        ("FailedTrial", {}, True),  # as earlier versions wrote it
        ("ValueError", {}, False),
        ("TooLarge", {"rejected": True}, True),
    ],
)
def test_a_setting_that_was_given_up_is_known_by_its_field_or_in_earlier_journals_by_its_error(
    kind, written, is_rejected
):
    error = {"type": kind, "message": "no", "traceback": ""}
    line = {"event": "end", "time": "2026-01-01T00:00:00+00:00", "trial": 0, "state": "failed", "values": {}}

    read = event_of({**line, "error": error, **written})

    assert read.is_rejected == is_rejected
    assert read.to_json().get("rejected", False) == is_rejected


def test_a_note_that_this_version_knows_nothing_of_is_passed_over():
    assert event_of({"event": "note", "time": "2026-01-01T00:00:00+00:00", "trial": 0, "mood": "good"}) is None


def test_the_end_of_a_trial_says_nothing_that_nobody_reads():
    lines = read_journal(JOURNALS / "grid.jsonl").lines
    end = next(event for line in lines if isinstance(event := event_of(line), TrialEnded))

    assert "unseen" not in end.to_json()
