"""Seeds: the numbers that follow are those after Keras's own way to set a seed, whatever was run before."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from kerastune_lite.training import keras_internals
from kerastune_lite.training.seeding import MOST_SEEDS, Seeding


@pytest.fixture
def clearings(monkeypatch):
    """A list that grows whenever TensorFlow drops its kernels."""
    found = []
    drop = context.pywrap_tfe.TFE_ContextClearCaches
    monkeypatch.setattr(
        context.pywrap_tfe, "TFE_ContextClearCaches", lambda handle: (found.append(handle), drop(handle))
    )
    return found


def drawn():
    """Numbers of every source: those without a seed of their own and those with one."""
    tensors = [
        tf.random.uniform([3]),
        tf.random.uniform([3], seed=5),
        tf.random.shuffle(tf.range(5), seed=1),
        keras.random.normal((3,), seed=keras.random.SeedGenerator()),
        keras.initializers.GlorotUniform()((2, 2)),
        *tf.data.Dataset.range(6).shuffle(6),
        *tf.data.Dataset.range(6).shuffle(6, seed=2).map(lambda x: tf.random.uniform([]) + tf.cast(x, tf.float32)),
    ]
    return [random.random(), np.random.random(), *(np.asarray(tensor).tolist() for tensor in tensors)]


@pytest.mark.parametrize("order", [(1, 2, 3), (1, 1, 2), (3, 1, 3)])
def test_the_numbers_after_a_seed_are_those_after_keras_s_own_seed(order):
    seeding = Seeding()
    expected, found = [], []
    for seed in order:
        keras.utils.set_random_seed(seed)
        expected.append(drawn())
    for seed in order:
        seeding.seed(seed)
        found.append(drawn())
    assert found == expected


def test_a_function_with_random_numbers_begins_again_at_each_seed_as_it_does_by_keras():
    @tf.function
    def noise():
        return tf.random.uniform([2], seed=3)

    def numbers(seed_with):
        found = []
        for seed in (101, 102, 103):
            seed_with(seed)
            found.append([noise().numpy().tolist(), noise().numpy().tolist()])
        return found

    keras.utils.set_random_seed(100)
    noise()  # traced with this seed, which it keeps
    assert numbers(Seeding().seed) == numbers(keras.utils.set_random_seed)


def test_a_dataset_with_random_numbers_gives_the_same_numbers_as_after_keras_s_own_seed():
    def numbers(seed_with):
        keras.utils.set_random_seed(600)
        noisy = tf.data.Dataset.range(4).map(lambda x: tf.random.uniform([], seed=4) + tf.cast(x, tf.float32))
        mixed = tf.data.Dataset.range(6).shuffle(6, reshuffle_each_iteration=False)
        found = []
        for seed in (601, 602, 603):
            seed_with(seed)
            found.append([float(x) for data in (noisy, noisy, mixed, mixed) for x in data])
        return found

    assert numbers(Seeding().seed) == numbers(keras.utils.set_random_seed)


def test_kernels_are_kept_where_each_seed_is_new(clearings):
    seeding = Seeding()
    seeding.seed(201)
    clearings.clear()
    for seed in range(202, 206):
        seeding.seed(seed)
    if not keras_internals.functions_with_random_state(frozenset())[0]:  # another test's function may be alive still
        assert not clearings


def test_kernels_go_when_a_seed_comes_again_or_after_many_seeds(clearings):
    seeding = Seeding()
    seeding.seed(301)
    clearings.clear()
    seeding.seed(301)
    assert len(clearings) == 1
    for seed in range(400, 400 + MOST_SEEDS + 1):
        seeding.seed(seed)
    assert len(clearings) > 1


def test_a_seed_is_set_by_keras_alone_where_tensorflow_s_inside_is_unknown(monkeypatch, clearings):
    monkeypatch.setattr(keras_internals, "_MISSING", "moved")
    seeding = Seeding()
    seeding.seed(501)
    seeding.seed(502)
    assert len(clearings) == 2
