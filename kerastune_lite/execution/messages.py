"""What the search and its workers in other processes say to each other: plain data, whatever carries it.

Parameters and values travel as the journal has them, options that are objects by their places, so that both sides
keep the objects of their own build_fn.
"""

from __future__ import annotations

import dataclasses
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from kerastune_lite.errors import WorkerError
from kerastune_lite.space import Space, from_json, parameter_from_json
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import values_to_json
from kerastune_lite.study.trial import Trial
from kerastune_lite.training.one_trial import Asked, Outcome, Report, Task


@dataclass(frozen=True)
class Order:
    """One trial to run: what its `Task` holds beside what all trials share.

    Attributes:
        fields: The fields of the task, but for the space.
        space: The parameters known, described.
        wants_answers: Whether an epoch may be the last one by the search's word.
    """

    fields: Mapping[str, Any]
    space: Sequence[Mapping[str, Any]]
    wants_answers: bool


@dataclass(frozen=True)
class AskedFor:
    """What a build asked for."""

    parameters: Sequence[Mapping[str, Any]]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Built:
    """A trial's first model is built."""

    objective: Objective
    epochs: int | None


@dataclass(frozen=True)
class Epoch:
    """An epoch has ended. Where the order wants answers, the worker waits for why there is to be no further one."""

    run: int
    epoch: int
    logs: Mapping[str, float]


@dataclass(frozen=True)
class Finished:
    """The trial has ended, well or failed."""

    outcome: Outcome


@dataclass(frozen=True)
class Mistake:
    """The trial ended by what ends a search: the exception, pickled."""

    error: bytes

    @classmethod
    def of(cls, error: BaseException) -> Mistake:
        """The message of an exception, with the worker's traceback as a note."""
        text = "".join(traceback.format_exception(error))
        for sent in (error, WorkerError(f"{type(error).__name__}: {error}")):
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


@dataclass(frozen=True)
class Shared:
    """What all trials of a search share: see `Task`."""

    build_fn: Any
    data: Any
    callbacks: Any
    engine_name: Any


SHARED = ("build_fn", "data", "callbacks")


def order_of(task: Task, *, wants_answers: bool) -> Order:
    """A task without what the workers have already."""
    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task) if f.name not in (*SHARED, "space")}
    fields |= {name: value.absolute() for name, value in fields.items() if isinstance(value, Path)}
    fields["trial"] = _with_labels(task.trial, task.space)
    return Order(fields, [parameter.describe() for parameter in task.space], wants_answers)


def task_of(order: Order, shared: Shared) -> Task:
    """The task of an order, with what the worker has."""
    return Task(
        build_fn=shared.build_fn,
        data=shared.data,
        callbacks=shared.callbacks,
        space=Space(map(parameter_from_json, order.space)),
        **order.fields,
    )


class Told:
    """A trial's report that is sent away.

    Args:
        send: Sends a message.
        answer: Waits for the answer to an epoch.
        wants_answers: Whether there is one.
    """

    def __init__(self, send: Callable[[Any], None], answer: Callable[[], str | None], wants_answers: bool) -> None:
        self._send = send
        self._answer = answer
        self._wants_answers = wants_answers

    def asked(self, asked: Asked) -> None:
        """Tells what was asked for."""
        parameters = [parameter.describe() for parameter in asked.parameters]
        self._send(AskedFor(parameters, values_to_json(asked.values, asked.parameters)))

    def built(self, objective: Objective, epochs: int | None) -> None:
        """Tells what the first model shows."""
        self._send(Built(objective, epochs))

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Tells an epoch, and waits for the answer where there may be one."""
        self._send(Epoch(run, epoch, dict(logs)))
        return self._answer() if self._wants_answers else None


def hand_on(message: Any, report: Report) -> str | None:
    """Tells a report what a message says; the answer to an epoch."""
    match message:
        case AskedFor():
            values = {name: from_json(value) for name, value in message.values.items()}
            report.asked(Asked(Space(map(parameter_from_json, message.parameters)), values))
        case Built():
            report.built(message.objective, message.epochs)
        case Epoch():
            return report.epoch(message.run, message.epoch, message.logs)
    return None


def _with_labels(trial: Trial, space: Space) -> Trial:
    told = values_to_json(trial.values, space)
    return dataclasses.replace(trial, values={name: from_json(value) for name, value in told.items()})
