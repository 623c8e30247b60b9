"""Searches in which something dies: what had finished stays, the search ends or can be resumed, and nobody is orphaned.

Every search is a grid, mostly of twelve trials, so that a trial's number is its setting.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from drill import HEARTBEAT_TIMEOUT, TRIALS, crash, exiting, hanging, killed, loud, out_of_memory, search, silent
from waiting import PATIENCE, wait_until

from kerastune_lite import Study
from kerastune_lite.execution.private_folder import folder_prefix

PROGRAM = Path(__file__).parent / "drill.py"
GRACE = 10.0
"""Seconds after which no process of a search may be left."""
TRIAL_TIMEOUT = 30.0
"""Seconds, several times what a slow machine needs for the first trial of a worker."""


def begun(directory, seconds):
    """A search with two workers in a process of its own, whose epochs sleep for some seconds."""
    return subprocess.Popen(
        [sys.executable, PROGRAM, directory, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    """What a search printed as its error, once it has ended and nothing of it is left."""
    _, error = process.communicate(timeout=PATIENCE)
    assert_no_orphans(process.args[2])
    return error


def assert_no_orphans(directory):
    wait_until(lambda: not processes_of(directory), patience=GRACE)


def processes_of(directory):
    """The processes whose command names a search's directory or the private folder of its workers.

    Those are left out that have ended but for their status.
    """
    names = str(directory), folder_prefix(directory)
    commands = [(p, " ".join(p.info["cmdline"] or ())) for p in psutil.process_iter(["cmdline"])]
    named = [p for p, command in commands if any(name in command for name in names)]
    found = []
    for process in named:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def finished(directory):
    """The trials that have ended, by their numbers."""
    if not (directory / "journal.jsonl").exists():
        return {}
    return {trial.number: trial for trial in Study.open(directory).trials if trial.state.ended}


def assert_whole(directory, before=None, failed=(), count=TRIALS):
    """Every setting was tried once, and what had finished before is as it was."""
    trials = Study.open(directory).trials
    assert [trial.values for trial in trials] == [{"number": number} for number in range(count)]
    assert [trial.number for trial in trials if trial.state.value != "completed"] == list(failed)
    assert all(trials[number] == trial for number, trial in (before or {}).items())
    return trials


@pytest.fixture(scope="module")
def at_fault(tmp_path_factory):
    """The trials of a search of which one crashes its process, and the last takes too much memory."""
    directory = tmp_path_factory.mktemp("at_fault")
    search(directory, trials=3, in_build=[(1, crash)], in_fit=[(2, out_of_memory)], trial_timeout=PATIENCE)
    assert_no_orphans(directory)
    return assert_whole(directory, failed=[1, 2], count=3)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """The trials of a search in which three workers come to grief."""
    directory = tmp_path_factory.mktemp("troubled")
    search(
        directory,
        in_fit=[(2, killed), (8, hanging), (10, silent)],
        once=[2, 10],
        workers=2,
        trial_timeout=TRIAL_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
    )
    assert_no_orphans(directory)
    return assert_whole(directory, failed=[8])


@pytest.mark.drill
def test_a_worker_that_is_killed_costs_its_trial_one_attempt(troubled):
    assert [trial.attempts for trial in troubled] == [1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1]
    assert "attempt 1: its worker was ended by SIGKILL after epoch 0" in troubled[2].notes[0]
    assert len(troubled[2].curve) == 2


@pytest.mark.drill
def test_a_build_that_crashes_its_process_fails_its_own_trial(at_fault):
    error = at_fault[1].error

    assert error.type == "WorkerDied"
    assert "attempt 2: its worker was ended by SIGSEGV before its first epoch ended" in error.message
    assert "in build_fn" in error.traceback


@pytest.mark.drill
def test_a_fit_that_takes_more_memory_than_there_is_fails_its_own_trial(at_fault):
    assert "MemoryError" in str(at_fault[2].error)


@pytest.mark.drill
def test_a_fit_that_hangs_is_ended_at_the_trials_timeout(troubled):
    assert str(troubled[8].error).startswith(
        f"TrialTimeout: it took longer than trial_timeout={TRIAL_TIMEOUT:g} seconds"
    )


@pytest.mark.drill
def test_a_worker_that_gives_no_sign_of_life_is_replaced(troubled):
    assert f"gave no sign of life for heartbeat_timeout={HEARTBEAT_TIMEOUT:g} seconds" in troubled[10].notes[0]


@pytest.mark.drill
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_ended_takes_its_workers_along_and_can_be_resumed(tmp_path, capfd, number):
    process = begun(tmp_path, seconds=0.3)
    wait_until(lambda: len(finished(tmp_path)) >= 3, process)
    process.send_signal(number)
    ended(process)
    before = finished(tmp_path)
    cut = {trial.state.value for trial in Study.open(tmp_path).trials if not trial.state.ended}
    search(tmp_path)

    assert process.returncode != 0
    assert cut <= ({"running"} if number == signal.SIGKILL else {"interrupted"})
    assert f"{len(before)} trial{'s' * (len(before) != 1)} finished" in capfd.readouterr().out
    assert_whole(tmp_path, before)


@pytest.mark.drill
def test_a_build_that_exits_fails_its_own_trial_and_one_that_prints_much_does_no_harm(tmp_path, capfd):
    search(tmp_path, in_build=[(1, exiting), (3, exiting), (5, loud)], once=[3], workers=2)
    capfd.readouterr()
    trials = assert_whole(tmp_path, failed=[1])

    assert "attempt 2: its worker ended with status 3" in trials[1].error.message
    assert [trial.attempts for trial in trials[:6]] == [1, 2, 1, 2, 1, 1]


@pytest.mark.drill
def test_a_search_whose_journal_cannot_grow_ends_with_all_that_was_written(tmp_path):
    process = begun(tmp_path, seconds=0.3)
    wait_until(lambda: len(finished(tmp_path)) >= 3, process)
    # A limit on the size of its files does to the search what a full disk does.
    size = (tmp_path / "journal.jsonl").stat().st_size + 50
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
    error = ended(process)
    before = finished(tmp_path)
    search(tmp_path)

    assert "JournalError" in error
    assert len(before) >= 3
    assert_whole(tmp_path, before)


@pytest.mark.drill
def test_a_search_that_was_suspended_goes_on_with_the_workers_it_had(tmp_path):
    process = begun(tmp_path, seconds=0.3)
    wait_until(lambda: len(finished(tmp_path)) >= 2, process)
    process.send_signal(signal.SIGSTOP)
    time.sleep(HEARTBEAT_TIMEOUT + 2.0)
    process.send_signal(signal.SIGCONT)
    ended(process)

    assert [trial.attempts for trial in assert_whole(tmp_path)] == [1] * TRIALS
