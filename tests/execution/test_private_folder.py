"""What worker processes read and leave: in a private folder, checked, and gone with the search."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import Executor
from pathlib import Path

import psutil
import pytest
from waiting import PATIENCE, wait_until

from kerastune_lite import RandomSearch
from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.clusters.executor_cluster import ExecutorCluster
from kerastune_lite.execution.packing import pack, unpack
from kerastune_lite.execution.private_folder import folder_prefix, private_folder, remove_left_folders
from kerastune_lite.running.task import Shared

PROGRAM = """
import os, subprocess, sys, time
from kerastune_lite import RandomSearch

def build_fn(hp):
    a = hp.float("a", 0.0, 1.0)
    for has_own_session in (False, True):
        sleeper = subprocess.Popen(["sleep", "98765"], start_new_session=has_own_session)
        with open(os.environ["TMPDIR"] + ".pids", "a") as file:
            file.write(str(sleeper.pid) + chr(10))
    if os.environ["HOW"] == "killed":
        time.sleep(60)
    return a

if __name__ == "__main__":
    RandomSearch(build_fn, "loss", directory=sys.argv[1], workers=2, max_trials=2, seed=1, verbose=0,
        engine="fit").search()
"""


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of temporary files of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_the_folder_is_for_this_user_alone_and_outside_the_study(tmp_path, temporary):
    folder = private_folder(tmp_path / "study")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.parent == temporary


def test_only_folders_that_this_study_left_are_removed(tmp_path, temporary):
    left, of_another = private_folder(tmp_path / "study"), private_folder(tmp_path / "other")
    (left / "search.pickle").touch()
    public = temporary / f"{folder_prefix(tmp_path / 'study')}public"
    public.mkdir(mode=0o755)
    link = temporary / f"{folder_prefix(tmp_path / 'study')}link"
    link.symlink_to(of_another)

    remove_left_folders(tmp_path / "study")

    assert sorted(temporary.iterdir()) == sorted([of_another, public, link])


@pytest.mark.parametrize("change", [b"", b"precious", None], ids=["emptied", "replaced", "one bit"])
def test_a_file_that_changed_since_it_was_written_is_not_loaded(tmp_path, change):
    packed = pack({"data": 3}, tmp_path)
    content = packed.path.read_bytes()
    packed.path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:] if change is None else change)

    with pytest.raises(WorkerError, match="isn't what the search wrote for its workers"):
        unpack(packed)


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(WorkerError, match=r"nowhere.*TMPDIR"):
        private_folder(tmp_path)


def sleepers_of(temporary):
    """The processes that builds of the program have started, and those of them that live."""
    pids = Path(f"{temporary}.pids")
    started = [int(line) for line in pids.read_text().split()] if pids.exists() else []
    return started, [pid for pid in started if is_alive(pid)]


def begun(tmp_path, how):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    # A worker's environment is the search's own; its arguments aren't.
    environment = {**os.environ, "HOW": how}
    return subprocess.Popen([sys.executable, script, tmp_path / "study"], env=environment, start_new_session=True)


@pytest.mark.drill
def test_a_search_that_ends_takes_along_what_its_builds_started(tmp_path, temporary):
    process = begun(tmp_path, "ended")
    assert process.wait(PATIENCE) == 0
    started, _ = sleepers_of(temporary)

    wait_until(lambda: not sleepers_of(temporary)[1])
    assert len(started) == 4


@pytest.mark.drill
def test_a_killed_search_takes_along_what_its_builds_started_and_the_next_removes_its_folder(tmp_path, temporary):
    study, process = tmp_path / "study", begun(tmp_path, "killed")
    wait_until(lambda: len(sleepers_of(temporary)[1]) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not sleepers_of(temporary)[1])
    left = list(temporary.glob(f"{folder_prefix(study)}*"))

    RandomSearch(lambda hp: hp.float("a", 0.0, 1.0), "loss", directory=study, max_trials=3, verbose=0).search()

    assert len(left) == 1
    assert not left[0].exists()
    assert not list(study.rglob("*.pickle"))


def test_a_connection_that_says_nothing_keeps_no_other_waiting():
    cluster = ExecutorCluster.listening(Executor(), 1, Shared(build_fn=lambda hp: None))
    address = cluster._listener.address
    with socket.create_connection(address), socket.create_connection(address) as stranger:
        stranger.settimeout(10.0)
        assert address[0] == "127.0.0.1"
        assert stranger.recv(4)  # the challenge comes, though the first connection is silent
    cluster.close()
