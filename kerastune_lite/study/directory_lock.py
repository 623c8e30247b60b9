"""The lock that lets only one search at a time use a study's directory."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock

from kerastune_lite.errors import StudyError, StudyLockedError

LOCK_NAME = ".lock"
OWNER_NAME = ".lock-owner"
PATIENCE = 0.2
"""Seconds for which a search tries to get the lock: whoever looks at the study has it for a moment."""


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Locks the directory for this process; the operating system releases the lock when the process dies.

    Raises:
        StudyLockedError: Another search holds it; the message names the process.
        StudyError: The directory can't be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / LOCK_NAME)
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 10)
    except filelock.Timeout as error:
        raise StudyLockedError(
            f"{directory} is in use by {_owner(directory)}. Wait until that search ends, or choose another directory."
        ) from error
    except OSError as error:
        raise StudyError(
            f"The study's directory {directory} can't be written: {error.strerror or error}. "
            "Make it writable, or choose another one."
        ) from error
    # The lock's own file is emptied by whoever tries it, so its owner is named in another one.
    owner = directory / OWNER_NAME
    try:
        with suppress(OSError):
            started = datetime.now(UTC).isoformat(timespec="seconds")
            owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started}))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def is_locked(directory: Path) -> bool:
    """Whether a search is running in the directory now.

    It is asked by a lock that readers share, and by reading alone, so that a study can be looked at whose directory
    can't be written.
    """
    path = directory / LOCK_NAME
    if not path.is_file() or path.stat().st_size > 0:  # none, or another program's
        return False
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def _owner(directory: Path) -> str:
    try:
        owner = json.loads((directory / OWNER_NAME).read_text())
        here = " (this process)" if owner["pid"] == os.getpid() and owner["host"] == socket.gethostname() else ""
        return f"process {owner['pid']} on {owner['host']}{here}, since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
