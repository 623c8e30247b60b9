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
from typing import Any

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
        StudyError: The directory can't be made or written, or holds another program's file of the lock's name.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _check_is_ours(directory / LOCK_NAME)
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
    names_owner = not owner.exists() or _read_owner(owner) is not None  # another program's file of that name stays
    try:
        if names_owner:
            with suppress(OSError):
                started = datetime.now(UTC).isoformat(timespec="seconds")
                owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started}))
        yield
    finally:
        if names_owner:
            with suppress(OSError):  # the directory may have vanished
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


def _check_is_ours(lock: Path) -> None:
    """Refuses a lock file that holds something: ours is always empty, and whoever locks a file empties it."""
    if lock.exists() and (not lock.is_file() or lock.stat().st_size > 0):
        raise StudyError(
            f"{lock} is the lock of another program. It isn't touched: choose another directory for the study."
        )


def _read_owner(path: Path) -> dict[str, Any] | None:
    """What a file says of the lock's owner; None of one that isn't ours."""
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) and {"pid", "host", "since"} <= owner.keys() else None


def _owner(directory: Path) -> str:
    owner = _read_owner(directory / OWNER_NAME)
    if owner is None:
        return "another process"
    here = " (this process)" if owner["pid"] == os.getpid() and owner["host"] == socket.gethostname() else ""
    return f"process {owner['pid']} on {owner['host']}{here}, since {owner['since']}"
