"""Ends all that a worker process has started, also what has left its process group.

On Linux a worker is started with a mark in its environment, which whatever it starts inherits. Elsewhere only its
process group is known.

`python descendants.py MARK` does so when its standard input closes: a small process that each worker starts, for the
case that the search is killed. It needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

MARK = "KERASTUNE_LITE_WORKER"
"""The environment variable that holds a worker's mark."""
_PROCESSES = Path("/proc")


def end_descendants(group: int, mark: str) -> None:
    """Kills the processes that have a worker's mark, then those of its group. The calling process may be among these.

    Args:
        group: The worker's process group.
        mark: What its environment has as `MARK`.
    """
    wanted, seen = f"{MARK}={mark}".encode(), {os.getpid()}
    # One may start another while they are looked through: so this goes on until there is no new one.
    while found := {process for process in _processes() if process not in seen and wanted in _environment(process)}:
        for process in found:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        seen |= found
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _processes() -> Iterator[int]:
    """All processes of the machine; none where the system doesn't tell them."""
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir(_PROCESSES) if name.isdecimal())


def _environment(process: int) -> list[bytes]:
    """The environment that a process was started with; empty of another user's, or of one that has ended."""
    try:
        return (_PROCESSES / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    while os.read(0, 1):
        pass
    end_descendants(os.getpgid(0), sys.argv[1])
