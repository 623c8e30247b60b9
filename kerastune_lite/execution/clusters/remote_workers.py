"""The workers of a cluster, as the search uses them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.clusters.protocol import Cluster, Future, Ticket
from kerastune_lite.execution.messages import EpochLogs, Mistake, deliver
from kerastune_lite.execution.workers import Ended, Lost, progress_of
from kerastune_lite.running.task import AskedParameters, Report, Request
from kerastune_lite.study.atomic_files import written_whole

TICK = 0.25
"""Seconds between two looks at workers that send nothing."""


@dataclass
class _Attempt:
    """One attempt at a trial, on one worker."""

    request: Request
    report: Report
    place: str
    future: Future
    latest_epoch: int | None = None


class RemoteWorkers:
    """The workers of a cluster, each with one trial at a time.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._attempts: dict[Ticket, _Attempt] = {}
        self._count = 0
        self._error: BaseException | None = None

    def _free(self) -> Sequence[str]:
        taken = {attempt.place for attempt in self._attempts.values()}
        return [place for place in self._cluster.places() if place not in taken]

    @property
    def has_room(self) -> bool:
        """Whether a worker has no trial."""
        return self._error is None and bool(self._free())

    def start(self, request: Request, report: Report) -> None:
        """Sends a trial to a worker that has none."""
        files = {name: path.read_bytes() for name, path in request.read_paths().items()}
        ticket, place = f"{request.trial.number}-{self._count}", self._free()[0]
        self._count += 1
        future = self._cluster.submit(place, ticket, request.portable(), files)
        self._attempts[ticket] = _Attempt(request, report, place, future)

    def wait(self) -> list[Ended]:
        """Delivers reports until a trial has ended or reported its parameters, or a worker has become free."""
        had_room = self.has_room
        while self._error is None:
            is_news = self._receive(TICK)
            done = [ticket for ticket, attempt in self._attempts.items() if attempt.future.done()]
            # What they sent was there before they were done.
            is_news = self._receive(0.0) or is_news
            ended = [end for ticket in done if (end := self._end_of(ticket)) is not None]
            places = self._cluster.places()
            lost = [ticket for ticket, attempt in self._attempts.items() if attempt.place not in places]
            ended += [self._loss(ticket) for ticket in lost]
            if ended or (self._error is None and (is_news or (not had_room and self.has_room))):
                return ended
        raise self._error

    def _receive(self, seconds: float) -> bool:
        """Delivers what workers have sent, and answers it; whether a trial has reported its parameters."""
        is_news = False
        for ticket, message in self._cluster.messages(seconds):
            attempt = self._attempts.get(ticket)
            if attempt is None:
                continue
            answer = deliver(message, attempt.report)
            is_news = is_news or isinstance(message, AskedParameters)
            if isinstance(message, EpochLogs):
                attempt.latest_epoch = message.epoch
                if attempt.request.awaits_stop_decision or answer is not None:
                    self._cluster.answer(ticket, answer)
        return is_news

    def _end_of(self, ticket: Ticket) -> Ended | None:
        """The end of an attempt; None of one that ends the search, but only once other trials' ends are returned."""
        try:
            return self._ended(self._attempts.pop(ticket))
        except BaseException as error:
            self._error = error
            return None

    def _ended(self, attempt: _Attempt) -> Ended:
        try:
            result = attempt.future.result()
        except WorkerError:
            raise
        except CancelledError:
            # Nobody here has taken it back: Dask's scheduler forgets a trial that it was given as its worker died.
            return _lost(attempt, f"the cluster took it from its worker {attempt.place}")
        except ModuleNotFoundError as error:
            raise WorkerError(
                f"The workers have no module {error.name!r}, which build_fn, the data or callbacks come from. Install "
                "it on them or send it there (Dask: client.upload_file), or define these in your main program."
            ) from error
        except Exception as error:
            raise WorkerError(f"A worker could not run a trial: {type(error).__name__}: {error}") from error
        if isinstance(result.message, Mistake):
            raise result.message.unpacked()
        paths = attempt.request.paths()
        for name, content in result.files.items():
            with written_whole(paths[name]) as unfinished:
                unfinished.write_bytes(content)
        return Ended(attempt.request.trial.number, result.message.outcome)

    def _loss(self, ticket: Ticket) -> Ended:
        attempt = self._attempts.pop(ticket)
        with suppress(Exception):
            attempt.future.cancel()
        return _lost(attempt, f"its worker {attempt.place} was lost")

    def close(self) -> None:
        """Takes back attempts that have not begun, and lets the others know that the search has ended."""
        for attempt in self._attempts.values():
            with suppress(Exception):
                attempt.future.cancel()
        self._attempts = {}
        with suppress(Exception):
            self._cluster.close()


def _lost(attempt: _Attempt, what: str) -> Ended:
    """The end of an attempt of which nobody will hear any more, and what happened to it."""
    return Ended(attempt.request.trial.number, Lost("WorkerDied", f"{what} {progress_of(attempt.latest_epoch)}"))
