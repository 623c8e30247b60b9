"""A study of Optuna's as one of this library's, whose trials a search here learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from kerastune_lite.compat.optuna.distributions import Translated, parameters_of
from kerastune_lite.compat.optuna.exported import OURS
from kerastune_lite.errors import ObjectiveError
from kerastune_lite.space import Parameter, Value, parameter_from_json
from kerastune_lite.space.values import is_scalar
from kerastune_lite.study.brought import Dated, write_brought
from kerastune_lite.study.events import EpochEnded, TrialBegun, TrialEnded
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, Trained, TrialFailure, TrialState

LONGEST_GAP = 1000
"""Steps further apart than this aren't epochs; they are counted instead."""

_STATES = {
    optuna.trial.TrialState.COMPLETE: TrialState.COMPLETED,
    optuna.trial.TrialState.PRUNED: TrialState.STOPPED,
    optuna.trial.TrialState.FAIL: TrialState.FAILED,
}


def from_optuna(brought: optuna.Study, directory: Path, objective: str | None = None) -> Study:
    """Writes a study of Optuna's into a directory, as one of this library's.

    Args:
        brought: The study.
        directory: Where it is to be kept; it may not hold a study yet.
        objective: The objective's name, which Optuna doesn't know; by default the metric's name where the study has
            one, else "value". A search that goes on has to have the same.

    Raises:
        ObjectiveError: The study has several objectives.
        SpaceError: A name has distributions that can't be one parameter.
        StudyError: The directory holds a study already.
    """
    if len(brought.directions) > 1:
        raise ObjectiveError(
            f"The study {brought.study_name!r} has {len(brought.directions)} objectives, and one is searched "
            "here. Make a study with the one that decides: optuna.create_study() and add_trials()."
        )
    ours = brought.user_attrs.get(OURS, {})
    is_less_better = brought.direction == optuna.study.StudyDirection.MINIMIZE
    name = objective or ours.get("objective") or (brought.metric_names or ["value"])[0]
    named = Objective(name, "min" if is_less_better else "max")
    trials = brought.trials
    translated = _translations(ours, [trial.distributions for trial in trials])
    events = [event for trial in trials for event in _events_of(trial, translated, named)]
    write_brought(directory, named, ours.get("seed"), [each.parameter for each in translated.values()], events)
    return Study.open(directory)


def _translations(
    ours: Mapping[str, Any], distributions: Sequence[Mapping[str, BaseDistribution]]
) -> dict[str, Translated]:
    """The parameters of a study with their distributions.

    A study that was this library's before has its own parameters back, with all that Optuna has no place for.
    """
    kept = {parameter.name: parameter for parameter in map(parameter_from_json, ours.get("space", ()))}
    others = [{name: d for name, d in of_trial.items() if name not in kept} for of_trial in distributions]
    parameters: list[Parameter] = [*kept.values(), *parameters_of(others)]
    return {parameter.name: Translated.of(parameter) for parameter in parameters}


def _events_of(trial: FrozenTrial, translated: Mapping[str, Translated], objective: Objective) -> Iterator[Dated]:
    """What happened to a trial. One that Optuna waits to run is begun, so that the next search runs it first."""
    ours = trial.user_attrs.get(OURS, {})
    started = _utc(trial.datetime_start)
    values = _values_of(trial, translated)
    is_waiting = trial.state == optuna.trial.TrialState.WAITING
    note = Note("brought from Optuna", "setting")
    seed = ours.get("seed")
    begun = TrialBegun(trial=trial.number, values=values, attempt=0 if is_waiting else 1, seed=seed, notes=(note,))
    yield Dated(begun, started)
    epochs = _epochs_of(trial)
    ended = _utc(trial.datetime_complete)
    for epoch, value in epochs.items():
        yield Dated(EpochEnded(trial=trial.number, epoch=epoch, logs={objective.name: value}), ended or started)
    if trial.state not in _STATES:
        return
    state = TrialState(ours["state"]) if "state" in ours else _STATES[trial.state]
    has_failed = state in (TrialState.FAILED, TrialState.INTERRUPTED)
    best_epoch = objective.best_epoch([epochs.get(epoch) for epoch in range(max(epochs, default=-1) + 1)])
    score = trial.value
    if score is None and best_epoch is not None and not has_failed:
        score = epochs[best_epoch]
    yield Dated(
        TrialEnded(
            trial=trial.number,
            state=state,
            values=values,
            objective=objective,
            score=score,
            best_epoch=ours.get("best_epoch", best_epoch),
            scores=tuple(ours.get("scores") or ([] if score is None else [score])),
            seconds=ours.get("seconds", _seconds_of(trial)),
            started=started,
            stop_reason=ours.get("stop_reason", "pruned in Optuna" if state is TrialState.STOPPED else None),
            error=_failure_of(ours) if state is TrialState.FAILED else None,
            trained=Trained.of(ours["engine"]) if "engine" in ours else None,
            seed=seed,
            notes=(note,),
            returned={name: value for name, value in trial.user_attrs.items() if is_scalar(value)},
        ),
        ended,
    )


def _values_of(trial: FrozenTrial, translated: Mapping[str, Translated]) -> dict[str, Value]:
    # A trial that waits has what `enqueue_trial` was given, which may hold names that no trial has had yet.
    given = trial.params or trial.system_attrs.get("fixed_params", {})
    return {name: translated[name].from_optuna(value) for name, value in given.items() if name in translated}


def _epochs_of(trial: FrozenTrial) -> dict[int, float]:
    """The intermediate values by their epochs: the steps, or their places where the steps are no epochs."""
    steps = sorted(trial.intermediate_values)
    are_epochs = all(later - step <= LONGEST_GAP for step, later in zip([-1, *steps], steps, strict=False))
    if are_epochs and (not steps or steps[0] >= 0):
        return {step: trial.intermediate_values[step] for step in steps}
    return {place: trial.intermediate_values[step] for place, step in enumerate(steps)}


def _seconds_of(trial: FrozenTrial) -> float | None:
    return None if trial.duration is None else trial.duration.total_seconds()


def _failure_of(ours: Mapping[str, Any]) -> TrialFailure:
    error = ours.get("error", {})
    return TrialFailure.told(error.get("type", "Failed"), error.get("message", "the trial failed in Optuna"))


def _utc(time: datetime | None) -> datetime | None:
    """A time of Optuna's, which is local and has no zone."""
    return None if time is None else time.astimezone(UTC)
