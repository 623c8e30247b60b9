"""The fold of a study's events: what each of them changes.

A `Fold` begins with a study, takes in events, and gives the study after them; in between it alone has the dicts and
sets that it changes. So a journal of any length is read without a study for each of its lines, and one event of a
search costs no more than what it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import index
from typing import Any

from kerastune_lite.space import Parameter, Value
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    Effort,
    EpochEnded,
    EpochsKnown,
    JournaledEvent,
    ParameterLearned,
    ParametersKnown,
    SearchDescribed,
    SpaceReviewed,
    StudyBegun,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.labels import moved
from kerastune_lite.study.read_only import ReadOnlyDict
from kerastune_lite.study.series import Series
from kerastune_lite.study.trial import Curve, Trial

EventOfTrial = TrialBegun | ParametersKnown | EpochsKnown | TrialEnded | Confirmed | WorkerLost | ConfirmationFailed

_HOLE: Mapping[str, float] = ReadOnlyDict()


class Fold:
    """A study's facts while events are folded in. An event that is refused with an error changes nothing.

    Args:
        facts: The attributes of the study that events change, by their names: objective, seed, space, differing,
            outranged and latest_search.
        records: Every trial until now.

    Attributes:
        facts: These attributes as they are now.
        changed: The trials that events have changed or begun, by their numbers; `finish` makes it complete.
    """

    def __init__(self, facts: Mapping[str, Any], records: Mapping[int, Trial]) -> None:
        self.facts = dict(facts)
        self.changed: dict[int, Trial] = {}
        self._records = records
        self._epochs: dict[int, list[EpochEnded]] = {}

    def add(self, event: JournaledEvent) -> None:
        """Takes in one more event.

        Raises:
            TypeError: A number is none.
            ValueError: A number is below 0.
        """
        match event:
            case StudyBegun():
                self.facts |= {"objective": event.objective, "seed": event.seed}
            case ParameterLearned():
                self._learn(event.parameter)
            case SpaceReviewed():
                space = self.facts["space"].without(event.dropped)
                self.facts |= {"space": space, "differing": frozenset(event.differing)}
            case SearchDescribed():
                self.facts["latest_search"] = event.description
            case EpochEnded():
                _check_number(event.trial)
                _check_number(event.run)
                _check_number(event.epoch)
                self._epochs.setdefault(event.trial, []).append(event)
            case _:
                _check_number(event.trial)
                self._add_to_trial(event)

    def _add_to_trial(self, event: EventOfTrial) -> None:
        known = self.known(event.trial)
        match event:
            case TrialBegun():
                source = None if event.plan.resumed_from is None else self.known(event.plan.resumed_from)
                self._put(_begun(event, source))
            case TrialEnded():
                self._put(_after_end(known or Trial(number=event.trial), event))
                objective = self.facts["objective"]
                if event.objective is not None and (objective is None or objective.direction is None):
                    # A trial's end says again what a damaged line of the study may have said.
                    self.facts["objective"] = event.objective
            case ParametersKnown() if known is not None:
                self._put(known.changed(values=event.values))
            case EpochsKnown() if known is not None:
                self._put(known.changed(epochs=event.epochs))
            case Confirmed() if known is not None:
                self._put(_confirmed(known, event.effort, scores=event.scores))
            case ConfirmationFailed() if known is not None:
                self._put(_confirmed(known, event.effort, scores=known.confirmations))

    def finish(self) -> None:
        """Folds in the epochs that were gathered."""
        for number in list(self._epochs):
            record = self.known(number)
            assert record is not None
            self._put(record)

    def known(self, number: int) -> Trial | None:
        """The trial of a number as it is now, with the epochs that were gathered since it was asked for last."""
        record = self.changed.get(number) or self._records.get(number)
        events = self._epochs.get(number)
        return record if events is None else _after_epochs(record or Trial(number=number), events)

    def _put(self, trial: Trial) -> None:
        number = trial.number
        before = self.changed.get(number) or self._records.get(number)
        if before is None or not _are_same(before.values, trial.values):
            self._note_range(number, is_inside=self.facts["space"].contains(trial.values))
        self._epochs.pop(number, None)
        self.changed[number] = trial

    def _note_range(self, number: int, *, is_inside: bool) -> None:
        """Notes whether all values of a trial are in their ranges."""
        outranged = self.facts["outranged"]
        if is_inside == (number in outranged):
            if not isinstance(outranged, set):
                outranged = self.facts["outranged"] = set(outranged)
            outranged ^= {number}

    def _learn(self, parameter: Parameter) -> None:
        """A parameter is known, or known with another range: some trials may have values outside it now."""
        space, name = self.facts["space"], parameter.name
        before = space.get(name)
        space = self.facts["space"] = space.replacing(parameter)
        if before is not None and before.range() == parameter.range() and before.kind == parameter.kind:
            return
        for number, record in self._all():
            if name in record.values or number in self.facts["outranged"]:
                values = record.values if before is None else moved(record.values, before, parameter)
                if values is not record.values:
                    self.changed[number] = record.changed(values=values)
                if number in self.facts["outranged"]:
                    is_inside = space.contains(values)
                else:
                    is_inside = parameter.contains(values[name])
                self._note_range(number, is_inside=is_inside)

    def _all(self) -> Iterator[tuple[int, Trial]]:
        """All trials, epochs that were gathered left out."""
        yield from [*self.changed.items()]
        yield from ((number, record) for number, record in self._records.items() if number not in self.changed)


def _are_same(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Whether two settings are known to be the same without asking their parameters."""
    if one is other:
        return True
    types = [*map(type, one.values())]
    return one == other and types == [*map(type, other.values())] and _PLAIN.issuperset(types)


