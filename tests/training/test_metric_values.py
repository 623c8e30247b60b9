"""Metrics that report arrays: one number is that number, several are their mean, and neither fails a trial."""

from __future__ import annotations

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from kerastune_lite import GridSearch, Objective, ObjectiveError
from kerastune_lite.training.metric_values import notes_of, numeric_logs

ONE_NUMBER = {
    "a float": 0.5,
    "a whole number": np.int64(3),
    "a 0-d array": np.array(0.5),
    "an array of one": np.array([0.5]),
    "a matrix of one": np.array([[0.5]]),
    "a tensor": tf.constant([0.5]),
    "a variable": keras.Variable(0.5),
    "half a float": np.array([0.5], ml_dtypes.bfloat16),
    "a list of one": [0.5],
    "NaN": np.array([np.nan]),
}


@pytest.mark.parametrize("value", ONE_NUMBER.values(), ids=ONE_NUMBER)
def test_one_number_in_any_shape_is_that_number(value):
    number = float(np.asarray(value).astype(float).reshape(-1)[0])

    np.testing.assert_equal(numeric_logs({"m": value}, Objective("m", "min")), {"m": number})
    assert notes_of({"m": value}) == ()


@pytest.mark.parametrize("value", [np.array([0.25, 0.75]), tf.constant([[0.25], [0.75]]), [0.25, 0.75]])
def test_several_numbers_are_their_mean_with_a_note(value):
    assert numeric_logs({"m": value, "loss": 1.0}, Objective("loss")) == {"m": 0.5, "loss": 1.0}
    assert notes_of({"m": value}) == ("the metric 'm' is an array of 2 numbers; the record holds their mean",)


@pytest.mark.parametrize(
    "value", ["a text", b"bytes", None, {}, np.array(["a"]), np.array([]), object(), [[1], [1, 2]]]
)
def test_what_holds_no_numbers_is_left_out(value):
    assert numeric_logs({"m": value, "loss": 1.0}, Objective("loss")) == {"loss": 1.0}
    with pytest.raises(ObjectiveError, match=r"The objective 'm' is .*, and a score is a number"):
        numeric_logs({"m": value}, Objective("m", "min"))


def test_an_array_is_no_score_and_the_way_out_is_told():
    with pytest.raises(ObjectiveError, match=r"'val_f1_score' is an array of 3 numbers.*F1Score\(average=\"macro\"\)"):
        numeric_logs({"val_f1_score": np.ones(3)}, Objective("val_f1_score"))


@pytest.mark.parametrize("engine", ["auto", "fit"])
def test_a_model_with_a_metric_of_an_array_is_searched_by_another_one(engine, tmp_path, iris):
    x, labels = iris
    y = keras.utils.to_categorical(labels, 3)

    def build_fn(hp):
        model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
        average = hp.choice("average", [None, "macro"])
        model.compile(
            keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=[keras.metrics.F1Score(average=average)]
        )
        return model

    def search(objective):
        tuner = GridSearch(build_fn, objective, directory=tmp_path / objective, seed=0, engine=engine, verbose=0)
        return tuner.search(x, y, validation_split=0.2, epochs=1)

    trials = search("val_loss").trials
    assert [trial.state.value for trial in trials] == ["completed", "completed"]
    assert [[note for note in trial.notes if "array of 3 numbers" in note] != [] for trial in trials] == [True, False]
    assert all(0.0 < trial.curve[0]["val_f1_score"] < 1.0 for trial in trials)
    with pytest.raises(ObjectiveError, match='average="macro"'):
        search("val_f1_score")
