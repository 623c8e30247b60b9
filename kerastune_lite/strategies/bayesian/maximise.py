"""The maximiser of an acquisition: random and perturbed candidates, then gradient ascent and exchanges in turn.

Arrays only. Symbols as in columns.py; an acquisition maps features (m, f) to values (m,), and higher is better.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from kerastune_lite.strategies.bayesian.acquisition import Acquisition
from kerastune_lite.strategies.bayesian.arrays import Floats, Integers
from kerastune_lite.strategies.bayesian.columns import (
    Columns,
    activity,
    every_row,
    features,
    neighbours,
    perturbed,
    random_rows,
    row_keys,
    snapped,
)

RANDOM, PERTURBED = 800, 600
"""How many candidates are drawn uniformly, and near the best rows."""
STARTS, ROUNDS = 4, 2
"""How many distinct candidates the ascent starts from, and how often gradients and exchanges take turns."""
AMONG = 200
"""From how many of the best candidates the starts are chosen."""
START_GAP = 0.01
"""The least squared distance between two starts, in lengthscales."""
ITERATIONS, EVALUATIONS = 15, 30
"""The most iterations and evaluations of one gradient ascent."""
RANKED = 50
"""How many of the best candidates are returned together with the climbed rows."""


def features_of(columns: Columns, z: Floats) -> Floats:
    """Features, (m, f), of candidate rows (m, d), with the activity that the gates give them."""
    return features(columns, z, activity(columns, z))


def unknown(columns: Columns, z: Floats, known: Set[bytes]) -> Floats:
    """The rows, (k, d), among (m, d) that aren't known, without repeats and in their order."""
    places: dict[bytes, int] = {}
    for place, key in enumerate(row_keys(z, activity(columns, z))):
        if key not in known:
            places.setdefault(key, place)
    return z[list(places.values())]


def is_enumerable(columns: Columns) -> bool:
    """Whether a space is discrete and small enough for every row to be a candidate."""
    return columns.size <= RANDOM + PERTURBED


def random_candidates(columns: Columns, rng: np.random.Generator) -> Floats:
    """(m, d) every row of an enumerable space in random order; of any other space, rows drawn uniformly."""
    return rng.permutation(every_row(columns)) if is_enumerable(columns) else random_rows(columns, RANDOM, rng)


def maximise(
    acquisition: Acquisition, columns: Columns, base: Floats, known: Set[bytes], rng: np.random.Generator
) -> Floats:
    """The best rows found, (k, d), the best first, without known ones; k is 0 where every candidate is known.

    Args:
        acquisition: The acquisition to maximise.
        columns: The space.
        base: (b, d) good rows; PERTURBED of the candidates lie near them.
        known: The keys of the rows that were tried or are running.
        rng: The generator to draw candidates with.
    """
    z = random_candidates(columns, rng)
    if not is_enumerable(columns):
        z = np.concatenate([z, perturbed(columns, base, PERTURBED, rng)])
    z = unknown(columns, z, known)
    if not len(z):
        return z
    values = acquisition.values(features_of(columns, z))
    order = np.argsort(-values, kind="stable")
    # Where every row of the space is a candidate, there is no better row to climb to.
    starts = order[:0] if is_enumerable(columns) else distinct(acquisition, columns, z, order[:AMONG])
    climbed = [climb(acquisition, columns, z[start], float(values[start])) for start in starts]
    found = np.array([row for row, _ in climbed]).reshape(-1, columns.count)
    rest = order[:RANKED]
    ranked = np.concatenate([found, z[rest]])
    worth = np.concatenate([np.array([value for _, value in climbed]), values[rest]])
    return unknown(columns, ranked[np.argsort(-worth, kind="stable")], known)


def distinct(acquisition: Acquisition, columns: Columns, z: Floats, order: Integers) -> Integers:
    """The first STARTS candidates, in the given order, that are far enough from each other by the kernel's distance.

    Args:
        acquisition: Its first posterior has the lengthscales.
        columns: The space.
        z: (m, d) candidates.
        order: (k,) indices of candidates, the best first.
    """
    scaled = features_of(columns, z[order]) * acquisition.posteriors[0].weights
    picks: list[int] = []
    for i, row in enumerate(scaled):
        if all(np.sum((row - scaled[pick]) ** 2) > START_GAP for pick in picks):
            picks.append(i)
            if len(picks) == STARTS:
                break
    return order[picks]


def climb(acquisition: Acquisition, columns: Columns, row: Floats, value: float) -> tuple[Floats, float]:
    """A row, (d,), and its value, improved by gradients in smooth columns and exchanges in discrete ones, in turn."""
    for _ in range(ROUNDS):
        raised, height = ascend(acquisition, columns, row)
        if height > value:
            row, value = raised, height
        others = neighbours(columns, row)
        if not len(others):
            break
        values = acquisition.values(features_of(columns, others))
        best = int(np.argmax(values))
        if values[best] <= value + 1e-9:
            break
        row, value = others[best], float(values[best])
    return row, value


def ascend(acquisition: Acquisition, columns: Columns, row: Floats) -> tuple[Floats, float]:
    """A row, (d,), after L-BFGS-B on its active smooth columns and snapping, and the acquisition there."""
    moving = np.flatnonzero(columns.is_smooth & activity(columns, row[None])[0])
    if not len(moving):
        return row, -np.inf
    places = columns.first_feature[moving]
    point = features_of(columns, row[None])[0]

    def downhill(position: Floats) -> tuple[float, Floats]:
        point[places] = position
        value, gradient = acquisition.value_and_gradient(point)
        return -value, -gradient[places]

    box = [(0.0, 1.0)] * len(moving)
    position, _, _ = fmin_l_bfgs_b(downhill, row[moving], bounds=box, maxiter=ITERATIONS, maxfun=EVALUATIONS, factr=1e9)
    row = row.copy()
    row[moving] = position
    row = snapped(columns, row[None])[0]
    return row, float(acquisition.values(features_of(columns, row[None]))[0])
