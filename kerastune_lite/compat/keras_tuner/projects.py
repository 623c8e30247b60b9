"""Projects that KerasTuner itself has written, read as studies of this library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.objectives import objective_of
from kerastune_lite.compat.keras_tuner.oracles import Oracle
from kerastune_lite.compat.keras_tuner.trials import Trial, TrialStatus
from kerastune_lite.errors import StudyError
from kerastune_lite.space import HyperParameters as CoreHyperParameters
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import directory_lock
from kerastune_lite.study.events import (
    EpochEnded,
    JournaledEvent,
    ParameterLearned,
    StudyBegun,
    TrialBegun,
    TrialEnded,
)
from kerastune_lite.study.journal import JOURNAL_NAME
from kerastune_lite.study.objective import Objective as CoreObjective
from kerastune_lite.study.trial import Note, TrialFailure, TrialState
from kerastune_lite.study.writer import StudyWriter

ORACLE_FILE, TRIAL_FILE = "oracle.json", "trial.json"


def is_project(directory: Path) -> bool:
    """Whether KerasTuner has written a project there."""
    return (directory / ORACLE_FILE).is_file()


def imported(project: Path, directory: Path | None, objective: Any = None) -> Study:
    """The study of a project, written down in a directory where one is given.

    Args:
        project: The folder that holds oracle.json and the folders of trials.
        directory: Where a journal is begun with its trials, so that a search in this directory continues from them;
            None writes nothing.
        objective: What was optimised; None finds the metric that is the trials' score.

    Raises:
        StudyError: There is no project, it can't be read, its objective can't be known, or `directory` holds a study.
    """
    events = _events_of(project, Oracle(), objective)
    if directory is None:
        return _study_after(events, project)
    return _written(events, directory)


def study_of(project: Path, oracle: Oracle | None = None) -> Study:
    """The study of a project, by the objective and the parameters of an oracle where one is given."""
    return _study_after(_events_for(project, oracle), project)


def write_journal(project: Path, oracle: Oracle) -> None:
    """Begins a journal in the project's own folder with the trials that it holds."""
    _written(_events_for(project, oracle), project)


def _events_for(project: Path, oracle: Oracle | None) -> list[JournaledEvent]:
    if oracle is None:
        return _events_of(project, Oracle(), None)
    return _events_of(project, oracle, oracle.objective)


def _study_after(events: Sequence[JournaledEvent], directory: Path) -> Study:
    study = Study(directory)
    for event in events:
        study = study.after(event)
    return study


def _written(events: Sequence[JournaledEvent], directory: Path) -> Study:
    if (directory / JOURNAL_NAME).exists():
        raise StudyError(f"{directory} holds a study already. Choose another directory for the trials of the project.")
    begun, *others = events
    assert isinstance(begun, StudyBegun)
    assert begun.objective is not None
    with directory_lock(directory):
        fresh_seed = int(np.random.SeedSequence().generate_state(1)[0])
        writer = StudyWriter.open(directory, begun.objective, begun.seed, fresh_seed)
        try:
            for event in others:
                writer.append(event)
        finally:
            writer.close()
    return Study.open(directory)


def _events_of(project: Path, oracle: Oracle, given: Any) -> list[JournaledEvent]:
    """What happened in a project, as the journal of a study tells it."""
    state = _read(project / ORACLE_FILE)
    trials = _trials_of(project, state)
    objective = _objective_of(trials, given, project)
    asked = CoreHyperParameters()
    names = _names_of(state, trials, oracle, asked)
    events: list[JournaledEvent] = [StudyBegun(objective=objective, seed=state.get("seed"))]
    events += [ParameterLearned(parameter=parameter) for parameter in asked.asked]
    for number, trial in enumerate(trials):
        events += _events_of_trial(number, trial, names, objective)
    return events


