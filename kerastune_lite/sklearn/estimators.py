"""TunedClassifier and TunedRegressor: a search of settings behind scikit-learn's `fit` and `predict`."""

from __future__ import annotations

import functools
import sys
import tempfile
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning, FitFailedWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from kerastune_lite.other_tuners.of_tuners import ESTIMATOR_ARGUMENTS
from kerastune_lite.other_tuners.telling import told_arguments
from kerastune_lite.search.settings import check_count
from kerastune_lite.search.tuner import Tuner
from kerastune_lite.search.tuners import (
    BayesianOptimization,
    FreezeThaw,
    GridSearch,
    Hyperband,
    PopulationBasedTraining,
    RandomSearch,
)
from kerastune_lite.sklearn.arguments import (
    ClassWeights,
    Splits,
    checked_error_score,
    checked_fraction,
    checked_weights,
    splits_of,
    worker_count,
)
from kerastune_lite.sklearn.fitted import FittedClassifier, FittedModel, FittedRegressor
from kerastune_lite.sklearn.questions import Grid, Questions, check_names, grids_of
from kerastune_lite.sklearn.results import cv_results
from kerastune_lite.sklearn.scored_build import SCORE, ScoredBuild, Scorer, own_score
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial

TUNERS = {
    "grid": GridSearch,
    "random": RandomSearch,
    "bayesian": BayesianOptimization,
    "hyperband": Hyperband,
    "freeze-thaw": FreezeThaw,
}
"""The tuners by the names that `tuner=` takes."""
PAUSING = (Hyperband, FreezeThaw)
"""Those that compare trials while they train, by a metric of every epoch."""


def _maker_of(tuner: Any) -> Any:
    """What makes the tuner that `tuner=` means: the class of a name, else what was given."""
    return TUNERS.get(tuner, tuner) if isinstance(tuner, str) else tuner


def _kind_of(tuner: Any) -> Any:
    """The class of the tuner that `tuner=` means, as far as it can be told before it is made."""
    made = _maker_of(tuner)
    return made.func if isinstance(made, functools.partial) else made


def _is_refit(estimator: Any) -> bool:
    if not estimator.refit:
        raise AttributeError(
            f"This {type(estimator).__name__} was made with refit=False, which leaves no model to predict with. "
            "best_params_ has the setting to train one with."
        )
    return True


