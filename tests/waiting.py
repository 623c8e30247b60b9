"""Waiting for another process, but not for ever."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds; a slow machine needs a tenth of it. Tests that aren't drills are ended earlier, by pytest's timeout."""


def wait_until(condition: Callable[[], object], process: subprocess.Popen | None = None, patience: float = PATIENCE):
    """Returns once a condition holds. Fails if it takes long, or if the process that is to bring it about has ended."""
    until = time.monotonic() + patience
    while not condition():
        if process is not None:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"it did not come about in {patience:g} seconds"
        time.sleep(0.05)
