"""The tuners that a person makes: one for each way to search."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

from kerastune_lite.other_tuners.of_tuners import TUNER_ARGUMENTS
from kerastune_lite.other_tuners.telling import told_arguments
from kerastune_lite.search.settings import DEFAULT_MAX_TRIALS, TunerSettings, check_count, check_strategy
from kerastune_lite.search.tuner import Tuner
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Strategy, StrategySource, strategy_of
from kerastune_lite.study import Study
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.leaderboard import score_text
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial

if TYPE_CHECKING:
    from kerastune_lite.callbacks import ReplaySchedule
    from kerastune_lite.running.task import Builder, BuildFunction, Shared

LEAST_DESIGN = 8
"""With fewer trials a Gaussian process knows nothing yet."""
NOTABLE_LUCK = 0.05
"""A smaller share of luck in the best score isn't worth a remark: without noise a model is never exact either."""


class GridSearch(Tuner):
    """Tries every setting, in the order in which build_fn asks its questions.

    Args:
        build_fn: As in `Tuner`.
        objective: As in `Tuner`.
        points_per_axis: How many values a float without a step gets, ends included.
        **settings: As in `Tuner`; `max_trials` is None by default: the whole grid.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        points_per_axis: int = 5,
        **settings: Unpack[TunerSettings],
    ) -> None:
        settings.setdefault("max_trials", None)
        super().__init__(build_fn, objective, strategy=GridStrategy(points_per_axis), **settings)


class RandomSearch(Tuner):
    """Draws each setting at random, and none of them twice.

    Args:
        build_fn: As in `Tuner`.
        objective: As in `Tuner`.
        **settings: As in `Tuner`.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        **settings: Unpack[TunerSettings],
    ) -> None:
        super().__init__(build_fn, objective, strategy=RandomStrategy(), **settings)


