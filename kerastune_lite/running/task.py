"""What the search and a worker say to each other about one trial: plain data, whatever kind of worker it is.

`Shared` is given to a worker once, a `Request` for each trial. The trial is told of while it runs by a `Report`, and
comes to an `Outcome`.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import HyperParameters, Presets, Space, Value, parameter_from_json
from kerastune_lite.study.files import of_run
from kerastune_lite.study.labels import labelled
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Note, Trained, Trial, TrialFailure

if TYPE_CHECKING:
    from keras.callbacks import Callback

    CallbackSource = Sequence[Callback] | Callable[[Trial], Sequence[Callback]]
    """Keras callbacks that are copied for each trial, or a function of the trial that makes them."""

EngineName = Literal["auto", "fit"]
"""What trains: compiled epochs that trials share where that is possible, or always a plain `fit`."""

BuildFunction = Callable[[HyperParameters], Any]
"""Returns a compiled model, `(model, fit_arguments)`, or the result of its own training."""


class Builder(Protocol):
    """An object that builds a model, and perhaps has a `fit(hp, model, *args, **kwargs)` of its own."""

    def build(self, hp: HyperParameters) -> Any:
        """What a `BuildFunction` returns."""
        ...


class TrialRunner(Protocol):
    """A builder that runs whole trials itself: what another library's way to write trials is made of.

    Its `run_trial` may train by `trainings`, by other means, or not at all, with whatever arguments it holds.
    """

    def build(self, hp: HyperParameters) -> Any:
        """The model of a setting; it is asked where a model is wanted and not a trial."""
        ...

    def run_trial(self, hp: HyperParameters, trainings: Trainings) -> Any:
        """Runs a trial, and returns its result: what a function may return that trains by itself.

        None means the scores of the trainings.
        """
        ...


class Trainings(Protocol):
    """The trainings of one trial, for a `TrialRunner`."""

    @property
    def trial(self) -> Trial:
        """The trial as it begins."""

    def train(
        self, builder: Builder, data: TrainingData, callbacks: CallbackSource = ()
    ) -> Sequence[Sequence[Mapping[str, float]]]:
        """Trains a builder's model as a search trains it, as many times as each setting is to be trained.

        Returns:
            The learning curve of each training.
        """

    def restart(self) -> None:
        """Forgets the trainings until now, so that the trial can be tried again."""


def trial_runner_of(build_fn: BuildFunction | Builder | TrialRunner) -> TrialRunner | None:
    """The build_fn itself, where it is an object that runs whole trials."""
    runner: Any = build_fn if hasattr(build_fn, "build") and hasattr(build_fn, "run_trial") else None
    return runner  # type: ignore[no-any-return]


OwnFit = Callable[..., Any]
"""The `fit(hp, model, *data, **fit_arguments)` of a builder's own."""


def own_fit_of(build_fn: BuildFunction | Builder) -> OwnFit | None:
    """The `fit` of an object that builds, where it has one of its own."""
    return getattr(build_fn, "fit", None) if hasattr(build_fn, "build") else None


def call_own_fit(own_fit: OwnFit, hp: HyperParameters, model: Any, arguments: Mapping[str, Any]) -> Any:
    """Calls a fit of the user's own with the arguments of `model.fit`, of which x and y are given by position."""
    data = [arguments[name] for name in ("x", "y") if name in arguments]
    named = {name: value for name, value in arguments.items() if name not in ("x", "y")}
    return own_fit(hp, model, *data, **named)


@dataclass(frozen=True)
class Shared:
    """What all trials of a search share.

    Attributes:
        build_fn: The user's function or object.
        data: What to train on, and the other arguments of `fit`.
        callbacks: As the user gave them.
        engine: What trains.
        objective_is_given: Whether a person named the objective, or the search took the loss.
        presets: What a person said of parameters outside of build_fn.
        try_defaults: Whether the first trial has the defaults of those parameters that have one.
    """

    build_fn: BuildFunction | Builder
    data: TrainingData = field(default_factory=TrainingData)
    callbacks: CallbackSource = ()
    engine: EngineName = "auto"
    objective_is_given: bool = True
    presets: Presets = field(default_factory=Presets)
    try_defaults: bool = True


