"""The events of a study: what can happen, each with a type of its own, and how the journal writes it.

A study is folded from these (study.py) and a view is shown them. Each type writes itself with `to_json`, and
event_lines.py reads it; nothing else knows the names of a journal's fields. The events of a search's begin and end are
shown to views only: a study has as many searches as it was resumed, and none of them is a fact about its trials. What
one is done with is journaled where it changes, since the scores of trials depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from kerastune_lite.space import OptionLabel, Parameter, Value, to_json
from kerastune_lite.study.journal import FORMAT_VERSION
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.read_only import ReadOnlyDict
from kerastune_lite.study.texts import LONGEST_MESSAGE, bounded
from kerastune_lite.study.trial import Note, Trained, TrialFailure, TrialPlan, TrialState


@dataclass(frozen=True, kw_only=True)
class StudyBegun:
    """A study was made, or its objective's direction became known.

    Attributes:
        objective: What it optimises.
        seed: What every random choice of its searches is drawn from.
    """

    kind: ClassVar[str] = "study"
    is_flushed: ClassVar[bool] = True

    objective: Objective | None
    seed: int | None

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        name, direction = (None, None) if self.objective is None else (self.objective.name, self.objective.direction)
        return {"version": FORMAT_VERSION, "objective": name, "direction": direction, "seed": self.seed}


@dataclass(frozen=True, kw_only=True)
class ParameterLearned:
    """A build asked for a parameter that the study didn't know, or knew under other conditions.

    Attributes:
        parameter: The parameter, with labels for options that are objects.
    """

    kind: ClassVar[str] = "parameter"
    is_flushed: ClassVar[bool] = False

    parameter: Parameter

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return self.parameter.describe()


@dataclass(frozen=True, kw_only=True)
class SpaceReviewed:
    """build_fn was asked again with the settings of earlier trials: what it no longer asks for is known now.

    Attributes:
        differing: The numbers of all trials of which it no longer asks for the same parameters. Earlier lines of this
            kind no longer count.
        dropped: The names of the parameters that no longer belong to the space.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "differing"
    is_flushed: ClassVar[bool] = True

    differing: tuple[int, ...] = ()
    dropped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"differing": list(self.differing), "dropped": list(self.dropped)}


@dataclass(frozen=True, kw_only=True)
class SearchDescribed:
    """A search begins that is done with something else than the one before it, or is the first one.

    Attributes:
        description: What it is done with: the strategy's plan, epochs and arguments of `fit`, a summary of the data,
            and versions. A mapping of names to what JSON can hold.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "search"
    is_flushed: ClassVar[bool] = False

    description: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"search": dict(self.description)}


@dataclass(frozen=True, kw_only=True)
class TrialBegun:
    """A trial began, was begun again after its process died, or goes on after a pause.

    Attributes:
        trial: Its number.
        values: The setting that it is given, options that are objects by their labels.
        attempt: How many times it has been begun now.
        seed: What its first run is seeded with.
        notes: Remarks on where its setting comes from and on earlier attempts.
        plan: How it is to be trained.
        folds: How many folds its trainings take turns in; 0 without cross-validation.
        memory: What the strategy wants to find again.
        time: When it was written down; None before.
    """

    kind: ClassVar[str] = "begin"
    is_flushed: ClassVar[bool] = True

    trial: int
    values: Mapping[str, Value]
    attempt: int = 1
    seed: int | None = None
    notes: tuple[Note, ...] = ()
    plan: TrialPlan = field(default_factory=TrialPlan)
    folds: int = 0
    memory: Mapping[str, Any] = field(default_factory=ReadOnlyDict)
    time: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        plan = self.plan
        decided = {
            "epochs": plan.epochs,
            "pause_at": plan.pause_at,
            "is_turn": plan.continues_as_new_trial or None,
            "resumed_from": plan.resumed_from,
            "resumed_at": None if plan.resumed_from is None else plan.resumed_at,
            "folds": self.folds or None,
            "memory": dict(self.memory) or None,
        }
        return {
            "trial": self.trial,
            "values": _values_to_json(self.values),
            "attempt": self.attempt,
            "seed": self.seed,
            "notes": _notes_to_json(self.notes),
            "unseen": plan.fill,
            **{name: value for name, value in decided.items() if value is not None},
        }


@dataclass(frozen=True, kw_only=True)
class ParametersKnown:
    """A trial's build has shown which parameters it asks for, and their values.

    Attributes:
        trial: The trial's number.
        values: The active parameters in the order asked for, options that are objects by their labels.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "values"
    is_flushed: ClassVar[bool] = False

    trial: int
    values: Mapping[str, Value]

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"trial": self.trial, "values": _values_to_json(self.values)}


