"""One search at a time in a directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kerastune_lite import StudyError, StudyLockedError
from kerastune_lite.study.directory_lock import directory_lock, is_locked

HOLD = """
import sys, time
from pathlib import Path
from kerastune_lite.study.directory_lock import directory_lock
with directory_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_directory_in_use_is_refused_with_the_process_that_holds_it(tmp_path, holder):
    assert is_locked(tmp_path)
    for _ in range(2):
        with pytest.raises(StudyLockedError, match=f"is in use by process {holder.pid} on"), directory_lock(tmp_path):
            pass


def test_a_lock_whose_owner_was_killed_holds_nobody_back(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()

    assert not is_locked(tmp_path)
    with directory_lock(tmp_path):
        assert is_locked(tmp_path)


def test_a_second_search_of_the_same_process_is_refused_too(tmp_path):
    with directory_lock(tmp_path), pytest.raises(StudyLockedError, match="this process"), directory_lock(tmp_path):
        pass
    assert not is_locked(tmp_path)


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="can't be written"), directory_lock(tmp_path / "file" / "study"):
        pass
