"""What programs for Hyperas import from hyperopt: trials, statuses and algorithms. hyperopt needn't be installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kerastune_lite.compat.hyperas.model_function import STATUS_FAIL, STATUS_OK
from kerastune_lite.compat.hyperas.templates import Template
from kerastune_lite.errors import BuildError, SpaceError
from kerastune_lite.space import Choice, Space, Value
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState

JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR = 1, 2, 3
"""hyperopt's numbers for the states of a trial."""


def _algorithm(name: str) -> SimpleNamespace:
    def suggest(*arguments: Any, **named: Any) -> None:
        """Stands for hyperopt's algorithm; `optim.minimize` knows it by its name."""
        raise BuildError(f"{name}.suggest is not called: pass it to optim.minimize as algo.")

    suggest.__module__, suggest.__qualname__ = f"hyperopt.{name}", "suggest"
    return SimpleNamespace(suggest=suggest)


tpe, rand, anneal = _algorithm("tpe"), _algorithm("rand"), _algorithm("anneal")
"""hyperopt's algorithms by their names, each with its `suggest`."""


class Trials:
    """The trials of a search in hyperopt's form, which `optim.minimize` fills.

    Given to `optim.minimize` again, with a greater `max_evals`, it continues that search.

    Attributes:
        trials: A dict for each trial: "tid", "state", "result", "misc" and times.
        kerastune_directory: The directory of the study that it was filled from; None before.
    """

    def __init__(self) -> None:
        self.trials: list[dict[str, Any]] = []
        self.kerastune_directory: Path | None = None

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.trials)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.trials[place]

    @property
    def tids(self) -> list[int]:
        """The trials' numbers."""
        return [trial["tid"] for trial in self.trials]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What each trial came to: "status", and "loss" where there is one."""
        return [trial["result"] for trial in self.trials]

    @property
    def miscs(self) -> list[dict[str, Any]]:
        """The settings: "vals" has for each name a list with the value, which is empty where it wasn't asked for."""
        return [trial["misc"] for trial in self.trials]

    @property
    def vals(self) -> dict[str, list[Any]]:
        """The values of each name over the trials that have one."""
        names = dict.fromkeys(name for misc in self.miscs for name in misc["vals"])
        return {name: [value for misc in self.miscs for value in misc["vals"].get(name, ())] for name in names}

    def losses(self) -> list[float | None]:
        """The losses; None of a trial that failed."""
        return [result.get("loss") for result in self.results]

    def statuses(self) -> list[str]:
        """How each trial ended: "ok" or "fail"."""
        return [result["status"] for result in self.results]

    @property
    def best_trial(self) -> dict[str, Any]:
        """The trial with the least loss; ValueError where none has one."""
        return min((t for t in self.trials if t["result"]["status"] == STATUS_OK), key=lambda t: t["result"]["loss"])

    @property
    def argmin(self) -> dict[str, Any]:
        """The setting with the least loss."""
        return {name: value[0] for name, value in self.best_trial["misc"]["vals"].items() if value}

    def insert_trial_docs(self, docs: Sequence[dict[str, Any]]) -> list[int]:
        """Adds trials, and gives back their numbers."""
        self.trials += docs
        return [doc["tid"] for doc in docs]

    def refresh(self) -> None:
        """Does nothing: what was inserted is there."""


def fill(trials: Any, study: Study, templates: Sequence[Template]) -> None:
    """Adds the trials of a study that aren't there yet to hyperopt's Trials, to `Trials`, or to a list."""
    is_of_this_study = getattr(trials, "kerastune_directory", None) == study.directory
    known = {doc["tid"] for doc in trials} if is_of_this_study else ()
    docs = [_doc(trial, study.space, templates) for trial in study.trials if trial.number not in known]
    if hasattr(trials, "insert_trial_docs"):
        trials.insert_trial_docs(docs)
        trials.refresh()
    else:
        trials.extend(docs)
    with suppress(AttributeError):  # a list takes no attribute
        trials.kerastune_directory = study.directory


def run_of(values: Mapping[str, Value], space: Space, *, evaluated: bool = False) -> dict[str, Any]:
    """A setting as Hyperas gives it back: of a choice the index of the option, or the option itself.

    Args:
        values: The setting.
        space: The study's space.
        evaluated: Whether to give options themselves; those that are source by their source.
    """
    return {name: value if evaluated else _hyperopt_value(space, name, value) for name, value in values.items()}


def _hyperopt_value(space: Space, name: str, value: Value) -> Any:
    parameter = space.get(name)
    return parameter.index_of(value) if isinstance(parameter, Choice) else value


def space_eval(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """A setting with the options of choices in the place of their indexes.

    Args:
        space: What `optim.minimize` gave back with `return_space=True`.
        point: A setting, or one out of a trial's "vals", whose values are lists of one.
    """
    values = {name: value[0] if isinstance(value, list) else value for name, value in point.items() if value != []}
    return {name: _evaluated(space, name, value) for name, value in values.items()}


def _evaluated(space: Space, name: str, value: Any) -> Any:
    parameter = space.get(name)
    if not isinstance(parameter, Choice):
        return value
    if value not in range(len(parameter.options)):
        raise SpaceError(
            f"{name!r} has {len(parameter.options)} options, and {value!r} isn't the index of one. A setting from "
            "minimize(eval_space=True) has the options themselves already."
        )
    return parameter.options[value]


def _doc(trial: Trial, space: Space, templates: Sequence[Template]) -> dict[str, Any]:
    run = run_of(trial.values, space)
    vals = {template.name: [run[template.name]] if template.name in run else [] for template in templates}
    misc = {
        "tid": trial.number,
        "cmd": ("domain_attachment", "FMinIter_Domain"),
        "workdir": None,
        "idxs": {name: [trial.number] if value else [] for name, value in vals.items()},
        "vals": vals,
    }
    return {
        "state": _STATES.get(trial.state, JOB_STATE_DONE),
        "tid": trial.number,
        "spec": None,
        "result": _result(trial),
        "misc": misc,
        "exp_key": None,
        "owner": None,
        "version": 0,
        "book_time": trial.started,
        "refresh_time": trial.ended,
    }


_STATES = {TrialState.RUNNING: JOB_STATE_RUNNING, TrialState.INTERRUPTED: JOB_STATE_RUNNING}


def _result(trial: Trial) -> dict[str, Any]:
    """What the model function returned besides the model."""
    if trial.score is None:
        return {"status": STATUS_FAIL, **({} if trial.error is None else {"error": str(trial.error)})}
    metrics = trial.curve[-1] if trial.curve else {}
    return {**metrics, **trial.returned, "loss": trial.score, "status": STATUS_OK}
