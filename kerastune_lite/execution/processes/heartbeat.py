"""What a worker process says about itself rather than about a trial. Loaded before TensorFlow, so it imports little."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heartbeat:
    """A heartbeat from a worker, with its resident memory in bytes."""

    resident: int

    @classmethod
    def now(cls) -> Heartbeat:
        """The heartbeat of this process; its memory is 0 where the system doesn't tell it."""
        with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return cls(pages * os.sysconf("SC_PAGE_SIZE"))
        return cls(0)


@dataclass(frozen=True)
class Ready:
    """The worker has started and takes trials."""


@dataclass(frozen=True)
class CouldNotStart:
    """The worker couldn't unpack what trials share, and ends; with the traceback."""

    traceback: str
