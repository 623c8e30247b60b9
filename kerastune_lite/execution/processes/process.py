"""One worker process, as the search's process handles it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.messages import EpochLogs, Finished, LastMessage, Mistake, ReportMessage, deliver
from kerastune_lite.execution.packing import Packed
from kerastune_lite.execution.processes.descendants import MARK, end_descendants
from kerastune_lite.execution.processes.heartbeat import CouldNotStart, Heartbeat, Ready
from kerastune_lite.execution.processes.passed_on import PassedOn, pipe_for
from kerastune_lite.execution.workers import Lost, progress_of
from kerastune_lite.running.task import Report, Request
from kerastune_lite.training.start_messages import HELD_IN_WORKERS

MIB = 1 << 20


class ChildProcess:
    """A process that runs one trial at a time. `started` makes one.

    Args:
        process: The process.
        connection: The search's end of the connection to it.
        crash_file: Where the process writes its traceback when it crashes.
        mark: What tells that a process was started by it.

    Attributes:
        connection: The search's end of the connection to it.
        request: The trial that it runs, or None.
        is_ready: Whether it has started and takes trials.
        silent_for: Seconds since its last message, not counting times when the search's process itself didn't run.
        busy_for: Seconds since its trial began, counted in the same way.
        trials: How many trials it has run.
        resident: Its resident memory in bytes, as of its last heartbeat.
        resident_at_first: The same after its first trial.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, crash_file: Path, mark: str) -> None:
        self.connection = connection
        self.request: Request | None = None
        self.is_ready = False
        self.silent_for = self.busy_for = 0.0
        self.trials = self.resident = self.resident_at_first = 0
        self._process = process
        self._crash_file = crash_file
        self._mark = mark
        self._report: Report | None = None
        self._latest_epoch: int | None = None
        self._passed_on = [
            *([PassedOn(process.stdout, "stdout")] if process.stdout is not None else []),
            *([PassedOn(process.stderr, "stderr")] if process.stderr is not None else []),
        ]

    @classmethod
    def started(
        cls, packed: Packed, crash_file: Path, environment: Mapping[str, str], heartbeat: float
    ) -> ChildProcess:
        """Starts a process, which will send `Ready`.

        Args:
            packed: What all trials share, as `packing.pack` wrote it.
            crash_file: Where the process writes its traceback when it crashes.
            environment: Environment variables of its own, in addition to those of this process.
            heartbeat: Seconds between two of its heartbeats.
        """
        connection, theirs = multiprocessing.Pipe()
        mark = uuid.uuid4().hex
        with theirs:
            descriptor = theirs.fileno()
            module = ["-P", "-m", "kerastune_lite.execution.processes.child"]
            arguments = [str(descriptor), str(packed.path), packed.digest, str(crash_file), str(heartbeat)]
            errors = pipe_for("stderr")
            watched = {} if errors is None else {HELD_IN_WORKERS: "1"}
            process = subprocess.Popen(
                [sys.executable, *module, *arguments],
                stdin=subprocess.PIPE,
                stdout=pipe_for("stdout"),
                stderr=errors,
                pass_fds=[descriptor],
                env={**os.environ, **environment, **watched, "PYTHONPATH": _module_path(), MARK: mark},
                start_new_session=True,
            )
        return cls(process, connection, crash_file, mark)

    def start(self, request: Request, report: Report) -> None:
        """Sends it a trial."""
        self.request, self._report, self._latest_epoch = request, report, None
        self.busy_for = 0.0
        with contextlib.suppress(OSError):  # a process that died meanwhile is noticed by the next `receive`
            self.connection.send(request.portable())

    def receive(self) -> Iterator[ReportMessage | LastMessage | Ready]:
        """The messages that it has sent since the last call; reports are delivered before they are yielded.

        Raises:
            EOFError: It has ended.
            WorkerError: It could not start.
        """
        while self.connection.poll():
            try:
                message = self.connection.recv()
            except OSError as error:
                raise EOFError from error
            self.silent_for = 0.0
            match message:
                case Heartbeat():
                    self.resident = message.resident
                    continue
                case Ready():
                    self.is_ready = True
                case CouldNotStart():
                    raise WorkerError(f"A worker process could not start:\n\n{message.traceback}")
                case Finished() | Mistake():
                    self.trials += 1
                    self.resident_at_first = self.resident_at_first or self.resident
                case _:
                    self._deliver(message)
            yield message

    def _deliver(self, message: ReportMessage) -> None:
        assert self._report is not None
        assert self.request is not None
        answer = deliver(message, self._report)
        if isinstance(message, EpochLogs):
            self._latest_epoch = message.epoch
            if self.request.awaits_stop_decision or answer is not None:
                with contextlib.suppress(OSError):
                    self.connection.send(answer)

    @property
    def is_idle(self) -> bool:
        """Whether it takes a trial and has none."""
        return self.is_ready and self.request is None

    @property
    def has_died(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def end(self, grace: float = 0.0) -> None:
        """Gives it some seconds to end by itself, then kills it and all processes that it has started."""
        self.connection.close()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        end_descendants(self._process.pid, self._mark)
        self._process.wait()
        for passed_on in self._passed_on:
            passed_on.finish()

    def last_words(self) -> Lost:
        """How the process died, and what is known of its trial. Call it after `end`."""
        code = self._process.returncode
        how = f"its worker ended with status {code}" if code >= 0 else f"its worker was ended by {_signal_name(-code)}"
        reasons = [f"{how} {self._progress()}"]
        if code == -signal.SIGKILL:
            reasons.append("somebody killed it, or the system did for want of memory")
        with contextlib.suppress(OSError):
            return Lost("WorkerDied", "; ".join(reasons), self._crash_file.read_text(errors="replace"))
        return Lost("WorkerDied", "; ".join(reasons))

    def given_up(self, kind: str, reason: str, *, may_try_again: bool) -> Lost:
        """The loss of its trial because the search ends the process."""
        return Lost(kind, f"{reason} {self._progress()}", may_try_again=may_try_again)

    def _progress(self) -> str:
        progress = progress_of(self._latest_epoch)
        return f"{progress}, holding {self.resident // MIB} MiB" if self.resident else progress


def _module_path() -> str:
    """The folders that this process imports modules from; an empty entry is the current folder."""
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
