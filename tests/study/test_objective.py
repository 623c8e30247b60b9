"""Names, directions, and which epoch counts."""

from __future__ import annotations

import keras
import pytest

from kerastune_lite import Objective, ObjectiveError
from kerastune_lite.study.metric_directions import direction_of_class, direction_of_name
from kerastune_lite.study.objective import with_direction


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_accuracy", "max"),
        ("accuracy", "max"),
        ("val_auc", "max"),
        ("auc_1", "max"),
        ("val_f1", "max"),
        ("f1_score", "max"),
        ("val_precision", "max"),
        ("recall_2", "max"),
        ("r2_score", "max"),
        ("val_head_a_accuracy", "max"),
        ("sparse_categorical_accuracy", "max"),
        ("loss", "min"),
        ("val_loss", "min"),
        ("val_a_loss", "min"),
        ("f1_loss", "min"),
        ("val_mse", "min"),
        ("mae", "min"),
        ("mean_squared_error", "min"),
        ("root_mean_squared_error", "min"),
        ("binary_crossentropy", "min"),
        ("val_kl_divergence", "min"),
        ("f1_custom", None),
        ("val_quality", None),
        ("cosine_similarity", None),
        ("accuracy_gap", None),
    ],
)
def test_a_direction_is_known_from_a_whole_name_and_never_guessed(name, direction):
    assert direction_of_name(name) == direction


def test_every_metric_class_of_keras_has_the_direction_that_keras_gives_it():
    told = {}
    for name, metric in vars(keras.metrics).items():
        if isinstance(metric, type) and issubclass(metric, keras.metrics.Metric) and direction_of_class(name):
            told[name] = direction_of_class(name)

    assert told["AUC"] == told["R2Score"] == told["F1Score"] == "max"
    for name in told:
        arguments = {"IoU": (3, [0]), "MeanIoU": (3,), "OneHotIoU": (3, [0]), "OneHotMeanIoU": (3,)}.get(name, ())
        if "At" in name and name not in ("TopKCategoricalAccuracy",):
            arguments = (0.5,)
        direction = getattr(vars(keras.metrics)[name](*arguments), "_direction", None)
        if direction:
            assert {"up": "max", "down": "min"}[direction] == told[name], name


def test_the_metric_decides_before_the_name():
    objective = with_direction(Objective("val_error"), {"error": "AUC"})

    assert objective.direction == "max"


def test_a_given_direction_decides_before_everything():
    assert with_direction(Objective("loss", "max"), {"loss": "MeanSquaredError"}).direction == "max"


def test_an_unknown_direction_is_asked_for():
    with pytest.raises(ObjectiveError, match=r'Objective\("quality", direction="max"\)'):
        with_direction(Objective("quality"))


@pytest.mark.parametrize(
    ("direction", "scores", "best"),
    [
        ("min", [3.0, 1.0, 1.0, 2.0], 1),
        ("max", [3.0, 1.0, 3.0], 0),
        ("min", [float("nan"), 2.0, float("-inf")], 1),
        ("max", [None, 0.1, None, 0.2], 3),
        ("max", [float("nan"), None], None),
        ("min", [], None),
    ],
)
def test_the_best_epoch_is_the_first_with_the_best_finite_score(direction, scores, best):
    assert Objective("x", direction).best_epoch(scores) == best


def test_a_name_that_is_reported_is_itself():
    assert Objective("val_auc").reported_name(["val_auc", "val_auc_1"]) == "val_auc"


def test_a_suffix_is_accepted_where_only_one_name_fits():
    assert Objective("val_auc").reported_name(["loss", "val_auc_3"]) == "val_auc_3"
    with pytest.raises(ObjectiveError, match="It reports: val_auc_1, val_auc_2"):
        Objective("val_auc").reported_name(["val_auc_1", "val_auc_2"])


@pytest.mark.parametrize(
    ("name", "reported", "hint"),
    [
        ("val_acc", ["val_accuracy", "val_loss"], "Did you mean 'val_accuracy'"),
        ("val_accuracy", ["a_accuracy", "val_a_accuracy", "val_b_accuracy"], "'val_a_accuracy' or 'val_b_accuracy'"),
        ("zzz", ["loss"], "It reports: loss.$"),
    ],
)
def test_what_is_not_reported_is_told_with_the_nearest_name(name, reported, hint):
    with pytest.raises(ObjectiveError, match=hint):
        Objective(name).reported_name(reported)


@pytest.mark.parametrize("wrong", [["val_loss"], "", 3])
def test_an_objective_is_one_name(wrong):
    with pytest.raises(ObjectiveError, match="the name of one metric"):
        Objective.of(wrong)


def test_a_direction_is_min_or_max():
    with pytest.raises(ObjectiveError, match=r"'min' or 'max': Objective\('loss', 'min'\)\. Received: 'up'"):
        Objective("loss", "up")
