"""The maximiser finds maxima whose places are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerastune_lite.strategies.bayesian.acquisition import LowestMean
from kerastune_lite.strategies.bayesian.columns import Columns, activity, every_row, features, random_rows, row_keys
from kerastune_lite.strategies.bayesian.gaussian_process import posterior
from kerastune_lite.strategies.bayesian.maximise import climb, features_of, maximise

MIXED = Columns(np.array([0.0, 0.0, 3.0, 5.0]), np.array([False, False, True, False]), np.zeros(4))
DISCRETE = Columns(np.array([4.0, 5.0]), np.array([True, False]), np.zeros(2))


def bowl(z):
    return (z[:, 0] - 0.3) ** 2 + (z[:, 1] - 0.8) ** 2 + 0.3 * (z[:, 2] != 1) + 0.2 * (z[:, 3] - 0.75) ** 2


def acquisition_of(columns, function, count=150):
    z = random_rows(columns, count, np.random.default_rng(0))
    values = function(z)
    known = features(columns, z, activity(columns, z))
    d = columns.count
    p = np.r_[np.full(d, 0.3), 1.0, np.log(1e-6)]
    return LowestMean((posterior(p, columns.group, known, (values - values.mean()) / values.std()),))


def test_it_finds_the_bottom_of_a_mixed_bowl():
    best = maximise(acquisition_of(MIXED, bowl), MIXED, np.full((1, 4), 0.0), frozenset(), np.random.default_rng(1))[0]

    np.testing.assert_allclose(best[:2], [0.3, 0.8], atol=0.02)
    np.testing.assert_allclose(best[2:], [1.0, 0.75])


def test_climbing_never_goes_down():
    acquisition = acquisition_of(MIXED, bowl)
    for row in random_rows(MIXED, 10, np.random.default_rng(2)):
        value = float(acquisition.values(features_of(MIXED, row[None]))[0])
        top, height = climb(acquisition, MIXED, row, value)
        assert height >= value
        assert np.isclose(height, acquisition.values(features_of(MIXED, top[None]))[0])


def test_rows_come_the_best_first():
    acquisition = acquisition_of(MIXED, bowl)

    rows = maximise(acquisition, MIXED, np.full((1, 4), 0.0), frozenset(), np.random.default_rng(1))

    assert (np.diff(acquisition.values(features_of(MIXED, rows))) <= 1e-9).all()


def test_known_rows_are_left_out_until_none_is_left():
    @dataclass
    class FirstColumn:
        posteriors = ()

        def values(self, features):
            return features[:, 0]

    rows = every_row(DISCRETE)
    keys = row_keys(rows, activity(DISCRETE, rows))

    left = maximise(FirstColumn(), DISCRETE, rows[:1], frozenset(keys[:-1]), np.random.default_rng(0))
    none_left = maximise(FirstColumn(), DISCRETE, rows[:1], frozenset(keys), np.random.default_rng(0))

    np.testing.assert_array_equal(left, rows[-1:])
    assert len(none_left) == 0