class BayesianOptimization(Tuner):
    """Tries the settings from which a Gaussian process, fitted to the trials so far, expects the most improvement.

    See kerastune_lite/strategies/bayesian for the algorithm. `study.predict(values)` and `study.suggestions()` show
    what it believes.

    Args:
        build_fn: As in `Tuner`.
        objective: As in `Tuner`.
        initial_trials: How many trials are spread evenly over the space before the model takes over.
        **settings: As in `Tuner`.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        initial_trials: int = LEAST_DESIGN,
        **settings: Unpack[TunerSettings],
    ) -> None:
        initial_trials = check_count("initial_trials", initial_trials, at_least=1)
        super().__init__(build_fn, objective, strategy=partial(_bayesian, design=initial_trials), **settings)

    def _closing_remarks(self, study: Study) -> Sequence[str]:
        if not study.leaderboard(1):
            return ()
        best, recommended = study.best, study.recommended
        if recommended.number == best.number or not _is_luck(study, best):
            return ()
        return [
            f"Trial {recommended.number} ({score_text(recommended)}) may be the better choice: by the scores of "
            f"similar settings, trial {best.number}'s is partly luck. "
            "tuner.confirm() trains the best ones again and tells."
        ]


class Hyperband(Tuner):
    """Trains many settings for a few epochs, and the best of them for longer (Li et al. 2018).

    A promoted trial goes on from where it paused, under its own number: weights, optimizer, epoch counter and
    callbacks. See kerastune_lite/strategies/hyperband.py for the brackets.

    Args:
        build_fn: As in `Tuner`; it has to return a model, and leave the epochs to the search.
        objective: As in `Tuner`.
        max_epochs: How many epochs the best trials train.
        factor: A rung keeps 1/factor of the trials of the one below, and trains them for factor times as many epochs.
        iterations: How many times all brackets are run.
        strategy: What draws new settings: "random"; "bayesian", a Gaussian process once the first rung, or half of
            `max_trials`, has been spread evenly over the space; or what `Tuner` takes as a strategy. (Asked sooner, the
            process follows settings that are good after one epoch, and now and then doesn't find those that end best.)
        **settings: As in `Tuner`; `max_trials` is None by default: as many settings as the brackets ask for. With
            `executions_per_trial`, all trainings of a trial pause at a rung, and are compared by their mean; a trial of
            which one has ended by itself is not promoted.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        max_epochs: int,
        factor: int = 3,
        iterations: int = 1,
        strategy: Literal["random", "bayesian"] | StrategySource = "random",
        **settings: Unpack[TunerSettings],
    ) -> None:
        from kerastune_lite.strategies.hyperband import HyperbandStrategy, brackets

        max_epochs = check_count("max_epochs", max_epochs, at_least=2)
        factor = check_count("factor", factor, at_least=2)
        iterations = check_count("iterations", iterations, at_least=1)
        settings.setdefault("max_trials", None)
        super().__init__(build_fn, objective, strategy=self._hyperband, **settings)
        self.max_epochs = max_epochs
        self._plan = HyperbandStrategy(RandomStrategy(), max_epochs, factor, iterations, self.max_trials)
        even = brackets(max_epochs, factor)[0][0].trials
        if self.max_trials is not None:
            even = min(even, self.max_trials // 2)
        self._inner = _named_strategy(strategy, design=max(even, LEAST_DESIGN))

    def search(self, x: Any = None, y: Any = None, **arguments: Any) -> Study:
        """Runs all brackets; called again, it continues. Takes what `Tuner.search` takes, but for `epochs`."""
        _check_no_epochs("Hyperband", self.max_epochs, arguments)
        return super().search(x, y, epochs=self.max_epochs, **arguments)

    def _planned_epochs(self, epochs: int) -> int | None:
        return self._plan.planned_epochs * self.executions_per_trial

    def _hyperband(self, seed: int) -> Strategy:
        return replace(self._plan, inner=strategy_of(self._inner, seed))


class FreezeThaw(Tuner):
    """Trains whatever promises most for its epochs: a paused trial further, or a new one (Swersky et al. 2014).

    Every trial pauses after a few epochs and may go on at any later time, from where it was, under its own number. No
    trial is given up early; those whose learning curves promise little are left as they are. Every training is planned
    for `max_epochs`, which schedules go by. See kerastune_lite/strategies/bayesian/freeze_thaw.py.

    A search is best bounded by `max_epochs_total` or `max_time` of `search`. Where nothing bounds it, it trains as many
    epochs as ten whole trainings have.

    Args:
        build_fn: As in `Tuner`; it has to return a model, and leave the epochs to the search.
        objective: As in `Tuner`.
        max_epochs: How many epochs a whole training has.
        keep_paused: The training states of how many paused trials stay on disk at most, those with the best chances;
            most searches need far fewer. Where models are large, keep fewer: a paused trial whose state wasn't kept
            begins again if it is ever to go on.
        **settings: As in `Tuner`. With `max_trials`, only so many settings are tried, and the search ends once none of
            them is likely to improve on the best; it is None by default.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        max_epochs: int,
        keep_paused: int = 200,
        **settings: Unpack[TunerSettings],
    ) -> None:
        max_epochs = check_count("max_epochs", max_epochs, at_least=2)
        keep_paused = check_count("keep_paused", keep_paused, at_least=1)
        _check_one_execution("FreezeThaw", settings)
        settings.setdefault("max_trials", None)
        super().__init__(build_fn, objective, strategy=self._freeze_thaw, **settings)
        self.max_epochs = max_epochs
        self.keep_paused = keep_paused
        self._freeze_thaw(seed=0)  # refuses impossible arguments before a search begins

    def search(
        self,
        x: Any = None,
        y: Any = None,
        *,
        max_time: float | str | timedelta | None = None,
        max_epochs_total: int | None = None,
        **arguments: Any,
    ) -> Study:
        """Searches until a bound is reached; called again, it continues. Takes what `Tuner.search` takes, but `epochs`.

        With a larger `max_epochs_total` it goes on with the trials that had paused.
        """
        _check_no_epochs("FreezeThaw", self.max_epochs, arguments)
        if max_time is None and max_epochs_total is None and self.max_trials is None:
            max_epochs_total = DEFAULT_MAX_TRIALS * self.max_epochs
        return super().search(
            x, y, epochs=self.max_epochs, max_time=max_time, max_epochs_total=max_epochs_total, **arguments
        )

    def _freeze_thaw(self, seed: int) -> Strategy:
        from kerastune_lite.strategies.bayesian.freeze_thaw import FreezeThawStrategy

        return FreezeThawStrategy(self.max_epochs, seed=seed, max_trials=self.max_trials, keep_paused=self.keep_paused)

    def _closing_remarks(self, study: Study) -> Sequence[str]:
        paused = [trial for trial in study.trials if trial.is_paused and not trial.is_outside]
        if not paused:
            return ()
        size = StudyFiles(study.directory).size_of_checkpoints(study.records)
        are = "trial is paused and may" if len(paused) == 1 else "trials are paused and may"
        told = f"{len(paused)} {are} go on in a later search; their training states take {size / 1e6:.1f} MB"
        if study.leaderboard(1) and study.best.is_paused:
            told += f". The best one, trial {study.best.number}, is among them: {study.best.stop_reason}"
        return [told]


class PopulationBasedTraining(Tuner):
    """Trains a population of models whose settings change while they train (Jaderberg et al. 2017).

    After every interval the worst quarter takes over weights and optimizer state of one of the best, and tries its
    setting with numbers multiplied by 0.8 or 1.2, moved to a neighbour, or drawn anew. Parameters that change the
    weights' shapes are inherited. Each member's interval is a trial; `study.schedule(number)` are the values over
    epochs that led to one, and `study.lineage(number)` the trials.

    Args:
        build_fn: As in `Tuner`; it has to return a model, and leave the epochs to `search`.
        objective: As in `Tuner`.
        population: How many members; at least 4.
        interval: After how many epochs they are compared.
        **settings: As in `Tuner`, but for `max_trials`: the population and the epochs tell how many there are.
    """

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        population: int = 8,
        interval: int = 1,
        **settings: Unpack[TunerSettings],
    ) -> None:
        population = check_count("population", population, at_least=4)
        interval = check_count("interval", interval, at_least=1)
        _check_one_execution("PopulationBasedTraining", settings)
        if settings.get("max_trials") is not None:
            raise ValueError(
                "PopulationBasedTraining trains every member for the epochs of search(): it takes no max_trials. "
                f"Received: max_trials={settings['max_trials']!r}."
            )
        settings["max_trials"] = None
        # What the population is trained for is known when a search begins: see _strategy_for.
        super().__init__(build_fn, objective, strategy=RandomStrategy(), **settings)
        self.population = population
        self.interval = interval

    def search(self, x: Any = None, y: Any = None, *, epochs: int = 1, **arguments: Any) -> Study:
        """Trains every member for `epochs`; called again, it continues. Takes what `Tuner.search` takes."""
        epochs = check_count("epochs", epochs, at_least=1)
        if epochs <= self.interval:
            raise ValueError(
                f"The members are compared after every interval={self.interval} epochs, and search(epochs={epochs}) is "
                "not longer. Train longer, or choose a shorter interval."
            )
        return super().search(x, y, epochs=epochs, **arguments)

    def best_schedule(self) -> ReplaySchedule:
        """The values over epochs that led to the best score, as a callback that replays them in a plain `fit`.

        Train the model that it begins with: `model = tuner.build(callback.values_at(0))`.

        Raises:
            ValueError: Arguments of fit change in the schedule, which a callback can't change.
        """
        from kerastune_lite.callbacks import ReplaySchedule

        study = self.study
        schedule = study.schedule(study.best.number)
        arguments = [self._build(values)[1] for _, values in schedule]
        first = arguments[0]
        for (epoch, _), later in zip(schedule, arguments, strict=True):
            differing = [name for name in {**first, **later} if first.get(name) != later.get(name)]
            if differing:
                raise ValueError(
                    f"The best schedule changes {', '.join(differing)} at epoch {epoch}, which `fit` takes once. "
                    f"study.schedule({study.best.number}) has its values; train its stages one after the other."
                )
        return ReplaySchedule(schedule, self.build)

    def _planned_epochs(self, epochs: int) -> int | None:
        return self.population * epochs

    def _strategy_for(self, shared: Shared, epochs: int) -> StrategySource:
        from kerastune_lite.strategies.population import PopulationStrategy
        from kerastune_lite.training.weight_shapes import weight_shapes_of

        layout = partial(weight_shapes_of, shared.build_fn, shared.data, shared.presets)
        return PopulationStrategy(RandomStrategy(), self.population, self.interval, epochs, layout)


def _named_strategy(strategy: Literal["random", "bayesian"] | StrategySource, *, design: int) -> StrategySource:
    if strategy == "random":
        return RandomStrategy()
    if strategy == "bayesian":
        return partial(_bayesian, design=design)
    if isinstance(strategy, str):
        raise ValueError(f"strategy has to be 'random', 'bayesian', or a strategy. Received: {strategy!r}.")
    check_strategy(strategy)
    return strategy


def _bayesian(seed: int, design: int) -> Strategy:
    # Half a second of imports that looking at a study need not pay.
    from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy

    return BayesianStrategy(seed=seed, design=design)


def _check_one_execution(tuner: str, settings: TunerSettings) -> None:
    executions = settings.get("executions_per_trial", 1)
    if executions != 1:
        raise ValueError(
            f"{tuner} pauses trials and goes on with them, one training a trial: executions_per_trial has to be 1. "
            f"Received: {executions!r}. tuner.confirm() trains the best settings again with other seeds."
        )


def _check_no_epochs(tuner: str, max_epochs: int, arguments: Mapping[str, Any]) -> None:
    if "epochs" in arguments:
        raise TypeError(
            f"{tuner} decides how long each trial trains, up to max_epochs={max_epochs}: search() takes no epochs. "
            f"Received: epochs={arguments['epochs']!r}."
        )


def _is_luck(study: Study, best: Trial) -> bool:
    """Whether the best score is better than its model expects by more than NOTABLE_LUCK of its lead over the median."""
    expected = study.predict(best.values)
    scores = [trial.score for trial in study.leaderboard() if trial.score is not None]
    if expected is None or best.score is None:
        return False
    return abs(expected.mean - best.score) > NOTABLE_LUCK * abs(statistics.median(scores) - best.score)
