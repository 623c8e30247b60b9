"""Bayesian search: a Gaussian process over the trials tells where the next one promises most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.space import Space
from kerastune_lite.strategies.bayesian.acquisition import ExpectedImprovement, LowestMean
from kerastune_lite.strategies.bayesian.arrays import Floats
from kerastune_lite.strategies.bayesian.columns import Columns, features, row_keys, rows_of_cube
from kerastune_lite.strategies.bayesian.maximise import by_chance, features_of, maximise, unknown
from kerastune_lite.strategies.bayesian.output_warp import Warp, straight, warped
from kerastune_lite.strategies.bayesian.rows import Table, setting_of, table_of
from kerastune_lite.strategies.bayesian.surrogate import Surrogate, best_told, fitted_surrogate
from kerastune_lite.strategies.random_search import tried_settings, untried
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

GREEDY_EVERY, GREEDY_NOISE = 3, 1e-4
"""Every third trial goes to the lowest posterior mean, as long as the noise variance is smaller than this."""
GREEDY_GAP = 1e-4
"""Unless that is so near to a known row, in every feature."""
CHOICE_FROM, CHOICE_UNTIL = 8, 120
"""From how many and up to how many trials the warp of the scores is chosen."""
BASES = 5
"""How many rows of the lowest posterior mean the candidates are perturbed from."""
DESIGN_COLUMNS = 64
"""The design is drawn for a multiple of so many columns, so that a parameter met later changes no earlier column."""


@dataclass(frozen=True)
class BayesianStrategy:
    """Learns a Gaussian process from the trials and tries what promises the most improvement under it.

    The first trials are spread evenly over the space. Failed trials count as the worst score that was seen; running
    ones as what the model expects of them. Everything is computed from the trials each time, so that a resumed
    search goes on as an uninterrupted one would. A discrete space is searched without repeats until it is exhausted.

    Attributes:
        seed: What the even spread is drawn from. It has to stay the same for a whole study, which is why it isn't
            drawn from the trial's generator: its points belong together. Pass the study's seed.
        design: How many trials are spread evenly before the model takes over.
    """

    seed: int = 0
    design: int = 8

    def __post_init__(self) -> None:
        if self.design < 1:
            raise ValueError(f"design has to be at least 1: a model needs trials. Received: {self.design!r}.")

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The setting to try next."""
        table = table_of(space, trials)
        running = any(trial.state is TrialState.RUNNING for trial in trials)
        # Until a trial has ended, nobody knows what build_fn asks for next; a known space is believed to be all.
        is_first_round = running and not table.tried and table.columns.count > 0
        tree = tried_settings(space, () if is_first_round else trials)
        if tree.is_exhausted:
            return Pause.WAIT if running else Pause.DONE
        for row in self._ranked(table, len(trials), rng):
            values = setting_of(table, row)
            if not tree.holds(values):
                return Suggestion(tree.asked(values))
        return Pause.WAIT if is_first_round else Suggestion(untried(space, tree, rng))

    def _ranked(self, table: Table, number: int, rng: np.random.Generator) -> Iterable[Floats]:
        """Rows that no trial has, the best first; none where the tree of what was asked has to tell what is left."""
        if table.columns.count == 0:
            return []
        model = model_of(table, rng) if number >= self.design else None
        if model is not None:
            return most_promising(table, model[0], is_greedy=number % GREEDY_EVERY == 0, rng=rng)
        even = even_rows(table.columns, self.design, self.seed)[number : number + 1]
        return unknown(table.columns, np.concatenate([even, by_chance(table.columns, rng)]), known_keys(table))


def model_of(table: Table, rng: np.random.Generator) -> tuple[Surrogate, Warp] | None:
    """The model of a study's trials, and the way back to scores; None where no two trials ended differently.

    Of the two warps the one is taken with which the model tells the better half of the trials better.
    """
    outputs = warped(table.scores)
    if outputs is None or table.columns.count == 0:
        return None
    t, warp = outputs
    fit = None
    observed, running = (table.z, table.on), (table.running_z, table.running_on)
    other = straight(table.scores) if CHOICE_FROM <= len(t) <= CHOICE_UNTIL else None
    if other is not None:
        both = (outputs, other)
        better = table.scores <= warp.median
        best, fit = best_told(table.columns, observed, [(each, way.spread) for each, way in both], better)
        t, warp = both[best]
    return fitted_surrogate(table.columns, observed, t, running, rng, fit), warp


def most_promising(table: Table, model: Surrogate, *, is_greedy: bool, rng: np.random.Generator) -> Floats:
    """Rows that no trial has, the best first, (k, d): by expected improvement, or by the lowest mean."""
    known = known_keys(table)
    base = model.z[np.argsort(model.fitted, kind="stable")[:BASES]]
    if is_greedy and model.posteriors[0].noise < GREEDY_NOISE:
        rows = maximise(LowestMean(model.posteriors), table.columns, base, known, rng)
        gaps = np.abs(features(table.columns, *table.known_rows) - features_of(table.columns, rows[:1])).max(axis=1)
        if gaps.min() >= GREEDY_GAP:
            return rows
    return maximise(ExpectedImprovement(model.posteriors), table.columns, base, known, rng)


def known_keys(table: Table) -> frozenset[bytes]:
    """The keys of every row that was tried or is running."""
    return frozenset(row_keys(*table.known_rows))


def even_rows(columns: Columns, count: int, seed: int) -> Floats:
    """The first `count` points of a scrambled Sobol sequence as rows, (count, d)."""
    # Half a second of imports that a command line which only shows a study need not pay.
    from scipy.stats import qmc

    width = -(-columns.count // DESIGN_COLUMNS) * DESIGN_COLUMNS
    sequence = qmc.Sobol(width, scramble=True, seed=np.random.default_rng(seed))
    # Whole powers of two, or SciPy warns that the points are out of balance.
    points = sequence.random_base2((count - 1).bit_length())[:count]
    return rows_of_cube(columns, points[:, : columns.count])
