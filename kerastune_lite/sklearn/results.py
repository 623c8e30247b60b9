"""`cv_results_`: the trials of a search in the form of scikit-learn's searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from kerastune_lite.sklearn.scored_build import SCORE, recorded_name
from kerastune_lite.study.trial import Trial


def cv_results(
    trials: Sequence[Trial],
    params: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    splits: int,
    sign: int,
    *,
    error_score: float = np.nan,
    with_training: bool = False,
    metric: str | None = None,
) -> dict[str, Any]:
    """A dict of arrays, with an entry for each trial.

    Args:
        trials: The trials, in the order in which they began.
        params: What each of them was built with.
        names: The names of the scorers; one that is alone is called "score".
        splits: How many folds there are.
        sign: The factor that turns the trials' scores so that more is better.
        error_score: The scores of a trial that failed.
        with_training: Whether the scores on the samples of training are among them.
        metric: The Keras metric that the scores are; None of scorers.
    """
    seconds = np.array([trial.seconds or 0.0 for trial in trials]) / splits
    results: dict[str, Any] = {
        # A trial's time isn't taken apart: training, validating and scoring count as fitting.
        "mean_fit_time": seconds,
        "std_fit_time": np.zeros(len(trials)),
        "mean_score_time": np.zeros(len(trials)),
        "std_score_time": np.zeros(len(trials)),
    }
    for name in dict.fromkeys(name for setting in params for name in setting):
        results[f"param_{name}"] = _column([setting.get(name, np.ma.masked) for setting in params])
    results["params"] = [dict(setting) for setting in params]
    for name in names:
        key, is_alone = (SCORE, True) if len(names) == 1 else (name, False)
        tested = [trial.scores if is_alone else _recorded(trial, recorded_name(name)) for trial in trials]
        results |= _columns("test", key, sign * _by_fold(trials, tested, splits, sign * error_score))
        results[f"rank_test_{key}"] = _ranks(results, key, splits)
        if with_training:
            trained = [
                _recorded(trial, recorded_name(key, "train")) if metric is None else _of_epochs(trial, metric)
                for trial in trials
            ]
            results |= _columns("train", key, sign * _by_fold(trials, trained, splits, sign * error_score))
    return results


def _by_fold(trials: Sequence[Trial], scores: Sequence[Sequence[float]], splits: int, error_score: float) -> np.ndarray:
    """The score of each trial on each fold, or its mean over several trainings; NaN on a fold that it was not given."""
    table = np.full((len(trials), splits), np.nan)
    for row, trial, given in zip(table, trials, scores, strict=True):
        if trial.score is None:
            row[:] = error_score
        else:
            trained = min(splits, len(given))
            row[:trained] = [np.mean(given[fold::splits]) for fold in range(trained)]
    return table


def _recorded(trial: Trial, name: str) -> Sequence[float]:
    """The scores of a name in a trial's record, one for each training: those that are all the same stand there once."""
    score = trial.returned.get(name, np.nan)
    return score if isinstance(score, (list, tuple)) else [score] * len(trial.scores)


def _of_epochs(trial: Trial, metric: str) -> Sequence[float]:
    """The metric of training at the best epoch of each training, as Keras logged it."""
    best_epochs = trial.best_epochs or (trial.best_epoch,)
    return [
        np.nan if epoch is None else curve[epoch].get(metric.removeprefix("val_"), np.nan)
        for curve, epoch in zip(trial.curves, best_epochs, strict=False)
    ]


def _columns(data: str, key: str, scores: np.ndarray) -> dict[str, np.ndarray]:
    """The score on each fold, and their mean and deviation, which leave folds out that a trial was not given."""
    counts = (~np.isnan(scores)).sum(1)
    with np.errstate(all="ignore"):
        means = np.where(counts > 0, np.nansum(scores, 1) / counts, np.nan)
        deviations = np.where(counts > 0, np.sqrt(np.nansum((scores - means[:, None]) ** 2, 1) / counts), np.nan)
    by_fold = {f"split{split}_{data}_{key}": scores[:, split] for split in range(scores.shape[1])}
    return {**by_fold, f"mean_{data}_{key}": means, f"std_{data}_{key}": deviations}


def _ranks(results: Mapping[str, np.ndarray], key: str, splits: int) -> np.ndarray:
    """The rank of each trial: 1 has the best mean, and those that lack a fold share the last one."""
    means = results[f"mean_test_{key}"]
    lacks = np.isnan([results[f"split{split}_test_{key}"] for split in range(splits)]).any(0)
    ranks: np.ndarray = rankdata(np.where(lacks, np.inf, -means), method="min").astype(np.int32)
    return ranks


def _column(values: Sequence[Any]) -> np.ma.MaskedArray:
    """The values of one parameter as scikit-learn has them: numbers as float64 or int64, and else objects."""
    present = [value for value in values if value is not np.ma.masked]
    is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present)
    kind: Any = np.asarray(present).dtype if present and is_number else object
    column = np.ma.MaskedArray(np.empty(len(values), dtype=kind), mask=True)
    for place, value in enumerate(values):
        if value is not np.ma.masked:
            column[place] = value
    return column
