"""What the Gaussian process believes about a study's settings, in the units of the study's objective.

The model is that of strategies/bayesian/, which minimises. Before it is asked, the scores of a study whose objective is
maximised are negated, and the means that it predicts are negated again. A model is fitted in every call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kerastune_lite.space import Value
from kerastune_lite.strategies.bayesian import predictions
from kerastune_lite.strategies.bayesian.predictions import Prediction, Prospect
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.study.leaderboard import Leaderboard
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, inside


def predict(study: Study, values: Mapping[str, Value]) -> Prediction | None:
    """The score that the model predicts for a setting; None while no two trials have ended differently."""
    expected = predict_all(study, [values])
    return None if expected is None else expected[0]


def predict_all(study: Study, settings: Sequence[Mapping[str, Value]]) -> list[Prediction] | None:
    """The scores that one model predicts for several settings; None while no two trials have ended differently."""
    expected = predictions.predict_all(study.space, inside(study.to_minimise()), settings)
    return None if expected is None else [_in_own_units(study, prediction) for prediction in expected]


def suggestions(study: Study, n: int) -> list[Prospect]:
    """The next `n` settings that a Bayesian search would try, with the score that the model predicts for each.

    There are fewer where the space ends.
    """
    prospects = predictions.suggestions(
        study.space, inside(study.to_minimise()), n, BayesianStrategy(seed=study.seed or 0)
    )
    return [
        dataclasses.replace(prospect, prediction=prospect.prediction and _in_own_units(study, prospect.prediction))
        for prospect in prospects
    ]


def recommended(study: Study) -> Trial:
    """The trial with the best confirmations, or if none was confirmed, the one with the best expected score.

    Raises:
        NoResultError: No trial has a score.
    """
    confirmed = study.confirmed()
    return confirmed[0] if confirmed else finalists(study, 1)[0]


def finalists(study: Study, n: int) -> Leaderboard:
    """The `n` trials with the best expected scores; if `n` is above 1, the best-scored trial is always among them.

    Raises:
        NoResultError: No trial has a score.
    """
    best = study.best
    ranked = [
        study.trial(trial.number) for trial in predictions.best_expected_first(study.space, inside(study.to_minimise()))
    ]
    chosen = ranked[:n]
    if n > 1 and all(trial.number != best.number for trial in chosen):
        chosen[-1] = best
    return Leaderboard(chosen, study.objective)


def _in_own_units(study: Study, prediction: Prediction) -> Prediction:
    objective = study.objective
    sign = objective.sign if objective is not None and objective.direction else 1
    return dataclasses.replace(prediction, mean=sign * prediction.mean)