def _read(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise StudyError(
            f"There is no project of KerasTuner in {path.parent}: it holds no {path.name}. Give the folder "
            "directory/project_name."
        ) from error
    except ValueError as error:
        raise StudyError(
            f"{path} can't be read ({error}): KerasTuner may have been ended while it wrote it."
        ) from error
    if not isinstance(state, dict):
        raise StudyError(f"{path} isn't a file of KerasTuner's: it holds a {type(state).__name__}.")
    return state


def _trials_of(project: Path, state: Mapping[str, Any]) -> list[Trial]:
    """The trials in the order in which they began."""
    paths = {path.parent.name.removeprefix("trial_"): path for path in sorted(project.glob(f"trial_*/{TRIAL_FILE}"))}
    order = dict.fromkeys([*(name for name in state.get("start_order", ()) if name in paths), *paths])
    trials = []
    for name in order:
        try:
            trials.append(Trial.from_state(_read(paths[name])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StudyError(f"{paths[name]} isn't a trial of KerasTuner's: {error!r}.") from error
    return trials


def _objective_of(trials: Sequence[Trial], given: Any, project: Path) -> CoreObjective:
    """What was optimised: what is given, or the one metric that equals the score of every trial that has one."""
    if given is not None:
        return objective_of(given).core
    scored = [trial for trial in trials if trial.score is not None]
    names = [
        name
        for name in (scored[0].metrics.metrics if scored else ())
        if all(t.metrics.exists(name) and t.metrics.get_best_value(name) == t.score for t in scored)
    ]
    names.sort(key=lambda name: (not name.startswith("val_"), not name.endswith("loss")))
    if not names:
        raise StudyError(
            f"The project in {project} doesn't tell what it optimised: give it, as in objective='val_loss'."
        )
    return CoreObjective(names[0], scored[0].metrics.get_direction(names[0]))


def _names_of(
    state: Mapping[str, Any], trials: Sequence[Trial], oracle: Oracle, asked: CoreHyperParameters
) -> dict[str, dict[str, str]]:
    """Asks for all parameters of a project; the names that they have in the study, by those of each trial's id."""
    spaces = [HyperParameters.from_config(state["hyperparameters"]), *(trial.hyperparameters for trial in trials)]
    known = oracle.hyperparameters.copy()
    for space in spaces:
        for parameter in space.space:
            if known.registered(parameter) is None:
                known.register(parameter)
    naming = type(oracle).__new__(type(oracle))
    naming.__dict__.update(oracle.__dict__, hyperparameters=known)
    for parameter in known.space:
        name = naming._core_name(parameter)
        if name not in asked:
            naming.as_asked_for(parameter)(asked, name)
    return {
        trial.trial_id: {
            parameter.name: naming._core_name(parameter)
            for parameter in trial.hyperparameters.space
            if trial.hyperparameters.is_active(parameter)
        }
        for trial in trials
    }


def _events_of_trial(
    number: int, trial: Trial, names: Mapping[str, Mapping[str, str]], objective: CoreObjective
) -> list[JournaledEvent]:
    """A trial's beginning, its best epoch, which alone KerasTuner keeps, and its end."""
    core_names = names[trial.trial_id]
    values = {core_names[name]: value for name, value in trial.hyperparameters.values.items() if name in core_names}
    note = Note(f"trial {trial.trial_id} of a project of KerasTuner's", "setting")
    begun = TrialBegun(trial=number, values=values, notes=(note,))
    if trial.status == TrialStatus.COMPLETED and trial.score is not None:
        best_epoch = trial.best_step or 0
        logs = {
            name: value for name in trial.metrics.metrics if (value := trial.metrics.get_best_value(name)) is not None
        }
        curve = [*({},) * best_epoch, {**logs, objective.name: trial.score}]
        epochs = [EpochEnded(trial=number, epoch=epoch, logs=logs) for epoch, logs in enumerate(curve)]
        ended = TrialEnded(
            trial=number,
            state=TrialState.COMPLETED,
            values=values,
            objective=objective,
            score=float(trial.score),
            best_epoch=best_epoch,
            scores=(float(trial.score),),
            notes=(note,),
        )
        return [begun, *epochs, ended]
    if trial.status in (TrialStatus.FAILED, TrialStatus.INVALID):
        told = (trial.message or "KerasTuner kept no message").strip()
        failure = TrialFailure.told("Failed", told.splitlines()[-1], told)
        state = TrialState.FAILED
        return [
            begun,
            TrialEnded(trial=number, state=state, values=values, objective=objective, error=failure, notes=(note,)),
        ]
    return [begun]