_PLAIN = frozenset({int, float, str, bool, type(None)})
"""Types whose values are the same where they are equal: other values may hold some of another type."""


def _check_number(number: object) -> None:
    if isinstance(number, bool) or index(number) < 0:  # type: ignore[arg-type]
        raise ValueError(f"{number!r} is no number of a trial, run or epoch")


def _begun(event: TrialBegun, source: Trial | None) -> Trial:
    """The trial that an event begins, or continues with the curve of `source`."""
    plan = event.plan
    trial = Trial(
        number=event.trial,
        values=event.values,
        started=event.time,
        attempts=event.attempt,
        seed=event.seed,
        notes=event.notes,
        epochs=plan.epochs,
        plan=plan,
        folds=event.folds,
        memory=event.memory,
        curves=tuple(curve[: plan.resumed_at] for curve in source.curves) if source else (),
    )
    if source is None or source.number != trial.number:
        return trial
    kept = ("started", "seconds", "score", "scores", "best_epoch", "best_run")
    return trial.changed(**{name: getattr(source, name) for name in kept})


def _after_epochs(trial: Trial, events: Sequence[EpochEnded]) -> Trial:
    by_run: dict[int, list[EpochEnded]] = {}
    for event in events:
        by_run.setdefault(event.run, []).append(event)
    curves = list(trial.curves)
    curves += [() for _ in range(len(curves), max(by_run) + 1)]
    for run, of_run in by_run.items():
        curves[run] = _longer(curves[run], of_run)
    return trial.changed(curves=tuple(curves))


def _longer(curve: Curve, events: Sequence[EpochEnded]) -> Curve:
    """A curve with the logs of more epochs: most often the next ones."""
    if [event.epoch for event in events] == list(range(len(curve), len(curve) + len(events))):
        return Series.of(curve).extended(event.logs for event in events)
    longer = list(curve)
    for event in events:
        # A damaged line leaves a hole, so that every epoch keeps its own place.
        longer += [_HOLE] * (event.epoch + 1 - len(longer))
        longer[event.epoch] = event.logs
    return Series(longer)


def _after_end(trial: Trial, event: TrialEnded) -> Trial:
    return trial.changed(
        state=event.state,
        values=event.values,
        curves=tuple(tuple(curve) for curve in trial.curves),
        score=event.score,
        best_epoch=event.best_epoch,
        best_run=event.best_run,
        scores=event.scores,
        best_epochs=event.best_epochs,
        seconds=event.seconds,
        started=event.started or trial.started,
        ended=event.time,
        stop_reason=event.stop_reason,
        error=event.error,
        is_rejected=event.is_rejected,
        trained=event.trained,
        attempts=trial.attempts if event.attempts is None else event.attempts,
        seed=trial.seed if event.seed is None else event.seed,
        notes=trial.notes if event.notes is None else event.notes,
        returned=event.returned,
    )


def _confirmed(trial: Trial, effort: Effort | None, *, scores: tuple[float, ...]) -> Trial:
    effort = effort or Effort(epochs=0, seconds=0.0)
    return trial.changed(
        confirmations=scores,
        confirmation_epochs=trial.confirmation_epochs + effort.epochs,
        confirmation_seconds=trial.confirmation_seconds + effort.seconds,
    )
