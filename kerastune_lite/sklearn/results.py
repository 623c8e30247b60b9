"""`cv_results_`: the trials of a search in the form of scikit-learn's searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from kerastune_lite.sklearn.scored_build import SCORE, recorded_name
from kerastune_lite.study.trial import Trial


def cv_results(
    trials: Sequence[Trial], params: Sequence[Mapping[str, Any]], names: Sequence[str], splits: int, sign: int
) -> dict[str, Any]:
    """A dict of arrays, with an entry for each trial.

    Args:
        trials: The trials, in the order in which they began.
        params: What each of them was built with.
        names: The names of the scorers; one that is alone is called "score".
        splits: How many folds there are.
        sign: The factor that turns the trials' scores so that more is better.
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
        key = SCORE if len(names) == 1 else name
        scores = sign * np.array([_scores(trial, key, splits) for trial in trials], float).reshape(len(trials), splits)
        for split in range(splits):
            results[f"split{split}_test_{key}"] = scores[:, split]
        with np.errstate(all="ignore"):
            counts = np.isfinite(scores).sum(1)
            means = np.where(counts > 0, np.nansum(scores, 1) / np.maximum(counts, 1), np.nan)
            deviations = np.sqrt(np.nansum((scores - means[:, None]) ** 2, 1) / np.maximum(counts, 1))
        results[f"mean_test_{key}"] = means
        results[f"std_test_{key}"] = np.where(counts > 0, deviations, np.nan)
        lowest = np.nanmin(means, initial=0.0) - 1.0 if len(means) else 0.0
        is_whole = counts == splits
        ranked = np.where(is_whole, means, lowest)
        results[f"rank_test_{key}"] = rankdata(-ranked, method="min").astype(np.int32)
    return results


def _scores(trial: Trial, key: str, splits: int) -> list[float]:
    """The score of each fold, or its mean over several trainings; NaN of a failed trial and of folds left out."""
    if trial.score is None:
        return [np.nan] * splits
    scores: Sequence[Any] = trial.scores
    if key != SCORE:
        returned = trial.returned[recorded_name(key)]
        scores = returned if isinstance(returned, (list, tuple)) else [returned] * len(trial.scores)
    trained = [float(np.mean(scores[fold::splits])) for fold in range(min(splits, len(scores)))]
    return [*trained, *([np.nan] * (splits - len(trained)))]


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
