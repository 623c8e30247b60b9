"""One worker process, as the search's process holds it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.messages import Epoch, Finished, Mistake, hand_on, order_of
from kerastune_lite.execution.processes.heartbeat import Beat, CouldNotStart, Ready
from kerastune_lite.execution.workers import Lost, how_far
from kerastune_lite.training.one_trial import Report, Task

MIB = 1 << 20


class ChildProcess:
    """A process that runs one trial at a time.

    Args:
        packed: What all trials share, as `packing.pack` wrote it.
        crash_file: Where the process leaves its last words.
        environment: Variables of its own, beside those of this process.
        heartbeat: After how many seconds it is to tell that it lives.

    Attributes:
        connection: What it is heard by.
        task: The trial that it runs, or None.
        is_ready: Whether it takes trials.
        silent_for: Seconds since it was heard last, as far as the search's process ran itself.
        busy_for: Seconds that its trial takes.
        trials: How many trials it ran.
        resident: Bytes of memory that it held when it was heard last.
        resident_at_first: The same after its first trial.
    """

    def __init__(self, packed: Path, crash_file: Path, environment: Mapping[str, str], heartbeat: float) -> None:
        if os.name == "nt":
            raise WorkerError("workers= and trial_timeout= need Linux or macOS. Use executor= with a Dask client here.")
        self.task: Task | None = None
        self.is_ready = False
        self.silent_for = self.busy_for = 0.0
        self.trials = self.resident = self.resident_at_first = 0
        self._crash_file = crash_file
        self._report: Report | None = None
        self._latest_epoch: int | None = None
        self._wants_answers = False
        self.connection, theirs = multiprocessing.Pipe()
        with theirs:
            descriptor = theirs.fileno()
            module = ["-P", "-m", "kerastune_lite.execution.processes.child"]
            arguments = [str(descriptor), str(packed), str(crash_file), str(heartbeat)]
            self._process = subprocess.Popen(
                [sys.executable, *module, *arguments],
                stdin=subprocess.PIPE,
                pass_fds=[descriptor],
                env={**os.environ, **environment, "PYTHONPATH": _module_path()},
                start_new_session=True,
            )

    def start(self, task: Task, report: Report, *, wants_answers: bool) -> None:
        """Sends it a trial."""
        self.task, self._report, self._latest_epoch = task, report, None
        self._wants_answers = wants_answers
        self.busy_for = 0.0
        with contextlib.suppress(OSError):  # a process that died meanwhile is noticed where it is listened to
            self.connection.send(order_of(task, wants_answers=wants_answers))

    def hear(self) -> Iterator[Any]:
        """What it has said since it was heard last, after handing it on to the report of its trial.

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
                case Beat():
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
                    self._hand_on(message)
            yield message

    def _hand_on(self, message: Any) -> None:
        assert self._report is not None
        assert self.task is not None
        answer = hand_on(message, self._report)
        if isinstance(message, Epoch):
            self._latest_epoch = message.epoch
            if self._wants_answers:
                with contextlib.suppress(OSError):
                    self.connection.send(answer)

    @property
    def has_died(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def end(self, grace: float = 0.0) -> None:
        """Lets it end by itself within some seconds, then kills it with all that it has started."""
        self.connection.close()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> Lost:
        """How the process ended, and what is known of its trial. Call it after `end`."""
        code = self._process.returncode
        how = f"its worker ended with status {code}" if code >= 0 else f"its worker was ended by {_signal_name(-code)}"
        told = [f"{how} {self._where()}"]
        if code == -signal.SIGKILL:
            told.append("somebody killed it, or the system did for want of memory")
        with contextlib.suppress(OSError):
            return Lost("WorkerDied", "; ".join(told), self._crash_file.read_text(errors="replace"))
        return Lost("WorkerDied", "; ".join(told))

    def given_up(self, kind: str, reason: str, *, may_try_again: bool) -> Lost:
        """The loss of its trial to the search's own decision."""
        return Lost(kind, f"{reason} {self._where()}", may_try_again=may_try_again)

    def _where(self) -> str:
        epoch = how_far(self._latest_epoch)
        return f"{epoch}, holding {self.resident // MIB} MiB" if self.resident else epoch


def _module_path() -> str:
    """What this process finds modules by; an empty entry is the current folder."""
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
