"""Trials in processes that somebody else has started: a cluster's workers, or an executor's.

A cluster is anything that follows the protocol `Cluster`, five methods long. Nothing is asked of a shared disk: what a
trial reads and writes travels with it.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.in_process import quick_collection
from kerastune_lite.execution.messages import AskedFor, Epoch, Finished, Mistake, Order, Told, hand_on, order_of
from kerastune_lite.execution.packing import unpack_whole
from kerastune_lite.execution.worker_setup import Workplace
from kerastune_lite.execution.workers import Ended, Lost, how_far
from kerastune_lite.study.atomic_files import written_whole
from kerastune_lite.training.one_trial import Report, Task

Ticket = str
"""The name of one attempt at one trial."""


class Future(Protocol):
    """What became of a task."""

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def result(self) -> Any:
        """What it returned; what it raised is raised."""
        ...

    def cancel(self) -> Any:
        """Takes it back where it hasn't begun."""
        ...


class Cluster(Protocol):
    """Carries trials to where they run, and what they tell back."""

    def places(self) -> Collection[str]:
        """The workers that live now, a name each; each is given one trial at a time. WorkerError when all is lost."""
        ...

    def submit(self, place: str, ticket: Ticket, order: Order, files: Mapping[str, bytes]) -> Future:
        """Lets a worker call `run_trial_here(search, packed, order, files, send, answer)` once, and never again."""
        ...

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, Any]]:
        """What was sent since the last call, oldest first; waits so many seconds for the first one."""
        ...

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Answers an attempt that waits: why there is to be no further epoch, or None."""
        ...

    def close(self) -> None:
        """Lets running attempts know that nobody waits for them."""
        ...


@dataclass(frozen=True)
class Result:
    """What an attempt came to, and the files that it wrote, by the fields of its order.

    Attributes:
        message: `Finished` or `Mistake`.
        files: The files.
    """

    message: Finished | Mistake
    files: Mapping[str, bytes]


class SearchGone(BaseException):
    """Raised in a trial whose search doesn't answer any more: no `except Exception` of the user's keeps it going."""


_ONE_AT_A_TIME = threading.Lock()
_WORKPLACES: dict[str, Workplace] = {}


def run_trial_here(
    search: str,
    packed: bytes,
    order: Order,
    files: Mapping[str, bytes],
    send: Callable[[Any], None],
    answer: Callable[[], str | None],
) -> Result:
    """Runs a trial in a worker of any kind. Threads of one process wait for each other: Keras is not made for them.

    Args:
        search: Names the search; what its trials share is unpacked once in a process.
        packed: What they share, as `pack_whole` gave it.
        order: The trial.
        files: The files that it reads, by the fields of the order.
        send: Sends a message to the search.
        answer: Waits for the search's answer to an epoch.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="kerastune_lite-") as folder, quick_collection():
        if search not in _WORKPLACES:
            _WORKPLACES.clear()
            _WORKPLACES[search] = Workplace.of(unpack_whole(packed))
        workplace = _WORKPLACES[search]
        workplace.settings.apply()  # Keras keeps some of them for each thread
        paths = {name: Path(folder) / path.name for name, path in _paths(order).items()}
        for name, content in files.items():
            paths[name].write_bytes(content)
        here = replace(order, fields={**order.fields, **paths})
        try:
            told = Told(send, answer, order.wants_answers)
            message: Finished | Mistake = Finished(workplace.run(here, told))
        except BaseException as error:
            message = Mistake.of(error)
        written = {n: path.read_bytes() for n, path in paths.items() if n not in files and path.exists()}
        return Result(message, written)


def _paths(order: Order) -> dict[str, Path]:
    return {name: value for name, value in order.fields.items() if isinstance(value, Path)}


@dataclass
class _Attempt:
    task: Task
    report: Report
    place: str
    future: Future
    latest_epoch: int | None = None


