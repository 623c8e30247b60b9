"""Bayesian search: a Gaussian process of the trials predicts which setting improves on them most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerastune_lite.space import Space
from kerastune_lite.strategies.bayesian.acquisition import ExpectedImprovement, LowestMean
from kerastune_lite.strategies.bayesian.arrays import Floats
from kerastune_lite.strategies.bayesian.columns import Columns, features, row_keys, rows_of_cube
from kerastune_lite.strategies.bayesian.maximise import features_of, maximise, random_candidates, unknown
from kerastune_lite.strategies.bayesian.output_warp import Warp, straight, warped
from kerastune_lite.strategies.bayesian.rows import Table, setting_of, table_of
from kerastune_lite.strategies.bayesian.surrogate import Surrogate, choose_warp, fitted_surrogate
from kerastune_lite.strategies.choice_tree import TreeMemory
from kerastune_lite.strategies.random_search import tree_memory, untried
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

GREEDY_EVERY, GREEDY_NOISE = 3, 1e-4
"""Every third trial is at the lowest posterior mean, if the noise variance is smaller than this."""
GREEDY_GAP = 1e-4
"""The lowest posterior mean is not tried if it is closer than this to a known row, in every feature."""
CHOICE_FROM, CHOICE_UNTIL = 8, 120
"""The least and the largest number of trials for which the warp of the scores is chosen."""
BASES = 5
"""How many rows, those of the lowest posterior mean, candidates are drawn near to."""
DESIGN_COLUMNS = 64
"""The design is drawn for a multiple of this many columns, so that a parameter that is asked for later doesn't change
the columns before it."""


@dataclass(frozen=True)
class BayesianStrategy:
    """Fits a Gaussian process to the trials, and tries the setting with the largest expected improvement.

    The first trials are spread evenly over the space. Failed trials count as the worst score seen, running ones as what
    the model expects of them. Everything is computed from the trials each time, so that a resumed search tries the same
    settings as an uninterrupted one. A discrete space is searched without repeats until it is exhausted.

    Attributes:
        seed: The seed of the evenly spread trials. Their points belong together, so it isn't drawn from a trial's
            generator, and has to be the same for the whole study. Pass the study's seed.
        design: How many trials are spread evenly before the model is used.
    """

    seed: int = 0
    design: int = 8
    _memory: TreeMemory = field(default_factory=tree_memory, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.design < 1:
            raise ValueError(f"design has to be at least 1: a model needs trials. Received: {self.design!r}.")

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The next setting to try, or the reason why there is none now."""
        table = table_of(space, trials)
        running = any(trial.state is TrialState.RUNNING for trial in trials)
        # Until a trial has ended, it is unknown whether build_fn asks for more than the known parameters. Those are
        # taken for all that there are, and running trials aren't in the tree.
        is_first_round = running and not table.tried and table.columns.count > 0
        tree = self._memory.tree(space, () if is_first_round else trials)
        if tree.is_exhausted:
            return Pause.WAIT if running else Pause.DONE
        for row in self._ranked(table, len(trials), rng):
            values = setting_of(table, row)
            if not tree.holds(values):
                return Suggestion(tree.asked(values))
        return Pause.WAIT if is_first_round else Suggestion(untried(space, tree, rng))

    def _ranked(self, table: Table, number: int, rng: np.random.Generator) -> Iterable[Floats]:
        """Rows that no trial has, the best first; none while no parameter with several values is known."""
        if table.columns.count == 0:
            return []
        model = model_of(table, rng) if number >= self.design else None
        if model is not None:
            return most_promising(table, model[0], is_greedy=number % GREEDY_EVERY == 0, rng=rng)
        even = even_rows(table.columns, self.design, self.seed)[number : number + 1]
        return unknown(table.columns, np.concatenate([even, random_candidates(table.columns, rng)]), known_keys(table))


def model_of(table: Table, rng: np.random.Generator) -> tuple[Surrogate, Warp] | None:
    """The model of a study's trials, and the warp of its outputs; None while no two trials have ended differently.

    Of the two warps, the one is used with which the model predicts the better half of the trials better.
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
        best, fit = choose_warp(table.columns, observed, [(each, way.spread) for each, way in both], better)
        t, warp = both[best]
    return fitted_surrogate(table.columns, observed, t, running, rng, fit), warp


def most_promising(table: Table, model: Surrogate, *, is_greedy: bool, rng: np.random.Generator) -> Floats:
    """(k, d) rows that no trial has, the best first: by expected improvement, or if greedy by the posterior mean."""
    known = known_keys(table)
    base = model.z[np.argsort(model.fitted, kind="stable")[:BASES]]
    if is_greedy and model.posteriors[0].noise < GREEDY_NOISE:
        rows = maximise(LowestMean(model.posteriors), table.columns, base, known, rng)
        gaps = np.abs(features(table.columns, *table.known_rows) - features_of(table.columns, rows[:1])).max(axis=1)
        if gaps.min() >= GREEDY_GAP:
            return rows
    return maximise(ExpectedImprovement(model.posteriors), table.columns, base, known, rng)


def known_keys(table: Table) -> frozenset[bytes]:
    """The keys of all rows that were tried or are running."""
    return frozenset(row_keys(*table.known_rows))


def even_rows(columns: Columns, count: int, seed: int) -> Floats:
    """The first `count` points of a scrambled Sobol sequence as rows, (count, d)."""
    # This import takes half a second, too much for a command that only shows a study.
    from scipy.stats import qmc

    width = -(-columns.count // DESIGN_COLUMNS) * DESIGN_COLUMNS
    sequence = qmc.Sobol(width, scramble=True, seed=np.random.default_rng(seed))
    # SciPy warns about a number of points that isn't a power of two.
    points = sequence.random_base2((count - 1).bit_length())[:count]
    return rows_of_cube(columns, points[:, : columns.count])
