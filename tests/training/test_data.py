"""Data kinds, and the one validation split."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite import DataError, HyperParameters, ObjectiveError
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.data import check_objective, prepare


def prepared(x=None, y=None, validation_data=None, validation_split=0.0, **fit_arguments):
    return prepare(x, y, validation_data, validation_split, fit_arguments)


def test_the_split_takes_the_samples_that_keras_takes(iris, build_iris):
    x, y = iris
    keras.utils.set_random_seed(1)
    theirs = build_iris(HyperParameters()).fit(x, y, validation_split=0.23, shuffle=False, verbose=0).history
    keras.utils.set_random_seed(1)
    data = prepared(x, y, validation_split=0.23, shuffle=False)
    ours = build_iris(HyperParameters()).fit(**data.arguments(), verbose=0).history

    assert ours == theirs


def test_the_split_goes_through_nested_inputs_and_weights():
    x = {"a": np.arange(10), "b": [np.arange(10), (np.arange(10),)]}
    data = prepared(x, np.arange(10), validation_split=0.3, sample_weight=np.arange(10))

    assert data.x["b"][1][0].tolist() == list(range(7))
    assert data.validation_data[0]["a"].tolist() == [7, 8, 9]
    assert [part.tolist() for part in data.validation_data[1:]] == [[7, 8, 9], [7, 8, 9]]
    assert data.sample_weight.tolist() == list(range(7))


def test_the_split_goes_through_data_frames():
    import pandas

    frame = pandas.DataFrame({"a": range(10)})

    assert prepared(frame, frame["a"], validation_split=0.2).validation_data[0]["a"].tolist() == [8, 9]


@pytest.mark.parametrize("split", [1.0, -0.1, 1.5])
def test_a_split_outside_0_and_1_is_refused(split):
    with pytest.raises(DataError, match="validation_split has to lie between 0 and 1"):
        prepared(np.zeros(10), np.zeros(10), validation_split=split)


def test_a_split_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(DataError, match="leaves none to train on"):
        prepared(np.zeros(2), np.zeros(2), validation_split=0.9)


def test_a_split_of_a_dataset_is_refused():
    import tensorflow as tf

    with pytest.raises(DataError, match="splits arrays only"):
        prepared(tf.data.Dataset.range(4), validation_split=0.5)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros(3), "y": np.zeros(4)},
        {"x": [np.zeros(3), np.zeros(4)], "y": np.zeros(3)},
        {"x": np.zeros(3), "y": np.zeros(3), "sample_weight": np.zeros(2)},
        {"x": np.zeros(3), "y": np.zeros(3), "validation_data": (np.zeros(2), np.zeros(1))},
    ],
)
def test_arrays_of_different_lengths_are_refused(arrays):
    with pytest.raises(DataError, match="the same number of samples"):
        prepared(**arrays)


def test_nan_in_x_is_told_once():
    x = np.ones((4, 2))
    x[1, 0] = np.nan
    with pytest.warns(UserWarning, match="x holds NaN \\(1 of 4 samples\\)"):
        prepared(x, np.zeros(4))


def test_an_argument_that_fit_does_not_know_is_refused_with_the_nearest_one():
    with pytest.raises(DataError, match="Did you mean 'class_weight'"):
        prepared(np.zeros(3), np.zeros(3), class_weights={0: 1})


def test_a_generator_is_refused_and_a_function_that_makes_it_is_called_for_each_training():
    def batches():
        yield np.zeros((2, 1)), np.zeros(2)

    with pytest.raises(DataError, match="Pass a function that makes it afresh"):
        prepared(batches())
    data = prepared(batches, steps_per_epoch=1)

    assert data.arguments()["x"] is not data.arguments()["x"]


def test_a_validation_objective_without_validation_data_names_the_ways_to_give_it():
    with pytest.raises(
        ObjectiveError, match=r"validation_split=0\.2 .*validation_data=\(x_val, y_val\).*tf\.data\.Dataset"
    ):
        check_objective(Objective("val_loss"), has_validation=False)
