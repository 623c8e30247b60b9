"""The Matérn 5/2 kernel with one lengthscale per column.

Arrays of float64 only. Symbols:

    n, m   rows, candidates          d      columns (parameters)
    f      features                  group  (f,) the column that each feature belongs to
    E      (n, f) features           r²     squared distance, the sum over columns of their share divided by l²
"""

from __future__ import annotations

import numpy as np

from kerastune_lite.strategies.bayesian.arrays import Floats, Integers


def matern52(squared: Floats) -> tuple[Floats, Floats]:
    """The correlation at squared distances r², and its derivative in r², both of the shape of `squared`.

    Source: Rasmussen & Williams 2006, Eq. 4.17, with l = 1: (1 + √5 r + 5r²/3) exp(-√5 r). The derivative in r² is
    -5/6 (1 + √5 r) exp(-√5 r): finite at r = 0, where the derivative in r would need a limit.
    """
    scaled = np.sqrt(5.0 * squared)
    decay = np.exp(-scaled)
    return (1.0 + scaled + scaled * scaled / 3.0) * decay, (-5.0 / 6.0) * (1.0 + scaled) * decay


def squared_distances(one: Floats, other: Floats) -> Floats:
    """Squared Euclidean distances, (m, n), between rows (m, f) and (n, f)."""
    squares = np.sum(one * one, axis=1)[:, None] + np.sum(other * other, axis=1)
    # The product is fast and exact to about 1e-16 of the squares; it must not make a distance negative.
    return np.asarray(np.maximum(squares - 2.0 * one @ other.T, 0.0))


def column_differences(features: Floats, group: Integers, count: int) -> Floats:
    """(count, n, n) each column's share of the squared distances between all rows, not yet divided by l²."""
    n = len(features)
    shares = np.zeros((count, n, n))
    for column in range(count):
        part = features[:, group == column]
        if part.shape[1] == 1:
            shares[column] = (part - part.T) ** 2
        else:
            shares[column] = squared_distances(part, part)
    return shares