class RemoteWorkers:
    """The workers of a cluster, each with a trial at a time.

    Args:
        cluster: Where they are.
        wants_answers: Whether an epoch may be the last one by the search's word.
    """

    TICK = 0.25

    def __init__(self, cluster: Cluster, *, wants_answers: bool) -> None:
        self._cluster = cluster
        self._wants_answers = wants_answers
        self._attempts: dict[Ticket, _Attempt] = {}
        self._count = 0
        self._error: BaseException | None = None

    def _free(self) -> list[str]:
        taken = {attempt.place for attempt in self._attempts.values()}
        return [place for place in self._cluster.places() if place not in taken]

    @property
    def has_room(self) -> bool:
        """Whether a worker has no trial."""
        return self._error is None and bool(self._free())

    def start(self, task: Task, report: Report) -> None:
        """Sends a trial to a worker that has none."""
        order = order_of(task, wants_answers=self._wants_answers)
        files = {"checkpoint": task.checkpoint.read_bytes()} if task.checkpoint else {}
        ticket, place = f"{task.trial.number}-{self._count}", self._free()[0]
        self._count += 1
        future = self._cluster.submit(place, ticket, order, files)
        self._attempts[ticket] = _Attempt(task, report, place, future)

    def wait(self) -> list[Ended]:
        """Listens until a trial ended, or one told what it asks for, or a worker has room."""
        had_room = self.has_room
        while self._error is None:
            is_news = self._listen(self.TICK)
            done = [ticket for ticket, attempt in self._attempts.items() if attempt.future.done()]
            # What they sent was there before they were done.
            is_news = self._listen(0.0) or is_news
            ended = [came for ticket in done if (came := self._result(ticket)) is not None]
            places = self._cluster.places()
            lost = [ticket for ticket, attempt in self._attempts.items() if attempt.place not in places]
            ended += [self._loss(ticket) for ticket in lost]
            if ended or (self._error is None and (is_news or (not had_room and self.has_room))):
                return ended
        raise self._error

    def _listen(self, seconds: float) -> bool:
        """Hands on what was sent; whether somebody told what he asks for."""
        is_news = False
        for ticket, message in self._cluster.messages(seconds):
            attempt = self._attempts.get(ticket)
            if attempt is None:
                continue
            answer = hand_on(message, attempt.report)
            is_news = is_news or isinstance(message, AskedFor)
            if isinstance(message, Epoch):
                attempt.latest_epoch = message.epoch
                if self._wants_answers:
                    self._cluster.answer(ticket, answer)
        return is_news

    def _result(self, ticket: Ticket) -> Ended | None:
        """What an attempt came to; None where it ends the search, which is told what others have come to before."""
        try:
            return self._outcome(self._attempts.pop(ticket))
        except BaseException as error:
            self._error = error
            return None

    def _outcome(self, attempt: _Attempt) -> Ended:
        try:
            result = attempt.future.result()
        except WorkerError:
            raise
        except ModuleNotFoundError as error:
            raise WorkerError(
                f"The workers have no module {error.name!r}, which build_fn, the data or callbacks come from. Install "
                "it on them or send it there (Dask: client.upload_file), or define these in your main program."
            ) from error
        except Exception as error:
            raise WorkerError(f"A worker could not run a trial: {type(error).__name__}: {error}") from error
        if isinstance(result.message, Mistake):
            raise result.message.unpacked()
        for name, content in result.files.items():
            with written_whole(getattr(attempt.task, name)) as unfinished:
                unfinished.write_bytes(content)
        return Ended(attempt.task.trial.number, result.message.outcome)

    def _loss(self, ticket: Ticket) -> Ended:
        attempt = self._attempts.pop(ticket)
        with suppress(Exception):
            attempt.future.cancel()
        reason = f"its worker {attempt.place} was lost {how_far(attempt.latest_epoch)}"
        return Ended(attempt.task.trial.number, Lost("WorkerDied", reason))

    def close(self) -> None:
        """Takes back what has not begun, and tells the others that nobody waits for them."""
        for attempt in self._attempts.values():
            with suppress(Exception):
                attempt.future.cancel()
        self._attempts = {}
        with suppress(Exception):
            self._cluster.close()