@dataclass(frozen=True, kw_only=True)
class Request:
    """One trial to run.

    Attributes:
        trial: The trial as it begins: its number, the values to try, and how to train them.
        space: The parameters known so far.
        objective: What is optimised; its direction may still be unknown.
        study_seed: What the seeds of the runs are derived from.
        runs: How many times to train; with cross-validation, on one fold after the other.
        first_run: How many times the trial was trained before; each run of a trial has a seed of its own.
        seconds_left: The time that is left for the whole search, or None.
        model_path: Where to keep the model, or None.
        weights_path: Where to keep its weights alone, if Keras can't write and read the model.
        score_to_beat: The score that the model has to beat to be kept; None keeps any.
        checkpoint: Where the training that this one goes on from was kept, or None.
        checkpoint_path: Where to keep the training if it pauses.
        awaits_stop_decision: Whether the search may end the trial after an epoch. A worker in another process waits
            for the search's answer to each epoch then, and else for none.
    """

    trial: Trial
    space: Space
    objective: Objective
    study_seed: int
    runs: int = 1
    first_run: int = 0
    seconds_left: float | None = None
    model_path: Path | None = None
    weights_path: Path | None = None
    score_to_beat: float | None = None
    checkpoint: Path | None = None
    checkpoint_path: Path | None = None
    awaits_stop_decision: bool = False

    def portable(self) -> Request:
        """The same request for another process: paths are absolute, and options that are objects stand as labels.

        The worker's own build_fn has the objects, so both sides keep their own.
        """
        return dataclasses.replace(
            self,
            trial=dataclasses.replace(self.trial, values=labelled(self.trial.values, self.space)),
            space=Space((parameter_from_json(parameter.describe()) for parameter in self.space), self.space.remembered),
        ).with_files_at(Path.absolute)

    def with_files_at(self, place: Callable[[Path], Path]) -> Request:
        """The same request with its files at other places, each where `place` says of it."""
        named: dict[str, Any] = {name: place(path) for name in _PATHS if (path := getattr(self, name)) is not None}
        return dataclasses.replace(self, **named)

    def paths(self) -> dict[str, Path]:
        """The files that the trial reads and writes, by a name for each: those of the first run by their fields'."""
        kept = {"model_path": self.model_path, "weights_path": self.weights_path}
        written = {name: path for name, path in kept.items() if path is not None}
        return written | self.read_paths() | self._of_runs("checkpoint_path", self.checkpoint_path)

    def read_paths(self) -> dict[str, Path]:
        """The files that the trial reads, likewise."""
        return self._of_runs("checkpoint", self.checkpoint)

    def _of_runs(self, name: str, path: Path | None) -> dict[str, Path]:
        if path is None:
            return {}
        return {f"{name} {run}" if run else name: of_run(path, run) for run in range(self.first_run + self.runs)}


@dataclass(frozen=True)
class AskedParameters:
    """What a build asked for.

    Attributes:
        parameters: Everything that it asked for, inactive parameters included.
        values: The active parameters and their values.
    """

    parameters: Space
    values: Mapping[str, Value]


class Report(Protocol):
    """What the search is told of a trial while it runs."""

    def asked(self, asked: AskedParameters) -> None:
        """What the user's code has asked for until now."""

    def built(self, objective: Objective, epochs: int | None) -> None:
        """The first model is built: the objective has a direction now, and it is known how long it will train."""

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """An epoch has ended. Answers why there is to be no further one, or None."""


@dataclass(frozen=True)
class Usage:
    """What a trial has taken.

    Attributes:
        seconds: How long it took.
        cores: How many cores it kept busy in the mean, after its first epoch where it had several: that one traces.
        memory: The most bytes that its process has held; None where the system doesn't tell.
    """

    seconds: float
    cores: float
    memory: int | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial came to: scores, or the error that failed it.

    Attributes:
        scores: One a run.
        best_epochs: The best epoch of each run, or None where the score is of no recorded epoch.
        best_run: Which run had the best score.
        best_epoch: Its best epoch.
        stop_reason: Why it ended early, or None.
        is_stopped: Whether the search ended it, and not the user's callbacks.
        trained: How the last run was trained; None where build_fn trained by itself.
        seconds_saved: How long the engine would have traced what it had traced before.
        error: Why the trial failed, or None.
        is_rejected: Whether the user's code gave the setting up.
        notes: Remarks for the trial's record.
        usage: What it took of its machine; None where it wasn't measured.
        returned: What build_fn returned besides the model or the metrics of epochs, as JSON can hold it.
    """

    scores: tuple[float, ...] = ()
    best_epochs: tuple[int | None, ...] = ()
    best_run: int = 0
    best_epoch: int | None = None
    stop_reason: str | None = None
    is_stopped: bool = False
    trained: Trained | None = None
    seconds_saved: float = 0.0
    error: TrialFailure | None = None
    is_rejected: bool = False
    notes: tuple[Note, ...] = ()
    usage: Usage | None = None
    returned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float | None:
        """The mean over runs; None of a trial that failed."""
        return statistics.fmean(self.scores) if self.scores and self.error is None else None


_PATHS = ("model_path", "weights_path", "checkpoint", "checkpoint_path")
