"""A worker process: `python -m kerastune_lite.execution.processes.child CONNECTION PACKED CRASH_FILE HEARTBEAT`.

Runs the trials that it is sent, one after the other, and ends when the process that started it does, however that ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kerastune_lite.execution.processes.heartbeat import Beat, CouldNotStart, Ready
from kerastune_lite.execution.processes.parent_watch import die_with_parent, resident_bytes


class Channel:
    """The connection to the search, which the trial and the heart share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Sends a message, whole."""
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        """The next message; EOFError when the search has let go."""
        return self._connection.recv()

    def beat(self, seconds: float) -> None:
        """Tells, again and again, that this process lives, and how much memory it holds."""
        while True:
            with contextlib.suppress(OSError):
                self.send(Beat(resident_bytes()))
            time.sleep(seconds)


def serve(channel: Channel, packed: Path) -> None:
    """Runs trials until the search lets go."""
    from kerastune_lite.execution.in_process import quick_collection
    from kerastune_lite.execution.messages import Finished, Mistake, Told
    from kerastune_lite.execution.packing import unpack
    from kerastune_lite.execution.worker_setup import Workplace

    workplace = Workplace.of(unpack(packed))
    channel.send(Ready())
    with quick_collection():
        while True:
            order = channel.receive()
            told = Told(channel.send, channel.receive, order.wants_answers)
            try:
                message: Any = Finished(workplace.run(order, told))
            except BaseException as error:
                message = Mistake.of(error)
            channel.send(message)
            del order, told, message


def main() -> None:
    """Serves, and ends at once: there is nothing to be tidied up that the search wouldn't do better."""
    connection, packed, crash_file, heartbeat = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    channel = Channel(Connection(int(connection)))
    crashes = Path(crash_file).open("w")  # noqa: SIM115 - kept open until the process ends
    faulthandler.enable(crashes)
    threading.Thread(target=channel.beat, args=(float(heartbeat),), daemon=True).start()
    try:
        serve(channel, Path(packed))
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
