"""The folds of a cross-validation: which splitter a number means, and what each training is given."""

from __future__ import annotations

import pickle

import numpy as np
import pandas
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.training import folds
from kerastune_lite.training.data import prepare
from kerastune_lite.training.folds import class_labels, data_of_run, folds_of

X = np.arange(24.0).reshape(12, 2)
CLASSES = np.array([0, 1, 2] * 4)
GROUPS = np.repeat(np.arange(6), 2)


def are_equal(made, splits):
    return [[rows.tolist() for rows in split] for split in made] == [
        [rows.tolist() for rows in split] for split in splits
    ]


@pytest.mark.parametrize(
    ("y", "groups", "splitter"),
    [
        (CLASSES, None, StratifiedKFold(4)),
        (CLASSES.reshape(-1, 1).astype("float32"), None, StratifiedKFold(4)),
        (CLASSES.astype(str), None, StratifiedKFold(4)),
        (np.eye(3)[CLASSES], None, StratifiedKFold(4)),
        (pandas.Series(CLASSES % 2 == 0), None, StratifiedKFold(4)),
        (np.linspace(0, 1, 12), None, KFold(4)),
        (np.arange(12), None, KFold(4)),
        (X, None, KFold(4)),
        ({"a": CLASSES, "b": CLASSES}, None, KFold(4)),
        (None, None, KFold(4)),
        (CLASSES, GROUPS, StratifiedGroupKFold(4)),
        (X, GROUPS, GroupKFold(4)),
    ],
)
def test_a_number_of_folds_means_what_it_means_in_scikit_learn(y, groups, splitter):
    labels = class_labels(y)
    made = folds_of(4, X, y, groups, 12)

    assert made.name == " ".join(repr(splitter).split())
    assert are_equal(made.splits, splitter.split(X, CLASSES if labels is None else labels, groups))


def test_one_hot_targets_are_stratified_by_a_splitter_too():
    made = folds_of(StratifiedKFold(2), X, np.eye(3)[CLASSES], None, 12)

    assert are_equal(made.splits, StratifiedKFold(2).split(X, CLASSES))


@pytest.mark.parametrize(
    "splitter", [KFold(3, shuffle=True), ShuffleSplit(3), RepeatedKFold(n_splits=2, n_repeats=2)], ids=str
)
def test_a_splitter_that_shuffles_without_a_seed_makes_the_same_folds_each_time(splitter):
    once, again = (folds_of(splitter, X, None, None, 12) for _ in range(2))

    assert are_equal(once.splits, again.splits)
    assert splitter.random_state is None


def test_indices_may_be_given_as_a_list_or_as_masks():
    held_out = [np.equal(CLASSES, fold) for fold in range(3)]
    masks = [(~mask, mask) for mask in held_out]
    made = folds_of(masks, X, CLASSES, None, 12)

    assert are_equal(made.splits, PredefinedSplit(CLASSES).split())


def test_each_training_is_given_the_samples_of_its_fold_and_repeats_begin_again():
    data = prepare(X, CLASSES, None, 0.0, {"sample_weight": X[:, 0]}, KFold(3))
    second, fifth = data_of_run(data, 1), data_of_run(data, 4)

    assert second is fifth
    assert np.array_equal(second.y, np.delete(CLASSES, range(4, 8)))
    x, y, weights = second.validation_data
    assert np.array_equal(x, X[4:8])
    assert np.array_equal(y, CLASSES[4:8])
    assert np.array_equal(weights, X[4:8, 0])


def test_copies_of_large_data_are_not_kept(monkeypatch):
    monkeypatch.setattr(folds, "KEPT_BYTES", 3 * (X.nbytes + CLASSES.nbytes) - 1)
    data = prepare(X, CLASSES, None, 0.0, {}, KFold(3))

    assert data_of_run(data, 0) is not data_of_run(data, 0)
    assert not data.folds.kept


def test_copies_are_left_out_of_what_is_sent_to_workers():
    data = prepare(X, CLASSES, None, 0.0, {}, KFold(3))
    data_of_run(data, 0)
    sent: TrainingData = pickle.loads(pickle.dumps(data))

    assert not sent.folds.kept
    assert are_equal(sent.folds.splits, data.folds.splits)
