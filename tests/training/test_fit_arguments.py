"""The arguments of one fit, and who decides which of them."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite.errors import BuildError, DataError
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.build import Built
from kerastune_lite.training.fit_arguments import fit_arguments, recordable

LOSS = Objective("loss")
DATA = TrainingData(x=[1], y=[2], fit_arguments={"epochs": 5, "batch_size": 32})


def test_what_build_fn_returns_overrides_what_search_was_given():
    assert fit_arguments(Built(fit_arguments={"batch_size": 8}), DATA, None, LOSS) == {
        "epochs": 5,
        "batch_size": 8,
        "x": [1],
        "y": [2],
    }


def test_the_epochs_of_the_plan_override_those_of_search():
    assert fit_arguments(Built(), DATA, 81, LOSS)["epochs"] == 81


@pytest.mark.parametrize("name", ["epochs", "initial_epoch"])
def test_build_fn_may_not_decide_epochs_that_the_plan_decides(name):
    with pytest.raises(BuildError, match=f"returned {name}=3 .* Leave {name} out"):
        fit_arguments(Built(fit_arguments={name: 3}), DATA, 81, LOSS)


def test_build_fn_may_not_split_the_data():
    with pytest.raises(BuildError, match=r"validation_split .* give it to search"):
        fit_arguments(Built(fit_arguments={"validation_split": 0.5}), DATA, None, LOSS)


def test_a_model_without_data_is_refused_with_the_call_that_gives_it():
    with pytest.raises(DataError, match=r"Call search\(x, y, …\)"):
        fit_arguments(Built(), TrainingData(), None, LOSS)


def test_the_record_keeps_plain_arguments_whole_and_of_data_the_kind():
    decided = {"batch_size": np.int64(8), "class_weight": {0: 1.0, 1: 2.5}, "x": np.zeros((500, 4)), "y": [0.0] * 500}

    assert recordable(decided) == {
        "batch_size": 8,
        "class_weight": {"0": 1.0, "1": 2.5},
        "x": "ndarray",
        "y": "list",
    }
