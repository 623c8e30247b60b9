"""The protocol of a cluster: five methods that carry trials to workers, and their messages back.

Nothing is asked of a shared disk: the files that a trial reads and writes travel with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kerastune_lite.execution.messages import LastMessage, ReportMessage
from kerastune_lite.running.task import Request

Ticket = str
"""The name of one attempt at one trial."""


@dataclass(frozen=True)
class Result:
    """The result of an attempt.

    Attributes:
        message: The outcome of the trial, or the mistake that ends the search.
        files: The content of the files that the trial wrote, by the names that the request gives them.
    """

    message: LastMessage
    files: Mapping[str, bytes]


class Future(Protocol):
    """An attempt that was submitted, as `concurrent.futures.Future` and Dask have it."""

    def done(self) -> bool:
        """Whether the attempt has ended."""
        ...

    def result(self) -> Result:
        """What `run_trial_here` returned in the worker; what it raised is raised."""
        ...

    def cancel(self) -> object:
        """Takes the attempt back, if it hasn't begun."""
        ...


class Cluster(Protocol):
    """Carries trials to the workers of a cluster, and what they send back to the search."""

    def places(self) -> Collection[str]:
        """The names of the workers that are alive; each is given one trial at a time.

        Raises:
            WorkerError: The cluster can't be reached.
        """
        ...

    def submit(self, place: str, ticket: Ticket, request: Request, files: Mapping[str, bytes]) -> Future:
        """Lets a worker call `run_trial_here(search, packed, request, files, send, answer)`, exactly once.

        Args:
            place: The worker.
            ticket: The attempt; what the worker sends has to come back with it.
            request: The trial. It can be pickled.
            files: The content of the files that the trial reads, by the names that the request gives them.
        """
        ...

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, ReportMessage]]:
        """What workers have sent since the last call, oldest first; waits up to `seconds` for the first message.

        All that an attempt sent has to be returned at the latest by the first call after its future is done.
        """
        ...

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Sends the search's answer to an attempt that waits: why the trial is to end with this epoch, or None.

        Where a person has stopped the search, a reason is also sent to attempts that don't wait. They end with their
        epoch if `run_trial_here` was given `has_answer`, and else are trained to their end.
        """
        ...

    def close(self) -> None:
        """Lets attempts that still run know that the search has ended."""
        ...
