"""How a worker process notices that the search's process is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

from kerastune_lite.execution.processes import descendants

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ends this process and its own children when the parent ends, even by a kill.

    The parent holds the other end of standard input, which the system closes when the parent ends. On Linux the system
    also kills this process by itself, for the case that it hangs where no thread of Python runs. What this process has
    started would outlive it then: so a small process of its own watches the parent as well, and ends all of that.
    """
    parents_pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    # -S and -I: it needs nothing but the standard library, and starts in a moment.
    watch = [sys.executable, "-S", "-I", descendants.__file__, os.environ.get(descendants.MARK, "")]
    subprocess.Popen(watch, stdin=parents_pipe, stdout=nothing, stderr=nothing)
    os.close(nothing)
    threading.Thread(target=_die_when_closed, args=(parents_pipe,), daemon=True).start()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_when_closed(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    # Not the whole group: the process that ends the others is one of it, and must not be ended before it has done so.
    os.kill(os.getpid(), signal.SIGKILL)
