"""The messages between the search and its workers in other processes: plain data, whatever carries it.

A trial is sent as `request.portable()`. While it runs, its worker sends what the trial reports, by `RemoteReport`; the
search passes it to the trial's own `Report`, by `deliver`. The last message of a trial is `Finished` or `Mistake`.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cloudpickle

from kerastune_lite.errors import WorkerError
from kerastune_lite.running.task import AskedParameters, Outcome, Report
from kerastune_lite.space import Space, parameter_from_json
from kerastune_lite.study.labels import labelled
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.texts import text_of


@dataclass(frozen=True)
class ModelBuilt:
    """The first model of a trial is built.

    Attributes:
        objective: What is optimised, with its direction.
        epochs: How long the trial will train, where that is known.
    """

    objective: Objective
    epochs: int | None


@dataclass(frozen=True)
class EpochLogs:
    """An epoch of a trial has ended. Where the request awaits stop decisions, the worker waits for the answer.

    Attributes:
        run: Which training of the trial it belongs to, from 0.
        epoch: The epoch, from 0.
        logs: Its metrics.
    """

    run: int
    epoch: int
    logs: Mapping[str, float]


@dataclass(frozen=True)
class Finished:
    """A trial has ended, with a score or with an error that fails it.

    Attributes:
        outcome: What it came to.
    """

    outcome: Outcome


@dataclass(frozen=True)
class Mistake:
    """A trial has raised what ends the whole search: a mistake in the call, or Ctrl-C.

    Attributes:
        error: The exception, pickled.
    """

    error: bytes

    @classmethod
    def of(cls, error: BaseException) -> Mistake:
        """The message of an exception, with the worker's traceback as a note.

        An exception that can't be pickled is replaced by a WorkerError with its text.
        """
        text = "".join(traceback.format_exception(error))
        for sent in (error, WorkerError(f"{type(error).__name__}: {text_of(error)}")):
            sent.add_note(f"In the worker:\n{text}")
            try:
                packed = cloudpickle.dumps(sent.with_traceback(None))
                pickle.loads(packed)
            except Exception:
                continue
            return cls(packed)
        raise AssertionError("an error of this library can be pickled")

    def unpacked(self) -> BaseException:
        """The exception."""
        error: BaseException = pickle.loads(self.error)
        return error


ReportMessage = AskedParameters | ModelBuilt | EpochLogs
"""What a trial sends while it runs, one type for each method of `Report`."""

LastMessage = Finished | Mistake
"""What a trial sends when it has ended."""


class RemoteReport:
    """The report of a trial in another process: it sends everything to the search.

    Args:
        send: Sends a message to the search.
        answer: Waits for the search's answer to an epoch.
        awaits_stop_decision: Whether the search answers each epoch.
        has_answer: Whether there is an answer that wasn't waited for: a person has stopped the search.
    """

    def __init__(
        self,
        send: Callable[[ReportMessage], None],
        answer: Callable[[], str | None],
        awaits_stop_decision: bool,
        has_answer: Callable[[], bool] = lambda: False,
    ) -> None:
        self._send = send
        self._answer = answer
        self._awaits_stop_decision = awaits_stop_decision
        self._has_answer = has_answer

    def asked(self, asked: AskedParameters) -> None:
        """Sends the parameters, with labels for options that are objects: both sides keep those of their build_fn."""
        parameters = Space(parameter_from_json(parameter.describe()) for parameter in asked.parameters)
        self._send(AskedParameters(parameters, labelled(asked.values, asked.parameters)))

    def built(self, objective: Objective, epochs: int | None) -> None:
        """Sends what the first model shows."""
        self._send(ModelBuilt(objective, epochs))

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Sends an epoch, and waits for the search's answer where it gives one."""
        self._send(EpochLogs(run, epoch, dict(logs)))
        return self._answer() if self._awaits_stop_decision or self._has_answer() else None


def deliver(message: ReportMessage, report: Report) -> str | None:
    """Passes a message to the report of its trial; returns the answer to an epoch."""
    match message:
        case AskedParameters():
            report.asked(message)
        case ModelBuilt():
            report.built(message.objective, message.epochs)
        case EpochLogs():
            return report.epoch(message.run, message.epoch, message.logs)
    return None
