"""Batches that Python makes are fetched in their order, a few ahead, and joined without a change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kerastune_lite.training.engine.fetching import AHEAD_BYTES, Fetching, are_arrays, as_spec, joined

SPEC = (tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None], tf.int64))


def test_no_more_are_fetched_than_were_asked_for():
    numbers = itertools.count()
    fetching = Fetching(numbers, 3, 1)

    assert [fetching.next(is_patient=True) for _ in range(4)] == [0, 1, 2, None]
    assert next(numbers) == 3


def test_the_end_of_the_data_is_told_again_and_again():
    fetching = Fetching(iter([5]), 9, 1)

    assert [fetching.next(is_patient=True) for _ in range(3)] == [5, None, None]


def test_an_error_comes_after_the_batches_before_it():
    def broken():
        yield 1
        raise LookupError("the user's own words")

    fetching = Fetching(broken(), 9, 1)

    assert fetching.next(is_patient=True) == 1
    with pytest.raises(LookupError, match="own words"):
        fetching.next(is_patient=True)


def test_large_batches_are_fetched_one_at_a_time():
    taken = []
    fetching = Fetching((taken.append(number) or number for number in range(100)), 100, AHEAD_BYTES)
    fetching.next(is_patient=True)
    fetching.close()

    assert len(taken) <= 4  # the one that was given, the one that waited, and those at hand while it was closed


def test_a_batch_is_a_copy_of_the_type_and_shape_that_was_told():
    x = np.zeros((3, 2))
    found = as_spec((x, [1, 2, 3]), SPEC)
    x[:] = 7.0

    assert [part.dtype for part in found] == ["float32", "int64"]
    assert found[0].tolist() == [[0.0, 0.0]] * 3
    assert found[1].tolist() == [1, 2, 3]


@pytest.mark.parametrize("x", [np.zeros((3, 5)), np.zeros(3)])
def test_a_batch_of_another_shape_is_refused_with_both_shapes(x):
    with pytest.raises(TypeError, match=r"shape \(3.* where the first two had \(None, 2\)"):
        as_spec((x, [1, 2, 3]), SPEC)


def test_batches_are_joined_with_the_bounds_of_each_part():
    batches = [(np.full((size, 2), size, "float32"), np.arange(2 * size)) for size in (3, 3, 1)]
    (x, y), bounds = joined(batches)

    assert bounds.numpy().tolist() == [[0, 3, 6, 7], [0, 6, 12, 14]]
    for place, (mine, labels) in enumerate(batches):
        assert np.array_equal(x[bounds[0, place] : bounds[0, place + 1]], mine)
        assert np.array_equal(y[bounds[1, place] : bounds[1, place + 1]], labels)


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        (SPEC, True),
        ({"a": tf.TensorSpec([None, 3], tf.bool)}, True),
        ((tf.TensorSpec([None], tf.string),), False),
        ((tf.RaggedTensorSpec([None, None], tf.float32),), False),
        ((tf.TensorSpec([None], tf.float32), tf.OptionalSpec(None)), False),
        ((tf.TensorSpec([], tf.float32),), False),
    ],
)
def test_only_arrays_of_numbers_are_joined(spec, answer):
    assert are_arrays(spec) is answer
