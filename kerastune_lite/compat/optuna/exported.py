"""A study as one of Optuna's, with its distributions, learning curves and times, for Optuna's figures and dashboard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from kerastune_lite.compat.optuna.distributions import Translated
from kerastune_lite.compat.optuna.quiet import quiet
from kerastune_lite.errors import ObjectiveError, StudyError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState

OURS = "kerastune_lite"
"""The user attribute in which a study and its trials keep what Optuna has no place for."""

_STATES = {
    TrialState.COMPLETED: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
    TrialState.INTERRUPTED: optuna.trial.TrialState.FAIL,
    TrialState.RUNNING: optuna.trial.TrialState.RUNNING,
}


def to_optuna(study: Study, storage: Any = None, study_name: str | None = None) -> optuna.Study:
    """The study as a new one of Optuna's.

    Args:
        study: The study.
        storage: As in `optuna.create_study`; None keeps it in memory.
        study_name: As there; by default the name of the study's directory.

    Raises:
        StudyError: The direction of its objective isn't known yet.
    """
    objective = study.objective
    if objective is None or objective.direction is None:
        raise StudyError(
            f"The study in {study.directory} has no direction yet, which its first trial tells. Optuna needs one."
        )
    direction = "minimize" if objective.direction == "min" else "maximize"
    with quiet():
        exported = optuna.create_study(
            storage=storage, study_name=study_name or study.directory.name, direction=direction
        )
        described = [parameter.describe() for parameter in study.space]
        exported.set_user_attr(OURS, {"objective": objective.name, "seed": study.seed, "space": described})
        translated = translations_of(study)
        exported.add_trials([_exported(trial, translated, objective) for trial in study.trials])
    return exported


def translations_of(study: Study) -> dict[str, Translated]:
    """The study's parameters with their distributions, by their names."""
    values = {p.name: [t.values[p.name] for t in study.trials if p.name in t.values] for p in study.space}
    return {
        parameter.name: Translated.of(parameter, [v for v in values[parameter.name] if parameter.contains(v)])
        for parameter in study.space
    }


def _exported(trial: Trial, translated: Mapping[str, Translated], objective: Objective) -> FrozenTrial:
    known = {
        name: translated[name]
        for name, value in trial.values.items()
        if name in translated and translated[name].parameter.contains(value)
    }
    is_scored = trial.state in (TrialState.COMPLETED, TrialState.STOPPED)
    exported = optuna.trial.create_trial(
        state=_STATES[trial.state],
        value=trial.score if is_scored else None,
        params={name: known[name].to_optuna(trial.values[name]) for name in known},
        distributions={name: known[name].distribution for name in known},
        intermediate_values=intermediate_values(trial, objective),
        user_attrs={**trial.returned, OURS: _attributes(trial, outside=trial.values.keys() - known.keys())},
    )
    _set_times(exported, trial)
    return exported


def intermediate_values(trial: Trial, objective: Objective) -> dict[int, float]:
    """The objective after each epoch of the best run; empty where no epoch reported it."""
    try:
        name = objective.reported_name(set[str]().union(*trial.curve))
    except ObjectiveError:
        return {}
    return {epoch: float(logs[name]) for epoch, logs in enumerate(trial.curve) if name in logs}


def _set_times(exported: FrozenTrial, trial: Trial) -> None:
    """Optuna stamps a trial with the time at which it was made, and has local times without a zone."""
    if trial.started is None:
        return
    exported.datetime_start = _local(trial.started)
    if exported.state.is_finished():
        exported.datetime_complete = _local(trial.ended or trial.started)


def _local(time: datetime) -> datetime:
    return time.astimezone().replace(tzinfo=None)


def _attributes(trial: Trial, outside: set[str]) -> dict[str, Any]:
    """What Optuna has no place for, as JSON can hold it."""
    metrics = trial.curve[trial.best_epoch] if trial.best_epoch is not None and trial.curve else {}
    told = {
        "number": trial.number,
        "state": trial.state.value,
        "best_epoch": trial.best_epoch,
        "seconds": trial.seconds,
        "scores": list(trial.scores) if len(trial.scores) > 1 else None,
        "stop_reason": trial.stop_reason,
        "engine": trial.engine,
        "seed": trial.seed,
        "error": None if trial.error is None else {"type": trial.error.type, "message": trial.error.message},
        "metrics": {name: value for name, value in metrics.items() if math.isfinite(value)} or None,
        "notes": [str(note) for note in trial.notes] or None,
        "outside_the_space": {name: repr(trial.values[name]) for name in sorted(outside)} or None,
    }
    return {name: value for name, value in told.items() if value is not None}
