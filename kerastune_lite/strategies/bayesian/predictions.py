"""Predicted scores of settings, and the settings and trials that are best by these predictions.

Pure functions of a space and its trials, whose scores are minimised. The model is the one that the strategy searches
with. It is fitted to warped scores (output_warp.py): a normal output t with mean μ and deviation σ stands for the score
g(t), where g is the inverse of the warp: linear in the better half, through the scores seen in the worse half, and
never worse than the worst. The mean and deviation of g(t) are computed by quadrature, with equal weights for all
posteriors, so they are those of the score and not of its warp. The deviation is that of the underlying function: how
uncertain the model is of the mean, not how far a single noisy trial may lie from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite import markup
from kerastune_lite.space import Space, Value
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.bayesian.acquisition import log_expected_improvement
from kerastune_lite.strategies.bayesian.arrays import Flags, Floats
from kerastune_lite.strategies.bayesian.columns import features
from kerastune_lite.strategies.bayesian.gaussian_process import predict as predict_outputs
from kerastune_lite.strategies.bayesian.output_warp import LARGEST, Warp
from kerastune_lite.strategies.bayesian.rows import Table, rows_of, table_of
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy, model_of
from kerastune_lite.strategies.bayesian.surrogate import Surrogate
from kerastune_lite.strategies.strategy import Suggestion
from kerastune_lite.study.trial import Trial, best_first

NODES = 32
"""The number of nodes of the Gauss-Hermite quadrature."""


@dataclass(frozen=True)
class Prediction:
    """The predicted score of a setting.

    Attributes:
        mean: The expected score.
        deviation: The standard deviation of the model's estimate, without the noise of a single trial.
        expected_improvement: By how much the score is expected to be better than the best expected score of a tried
            setting, where a score that isn't better counts as 0.
    """

    mean: float
    deviation: float
    expected_improvement: float

    def __repr__(self) -> str:
        told = f"mean={self.mean:.5g}, deviation={self.deviation:.2g}"
        return f"Prediction({told}, expected_improvement={self.expected_improvement:.2g})"

    def _repr_html_(self) -> str:
        rows = [
            ("expected score", f"{self.mean:.5g}"),
            ("standard deviation of that", f"{self.deviation:.2g}"),
            ("expected improvement", f"{self.expected_improvement:.2g}"),
        ]
        return markup.table([], rows, caption="Prediction", texts=(0,), is_headed_by_rows=True)


@dataclass(frozen=True)
class Prospect:
    """A setting that the search would try next, with its prediction.

    Attributes:
        values: The setting.
        prediction: Its predicted score; None while there is no model.
    """

    values: Mapping[str, Value]
    prediction: Prediction | None


def predict(space: Space, trials: Sequence[Trial], values: Mapping[str, Value]) -> Prediction | None:
    """The prediction for one setting; None while no two trials have ended differently."""
    predictions = predict_all(space, trials, [values])
    return None if predictions is None else predictions[0]


def predict_all(
    space: Space, trials: Sequence[Trial], settings: Sequence[Mapping[str, Value]]
) -> list[Prediction] | None:
    """The prediction for each of several settings; None while no two trials have ended differently."""
    model = _Model.of(space, trials)
    return None if model is None else model.predictions(settings)


def suggestions(space: Space, trials: Sequence[Trial], count: int, strategy: BayesianStrategy) -> list[Prospect]:
    """The next `count` settings that would be tried if all of their trials ran at once; fewer if the space ends.

    The first one is what a search with the strategy's seed tries next.
    """
    ahead = list(trials)
    prospects = []
    for _ in range(count):
        number = max((trial.number for trial in ahead), default=-1) + 1
        answer = strategy.suggest(space, ahead, suggestion_rng(strategy.seed, number))
        if not isinstance(answer, Suggestion):
            break
        prospects.append(Prospect(answer.values, predict(space, ahead, answer.values)))
        ahead.append(Trial(number=number, values=answer.values))
    return prospects


def best_expected_first(space: Space, trials: Sequence[Trial]) -> list[Trial]:
    """The trials with a score, sorted by the score that the model expects, or by their own while there is no model.

    Under noise the best score is partly luck; the model takes the scores of neighbouring settings into account.
    """
    scored = best_first([t for t in trials if t.score is not None and math.isfinite(t.score)], "min")
    model = _Model.of(space, trials)
    if model is None or not scored:
        return scored
    means, _ = model.outputs_of(model.table.z, model.table.on)
    expected = dict(zip((trial.number for trial in model.table.tried), means.mean(axis=0).tolist(), strict=True))
    return sorted(scored, key=lambda trial: expected[trial.number])


@dataclass(frozen=True, eq=False)
class _Model:
    """The trials of a study as a table, the model that is fitted to it, and the warp of its outputs."""

    table: Table
    surrogate: Surrogate
    warp: Warp

    @classmethod
    def of(cls, space: Space, trials: Sequence[Trial]) -> _Model | None:
        table = table_of(space, trials)
        # The same study has to get the same predictions each time, so the draws are always the same.
        model = model_of(table, np.random.default_rng(0))
        return None if model is None else cls(table, *model)

    def outputs_of(self, z: Floats, on: Flags) -> tuple[Floats, Floats]:
        """Mean and deviation, (q, m) each, of outputs at rows and activity (m, d), under each of q posteriors."""
        embedded = features(self.table.columns, z, on)
        means, variances = zip(*(predict_outputs(post, embedded) for post in self.surrogate.posteriors), strict=True)
        return np.array(means), np.sqrt(np.array(variances))

    def predictions(self, settings: Sequence[Mapping[str, Value]]) -> list[Prediction]:
        means, deviations = self.outputs_of(*rows_of(self.table, settings))
        score_means, score_deviations = scores_of(means, deviations, self.warp)
        improvements = np.zeros(means.shape[1])
        for post, mean, deviation in zip(self.surrogate.posteriors, means, deviations, strict=True):
            best = float(post.fitted[: self.surrogate.observed].min())
            improvements += np.exp(log_expected_improvement(mean, deviation, best)[0]) / len(means)
        return [
            # The warp is linear where improvements lie, so that they only change their unit.
            Prediction(mean, deviation, min(improvement * self.warp.slope, LARGEST))
            for mean, deviation, improvement in zip(
                score_means.tolist(), score_deviations.tolist(), improvements.tolist(), strict=True
            )
        ]


def scores_of(means: Floats, deviations: Floats, warp: Warp) -> tuple[Floats, Floats]:
    """Mean and deviation, (m,) each, of the scores of m outputs, each an equal mixture of q normals, (q, m) each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / (weights.sum() * len(means))
    # (q, m, NODES) scores; the weights of a column sum to 1 over posteriors and nodes.
    scores = warp.scores(means[:, :, None] + deviations[:, :, None] * nodes)
    centre = np.einsum("qmk,k->m", scores, weights)
    # Scores may be as far apart as floats can be, so distances are halved, and measured in units of the largest.
    apart = 0.5 * scores - 0.5 * centre[:, None]
    widest = np.maximum(np.abs(apart).max(axis=(0, 2)), np.finfo(np.float64).tiny)
    share = np.sqrt(np.einsum("qmk,k->m", np.square(apart / widest[:, None]), weights))
    return centre, np.minimum(share * widest, 0.5 * LARGEST) * 2.0
