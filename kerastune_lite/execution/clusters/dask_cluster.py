"""Trials on the workers of a Dask cluster; reports and answers go through Dask's own queues."""

from __future__ import annotations

import concurrent.futures
import pickle
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.clusters.remote_workers import Result, SearchGone, Ticket, run_trial_here
from kerastune_lite.execution.messages import Order, Shared
from kerastune_lite.execution.packing import pack_whole
from kerastune_lite.execution.worker_setup import parts_of

T = TypeVar("T")

POLL = 0.03
"""Seconds between two looks into the queue of reports."""
LOOK_EVERY = 1.0
"""Seconds between two questions to the scheduler which workers live."""
PATIENCE = 120.0
"""Seconds that a trial waits for an answer before it takes its search for dead."""


def is_dask_client(executor: Any) -> bool:
    """Whether it is a `dask.distributed.Client`, without importing Dask for it."""
    return type(executor).__module__.split(".")[0] == "distributed" and hasattr(executor, "scheduler_info")


class DaskCluster:
    """A Dask cluster, as `RemoteWorkers` uses it.

    Args:
        client: A `dask.distributed.Client`.
        shared: What all trials share; it is sent to each worker once.

    Raises:
        WorkerError: What is shared can't be sent, or the scheduler can't be reached.
    """

    def __init__(self, client: Any, shared: Shared) -> None:
        from distributed import Event, Queue

        self._client = client
        self._search = f"kerastune_lite-{uuid.uuid4().hex}"
        packed = pack_whole(parts_of(shared))
        self._packed = self._asked(lambda: client.scatter(packed, broadcast=True, hash=False))
        self._reports = self._asked(lambda: Queue(self._search, client=client))
        self._is_over = self._asked(lambda: Event(f"{self._search}-over", client=client))
        self._answers: dict[Ticket, Any] = {}
        self._places: list[str] = []
        self._looked_at = 0.0

    def _asked(self, question: Callable[[], T]) -> T:
        """The scheduler's answer; WorkerError where there is none."""
        lost = (OSError, TimeoutError, concurrent.futures.CancelledError, RuntimeError, ValueError)
        try:
            if self._client.status != "running":
                raise OSError(f"the client is {self._client.status}")
            return question()
        except lost as error:
            raise WorkerError(
                f"The Dask scheduler at {self._client.scheduler.address if self._client.scheduler else '?'} can't be "
                f"reached ({type(error).__name__}: {error}). What had finished is kept: make a new Client and search "
                "again in the same directory."
            ) from error

    def places(self) -> Collection[str]:
        """The addresses of the workers."""
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._places = list(self._asked(self._client.nthreads))
            self._looked_at = time.monotonic()
        return self._places

    def submit(self, place: str, ticket: Ticket, order: Order, files: Mapping[str, bytes]) -> Any:
        """Sends a trial to one worker; another gets it by the search's own decision only."""
        return self._asked(
            lambda: self._client.submit(
                _run_on_worker,
                self._search,
                self._packed,
                ticket,
                order,
                files,
                key=f"{self._search}-trial-{ticket}",
                workers=[place],
                pure=False,
                retries=0,
            )
        )

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, Any]]:
        """What the trials have put into the queue."""
        until = time.monotonic() + seconds
        while True:
            told = self._asked(lambda: self._reports.get(batch=True))
            # A waiting `get` would have the scheduler log an error each time that it waits in vain.
            if told or time.monotonic() >= until:
                return [pickle.loads(message) for message in told]
            time.sleep(POLL)

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Puts an answer into the attempt's queue."""
        from distributed import Queue

        if ticket not in self._answers:
            name = f"{self._search}-{ticket}"
            self._answers[ticket] = self._asked(lambda: Queue(name, client=self._client))
        self._asked(lambda: self._answers[ticket].put(text or ""))

    def close(self) -> None:
        """Lets trials end with their epoch, and forgets the queues."""
        if self._client.status != "running":
            return
        self._is_over.set()
        for queue in (self._reports, *self._answers.values()):
            queue.close()


def _run_on_worker(search: str, packed: bytes, ticket: Ticket, order: Order, files: Mapping[str, bytes]) -> Result:
    """The task: runs in a thread of a Dask worker."""
    from distributed import Event, Queue

    reports, answers = Queue(search), Queue(f"{search}-{ticket}")
    is_over = Event(f"{search}-over")

    def send(message: Any) -> None:
        if is_over.is_set():
            raise SearchGone("the search has ended")
        reports.put(pickle.dumps((ticket, message)))

    def answer() -> str | None:
        try:
            text: str = answers.get(timeout=PATIENCE)
        except TimeoutError as error:
            raise SearchGone(f"the search did not answer for {PATIENCE:g} seconds") from error
        return text or None

    return run_trial_here(search, packed, order, files, send, answer)