@dataclass(frozen=True, kw_only=True)
class EpochsKnown:
    """It is known how many epochs a trial is to train.

    Attributes:
        trial: The trial's number.
        epochs: How many.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "epochs"
    is_flushed: ClassVar[bool] = False

    trial: int
    epochs: int

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"trial": self.trial, "epochs": self.epochs}


@dataclass(frozen=True, kw_only=True)
class EpochEnded:
    """An epoch of a trial has ended.

    Attributes:
        trial: The trial's number.
        run: Which of the trial's trainings it belongs to, from 0.
        epoch: The epoch, from 0.
        logs: What Keras reported of it.
    """

    kind: ClassVar[str] = "epoch"
    is_flushed: ClassVar[bool] = False

    trial: int
    run: int = 0
    epoch: int
    logs: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        run = {"run": self.run} if self.run else {}
        return {"trial": self.trial, "epoch": self.epoch, **run, "logs": dict(self.logs)}


@dataclass(frozen=True, kw_only=True)
class WorkerLost:
    """A trial's worker died or hung, and the trial will be begun again.

    Attributes:
        trial: The trial's number.
        reason: What is known of the worker's end.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "lost"
    is_flushed: ClassVar[bool] = False

    trial: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"trial": self.trial, "lost": self.reason}


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial has ended, in whichever state.

    It says again what earlier lines said of the trial, so that a damaged one of those costs nothing but an epoch.

    Attributes:
        trial: The trial's number.
        state: How it ended.
        values: Its active parameters, options that are objects by their labels.
        objective: What was optimised.
        score: The mean over runs, or None.
        best_epoch: The best run's best epoch.
        best_run: Which run was the best.
        best_epochs: The best epoch of each run, where there were several.
        scores: One score a run.
        seconds: How long it took.
        started: When it began.
        stop_reason: Why training ended early, or None.
        error: Why it failed or was interrupted, or None.
        is_rejected: Whether it failed because the user's code gave its setting up.
        trained: How it was trained.
        attempts: How many times it was begun.
        seed: What its first run was seeded with.
        notes: Remarks for its record.
        returned: What build_fn returned besides the model or the metrics of epochs.
        time: When it was written down; None before.
    """

    kind: ClassVar[str] = "end"
    is_flushed: ClassVar[bool] = True

    trial: int
    state: TrialState
    values: Mapping[str, Value]
    objective: Objective | None = None
    score: float | None = None
    best_epoch: int | None = None
    best_run: int = 0
    scores: tuple[float, ...] = ()
    best_epochs: tuple[int | None, ...] = ()
    seconds: float | None = None
    started: datetime | None = None
    stop_reason: str | None = None
    error: TrialFailure | None = None
    is_rejected: bool = False
    trained: Trained | None = None
    attempts: int | None = None
    seed: int | None = None
    notes: tuple[Note, ...] | None = None
    returned: Mapping[str, Any] = field(default_factory=ReadOnlyDict)
    time: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {
            "trial": self.trial,
            "objective": None if self.objective is None else self.objective.name,
            "direction": None if self.objective is None else self.objective.direction,
            "state": self.state.value,
            "values": _values_to_json(self.values),
            "score": self.score,
            "best_epoch": self.best_epoch,
            "best_run": self.best_run,
            "scores": list(self.scores),
            **({"best_epochs": list(self.best_epochs)} if len(self.best_epochs) > 1 else {}),
            "seconds": self.seconds,
            "started": None if self.started is None else self.started.isoformat(),
            "stop_reason": None if self.stop_reason is None else bounded(str(self.stop_reason), LONGEST_MESSAGE),
            "error": None if self.error is None else asdict(self.error),
            **({"rejected": True} if self.is_rejected else {}),
            "engine": None if self.trained is None else str(self.trained),
            "attempts": self.attempts,
            "seed": self.seed,
            "notes": _notes_to_json(self.notes or ()),
            **({"returned": dict(self.returned)} if self.returned else {}),
        }


@dataclass(frozen=True)
class Effort:
    """What one training took.

    Attributes:
        epochs: How many epochs it trained.
        seconds: How long it took.
    """

    epochs: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A finished trial was trained again with a new seed.

    Attributes:
        trial: The trial's number.
        scores: The scores of all its confirmations so far, the new one last.
        effort: What this training took; None in journals of earlier versions.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "confirmed"
    is_flushed: ClassVar[bool] = True

    trial: int
    scores: tuple[float, ...]
    effort: Effort | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        return {"trial": self.trial, "confirmed": list(self.scores), **_effort_to_json(self.effort)}


@dataclass(frozen=True, kw_only=True)
class ConfirmationFailed:
    """A finished trial was trained again with a new seed, and that training failed.

    Attributes:
        trial: The trial's number.
        error: Why; None where nothing is known.
        effort: What that training took; None in journals of earlier versions.
    """

    kind: ClassVar[str] = "note"
    key: ClassVar[str] = "confirmation_failed"
    is_flushed: ClassVar[bool] = True

    trial: int
    error: TrialFailure | None
    effort: Effort | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of the journal's line."""
        error = None if self.error is None else asdict(self.error)
        return {"trial": self.trial, "confirmation_failed": error, **_effort_to_json(self.effort)}


