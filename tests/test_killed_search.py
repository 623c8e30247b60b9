"""A search that is killed loses at most the trial that ran, and goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import killed_search
import pytest
from waiting import wait_until

from kerastune_lite import Study, StudyLockedError

PROGRAM = Path(__file__).parent / "killed_search.py"
TRIALS = 4


def killable_search(directory, *, strategy="random", max_trials=TRIALS, **environment):
    """A search in a process of its own."""
    return subprocess.run(
        [sys.executable, PROGRAM, directory, str(max_trials), strategy],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@contextmanager
def held_search(directory, moment):
    """A search in a process of its own, which waits at a moment of one of its trials."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, directory, str(TRIALS), "random"],
        env=os.environ | {"HOLD_AT": moment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until((directory / "held").exists, process)
        yield process
    finally:
        process.kill()
        process.communicate()


def search(directory, strategy="random"):
    """The same search in this process: nothing of it is left of the one before but the directory."""
    killed_search.main(directory, TRIALS, strategy)


def settings(directory):
    return [dict(trial.values) for trial in Study.open(directory).trials]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    search(directory)
    return settings(directory)


MOMENTS = ["0:train_begin", "1:test_end", "2:epoch1", "3:train_end"]
"""Of the trial that is cut, the journal holds its beginning, that too, one epoch, and all epochs."""
MORE_MOMENTS = ["0:batch0", "1:batch1", "1:epoch0", "2:train_begin", "2:train_end", "3:batch0"]


@pytest.mark.drill
@pytest.mark.parametrize("moment", [*MOMENTS, *(pytest.param(m, marks=pytest.mark.drill) for m in MORE_MOMENTS)])
def test_a_kill_in_the_middle_of_a_trial_costs_that_trial_only(tmp_path, capsys, uninterrupted, moment):
    assert killable_search(tmp_path, KILL_AT=moment).returncode == -signal.SIGKILL
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
        assert killable_search(tmp_path, KILL_AT="1:batch0").returncode == -signal.SIGKILL
    search(tmp_path)
    trials = Study.open(tmp_path).trials

    assert [trial.state.value for trial in trials] == ["completed", "failed", "completed", "completed"]
    assert str(trials[1].error) == "ProcessDied: the process died while this trial ran, which was begun 2 times"


@pytest.mark.drill
def test_a_killed_grid_goes_on_with_the_same_settings(tmp_path):
    search(tmp_path / "whole", "grid")
    killable_search(tmp_path / "cut", strategy="grid", KILL_AT="2:batch0")
    search(tmp_path / "cut", "grid")

    assert settings(tmp_path / "cut") == settings(tmp_path / "whole")
    assert len(settings(tmp_path / "whole")) == 4


@pytest.mark.drill
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_search_that_is_told_to_end_records_the_interruption(tmp_path, number, status):
    with held_search(tmp_path, "1:epoch1") as process:
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode in (status, -number)
    assert [trial.state.value for trial in Study.open(tmp_path).trials] == ["completed", "interrupted"]


@pytest.mark.drill
def test_a_second_search_in_the_same_directory_is_turned_away_and_the_first_one_ends_as_if_alone(tmp_path):
    with held_search(tmp_path, "0:epoch0") as first:
        with pytest.raises(StudyLockedError, match=f"is in use by process {first.pid}"):
            search(tmp_path)
        (tmp_path / "held").unlink()
        _, error = first.communicate(timeout=60)

    assert first.returncode == 0, error
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
