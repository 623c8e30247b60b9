"""A search that is killed loses at most the trial that ran, and goes on as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager

import killed_search
import pytest
from waiting import PATIENCE, wait_until

from kerastune_lite import Study, StudyLockedError

TRIALS = 4
PROCESSES = multiprocessing.get_context("forkserver")
"""Starts processes that have nothing of this one, and Keras imported already, which takes longer than a search."""
PROCESSES.set_forkserver_preload(["keras"])


def begun_search(directory, strategy="random", *, kill="", hold=""):
    """A search in a process of its own."""
    process = PROCESSES.Process(
        target=killed_search.search_as_a_program, args=(directory, TRIALS, strategy, kill, hold), daemon=True
    )
    process.start()
    return process


def killed(directory, moment, strategy="random"):
    """A search in a process of its own, which kills itself at a moment of one of its trials."""
    process = begun_search(directory, strategy, kill=moment)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


@contextmanager
def held_search(directory, moment):
    """A search in a process of its own, which waits at a moment of one of its trials."""
    process = begun_search(directory, hold=moment)
    try:
        wait_until(lambda: (directory / "held").exists() or process.exitcode is not None)
        assert process.exitcode is None
        yield process
    finally:
        process.kill()
        process.join()


def search(directory, strategy="random"):
    """The same search in this process: nothing of it is left of the one before but the directory."""
    killed_search.search(directory, TRIALS, strategy)


def settings(directory):
    return [dict(trial.values) for trial in Study.open(directory).trials]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    search(directory)
    return settings(directory)


MOMENTS = ["0:train_begin", "0:batch0", "1:test_end", "2:epoch1", "2:train_end", "3:train_end"]
"""Of the trial that is cut, the journal holds its beginning, that too, that too, one epoch, and all epochs twice."""


@pytest.mark.drill
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_in_the_middle_of_a_trial_costs_that_trial_only(tmp_path, capsys, uninterrupted, moment):
    killed(tmp_path, moment)
    cut = int(moment.split(":")[0])
    before = Study.open(tmp_path)
    assert [trial.state.value for trial in before.trials] == ["completed"] * cut + ["running"]

    search(tmp_path)
    after = Study.open(tmp_path)

    assert f"{cut} trial{'s' * (cut != 1)} finished" in capsys.readouterr().out
    assert [trial.state.value for trial in after.trials] == ["completed"] * TRIALS
    assert after.trials[:cut] == before.trials[:cut]
    assert [trial.attempts for trial in after.trials] == [1 + (number == cut) for number in range(TRIALS)]
    assert settings(tmp_path) == uninterrupted


@pytest.mark.drill
def test_a_trial_that_kills_its_process_twice_is_given_up(tmp_path):
    for _ in range(2):
        killed(tmp_path, "1:batch0")
    search(tmp_path)
    trials = Study.open(tmp_path).trials

    assert [trial.state.value for trial in trials] == ["completed", "failed", "completed", "completed"]
    assert str(trials[1].error) == "ProcessDied: the process died while this trial ran, which was begun 2 times"


@pytest.mark.drill
def test_a_killed_grid_goes_on_with_the_same_settings(tmp_path):
    search(tmp_path / "whole", "grid")
    killed(tmp_path / "cut", "2:batch0", "grid")
    search(tmp_path / "cut", "grid")

    assert settings(tmp_path / "cut") == settings(tmp_path / "whole")
    assert len(settings(tmp_path / "whole")) == 4


@pytest.mark.drill
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_search_that_is_told_to_end_records_the_interruption(tmp_path, number, status):
    with held_search(tmp_path, "1:epoch1") as process:
        os.kill(process.pid, number)
        process.join(PATIENCE)

    assert process.exitcode in (status, -number)
    assert [trial.state.value for trial in Study.open(tmp_path).trials] == ["completed", "interrupted"]


@pytest.mark.drill
def test_a_second_search_in_the_same_directory_is_turned_away_and_the_first_one_ends_as_if_alone(tmp_path):
    with held_search(tmp_path, "0:epoch0") as first:
        with pytest.raises(StudyLockedError, match=f"is in use by process {first.pid}"):
            search(tmp_path)
        (tmp_path / "held").unlink()
        first.join(PATIENCE)

    assert first.exitcode == 0
    assert [trial.state.value for trial in Study.open(tmp_path).trials] == ["completed"] * TRIALS


def test_a_journal_cut_by_a_crash_costs_only_the_torn_trial(tmp_path, capsys, uninterrupted):
    search(tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    (tmp_path / "stray").mkdir()
    search(tmp_path)
    printed = capsys.readouterr().out

    assert "was torn by a crash and was skipped" in printed
    assert "3 trials finished, 1 trial to run again" in printed
    assert settings(tmp_path) == uninterrupted
