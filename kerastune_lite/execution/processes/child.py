"""A worker process: `python -m kerastune_lite.execution.processes.child CONNECTION PACKED DIGEST CRASH_FILE HEARTBEAT`.

Runs the trials that it is sent, one after the other, and ends when the process that started it does, however that ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastune_lite.execution.processes.heartbeat import CouldNotStart, Heartbeat, Ready
from kerastune_lite.execution.processes.parent_watch import die_with_parent

if TYPE_CHECKING:
    from kerastune_lite.execution.messages import LastMessage


class Channel:
    """The connection to the search, shared by the thread of the trial and that of the heartbeat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Sends a message; messages of two threads aren't mixed up."""
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        """The next message of the search: a request, or the answer to an epoch; EOFError when it has closed."""
        return self._connection.recv()

    def has_message(self) -> bool:
        """Whether the search has sent something, or has closed."""
        return self._connection.poll()

    def keep_beating(self, seconds: float) -> None:
        """Sends a heartbeat again and again, at this interval; never returns."""
        while True:
            with contextlib.suppress(OSError):
                self.send(Heartbeat.now())
            time.sleep(seconds)


def serve(channel: Channel, packed: Path, digest: str) -> None:
    """Runs trials until the search closes the connection, which raises EOFError here."""
    from kerastune_lite.execution.messages import Finished, Mistake, RemoteReport
    from kerastune_lite.execution.packing import Packed, unpack
    from kerastune_lite.execution.quick_collection import quick_collection
    from kerastune_lite.execution.worker_setup import WorkerContext
    from kerastune_lite.running.task import Request
    from kerastune_lite.training.start_messages import look_for_devices

    look_for_devices()
    context = WorkerContext.of(unpack(Packed(packed, digest)))
    channel.send(Ready())
    with quick_collection():
        while True:
            request = channel.receive()
            if not isinstance(request, Request):
                continue  # the answer to an epoch that came when the trial had ended
            report = RemoteReport(channel.send, channel.receive, request.awaits_stop_decision, channel.has_message)
            try:
                message: LastMessage = Finished(context.run(request, report))
            except BaseException as error:
                message = Mistake.of(error)
            channel.send(message)
            del request, report, message


def main() -> None:
    """Serves, and ends at once: the search tidies up."""
    connection, packed, digest, crash_file, heartbeat = sys.argv[1:]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a pipe to the search is shown in a terminal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    channel = Channel(Connection(int(connection)))
    crashes = Path(crash_file).open("w")  # noqa: SIM115 - kept open until the process ends
    faulthandler.enable(crashes)
    threading.Thread(target=channel.keep_beating, args=(float(heartbeat),), daemon=True).start()
    try:
        serve(channel, Path(packed), digest)
    except (EOFError, ConnectionError):
        pass
    except BaseException:
        with contextlib.suppress(OSError):
            channel.send(CouldNotStart(traceback.format_exc()))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
