"""KerasTuner's base of all tuners: a person's way to write trials, over a search of this library."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from kerastune_lite.compat.keras_tuner import projects
from kerastune_lite.compat.keras_tuner.errors import FailedTrialError
from kerastune_lite.compat.keras_tuner.hypermodels import hypermodel_of
from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.oracles import Oracle, TrialHyperParameters
from kerastune_lite.compat.keras_tuner.results import Epochs, checked, curves_of, metrics_of
from kerastune_lite.compat.keras_tuner.trials import Trial, TrialStatus
from kerastune_lite.errors import MISTAKES_IN_THE_CALL, NoScoreError, TooManyFailuresError
from kerastune_lite.running.task import Trainings
from kerastune_lite.space import HyperParameters as CoreHyperParameters
from kerastune_lite.study import Study
from kerastune_lite.study.files import expanded
from kerastune_lite.study.journal import JOURNAL_NAME

ALL_MODELS = 2**31
"""More models than any search makes: KerasTuner keeps the weights of every trial."""
_OF_THE_SEARCH = (
    "workers executor trials_per_gpu trial_timeout heartbeat_timeout max_attempts stopping engine keep_models views "
    "tensorboard"
).split()
"""Arguments of this library's own tuners that a tuner of this layer takes under their own names."""
_PARALLEL = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")
MOST_FIRST_BUILDS = 1000
"""How often a hypermodel is built at most, to see what it asks for under each of its conditions."""


