"""The tuner: what a person makes, searches with, and asks for the best model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from rich.console import Console

from kerastune_lite.errors import DataError, ProcessTerminated, SearchTerminated, StudyError
from kerastune_lite.other_tuners.of_tuners import TUNER_ARGUMENTS, TUNER_NAMES
from kerastune_lite.other_tuners.telling import told_arguments, told_names
from kerastune_lite.search import checked_presets
from kerastune_lite.search.build_fn_check import check_build_fn, check_own_fit_on
from kerastune_lite.search.durations import seconds_of
from kerastune_lite.search.failures import check_has_score, failed_numbers
from kerastune_lite.search.settings import (
    DEFAULT_MAX_TRIALS,
    DefaultCount,
    SpaceSource,
    Stopping,
    WorkerCount,
    check_count,
    check_strategy,
    check_tensorboard,
    check_views,
    check_workers,
)
from kerastune_lite.search.shown import tuner_html, tuner_text
from kerastune_lite.space import Others, Space, Value
from kerastune_lite.space.seeds import random_state_put_back
from kerastune_lite.stopping import rule_of
from kerastune_lite.strategies.strategy import StrategySource, strategy_of
from kerastune_lite.study.events import SearchBegun, SearchDescribed, SearchEnded
from kerastune_lite.study.files import StudyFiles, expanded
from kerastune_lite.study.journal import JOURNAL_NAME
from kerastune_lite.study.leaderboard import Leaderboard
from kerastune_lite.study.objective import Objective, is_of_training
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial
from kerastune_lite.study.writer import StudyWriter, View
from kerastune_lite.views.display import display_for
from kerastune_lite.views.progress import WITH_KERAS_OUTPUT
from kerastune_lite.views.screen import Screen
from kerastune_lite.views.tensorboard import TensorBoard

if TYPE_CHECKING:
    import keras

    from kerastune_lite.running.task import Builder, BuildFunction, CallbackSource, EngineName, Shared
    from kerastune_lite.running.training_data import TrainingData
    from kerastune_lite.search.places import Places
    from kerastune_lite.search.plan import SearchPlan
    from kerastune_lite.search.resumption import Reviewer

RUNS_FOLDER = "kerastune_runs"


class Tuner:
    """Searches the settings of a Keras model with any strategy.

    Args:
        build_fn: A function of `hp` that returns a compiled model, or `(model, fit_arguments)`; an object with
            `build(hp)` and perhaps `fit(hp, model, *args, **kwargs)`; or a function that trains by itself and returns
            a number or a dict of metrics.
        objective: A name out of the model's logs, or an `Objective`. None means val_loss where there is validation
            data, else loss.
        strategy: Any object with `suggest(space, trials, rng)`, or a function of the study's seed that makes one.
        max_trials: How many trials the study is to hold, resumed ones among them; None for no bound. Where it isn't
            given it is 10, or no bound where `search` is given `max_time` or `max_epochs_total`.
        directory: Where the study is kept; "~" and environment variables are looked up. An existing one is resumed. A
            relative path counts from the folder that is the current one now, wherever the process goes later.
            None makes a fresh folder in kerastune_runs/.
        overwrite: Throw away the study that the directory holds.
        seed: What every random choice is drawn from; None draws one, which the study keeps.
        workers: How many trials run at a time. With several, each runs in a process of its own, with its share of the
            cores and, where there are GPUs, one of them; build_fn, data and callbacks are sent there. Grid and random
            search try the same settings with any number; what a strategy that learns tries depends on the order in
            which trials end. "auto" runs the first trial alone, and as many processes afterwards as the cores that it
            kept busy, its memory and the trials that are left suggest; with GPUs, one for each.
        executor: Where trials run instead: a `dask.distributed.Client`; a `concurrent.futures` executor whose workers
            are processes of this machine (`workers` tells how many it has); or a function of what trials share that
            makes a `kerastune_lite.execution.clusters.Cluster`.
        trials_per_gpu: How many workers share a GPU.
        trial_timeout: Seconds, or a text like "90m", after which a trial is ended from outside and failed, wherever it
            hangs. One worker becomes a process of its own then. `TimeLimit` is the gentle way, which keeps the score.
        heartbeat_timeout: After how many seconds without a sign of life a worker process is replaced.
        max_attempts: How many times a trial whose process died is begun.
        executions_per_trial: How many times each setting is trained, with seeds of its own; the score is the mean.
        stopping: What ends trials that will not win: "asha", "median", "plateau", or a rule out of
            kerastune_lite.stopping. A stopped trial counts with its best epoch.
        engine: "auto" trains by compiled epochs that trials share, where that gives a plain fit's numbers, and by a
            plain `fit` elsewhere; `trial.engine` tells which. "fit" is always a plain `fit`.
        keep_models: How many of the best models stay on disk; 0 for none.
        max_failures_in_a_row: The search ends with an error after so many failures without a success between them.
        retry_failed: Begin trials again that failed in earlier searches of the directory, under their own numbers and
            with their own settings, once in each call of `search`. Not for strategies that pause trials.
        verbose: 0 prints nothing; 1 shows a table of the trials and how far the search is, or a line for each trial
            where the output isn't a terminal; 2 shows the table and what Keras prints. (`search(verbose=…)` is that of
            `fit`, whatever this one is.)
        views: Functions of (event, study) that are called with every event of a search, after it was journaled: a
            person's own display or tracker. The types of events are in `kerastune_lite.study.events`; the study is
            that after the event. An exception out of a view ends the search.
        fixed: Values that parameters are held at, by their full names: `fixed={"learning_rate": 0.01}`. Wherever
            build_fn asks for one of them, it is answered so. Each has to be a value of its parameter's own range.
        space: Ranges that take the place of those that build_fn asks with, by their full names, without a change of
            build_fn: parameters of `kerastune_lite.space`, what `tuner.space()` gives back, or a function of `hp` that
            asks for them, `lambda hp: hp.float("learning_rate", 1e-4, 1e-3, log=True)`. A range may be narrower, wider
            or of another kind, as long as its values are of the type that build_fn asks for; conditions are build_fn's.
        others: What becomes of the parameters that neither `space` nor `fixed` has: "tune" searches them as build_fn
            asks, "default" holds each at its default or its first value, "refuse" makes them an error.
        try_defaults: Whether the first trial has the defaults of the parameters that have one (`default=`). False
            leaves the first setting to the strategy.
        tensorboard: True writes logs for TensorBoard into the folder "tensorboard" of the study's directory; a
            directory says where else, in a folder with the name of the study's directory. Each trial has a log with
            its metrics epoch by epoch, its parameters and its score, which the HParams tab compares.

    Raises:
        TypeError: An argument is of a wrong kind.
        ValueError: An argument is impossible.
    """

    keeps_study = True
    """Whether the study stays on disk when a search has ended. A layer that removes it says so here."""

    @told_arguments(TUNER_ARGUMENTS)
    def __init__(
        self,
        build_fn: BuildFunction | Builder,
        objective: str | Objective | None = None,
        *,
        strategy: StrategySource,
        max_trials: int | None = DEFAULT_MAX_TRIALS,
        directory: str | Path | None = None,
        overwrite: bool = False,
        seed: int | None = None,
        workers: WorkerCount = 1,
        executor: Any = None,
        trials_per_gpu: int = 1,
        trial_timeout: float | str | timedelta | None = None,
        heartbeat_timeout: float = 120.0,
        max_attempts: int = 2,
        executions_per_trial: int = 1,
        stopping: Stopping | None = None,
        engine: EngineName = "auto",
        keep_models: int = 1,
        max_failures_in_a_row: int = 3,
        retry_failed: bool = False,
        verbose: int = 1,
        views: Sequence[View] = (),
        fixed: Mapping[str, Any] | None = None,
        space: SpaceSource | None = None,
        others: Others = "tune",
        try_defaults: bool = True,
        tensorboard: bool | str | Path = False,
    ) -> None:
        check_build_fn(build_fn)
        check_strategy(strategy)
        check_views(views)
        if not heartbeat_timeout > 0:
            raise ValueError(
                f"heartbeat_timeout has to be a number of seconds above 0. Received: {heartbeat_timeout!r}."
            )
        if executor is not None and trial_timeout is not None:
            raise ValueError(
                f"trial_timeout={trial_timeout!r} ends processes, which executor= keeps to itself. Use the callback "
                "TimeLimit, or workers=."
            )
        if engine not in ("auto", "fit"):
            raise ValueError(f"engine has to be 'auto' or 'fit'. Received: {engine!r}.")
        self.build_fn = build_fn
        self.objective = None if objective is None else Objective.of(objective)
        self.strategy = strategy
        self.max_trials = check_count("max_trials", max_trials, at_least=1, or_none=True)
        self.directory = None if directory is None else expanded(directory).absolute()
        self.overwrite = overwrite
        self.seed = check_count("seed", seed, at_least=0, or_none=True)
        self.workers = check_workers(workers, executor)
        self.executor = executor
        self.trials_per_gpu = check_count("trials_per_gpu", trials_per_gpu, at_least=1)
        self.trial_timeout = None if trial_timeout is None else seconds_of(trial_timeout)
        self.heartbeat_timeout = heartbeat_timeout
        self.max_attempts = check_count("max_attempts", max_attempts, at_least=1)
        self.executions_per_trial = check_count("executions_per_trial", executions_per_trial, at_least=1)
        self.stopping = rule_of(stopping)
        self.engine: EngineName = engine
        self.keep_models = check_count("keep_models", keep_models, at_least=0)
        self.max_failures_in_a_row = check_count("max_failures_in_a_row", max_failures_in_a_row, at_least=1)
        self.retry_failed = retry_failed
        self.verbose = verbose
        self.views = tuple(views)
        self.presets = checked_presets.checked(fixed, space, others)
        self.try_defaults = try_defaults
        self.tensorboard = check_tensorboard(tensorboard)
        self._is_stopped = self._is_copy = False
        self._enqueued: list[dict[str, Value]] = []
        self._latest_plan: SearchPlan | None = None
        self._study_as_read: tuple[tuple[int, ...], Study] | None = None

    if not TYPE_CHECKING:
        __getattr__ = told_names("tuner", TUNER_NAMES)

    def search(
        self,
        x: Any = None,
        y: Any = None,
        *,
        validation_data: Any = None,
        validation_split: float = 0.0,
        cv: Any = None,
        groups: Any = None,
        refit: bool = False,
        epochs: int = 1,
        batch_size: int | None = None,
        callbacks: keras.callbacks.Callback | CallbackSource = (),
        max_time: float | str | timedelta | None = None,
        max_epochs_total: int | None = None,
        **fit_arguments: Any,
    ) -> Study:
        """Tries settings until a bound is reached or the space is used up; called again, it continues.

        Arrays are shuffled anew every epoch, by an order drawn from the trial's seed, whichever engine trains. (Keras's
        own `fit` on TensorFlow repeats one order in all epochs once a seed is set.)

        Args:
            x: Inputs, as `model.fit` takes them. A generator is passed as a function that makes it. None where
                build_fn returns the data with the model, trains by itself, or has a `fit` that needs none.
            y: Targets.
            validation_data: As `model.fit` takes it, or a function that makes it.
            validation_split: The share of the samples, the last ones, to validate on; split once for all trials.
            cv: Cross-validation: each setting is trained on several folds, one after the other, and its score is the
                mean of theirs. A number of folds, a splitter of scikit-learn (`TimeSeriesSplit(4)`), or a list of
                (train, validation) indices. A number means what it means in scikit-learn, without shuffling:
                `StratifiedKFold` where the targets are classes (integers, texts, truth values or one-hot rows, each
                class with at least as many samples as there are folds), else `KFold`; with `groups` their grouped
                counterparts. A splitter that shuffles without a `random_state` is given 0, so that a resumed search has
                the same folds.
            groups: The group of each sample; those of a group are never on both sides of a fold.
            refit: Train the best setting again on all samples when the search ends, for as many epochs as were best in
                the median fold, and keep that model as the best one. Otherwise the best model is that of its best fold.
            epochs: How long to train each setting.
            batch_size: As in `model.fit`.
            callbacks: Keras callbacks or a single one, copied afresh for each trial, or a function of the trial that
                returns them.
            max_time: Seconds, or a text like "90m", "5 min" or "2h", for this whole search.
            max_epochs_total: How many epochs all trials of the study may train together, resumed ones among them.
            **fit_arguments: Everything else that `model.fit` takes.

        Returns:
            The study, which is `tuner.study` too.

        Raises:
            KerastuneError: See kerastune_lite.errors. Whatever ends a search, the trials that had finished are kept.
        """
        from kerastune_lite.running.task import Shared
        from kerastune_lite.search import enqueued
        from kerastune_lite.search.interrupts import without_traceback
        from kerastune_lite.search.loop import SearchLoop
        from kerastune_lite.search.plan import SearchPlan, check_pauses
        from kerastune_lite.training import callback_copies, start_messages
        from kerastune_lite.training.data import prepare

        self._is_stopped = self._is_copy = False
        max_seconds = None if max_time is None else seconds_of(max_time)
        epochs = check_count("epochs", epochs, at_least=1)
        max_epochs_total = check_count("max_epochs_total", max_epochs_total, at_least=1, or_none=True)
        max_trials = self.max_trials
        if isinstance(max_trials, DefaultCount) and (max_seconds is not None or max_epochs_total is not None):
            max_trials = None  # nobody gave it, and there is another bound
        if self.verbose >= WITH_KERAS_OUTPUT:
            # The bars of several processes would be mixed up; a line for each epoch is whole.
            fit_arguments.setdefault("verbose", "auto" if self._places.is_here else 2)
        fit_arguments |= {"epochs": epochs} if batch_size is None else {"epochs": epochs, "batch_size": batch_size}
        callbacks = callback_copies.checked(callbacks)
        data = prepare(x, y, validation_data, validation_split, fit_arguments, cv, groups)
        if refit and data.folds is None:
            raise DataError("refit=True trains the best setting on the samples of all folds: pass cv= too.")
        check_own_fit_on(self.build_fn, data)
        objective = self.objective or Objective("val_loss" if data.has_validation else "loss")
        shared = Shared(
            self.build_fn,
            data,
            callbacks,
            self.engine,
            objective_is_given=self.objective is not None,
            presets=self.presets,
            try_defaults=self.try_defaults,
        )
        plan = SearchPlan(
            shared=shared,
            strategy=self._strategy_for(shared, epochs),
            stopping=self.stopping,
            max_trials=max_trials,
            max_seconds=max_seconds,
            max_epochs_total=max_epochs_total,
            runs=self.executions_per_trial,
            keep_models=self.keep_models,
            max_failures_in_a_row=self.max_failures_in_a_row,
            retry_failed=self.retry_failed,
            max_attempts=self.max_attempts,
        )
        check_pauses(plan, objective, self.seed or 0)
        bounds = (max_epochs_total, self._planned_epochs(epochs))
        with self._writing(objective) as writer:
            # This process will build models, to ask build_fn; the GPUs' memory is for its workers.
            start_messages.look_for_devices(leaves_memory=not self._places.is_here or self.workers == "auto")
            start_messages.write_held(writer.study.directory)
            checked_presets.check(shared, writer.study)
            plan = replace(plan, strategy=strategy_of(plan.strategy, writer.study.seed or 0))
            reviewer, remarks = self._resumed(plan, writer)
            begun = SearchBegun(
                remarks=(*writer.remarks, *remarks, *self._remarks(objective, data, writer.study)),
                max_trials=max_trials,
                max_seconds=max_seconds,
                max_epochs=min((bound for bound in bounds if bound is not None), default=None),
                trainings=plan.trainings,
                folds=plan.folds,
                is_kept=self.keeps_study,
            )
            ended, reason = SearchEnded(reason=None, is_kept=self.keeps_study), None
            self._latest_plan = plan
            try:
                writer.show(begun)
                queue = enqueued.checked(self._enqueued, shared, writer)
                with closing(self._places.workers_for(plan, writer)) as workers:
                    loop = SearchLoop(plan, writer, workers, queue, reviewer, is_stopped=lambda: self._is_stopped)
                    reason = loop.run()
                is_refit = refit and not self._is_stopped and bool(writer.study.leaderboard(1))
                ended = SearchEnded(
                    reason=reason,
                    seconds_saved=loop.seconds_saved,
                    remarks=(
                        *self._closing_remarks(writer.study),
                        *([self._refit(shared, writer.study)] if is_refit else []),
                        *checked_presets.never_asked_for(self.presets, writer.study),
                    ),
                )
            except (KeyboardInterrupt, ProcessTerminated) as error:
                ended = SearchEnded(reason=None, is_interrupted=True, is_kept=self.keeps_study)
                if self.verbose:
                    without_traceback(error)
                raise
            except SearchTerminated as error:
                ended = SearchEnded(reason=f"SearchTerminated was raised: {error}".removesuffix(": "))
            finally:
                writer.show(ended)
            if reason is not None and not self._is_stopped:
                check_has_score(writer.study, reason, is_kept=self.keeps_study)
        return self.study

    def _refit(self, shared: Shared, study: Study) -> str:
        """Trains the best setting on the samples of all folds, and keeps that model in the place of its best fold's.

        Returns what a person is told of it.
        """
        from kerastune_lite.training import finished_models

        files, best = StudyFiles(study.directory), study.best
        return finished_models.refitted(best, shared, files.model(best.number), files.weights(best.number))

    def stop(self) -> None:
        """Ends the search that runs now, in good order: no trial begins, and those that run end after their epoch.

        They count as stopped, with the score that they have. `search` gives its study back; called again, it goes on.
        May be called from a callback, a view, another thread or a signal handler. Where no search runs it does nothing.

        A callback in a worker process holds a copy of the tuner. Called there, it ends the search as well, but by
        raising `SearchTerminated`: trials that run are interrupted, and run again when the search is resumed.
        """
        if self._is_copy:
            raise SearchTerminated("tuner.stop() was called in a worker process")
        self._is_stopped = True

    def __repr__(self) -> str:
        return tuner_text(self)

    def _repr_html_(self) -> str:
        return tuner_html(self)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _is_copy=True)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        # A callback that holds its tuner is copied for each trial, and stops the one that searches.
        return self

    def confirm(self, n: int = 5, repeats: int = 3) -> Leaderboard:
        """Trains the finalists of the latest search again with new seeds: which of them is truly better.

        The finalists are the trials of which the model of the study expects most, with the best-scored one among
        them. Their own scores stay as they are; `study.recommended` and the "confirmed" column of a leaderboard go by
        the new ones. Called again, it runs only what is missing.

        Args:
            n: How many finalists.
            repeats: How many new trainings each of them is to have. The score that made a setting a finalist is not
                among them: it was chosen for being good.

        Returns:
            The confirmed trials, best mean first; printed, a table with mean and spread.

        Raises:
            StudyError: There was no search before in this process, whose data to train on.
            NoResultError: No trial has a score.
        """
        from kerastune_lite.search.confirmation import confirm
        from kerastune_lite.search.interrupts import ended_by_the_user

        n = check_count("n", n, at_least=1)
        repeats = check_count("repeats", repeats, at_least=1)
        if self._latest_plan is None:
            raise StudyError(
                "confirm() trains on the data of the latest search: call search(x, y, …) first. "
                "On a study that has all its trials that trains nothing."
            )
        objective = self.study.objective
        assert objective is not None
        with self._writing(objective) as writer, ended_by_the_user():
            confirm(self._latest_plan, writer, writer.study.finalists(n), repeats)
        return self.study.confirmed()

    def _remarks(self, objective: Objective, data: TrainingData, study: Study) -> Sequence[str]:
        """What a person should know when a search begins, besides what was found in the journal."""
        remarks = []
        from kerastune_lite.running.task import own_fit_of

        has_own_fit = own_fit_of(self.build_fn) is not None
        if data.has_validation and not has_own_fit and is_of_training(objective):
            name = objective.name
            remarks.append(
                f"objective {name!r} is measured on the training data; 'val_{name}' would be on the validation data"
            )
        if data.folds is not None:
            remarks.append(f"cross-validation on {len(data.folds)} folds by {data.folds.name}")
        failed = failed_numbers(study) if self.retry_failed else ()
        if failed:
            remarks.append(f"{len(failed)} failed trials are tried again")
        return remarks

    def _strategy_for(self, shared: Shared, epochs: int) -> StrategySource:
        """What chooses the settings of a search on what its trials share, each trained for so many epochs."""
        return self.strategy

    def _planned_epochs(self, epochs: int) -> int | None:
        """How many epochs all trials of a search train together, where the strategy knows that beforehand."""
        return None

    def _closing_remarks(self, study: Study) -> Sequence[str]:
        """What else a person should know at the end of a search."""
        return ()

    def _resumed(self, plan: SearchPlan, writer: StudyWriter) -> tuple[Reviewer | None, list[str]]:
        """Compares a search with what its study holds already, before anything is trained.

        Returns:
            What asks build_fn about earlier trials, or None where there are none; and what a person is told.

        Raises:
            StudyMismatchError: The study can't go on with this search.
        """
        from kerastune_lite.running.task import trial_runner_of
        from kerastune_lite.search import description, resumption

        tuner, strategy = type(self).__name__, plan.strategy
        resumption.check_plan(writer.study, strategy, tuner)
        # What runs whole trials itself can't be asked for their parameters without running them.
        may_ask = writer.is_resumed and trial_runner_of(self.build_fn) is None
        reviewer = resumption.Reviewer(plan.shared, writer) if may_ask else None
        if reviewer is not None:
            reviewer.begin(lambda study: resumption.check_goes_on(study, strategy, tuner))
        now = description.description_of(tuner, plan)
        before = writer.study.latest_search
        if before != now:
            writer.append(SearchDescribed(description=now))
        has_scores = any(trial.score is not None for trial in writer.study.trials)
        told = description.remark_on(before, now) if has_scores else []
        return reviewer, [*told, *resumption.remark_on(writer.study)]

    @contextmanager
    def _writing(self, objective: Objective) -> Iterator[StudyWriter]:
        """The study, opened for writing by this process alone, with the user's random state kept as it is."""
        from kerastune_lite.search.interrupts import sigterm_raises
        from kerastune_lite.study.directory_lock import directory_lock

        directory = self._settled_directory()
        with directory_lock(directory), random_state_put_back(), sigterm_raises():
            writer = StudyWriter.open(
                directory,
                objective,
                self.seed,
                fresh_seed=int(np.random.SeedSequence().generate_state(1)[0]),
                overwrite=self.overwrite,
                views=[display_for(self.verbose), *self._logs(), *self.views],
            )
            self.overwrite = False
            with closing(writer):
                yield writer

    def _logs(self) -> Sequence[View]:
        """What writes logs for TensorBoard, where a person wants them."""
        if self.tensorboard is False:
            return ()
        return (TensorBoard(None if self.tensorboard is True else expanded(self.tensorboard)),)

    @property
    def _places(self) -> Places:
        """Where trials run."""
        from kerastune_lite.execution.workers import FaultLimits
        from kerastune_lite.search.places import Places

        limits = FaultLimits(self.heartbeat_timeout, self.trial_timeout)
        return Places(self.workers, self.executor, self.trials_per_gpu, limits)

    @property
    def study(self) -> Study:
        """The study of this tuner's directory, as its journal has it now; StudyError before the first search."""
        if self.directory is None:
            raise StudyError("This tuner has no study yet: call search() first, or give it a directory that holds one.")
        version = _version_of(self.directory / JOURNAL_NAME)
        if self._study_as_read is None or not version or self._study_as_read[0] != version:
            self._study_as_read = version, Study.open(self.directory)
        return self._study_as_read[1]

    def space(self, builds: int = 20) -> Space:
        """The parameters that build_fn asks for, without a search; printed, a line each.

        build_fn is called with its defaults and with random settings, for ten seconds at most, and nothing is trained.
        A parameter that only few settings lead to by a plain `if` may not be among them; those inside `hp.when` are.

        Args:
            builds: How many settings build_fn is called with.

        Raises:
            KerastuneError: build_fn asks for something that is impossible.
        """
        from kerastune_lite.running.task import Shared
        from kerastune_lite.search.preview import asked_space

        with random_state_put_back():
            return asked_space(Shared(self.build_fn, presets=self.presets), check_count("builds", builds, at_least=1))

    def enqueue(self, values: Mapping[str, Value]) -> None:
        """Lets the next search try a setting before the strategy's own; what it leaves out is drawn.

        Values outside their range and names that build_fn doesn't ask for are refused when the search begins, before
        any training. A setting that the study tried already is not tried again.
        """
        if not isinstance(values, Mapping) or not values:
            raise TypeError(f"enqueue takes a dict of values that is not empty. Received: {values!r}.")
        self._enqueued.append(dict(values))

    def best_model(self) -> keras.Model:
        """The best trial's model at its best epoch, compiled; its score on the validation data is the trial's.

        With cross-validation it is the model of the trial's best fold, or with `refit=True` one that was trained on all
        samples.

        It is read from its file where Keras can do that; else build_fn makes it, and it is given the weights that were
        kept. With `verbose` a line says which way it went.

        Raises:
            NoResultError: It wasn't kept, or can't be given back; with the cause that Keras gave.
        """
        return self.best_models(1)[0]

    def best_models(self, n: int = 1) -> list[keras.Model]:
        """The models of the best `n` trials, best first, as far as `keep_models` kept them; fewer come with a warning.

        Raises:
            NoResultError: None was kept, or one can't be given back; with the cause that Keras gave.
        """
        from kerastune_lite.training import finished_models

        check_count("n", n, at_least=1)
        study = self.study
        ranked = study.leaderboard(n) or (study.best,)
        models = finished_models.loaded(ranked, StudyFiles(study.directory), self.keep_models, self.build)
        for loaded in models:
            self._say(f"model {loaded.way}")
        return [loaded.model for loaded in models]

    def build(self, trial_or_values: Trial | Mapping[str, Value]) -> keras.Model:
        """A fresh, compiled, untrained model of a trial's setting or of any values."""
        return self._build(trial_or_values)[0]

    def retrain(
        self,
        x: Any = None,
        y: Any = None,
        trial: Trial | None = None,
        epochs: int | None = None,
        **fit_arguments: Any,
    ) -> keras.Model:
        """Trains a setting afresh, on all data, as the search trained it, and gives back the model.

        It is trained by the `fit` of a build_fn that has one, with the arguments of `fit` that build_fn returns and
        those that the latest search was given (batch size, class weights, the callbacks that aren't there to stop a
        training), unless others are given. In another process than the search's only the callbacks have to be given
        again, and arguments that are neither numbers nor texts.

        Args:
            x: Inputs; None where build_fn brings its own.
            y: Targets.
            trial: Which trial's setting; the best one's by default.
            epochs: How long; by default as long as the trial took to its best epoch, or its median fold did.
            **fit_arguments: Arguments of `model.fit`, instead of the search's own.

        Raises:
            ValueError: `epochs` is less than 1.
            DataError: There are no data.
        """
        from kerastune_lite.training import finished_models

        epochs = check_count("epochs", epochs, at_least=1, or_none=True)
        trial = trial or self.study.best
        shared = self._latest_shared()
        with random_state_put_back():
            return finished_models.retrained(trial, shared, (x, y), epochs, fit_arguments)

    def _latest_shared(self) -> Shared:
        """What the trials of the latest search share: of this process's own, or else what the journal knows of it."""
        from kerastune_lite.running.task import Shared
        from kerastune_lite.running.training_data import TrainingData
        from kerastune_lite.search.description import arguments_in

        if self._latest_plan is not None:
            return self._latest_plan.shared
        arguments = arguments_in(self.study.latest_search)
        return Shared(self.build_fn, TrainingData(fit_arguments=arguments), presets=self.presets)

    def _say(self, text: str) -> None:
        """Prints a line for a person, unless the tuner is to be silent."""
        if self.verbose:
            Screen(Console(soft_wrap=True, force_jupyter=False)).show(text)

    def _build(self, trial_or_values: Trial | Mapping[str, Value]) -> tuple[keras.Model, dict[str, Any]]:
        """A model of a setting, and the arguments of `fit` that build_fn decided with it."""
        from kerastune_lite.training import finished_models

        values = trial_or_values.values if isinstance(trial_or_values, Trial) else trial_or_values
        return finished_models.built(self.build_fn, values, self.objective or Objective("loss"), self.presets)

    def _settled_directory(self) -> Path:
        """The directory that was given, or a fresh one."""
        if self.directory is None:
            name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            directory, count = Path(RUNS_FOLDER).absolute() / name, 1
            while directory.exists():
                directory, count = directory.with_name(f"{name}_{count}"), count + 1
            self.directory = directory
        return self.directory


def _version_of(path: Path) -> tuple[int, ...]:
    """The inode, size and time of a file, of which one changes whenever it does; empty where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