class _Tuned(BaseEstimator):  # type: ignore[misc]
    """What both estimators have in common.

    Args:
        build_fn: `build_fn(hp)`, or `build_fn(hp, meta)` where it asks about the data, returns a compiled model. With
            `param_grid` or `param_distributions` it is a function of the arguments that these name. None tunes a
            network with one hidden layer.
        param_grid: The values of each argument, a list each, or a list of such dicts; arguments that build_fn doesn't
            take are those of `fit`, such as `batch_size`.
        param_distributions: The same, with distributions of scipy.stats among the values.
        tuner: "bayesian", "random", "grid", "hyperband", "freeze-thaw", or a function of build_fn, objective and
            settings that makes one: `functools.partial(BayesianOptimization, initial_trials=4)`. Hyperband and
            freeze-thaw search go by a Keras metric and take no cv.
        n_iter: How many settings are tried at most; a grid is tried whole.
        cv: As in scikit-learn, but None is a single split: with networks five trainings a setting are rarely worth
            their time.
        scoring: A scorer, its name, or a list or dict of several, of which `refit` names one; None is the estimator's
            own score. A Keras metric such as "val_loss" is taken too, and trains faster, by the compiled engine.
        refit: Whether the best setting is trained again on all samples; or the name of the scorer to choose by; or a
            function of `cv_results_` that returns the index of the best setting.
        epochs: How long each setting is trained.
        batch_size: As in Keras.
        validation_fraction: The share of the samples that the single split validates on.
        callbacks: Keras callbacks, copied afresh for each training.
        fit_arguments: Other arguments of `model.fit`, as a dict. A classifier's `class_weight` goes by the labels, or
            is "balanced"; in a grid too.
        error_score: The score of a setting that fails; the search goes on with the others. With nan, which ranks last,
            it ends after three failures in a row, and with "raise" at the first.
        return_train_score: Whether `cv_results_` has the scores on the samples of training too. Scorers predict them
            for that; a Keras metric is that of training, as Keras logged it at the best epoch.
        n_jobs: How many settings are tried at a time, in processes; -1 for as many as there are cores.
        directory: Where the study is kept; each `fit` begins it anew. None keeps nothing on disk.
        random_state: What every random choice is drawn from.
        verbose: 1 prints a line for each trial.
    """

    @told_arguments(ESTIMATOR_ARGUMENTS)
    def __init__(
        self,
        build_fn: Callable[..., Any] | None = None,
        *,
        param_grid: Any = None,
        param_distributions: Any = None,
        tuner: Any = "bayesian",
        n_iter: int = 10,
        cv: Any = None,
        scoring: Any = None,
        refit: Any = True,
        epochs: int = 15,
        batch_size: int | None = 16,
        validation_fraction: float = 0.2,
        callbacks: Any = (),
        fit_arguments: Mapping[str, Any] | None = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        n_jobs: int | None = None,
        directory: str | Path | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.build_fn = build_fn
        self.param_grid = param_grid
        self.param_distributions = param_distributions
        self.tuner = tuner
        self.n_iter = n_iter
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.fit_arguments = fit_arguments
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.n_jobs = n_jobs
        self.directory = directory
        self.random_state = random_state
        self.verbose = verbose

    # What the two kinds differ in

    _class_weights: ClassWeights | None = None
    """What turns weights of classes into those of their numbers, where there are classes."""

    @abstractmethod
    def _targets(self, y: Any) -> np.ndarray:
        """The targets as the model is trained on them; sets what is learnt of them."""

    @abstractmethod
    def _meta(self) -> dict[str, Any]:
        """What build_fn is told of the targets."""

    @abstractmethod
    def _fitted(self) -> FittedModel:
        """An estimator that has no model yet."""

    @abstractmethod
    def _single_split(self, y: np.ndarray, seed: int, size: float) -> Splits:
        """One split of the samples, or none where there are too few."""

    # Fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Searches the best setting and trains it on all samples.

        Args:
            X: Samples of numbers, of any shape.
            y: Their targets.
            sample_weight: The weight of each sample in training.
            groups: The group of each sample, for `cv`.
        """
        self._error_score = checked_error_score(self.error_score)
        X, y = validate_data(self, X, y, dtype=np.float32, allow_nd=True, multi_output=True, y_numeric=self._is_numeric)
        targets = self._targets(y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        weights = checked_weights(sample_weight, len(X))
        splits = self._splits(X, y, targets, groups, seed)
        self.n_splits_ = max(len(splits), 1)
        self.meta_ = {"n_features_in_": self.n_features_in_, "shape": X.shape[1:], **self._meta()}
        build_fn, grids = self._builder(), grids_of(self.param_grid, self.param_distributions)
        if grids is not None:
            check_names(build_fn, grids)
        self._check_class_weights(grids or (), is_weighted=weights is not None)
        self._questions = Questions(build_fn, grids, self.meta_, self._class_weights)
        with self._folder() as folder:
            tuner = self._made_tuner(splits, folder, seed)
            arguments = self._search_arguments(weights)
            if len(splits) == 1:
                train, held_out = splits[0]
                parts = (targets, *([] if weights is None else [weights]))
                arguments["validation_data"] = (X[held_out], *(part[held_out] for part in parts))
                if weights is not None:
                    arguments["sample_weight"] = weights[train]
                self.study_ = tuner.search(X[train], targets[train], **arguments)
            else:
                self.study_ = tuner.search(X, targets, cv=splits or None, **arguments)
            self._keep_results()
            if self.refit:
                weighted: dict[str, Any] = {} if weights is None else {"sample_weight": weights}
                started = time.perf_counter()
                model = tuner.retrain(X, targets, self._best_trial, **weighted)
                self.refit_time_ = time.perf_counter() - started
                self.best_estimator_: Any = self._fitted()
                self.best_estimator_.model = model
        return self

    @property
    def _pauses(self) -> bool:
        return _kind_of(self.tuner) in PAUSING

    @property
    def _is_numeric(self) -> bool:
        return isinstance(self, RegressorMixin)

    def _builder(self) -> Callable[..., Any]:
        from kerastune_lite.sklearn.default_model import build_default

        if self.build_fn is None and (self.param_grid is not None or self.param_distributions is not None):
            raise ValueError("param_grid and param_distributions name arguments of build_fn, and there is no build_fn.")
        return build_default if self.build_fn is None else self.build_fn

    def _splits(self, X: np.ndarray, y: np.ndarray, targets: np.ndarray, groups: Any, seed: int) -> Splits:
        if self.cv is None:
            return self._single_split(targets, seed, checked_fraction(self.validation_fraction))
        return splits_of(self.cv, X, y, groups, classifier=isinstance(self, ClassifierMixin))

    def _check_class_weights(self, grids: Sequence[Grid], *, is_weighted: bool) -> None:
        """Refuses weights of classes that Keras would refuse in the training of each setting."""
        given = [
            (self.fit_arguments or {}).get("class_weight"),
            *(each for grid in grids for each in _of_classes(grid)),
        ]
        if self._class_weights is not None:
            for each in given:
                self._class_weights.by_number(each)
        if is_weighted and any(each is not None for each in given):
            raise ValueError(
                "Keras takes either sample_weight or class_weight. Leave class_weight out, and pass sample_weight "
                "times sklearn.utils.class_weight.compute_sample_weight(class_weight, y)."
            )

    def _made_tuner(self, splits: Splits, folder: Path, seed: int) -> Tuner:
        """The tuner, whose objective is the score of scorers, or a Keras metric."""
        metric = self._keras_metric(splits)
        build: Any = self._questions
        if metric is None:
            scorers = self._scorers()
            self.scorer_: Any = scorers
            self._ranked_by = self._name_to_rank_by(scorers)
            build = ScoredBuild(build, self._fitted(), scorers, self._ranked_by, bool(self.return_train_score))
            objective = Objective(SCORE, "max")
        else:
            self.scorer_, self._ranked_by = {SCORE: metric}, SCORE
            objective = Objective.of(metric)
        settings: dict[str, Any] = {
            "directory": folder,
            "overwrite": True,
            "seed": seed,
            "workers": worker_count(self.n_jobs),
            "keep_models": 0,
            "verbose": self.verbose,
        }
        made = _maker_of(self.tuner)
        if not callable(made):
            raise ValueError(
                f"tuner has to be one of {', '.join(map(repr, TUNERS))}, or a function. Received: {made!r}."
            )
        if _kind_of(self.tuner) is PopulationBasedTraining:
            raise ValueError(
                "PopulationBasedTraining changes settings while they train, so that there is no best setting to train "
                "again: search with it by itself, PopulationBasedTraining(build_fn).search(x, y, epochs=…). "
                f"Received: tuner={self.tuner!r}."
            )
        if self._pauses:
            settings["max_epochs"] = self.epochs
        if _kind_of(self.tuner) is not GridSearch:
            settings["max_trials"] = check_count("n_iter", self.n_iter, at_least=1)
        if self._error_score is None:
            settings["max_failures_in_a_row"] = 1
        elif not np.isnan(self._error_score):
            settings["max_failures_in_a_row"] = sys.maxsize
        tuner: Tuner = made(build, objective, **settings)
        tuner.keeps_study = self.directory is not None
        return tuner

    def _keras_metric(self, splits: Splits) -> str | None:
        """The Keras metric that settings are ranked by; None where scorers do that."""
        is_metric = isinstance(self.scoring, str) and (self.scoring.startswith("val_") or self.scoring == "loss")
        if self._pauses and not is_metric and self.scoring is not None:
            raise ValueError(
                f"{_kind_of(self.tuner).__name__} compares trials while they train, by a Keras metric: leave scoring "
                f"out, which means 'val_loss', or name one. Received: scoring={self.scoring!r}."
            )
        if not splits:
            return "loss"
        return self.scoring if is_metric else "val_loss" if self._pauses else None

    def _search_arguments(self, weights: np.ndarray | None) -> dict[str, Any]:
        arguments = {"batch_size": self.batch_size, "callbacks": self.callbacks, **(self.fit_arguments or {})}
        if self._class_weights is not None and "class_weight" in arguments:
            arguments["class_weight"] = self._class_weights.by_number(arguments["class_weight"])
        if not self._pauses:
            arguments["epochs"] = self.epochs
        return arguments if weights is None else {**arguments, "sample_weight": weights}

    def _scorers(self) -> dict[str, Scorer]:
        given = self.scoring
        if given is None or isinstance(given, str) or callable(given):
            return {SCORE: own_score if given is None else get_scorer(given)}
        if isinstance(given, Mapping):
            return {name: get_scorer(scorer) for name, scorer in given.items()}
        return {name: get_scorer(name) for name in given}

    def _name_to_rank_by(self, scorers: Mapping[str, Scorer]) -> str:
        if isinstance(self.refit, str) and self.refit in scorers:
            return self.refit
        if len(scorers) == 1 or callable(self.refit) or not self.refit:
            return next(iter(scorers))
        raise ValueError(
            f"With several scorers, refit has to name the one to choose by: one of {', '.join(scorers)}. "
            f"Received: refit={self.refit!r}."
        )

    def _keep_results(self) -> None:
        trials = self._trials
        objective = self.study_.objective
        assert objective is not None
        params = [self._questions.arguments_of(trial.values) for trial in trials]
        names = list(self.scorer_)
        self.multimetric_ = len(names) > 1
        error_score = np.nan if self._error_score is None else self._error_score
        self.cv_results_ = cv_results(
            trials,
            params,
            names,
            self.n_splits_,
            -objective.sign,
            error_score=error_score,
            with_training=bool(self.return_train_score),
            metric=None if objective.name == SCORE else objective.name,
        )
        _warn_of_failures(trials, params, error_score)
        key = self._ranked_by if self.multimetric_ else SCORE
        if callable(self.refit):
            self.best_index_ = _chosen_index(self.refit(self.cv_results_), len(trials))
        else:
            self.best_index_ = int(self.cv_results_[f"rank_test_{key}"].argmin())
        self.best_params_ = params[self.best_index_]
        self.best_score_ = float(self.cv_results_[f"mean_test_{key}"][self.best_index_])
        if not self.multimetric_:
            self.scorer_ = self.scorer_[names[0]]

    @property
    def _trials(self) -> Sequence[Trial]:
        return [trial for trial in self.study_.trials if trial.state.ended]

    @property
    def _best_trial(self) -> Trial:
        return self._trials[self.best_index_]

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        if self.directory is not None:
            yield Path(self.directory)
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "study"

    # Afterwards

    @available_if(_is_refit)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> np.ndarray:
        """What the model predicts for each sample."""
        check_is_fitted(self)
        predicted: np.ndarray = self.best_estimator_.predict(self._checked(X))
        return predicted

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of the model: by the scorer that settings are ranked by, where `scoring` has one; else the usual.

        The usual is the accuracy of a classifier and the R² of a regressor, for Keras metrics too.
        """
        check_is_fitted(self)
        _is_refit(self)
        scorer = self.scorer_[self._ranked_by] if self.multimetric_ else self.scorer_
        if self.scoring is None or not callable(scorer):
            return float(self.best_estimator_.score(self._checked(X), y, sample_weight))
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(scorer(self.best_estimator_, self._checked(X), y, **weights))

    def _checked(self, X: Any) -> np.ndarray:
        checked: np.ndarray = validate_data(self, X, dtype=np.float32, allow_nd=True, reset=False)
        return checked

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


def _of_classes(grid: Grid) -> list[Any]:
    """The weights of classes that a grid has."""
    values = grid.get("class_weight", ())
    return list(values) if isinstance(values, (list, tuple, np.ndarray)) else []


def _warn_of_failures(trials: Sequence[Trial], params: Sequence[Mapping[str, Any]], error_score: float) -> None:
    """Warns of settings that failed, as scikit-learn's searches do."""
    failed = [trial for trial in trials if trial.error is not None]
    if failed:
        first, error = params[trials.index(failed[0])], failed[0].error
        warnings.warn(
            f"{len(failed)} of {len(trials)} settings failed, and have the score {error_score}. The first was {first}: "
            f"{error.summary if error is not None else ''}",
            FitFailedWarning,
            stacklevel=4,
        )


def _chosen_index(index: Any, count: int) -> int:
    """The index of the best setting that refit= returned; an error where it is none."""
    if not isinstance(index, (int, np.integer)) or isinstance(index, bool):
        raise TypeError(f"refit has to return the index of the best setting, an integer. It returned: {index!r}.")
    if not 0 <= index < count:
        raise IndexError(f"refit has to return an index from 0 to {count - 1}. It returned: {index}.")
    return int(index)


def _with_arguments(summary: str | None) -> str:
    """The docstring of a class with the arguments that both estimators have."""
    arguments = (_Tuned.__doc__ or "").partition("\n\n")[2]
    return f"{(summary or '').rstrip()}\n\n{arguments}"


class TunedClassifier(ClassifierMixin, _Tuned):  # type: ignore[misc]
    """A classifier whose settings are searched when it is fitted.

    Labels may be anything; the model is trained on their numbers from 0, and `meta["n_classes_"]` tells how many
    outputs it needs (with a sigmoid, one for two classes).
    """

    __doc__ = _with_arguments(__doc__)

    score = _Tuned.score  # not that of the mixin, which doesn't know of scoring=

    def _targets(self, y: Any) -> np.ndarray:
        check_classification_targets(y)
        encoder = LabelEncoder().fit(np.asarray(y).ravel())
        if np.ndim(y) == 2:
            if np.shape(y)[1] > 1:
                raise ValueError(
                    f"y has to be one label a sample. Received: an array of shape {np.shape(y)}. Of one-hot rows pass "
                    "y.argmax(1)."
                )
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected.", DataConversionWarning, stacklevel=3
            )
        self.classes_ = encoder.classes_
        targets: np.ndarray = encoder.transform(np.asarray(y).ravel()).astype(np.int32)
        self._class_weights = ClassWeights(self.classes_, targets)
        return targets

    def _meta(self) -> dict[str, Any]:
        return {"n_outputs_": 1, "n_classes_": len(self.classes_), "classes_": self.classes_}

    def _fitted(self) -> FittedModel:
        return FittedClassifier(classes=self.classes_)

    def _single_split(self, y: np.ndarray, seed: int, size: float) -> Splits:
        rarest, classes = np.bincount(y).min(), len(self.classes_)
        held_out = int(np.ceil(size * len(y)))
        is_by_class = rarest >= 2 and held_out >= classes and len(y) - held_out >= classes
        splitter = (StratifiedShuffleSplit if is_by_class else ShuffleSplit)(1, test_size=size, random_state=seed)
        return list(splitter.split(y, y)) if len(y) > 1 else []

    @available_if(_is_refit)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """A probability for each class, in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: np.ndarray = self.best_estimator_.predict_proba(self._checked(X))
        return probabilities

    @available_if(_is_refit)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of the probability of each class, in the order of `classes_`."""
        with np.errstate(divide="ignore"):
            logarithms: np.ndarray = np.log(self.predict_proba(X))
        return logarithms


class TunedRegressor(RegressorMixin, _Tuned):  # type: ignore[misc]
    """A regressor whose settings are searched when it is fitted. Targets may be a table of several."""

    __doc__ = _with_arguments(__doc__)

    score = _Tuned.score  # not that of the mixin, which doesn't know of scoring=

    def _targets(self, y: Any) -> np.ndarray:
        self._is_column = np.ndim(y) == 2
        targets = np.asarray(y, np.float32)
        targets = targets if self._is_column else targets.reshape(-1, 1)
        self._outputs = targets.shape[1]
        return targets

    def _meta(self) -> dict[str, Any]:
        return {"n_outputs_": self._outputs}

    def _fitted(self) -> FittedModel:
        return FittedRegressor(is_column=self._is_column)

    def _single_split(self, y: np.ndarray, seed: int, size: float) -> Splits:
        splitter = ShuffleSplit(1, test_size=size, random_state=seed)
        return list(splitter.split(y)) if len(y) > 1 else []

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