class BaseTuner:
    """A search whose trials are whatever `run_trial` of a subclass does.

    Args:
        oracle: What is searched, and how.
        hypermodel: A function of hp that builds, or an object with `build(hp)`; None where `run_trial` needs none.
        directory: The folder of projects; the current one by default.
        project_name: The name of this project's folder in it.
        overwrite: Throw away the project that the folder holds; else it is continued.
        **kwargs: Of this library's own tuners: workers, executor, stopping, engine, trial_timeout, keep_models, views,
            tensorboard and their like.

    Raises:
        ValueError: An argument is impossible or unknown.
        RuntimeError: The folder holds the project of another kind of tuner.
    """

    def __init__(
        self,
        oracle: Oracle,
        hypermodel: Any = None,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(oracle, Oracle):
            raise ValueError(f"Expected `oracle` argument to be an instance of `Oracle`. Received: {oracle!r}.")
        _refuse_parallel_mode()
        executions = kwargs.pop("executions_per_trial", 1)
        settings = _settings_of_the_search(kwargs, type(self).__name__)
        self.oracle = oracle
        self.hypermodel = hypermodel_of(hypermodel)
        self.directory = directory or "."
        self.project_name = project_name or "untitled_project"
        self._path = (expanded(os.fspath(self.directory)) / self.project_name).absolute()
        self.tuner_id = "tuner0"
        self.executions_per_trial = executions
        self._is_new = overwrite
        self._trial_body = _TrialBody(self)
        self._search = oracle.tuner_class(
            self._trial_body,
            oracle.objective.core,
            **{
                "max_trials": oracle.max_trials,
                "directory": self._path,
                "overwrite": overwrite,
                "seed": oracle.seed,
                "executions_per_trial": executions,
                "keep_models": ALL_MODELS,
                "max_failures_in_a_row": oracle.max_consecutive_failed_trials,
                **oracle.search_settings(),
                **settings,
            },
        )
        oracle._attach(self._known_study)
        self._continue()
        self._populate_initial_space()

    # Folders

    @property
    def project_dir(self) -> str:
        """The folder of the project."""
        return str(self._path)

    def get_trial_dir(self, trial_id: str) -> str:
        """The folder of a trial, which is made where there is none: for files of a person's own."""
        path = self._trial_path(trial_id)
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def _trial_path(self, trial_id: str) -> Path:
        """The folder of a trial. Ids are as long as `max_trials`, so an earlier search may have filled one up less."""
        for path in self._path.glob("trial_*"):
            known = path.name.removeprefix("trial_")
            if known.isdigit() and trial_id.isdigit() and int(known) == int(trial_id):
                return path
        return self._path / f"trial_{trial_id}"

    # What there is already

    @property
    def study(self) -> Study:
        """The study of the project, as this library knows it."""
        return self._search.study

    def _known_study(self) -> Study | None:
        """The study; None before the first search, and of one that is to be thrown away."""
        if self._is_new:
            return None
        if (self._path / JOURNAL_NAME).is_file():
            return self._search.study
        return projects.study_of(self._path, self.oracle) if projects.is_project(self._path) else None

    def _continue(self) -> None:
        """Says that a project is continued.

        Raises:
            RuntimeError: It is that of another kind of tuner.
        """
        study = self._known_study()
        if study is None:
            return
        if study.latest_search is not None:
            before = study.latest_search.get("strategy", {}).get("tuner")
            now = self.oracle.tuner_class.__name__
            if before is not None and before != now:
                raise RuntimeError(
                    f"The project in {self.project_dir} was searched by {before}, and this is {now}. If you want to "
                    "start a new search, pass `overwrite=True`, or give another `project_name`. (This library's own "
                    "tuners continue each other's studies.)"
                )
        print(f"Reloading Tuner from {self.project_dir} ({len(study.records)} trials)")

    def _populate_initial_space(self) -> None:
        """Builds with defaults, once for each condition under which something is asked for, to know the space."""
        if self.hypermodel is None:
            return
        hp = self.oracle.get_space()
        getattr(self.hypermodel, "declare_hyperparameters", lambda hp: None)(hp)
        self.oracle.update_space(hp)
        seen: list[Any] = []
        waiting: list[Any] = []
        for _ in range(MOST_FIRST_BUILDS):
            hp = self.oracle.get_space()
            for condition in waiting[0] if waiting else ():
                hp.values[condition.name] = condition.values[0]
            hp.ensure_active_values()
            self.hypermodel.build(hp)
            self.oracle.update_space(hp)
            seen += hp.active_scopes + waiting[:1]
            waiting = [scope for scope in [*waiting, *hp.inactive_scopes] if scope not in seen]
            if not waiting:
                break

    # Searching

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs trials until there are as many as asked for, or every setting was tried; called again, it continues.

        Args:
            *fit_args: Given to `run_trial`.
            **fit_kwargs: Given to `run_trial`. `verbose=0` prints nothing; `max_time` and `max_epochs_total` bound the
                search as they do `kerastune_lite.Tuner.search`, and aren't given to `run_trial`.

        Raises:
            RuntimeError: Too many trials failed in a row, or all of them.
            FatalError: A trial raised it.
        """
        bounds = {name: fit_kwargs.pop(name) for name in ("max_time", "max_epochs_total") if name in fit_kwargs}
        if "verbose" in fit_kwargs:
            self.oracle.verbose = fit_kwargs["verbose"]
        self._search.verbose = int(bool(self.oracle.verbose))
        self._trial_body.arguments = fit_args, fit_kwargs
        if not self._is_new and projects.is_project(self._path) and not (self._path / JOURNAL_NAME).is_file():
            projects.write_journal(self._path, self.oracle)
        self._is_new = False
        self.on_search_begin()
        try:
            self._search.search(**bounds)
        except NoScoreError as error:
            raise RuntimeError(str(error)) from error
        except TooManyFailuresError as error:
            limit = self.oracle.max_consecutive_failed_trials
            raise RuntimeError(f"Number of consecutive failures exceeded the limit of {limit}. {error}") from error
        finally:
            self._trial_body.arguments = (), {}
        self.oracle._learn()
        self.on_search_end()

    def run_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Runs a trial, and returns a number, a dict of metrics, a History, or a list of these; to be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has to define run_trial(trial, …).")

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Keeps the model of a trial; to be overridden together with `load_model`."""
        raise NotImplementedError(f"{type(self).__name__} has to define save_model(trial_id, model, step=0).")

    def load_model(self, trial: Trial) -> Any:
        """Gives back the model of a trial; to be overridden together with `save_model`."""
        raise NotImplementedError(f"{type(self).__name__} has to define load_model(trial).")

    def pre_create_trial(self) -> None:
        """Is called before each trial."""

    def on_trial_begin(self, trial: Trial) -> None:
        """Is called when a trial begins."""

    def on_trial_end(self, trial: Trial) -> None:
        """Is called when a trial has ended."""

    def on_search_begin(self) -> None:
        """Is called when a search begins."""

    def on_search_end(self) -> None:
        """Is called when a search has ended."""

    # Afterwards

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The models of the best trials, best first."""
        return [self.load_model(trial) for trial in self.oracle.get_best_trials(num_models)]

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        """The settings of the best trials, best first."""
        return [trial.hyperparameters for trial in self.oracle.get_best_trials(num_trials)]

    def get_best_step(self) -> int | None:
        """The best epoch of the best trial, from 0; None where no trial has a score."""
        best = self.oracle.get_best_trials(1)
        return best[0].best_step if best else None

    def search_space_summary(self, extended: bool = False) -> None:
        """Prints the parameters that are known."""
        print("Search space summary")
        print(f"Default search space size: {len(self.oracle.hyperparameters.space)}")
        for parameter in self.oracle.hyperparameters.space:
            config = parameter.get_config()
            print(f"{config.pop('name')} ({type(parameter).__name__})")
            print(config)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials."""
        print("Results summary")
        print(f"Results in {self.project_dir}")
        print(f"Showing {num_trials} best trials")
        print(self.oracle.objective)
        for trial in self.oracle.get_best_trials(num_trials):
            print()
            trial.summary()

    @property
    def remaining_trials(self) -> int | None:
        """How many trials are left; None without a bound."""
        return self.oracle.remaining_trials()

    def save(self) -> None:
        """Does nothing: whatever happens is in the study's journal at once."""

    def reload(self) -> None:
        """Does nothing: the trials are always those that the journal has."""

    def get_state(self) -> dict[str, Any]:
        """What a subclass may want to keep; nothing here."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `get_state` gave; nothing here."""

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        # A callback that holds its tuner is copied for each training.
        return self


class _TrialBody:
    """What a search of this library is given as its build_fn: it runs each trial by a tuner's `run_trial`.

    Args:
        tuner: The tuner.

    Attributes:
        arguments: What `search` was given, by position and by name.
    """

    def __init__(self, tuner: BaseTuner) -> None:
        self._tuner = tuner
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def build(self, hp: CoreHyperParameters) -> Any:
        """The model of a setting."""
        return self._tuner.hypermodel.build(TrialHyperParameters(self._tuner.oracle, hp))

    def run_trial(self, hp: CoreHyperParameters, trainings: Trainings) -> Any:
        """Runs a trial; returns its result, or None where this library's own trainings have the score."""
        tuner, oracle = self._tuner, self._tuner.oracle
        tuner.pre_create_trial()
        core_trial = trainings.trial
        trial = RunningTrial(oracle._asked_by(core_trial, hp), oracle._trial_id(core_trial.number), trainings)
        oracle._running[trial.trial_id] = trial
        tuner.on_trial_begin(trial)
        try:
            result = self._tried(trial)
            trial.status = TrialStatus.COMPLETED
        except Exception as error:
            is_given_up = isinstance(error, FailedTrialError)
            trial.status = TrialStatus.FAILED if is_given_up else TrialStatus.INVALID
            trial.message = traceback.format_exc()
            if not isinstance(error, MISTAKES_IN_THE_CALL):
                tuner.on_trial_end(trial)
            raise
        else:
            tuner.on_trial_end(trial)
        finally:
            del oracle._running[trial.trial_id]
        return result

    def _tried(self, trial: RunningTrial) -> Any:
        """The result of a trial, which is tried again after errors as often as the oracle says."""
        retries = self._tuner.oracle.max_retries_per_trial
        for failures in range(1, retries + 2):
            try:
                return self._once(trial)
            except (FailedTrialError, *MISTAKES_IN_THE_CALL):
                raise
            except Exception:
                if failures > retries:
                    raise
                print(f"Trial {trial.trial_id} failed {failures} times. {retries + 1 - failures} retries left.")
                trial.trainings.restart()
        raise AssertionError

    def _once(self, trial: RunningTrial) -> Any:
        args, kwargs = self.arguments
        oracle = self._tuner.oracle
        result = self._tuner.run_trial(trial, *args, **kwargs)
        reported = oracle._take_reported(trial.trial_id)
        if result is not None and result is trial.trained:
            trial.record(trial.curves, oracle)
            return None
        if oracle.objective.has_value(reported):
            warnings.warn(
                "To report metrics by `self.oracle.update_trial(trial_id, metrics)` in `Tuner.run_trial()` is the way "
                "of old versions. Please remove the call and return the metrics.",
                DeprecationWarning,
                stacklevel=2,
            )
            result = reported
        value = checked(result, oracle.objective, "Tuner.run_trial()")
        trial.record(curves_of(value, oracle.objective), oracle)
        return None if trial.is_planned else value


class RunningTrial(Trial):
    """A trial that runs.

    Args:
        hyperparameters: Its setting, which the search answers.
        trial_id: Its id.
        trainings: What this library trains it by.

    Attributes:
        trained: What the default `run_trial` has returned, or None.
        curves: The learning curves of those trainings.
    """

    def __init__(self, hyperparameters: HyperParameters, trial_id: str, trainings: Trainings) -> None:
        super().__init__(hyperparameters, trial_id)
        self.trainings = trainings
        self.trained: Any = None
        self.curves: list[Epochs] = []

    @property
    def is_planned(self) -> bool:
        """Whether the search decides how long it trains, so that its own trainings have the score."""
        return self.trainings.trial.plan.epochs is not None

    def record(self, curves: list[Epochs], oracle: Oracle) -> None:
        """Takes over what the trial came to, for `on_trial_end`."""
        metrics, self.best_step = metrics_of(curves, oracle.objective)
        self.score = metrics.get(oracle.objective.name)
        for name, value in metrics.items():
            self.metrics.metrics.pop(name, None)
            self.metrics.register(name, oracle.objective.direction if name == oracle.objective.name else None)
            self.metrics.update(name, value, self.best_step)


def _refuse_parallel_mode() -> None:
    found = [name for name in _PARALLEL if name in os.environ]
    if found:
        raise RuntimeError(
            f"{', '.join(found)} is set: KerasTuner's chief and its workers aren't offered here. Leave these variables "
            "out, and pass workers=4 for several processes of this machine, or executor= for a cluster (Dask)."
        )


def _settings_of_the_search(given: dict[str, Any], tuner: str) -> dict[str, Any]:
    """The arguments that are this library's own.

    Raises:
        ValueError: There are others.
    """
    given = dict(given)
    if given.pop("logger", None) is not None:
        warnings.warn(
            "`logger` is no longer supported, and isn't used. `views=` shows every event to a function of your own.",
            DeprecationWarning,
            stacklevel=4,
        )
    unknown = [name for name in given if name not in _OF_THE_SEARCH]
    if unknown:
        raise ValueError(
            f"Unrecognized arguments {unknown} for {tuner}. Beside KerasTuner's own it takes those of this library: "
            f"{', '.join(_OF_THE_SEARCH)}."
        )
    return given