@dataclass(frozen=True, kw_only=True)
class SearchBegun:
    """A search begins in this process. It is shown to views and not journaled.

    Attributes:
        remarks: What a person should know of the journal that was found.
        max_trials: How many trials the study will hold, where that is bounded.
        max_seconds: How long the search may take, where that is bounded.
        max_epochs: How many epochs all trials will train, where that is planned or bounded.
        trainings: How many trainings a trial has that nothing stops, one after the other: one on each fold where it is
            cross-validated, as many times as each setting is trained.
        folds: How many folds each setting is cross-validated on; 0 without cross-validation.
        is_kept: Whether the study stays on disk when the search has ended.
    """

    remarks: Sequence[str] = ()
    max_trials: int | None = None
    max_seconds: float | None = None
    max_epochs: int | None = None
    trainings: int = 1
    folds: int = 0
    is_kept: bool = True


@dataclass(frozen=True, kw_only=True)
class SearchEnded:
    """A search has ended in this process. It is shown to views and not journaled.

    Attributes:
        reason: Why it ended; None where an exception ended it, which is on its way to the user.
        is_interrupted: Whether that exception was a person's Ctrl-C or the system's order to end (SIGTERM).
        seconds_saved: How long its trials would have traced what the engine had traced before.
        remarks: What else a person should know at the end.
        is_kept: Whether the study stays on disk.
    """

    reason: str | None
    is_interrupted: bool = False
    seconds_saved: float = 0.0
    remarks: Sequence[str] = field(default_factory=tuple)
    is_kept: bool = True


@dataclass(frozen=True, kw_only=True)
class WorkersChosen:
    """It was chosen how many processes run the trials that are left. It is shown to views and not journaled.

    Attributes:
        workers: The number of processes; 1 stands for the one that ran the first trial.
        text: How many, and why, for a person.
    """

    workers: int
    text: str


@dataclass(frozen=True, kw_only=True)
class JournalRestored:
    """The journal's file had vanished or was moved while the search ran. It is shown to views and not journaled.

    Attributes:
        remark: What a person should know.
    """

    remark: str


JournaledEvent = (
    StudyBegun
    | ParameterLearned
    | SpaceReviewed
    | SearchDescribed
    | TrialBegun
    | ParametersKnown
    | EpochsKnown
    | EpochEnded
    | WorkerLost
    | TrialEnded
    | Confirmed
    | ConfirmationFailed
)
"""What a study is folded from."""

Event = JournaledEvent | SearchBegun | WorkersChosen | SearchEnded | JournalRestored
"""What a view is shown."""


def _effort_to_json(effort: Effort | None) -> dict[str, Any]:
    return {} if effort is None else {"effort": asdict(effort)}


def _values_to_json(values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        name: {"choice": value.place, "label": str(value)} if isinstance(value, OptionLabel) else to_json(value)
        for name, value in values.items()
    }


def _notes_to_json(notes: Sequence[Note]) -> list[Any]:
    return [{"kind": note.kind, "text": bounded(str(note), LONGEST_MESSAGE)} for note in notes]
