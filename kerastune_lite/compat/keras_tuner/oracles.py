"""KerasTuner's oracles: what is optimised, by which of this library's strategies, and the trials so far.

An oracle chooses nothing itself: a search of this library does, by its strategy. The oracle translates the parameters
that a trial asks for into the library's own, and the study's trials into KerasTuner's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastune_lite.compat.keras_tuner.errors import FatalRuntimeError
from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.objectives import Objective, objective_of
from kerastune_lite.compat.keras_tuner.parameters import HyperParameter, parameter_of_core
from kerastune_lite.compat.keras_tuner.results import metrics_of
from kerastune_lite.compat.keras_tuner.trials import Trial, TrialStatus
from kerastune_lite.search import tuners
from kerastune_lite.search.tuner import Tuner as CoreTuner
from kerastune_lite.space import HyperParameters as CoreHyperParameters
from kerastune_lite.space import Space, Value
from kerastune_lite.strategies.hyperband import brackets
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study import Study
from kerastune_lite.study.trial import Trial as CoreTrial
from kerastune_lite.study.trial import TrialState

_BY_HAND = (
    "An oracle of this layer isn't driven by hand: the search asks a strategy and keeps the trials. Give a strategy of "
    "your own to kerastune_lite.Tuner(build_fn, strategy=…), or override populate_space(trial_id) of kt.Oracle."
)
_STATUS = {
    TrialState.COMPLETED: TrialStatus.COMPLETED,
    TrialState.STOPPED: TrialStatus.COMPLETED,
    TrialState.FAILED: TrialStatus.FAILED,
}


class Oracle:
    """What is searched, and how. A subclass that overrides `populate_space` chooses the settings itself.

    Args:
        objective: A name, an Objective, a list of them, or None: the one number that a trial returns.
        max_trials: How many trials there will be; None for no bound.
        hyperparameters: Parameters whose ranges take the place of those that are asked for under the same names.
        allow_new_entries: Whether a trial may ask for others.
        tune_new_entries: Whether these are searched, or always have their defaults.
        seed: What every random choice is drawn from.
        max_retries_per_trial: How many more times a trial is tried that an error has failed.
        max_consecutive_failed_trials: The search ends with an error after so many failures in a row.

    Attributes:
        hyperparameters: The parameters known so far.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
    ) -> None:
        if hyperparameters is None and not (allow_new_entries and tune_new_entries):
            raise ValueError(
                "If `hyperparameters` is not given, `allow_new_entries` and `tune_new_entries` have to be `True`: "
                "there would be nothing to tune."
            )
        self.objective: Objective = objective_of(objective)
        self.max_trials = max_trials
        self.hyperparameters = HyperParameters() if hyperparameters is None else hyperparameters
        self.allow_new_entries = allow_new_entries
        self.tune_new_entries = tune_new_entries
        self.seed = seed
        self.max_retries_per_trial = max_retries_per_trial
        self.max_consecutive_failed_trials = max_consecutive_failed_trials
        self.verbose: Any = 1
        self._preset = list(self.hyperparameters.space)
        self._running: dict[str, Trial] = {}
        self._reported: dict[str, dict[int, dict[str, float]]] = {}
        self._study: Callable[[], Study | None] = lambda: None

    # How it is searched

    @property
    def tuner_class(self) -> type[CoreTuner]:
        """The library's own tuner that searches."""
        return CoreTuner

    def search_settings(self) -> dict[str, Any]:
        """The arguments that the library's own tuner takes beside those of every tuner."""
        return {"strategy": _OracleStrategy(self)}

    def populate_space(self, trial_id: str) -> Mapping[str, Any]:
        """The next setting, to be overridden: a dict with "status" ("RUNNING", "IDLE" or "STOPPED") and "values"."""
        raise NotImplementedError(
            f"{type(self).__name__}.populate_space() is the search's own. A subclass of kt.Oracle defines it to choose "
            "settings itself."
        )

    def as_asked_for(self, parameter: HyperParameter) -> Callable[[CoreHyperParameters, str], Any]:
        """How a parameter is asked for of the library's own `hp`."""
        return parameter.ask

    # The space

    def get_space(self) -> HyperParameters:
        """A copy of the parameters known so far."""
        return self.hyperparameters.copy()

    def update_space(self, hyperparameters: HyperParameters) -> None:
        """Adds the parameters that aren't known yet, as far as new ones may be added.

        Raises:
            FatalRuntimeError: There are new ones, and `allow_new_entries` is False.
        """
        for parameter in hyperparameters.space:
            if self.hyperparameters.registered(parameter) is None and self._may_add(parameter):
                self.hyperparameters.register(parameter)

    def _may_add(self, parameter: HyperParameter) -> bool:
        if not self.allow_new_entries:
            raise FatalRuntimeError(
                f"`allow_new_entries` is `False`, but found new entry: {parameter!r}. Add it to `hyperparameters`, or "
                "allow new entries."
            )
        return self.tune_new_entries

    def answer(self, parameter: HyperParameter, hp: CoreHyperParameters) -> Any:
        """The value of a parameter that a trial asks for: searched, or its default where it isn't to be tuned."""
        if self.hyperparameters.registered(parameter) is None:
            if not self._may_add(parameter):
                return hp.fixed(parameter.name, parameter.default)
            self.hyperparameters.register(parameter)
        return self.as_asked_for(parameter)(hp, self._core_name(parameter))

    def _core_name(self, parameter: HyperParameter) -> str:
        """The name of a parameter in the study, where one name has one range.

        One that has another range under other conditions is named with these, as `hp.when` does it: `units@model=deep`.
        """
        first = self.hyperparameters._hps[parameter.name][0]
        if first.core == parameter.core or not parameter.conditions:
            return parameter.name
        return f"{parameter.name}@{','.join(map(str, parameter.conditions))}"

    def _parameter_of(self, core_name: str, space: Space) -> HyperParameter | None:
        for parameter in self.hyperparameters.space:
            if self._core_name(parameter) == core_name:
                return parameter
        known, name = space.get(core_name), core_name.partition("@")[0]
        return None if known is None else parameter_of_core(known, name)

    # Trials

    def _attach(self, study: Callable[[], Study | None]) -> None:
        """Makes the oracle that of a study."""
        self._study = study

    def _learn(self) -> None:
        """Adds the parameters that trials in other processes have asked for."""
        study = self._study()
        if study is None or not self.tune_new_entries:
            return
        known = {self._core_name(parameter) for parameter in self.hyperparameters.space}
        for core in study.space:
            parameter = None if core.name in known else parameter_of_core(core, core.name)
            if parameter is not None and "@" not in core.name:
                self.hyperparameters.register(parameter)

    def _trial_id(self, number: int) -> str:
        return f"{number:0{len(str(self.max_trials)) if self.max_trials else 4}d}"

    def _asked_by(self, core_trial: CoreTrial, hp: CoreHyperParameters) -> TrialHyperParameters:
        """The `hp` of a trial that begins, which the search answers."""
        hyperparameters = TrialHyperParameters(self, hp)
        hyperparameters.values.update(self._planned_values(core_trial))
        return hyperparameters

    def _planned_values(self, core_trial: CoreTrial) -> dict[str, Value]:
        """What KerasTuner keeps among a trial's values that is no parameter."""
        return {}

    def _view(self, core_trial: CoreTrial, study: Study) -> Trial:
        """A trial of the study in KerasTuner's words."""
        trial_id = self._trial_id(core_trial.number)
        if core_trial.state is TrialState.RUNNING and trial_id in self._running:
            return self._running[trial_id]
        hyperparameters = HyperParameters()
        for core_name, value in core_trial.values.items():
            parameter = self._parameter_of(core_name, study.space)
            hyperparameters.values[core_name if parameter is None else parameter.name] = value
            if parameter is not None:
                hyperparameters.register(parameter)
        hyperparameters.values.update(self._planned_values(core_trial))
        trial = Trial(hyperparameters, trial_id, _STATUS.get(core_trial.state, TrialStatus.RUNNING))
        trial.score = core_trial.score
        if core_trial.error is not None:
            trial.message = core_trial.error.traceback or str(core_trial.error)
        metrics, step = metrics_of(core_trial.curves, self.objective)
        if core_trial.score is not None:
            metrics = {**metrics, self.objective.name: core_trial.score}
            trial.best_step = step
        for name, value in metrics.items():
            trial.metrics.register(name, self.objective.direction if name == self.objective.name else None)
            trial.metrics.update(name, value, step)
        return trial

    @property
    def trials(self) -> dict[str, Trial]:
        """All trials of the study by their ids."""
        study = self._study()
        views = [] if study is None else [self._view(trial, study) for trial in study.trials]
        return {trial.trial_id: trial for trial in views}

    def get_trial(self, trial_id: str) -> Trial:
        """The trial of an id.

        Raises:
            KeyError: There is none.
        """
        study, number = self._study(), int(trial_id)
        if study is None or number not in study.records:
            raise KeyError(f"There is no trial {trial_id!r}.")
        return self._view(study.trial(number), study)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The trials with the best scores, best first; fewer where fewer have one."""
        study = self._study()
        return [] if study is None else [self._view(trial, study) for trial in study.leaderboard(num_trials)]

    @property
    def start_order(self) -> list[str]:
        """The ids of the trials in the order in which they began."""
        return list(self.trials)

    @property
    def end_order(self) -> list[str]:
        """The ids of the trials that have ended, in that order."""
        study = self._study()
        ended = [] if study is None else [(trial.ended, trial.number) for trial in study.trials if trial.ended]
        return [self._trial_id(number) for _, number in sorted(ended)]

    @property
    def ongoing_trials(self) -> dict[str, Trial]:
        """The trial that runs now, by the name of the tuner."""
        return dict.fromkeys(["tuner0"], next(iter(self._running.values()))) if self._running else {}

    def remaining_trials(self) -> int | None:
        """How many trials are left; None without a bound."""
        return None if self.max_trials is None else max(self.max_trials - len(self.trials), 0)

    # What a trial reports, and what is done by hand elsewhere

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> str:
        """Reports metrics of the trial that runs; to return them is the way of today.

        Raises:
            NotImplementedError: No such trial runs.
        """
        if trial_id not in self._running:
            raise NotImplementedError(_BY_HAND)
        numbers = {name: float(value) for name, value in metrics.items()}
        self._reported.setdefault(trial_id, {})[step] = numbers
        trial = self._running[trial_id]
        for name, value in numbers.items():
            trial.metrics.update(name, value, step)
        return trial.status

    def _take_reported(self, trial_id: str) -> dict[str, list[float]]:
        """The metrics that were reported of a trial, a column each."""
        rows = self._reported.pop(trial_id, {})
        names = dict.fromkeys(name for row in rows.values() for name in row)
        return {name: [rows[step][name] for step in sorted(rows) if name in rows[step]] for name in names}

    def create_trial(self, tuner_id: str) -> Trial:
        """Isn't offered: the search makes the trials."""
        raise NotImplementedError(_BY_HAND)

    def end_trial(self, trial: Trial) -> None:
        """Does nothing for the trial that runs, which the search ends.

        Raises:
            NotImplementedError: No such trial runs.
        """
        if trial.trial_id not in self._running:
            raise NotImplementedError(_BY_HAND)

    def save(self) -> None:
        """Does nothing: whatever happens is in the study's journal at once."""

    def reload(self) -> None:
        """Does nothing: the trials are always those that the journal has."""


