"""The workers of a Dask cluster; reports and answers go through Dask's own queues."""

from __future__ import annotations

import concurrent.futures
import pickle
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.clusters.protocol import Future, Result, Ticket
from kerastune_lite.execution.clusters.worker import SearchGone, run_trial_here
from kerastune_lite.execution.messages import ReportMessage
from kerastune_lite.execution.packing import pack_whole
from kerastune_lite.execution.worker_setup import parts_of
from kerastune_lite.running.task import Request, Shared

if TYPE_CHECKING:
    from distributed import Client, Event, Queue
    from distributed import Future as DaskFuture

T = TypeVar("T")

POLL = 0.03
"""Seconds between two looks into the queue of reports."""
LOOK_EVERY = 1.0
"""Seconds between two questions to the scheduler which workers are alive."""
PATIENCE = 120.0
"""Seconds that a trial waits for an answer before it takes its search for dead."""


def is_dask_client(executor: Any) -> bool:
    """Whether it is a `dask.distributed.Client`; found out without importing Dask."""
    return type(executor).__module__.split(".")[0] == "distributed" and hasattr(executor, "scheduler_info")


class DaskCluster:
    """A Dask cluster, as `RemoteWorkers` uses it. `connected` makes one.

    Args:
        client: A `dask.distributed.Client`.
        search: A name of the search, which its queues have too.
        packed: What all trials share, packed, as the future of Dask's that each worker has.
        reports: The queue of what trials report.
        is_over: An event that tells trials that the search has ended.
    """

    def __init__(self, client: Client, search: str, packed: DaskFuture, reports: Queue, is_over: Event) -> None:
        self._client = client
        self._search = search
        self._packed = packed
        self._reports = reports
        self._is_over = is_over
        self._answers: dict[Ticket, Queue] = {}
        self._places: list[str] = []
        self._looked_at = 0.0

    @classmethod
    def connected(cls, client: Client, shared: Shared) -> DaskCluster:
        """Sends what all trials share to each worker, and makes the queues.

        Raises:
            WorkerError: What is shared can't be pickled, or the scheduler can't be reached.
        """
        from distributed import Event, Queue

        search = f"kerastune_lite-{uuid.uuid4().hex}"
        packed = pack_whole(parts_of(shared))
        return cls(
            client,
            search,
            _asked(client, lambda: client.scatter(packed, broadcast=True, hash=False)),
            _asked(client, lambda: Queue(search, client=client)),
            _asked(client, lambda: Event(f"{search}-over", client=client)),
        )

    def places(self) -> Collection[str]:
        """The addresses of the workers."""
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._places = list(_asked(self._client, self._client.nthreads))
            self._looked_at = time.monotonic()
        return self._places

    def submit(self, place: str, ticket: Ticket, request: Request, files: Mapping[str, bytes]) -> Future:
        """Sends a trial to one worker; Dask never moves it to another by itself."""
        future: Future = _asked(
            self._client,
            lambda: self._client.submit(
                _run_on_worker,
                self._search,
                self._packed,
                ticket,
                request,
                files,
                key=f"{self._search}-trial-{ticket}",
                workers=[place],
                pure=False,
                retries=0,
            ),
        )
        return future

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, ReportMessage]]:
        """What the trials have put into the queue."""
        until = time.monotonic() + seconds
        while True:
            batch = _asked(self._client, lambda: self._reports.get(batch=True))
            # A waiting `get` would have the scheduler log an error each time that it waits in vain.
            if batch or time.monotonic() >= until:
                return [pickle.loads(message) for message in batch]
            time.sleep(POLL)

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Puts an answer into the attempt's queue."""
        from distributed import Queue

        if ticket not in self._answers:
            name = f"{self._search}-{ticket}"
            self._answers[ticket] = _asked(self._client, lambda: Queue(name, client=self._client))
        _asked(self._client, lambda: self._answers[ticket].put(text or ""))

    def close(self) -> None:
        """Lets trials end with their epoch, and removes the queues."""
        if self._client.status != "running":
            return
        self._is_over.set()
        for queue in (self._reports, *self._answers.values()):
            queue.close()


def _asked(client: Client, question: Callable[[], T]) -> T:
    """The scheduler's answer to a question; WorkerError where it can't be reached."""
    try:
        if client.status != "running":
            raise OSError(f"the client is {client.status}")
        return question()
    except (OSError, TimeoutError, concurrent.futures.CancelledError, RuntimeError, ValueError) as error:
        address = client.scheduler.address if client.scheduler else "?"
        raise WorkerError(
            f"The Dask scheduler at {address} can't be reached ({type(error).__name__}: {error}). What had finished is "
            "kept: make a new Client and search again in the same directory."
        ) from error


def _run_on_worker(search: str, packed: bytes, ticket: Ticket, request: Request, files: Mapping[str, bytes]) -> Result:
    """The task that Dask runs, in a thread of a worker."""
    from distributed import Event, Queue

    reports, answers = Queue(search), Queue(f"{search}-{ticket}")
    is_over = Event(f"{search}-over")

    def send(message: ReportMessage) -> None:
        if is_over.is_set():
            raise SearchGone("the search has ended")
        reports.put(pickle.dumps((ticket, message)))

    def answer() -> str | None:
        try:
            text: str = answers.get(timeout=PATIENCE)
        except TimeoutError as error:
            raise SearchGone(f"the search did not answer for {PATIENCE:g} seconds") from error
        return text or None

    def has_answer() -> bool:
        return bool(answers.qsize())

    return run_trial_here(search, packed, request, files, send, answer, has_answer)