def synchronized(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method itself: KerasTuner locks an oracle with it, which one search alone uses here."""
    return method


class TrialHyperParameters(HyperParameters):
    """The `hp` of a trial that runs, which the search answers.

    Args:
        oracle: Translates parameters.
        hp: The library's own `hp` of the trial.
    """

    def __init__(self, oracle: Oracle, hp: CoreHyperParameters) -> None:
        super().__init__()
        self._oracle = oracle
        self._core = hp
        for parameter in oracle._preset:
            self.register(parameter)

    def register(self, parameter: HyperParameter) -> Any:
        """Adds a parameter, with the range that it was first asked for with in this search."""
        return super().register(self._oracle.hyperparameters.registered(parameter) or parameter)

    def get(self, name: str) -> Any:
        """The value of a parameter; one that only other trials have asked for is asked for now."""
        full_name = self._full_name(name)
        if full_name not in self.values:
            for parameter in self._oracle.hyperparameters._hps.get(full_name, ()):
                if self.is_active(parameter):
                    self.register(parameter)
        return super().get(name)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> HyperParameters:
        return self.copy()

    def __contains__(self, name: str) -> bool:
        known = self._oracle.hyperparameters._hps.get(self._full_name(name), ())
        return super().__contains__(name) or any(self.is_active(parameter) for parameter in known)

    def _first_value_of(self, parameter: HyperParameter) -> Any:
        return self._oracle.answer(parameter, self._core)


@dataclass(frozen=True)
class _OracleStrategy:
    """The strategy of an oracle that chooses the settings itself."""

    oracle: Oracle

    def suggest(self, space: Space, trials: Sequence[CoreTrial], rng: np.random.Generator) -> Answer:
        """What `populate_space` answers."""
        response = self.oracle.populate_space(self.oracle._trial_id(len(trials)))
        if response["status"] != TrialStatus.RUNNING:
            return Pause.WAIT if response["status"] == TrialStatus.IDLE else Pause.DONE
        values = response.get("values", {})
        hps = self.oracle.get_space()
        hps.values = dict(values)
        active = {p.name: self.oracle._core_name(p) for p in hps.space if hps.is_active(p)}
        return Suggestion({active.get(name, name): value for name, value in values.items()})


class RandomSearchOracle(Oracle):
    """Draws settings at random, and none of them twice. Its arguments are those of `Oracle`."""

    def __init__(self, objective: Any = None, max_trials: int | None = 10, **kwargs: Any) -> None:
        super().__init__(objective, max_trials, **kwargs)

    @property
    def tuner_class(self) -> type[CoreTuner]:
        """The library's own random search."""
        return _unless_overridden(self, tuners.RandomSearch)

    def search_settings(self) -> dict[str, Any]:
        """No other arguments."""
        return {} if self.tuner_class is tuners.RandomSearch else super().search_settings()


class GridSearchOracle(Oracle):
    """Tries every setting. A range without a step has its default and ten even values. Arguments as of `Oracle`."""

    @property
    def tuner_class(self) -> type[CoreTuner]:
        """The library's own grid search."""
        return _unless_overridden(self, tuners.GridSearch)

    def search_settings(self) -> dict[str, Any]:
        """No other arguments."""
        return {} if self.tuner_class is tuners.GridSearch else super().search_settings()

    def as_asked_for(self, parameter: HyperParameter) -> Callable[[CoreHyperParameters, str], Any]:
        """How a parameter is asked for: one with more values than a grid tries as a choice of those."""
        grid = parameter.grid
        return parameter.ask if grid is None else lambda hp, name: hp.choice(name, list(grid))


class BayesianOptimizationOracle(Oracle):
    """Searches with the library's Gaussian process.

    Args:
        objective: As in `Oracle`.
        max_trials: As in `Oracle`.
        num_initial_points: How many trials are spread over the space first; as many as the library's own search spreads
            where it isn't given.
        alpha: Has no meaning here: the process learns the noise from the trials.
        beta: Has no meaning here: settings are chosen by the improvement that is expected of them.
        **kwargs: As in `Oracle`.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        num_initial_points: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective, max_trials, **kwargs)
        self.num_initial_points = num_initial_points
        without_meaning = [name for name, value in (("alpha", alpha), ("beta", beta)) if value is not None]
        if without_meaning:
            named = " and ".join(without_meaning)
            warnings.warn(
                f"BayesianOptimization has no use for {named}: the Gaussian process here learns its noise from the "
                "trials, and settings are chosen by the improvement that is expected of them. Leave this out.",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tuner_class(self) -> type[CoreTuner]:
        """The library's own Bayesian search."""
        return _unless_overridden(self, tuners.BayesianOptimization)

    def search_settings(self) -> dict[str, Any]:
        """How many trials are spread over the space."""
        if self.tuner_class is not tuners.BayesianOptimization:
            return super().search_settings()
        return {} if self.num_initial_points is None else {"initial_trials": self.num_initial_points}


class HyperbandOracle(Oracle):
    """Trains many settings for a few epochs, and the best of them for longer.

    Args:
        objective: As in `Oracle`.
        max_epochs: How many epochs the best trials train.
        factor: What a round's number of trials is divided by for the next one, and its epochs multiplied by.
        hyperband_iterations: How many times all brackets are run.
        **kwargs: As in `Oracle`.
    """

    def __init__(
        self,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: float | None = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective, **kwargs)
        if factor < 2:
            raise ValueError(f"factor needs to be a int larger than 1. Received: factor={factor!r}.")
        if hyperband_iterations is None or hyperband_iterations < 1:
            raise ValueError(
                "hyperband_iterations has to be a number of at least 1: how many times all brackets are run. "
                f"Received: {hyperband_iterations!r}."
            )
        self.max_epochs = max_epochs
        self.factor = factor
        self.hyperband_iterations = int(hyperband_iterations)

    @property
    def tuner_class(self) -> type[CoreTuner]:
        """The library's own Hyperband."""
        return tuners.Hyperband

    def search_settings(self) -> dict[str, Any]:
        """The brackets' numbers."""
        return {"max_epochs": self.max_epochs, "factor": self.factor, "iterations": self.hyperband_iterations}

    def _planned_values(self, core_trial: CoreTrial) -> dict[str, Value]:
        """The epochs, the bracket and the round that KerasTuner keeps among a trial's values."""
        plan = core_trial.plan
        epochs = plan.pause_at or plan.epochs or self.max_epochs
        planned = brackets(self.max_epochs, self.factor)
        place = core_trial.number % sum(bracket[0].trials for bracket in planned)
        for bracket in planned:
            if place < bracket[0].trials:
                break
            place -= bracket[0].trials
        rounds = [rung.epochs for rung in bracket]
        return {
            "tuner/epochs": epochs,
            "tuner/initial_epoch": plan.resumed_at,
            "tuner/bracket": len(bracket) - 1,
            "tuner/round": rounds.index(epochs) if epochs in rounds else len(rounds) - 1,
        }


def _unless_overridden(oracle: Oracle, tuner: type[CoreTuner]) -> type[CoreTuner]:
    """A tuner of the library's, unless a subclass of the oracle chooses settings itself."""
    return tuner if type(oracle).populate_space is Oracle.populate_space else CoreTuner


# The same under the names that older code asks for.
BayesianOptimization = BayesianOptimizationOracle
GridSearch = GridSearchOracle
Hyperband = HyperbandOracle
RandomSearch = RandomSearchOracle
