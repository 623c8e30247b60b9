"""The score of a training, and why a training has none."""

from __future__ import annotations

import math

import keras
import pytest

from kerastune_lite.errors import Diverged, ObjectiveError
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.recorder import EpochRecorder
from kerastune_lite.training.scoring import best_of_curve, best_of_recorded

ACCURACY = Objective("accuracy", "max")
MODEL = keras.Sequential()


def recorder_of(curve, diverged=None, **settings):
    """The recorder of a training that showed these logs."""
    recorder = EpochRecorder(MODEL, ACCURACY, lambda epoch, logs: None, earlier=curve, **settings)
    recorder.diverged = diverged
    return recorder


def curve_of(*scores):
    return [{"loss": 1.0, "accuracy": score} for score in scores]


def test_the_score_is_that_of_the_first_of_the_best_epochs():
    curve = curve_of(0.5, 0.75, math.nan, 0.75)

    assert best_of_curve(ACCURACY, curve) == (1, 0.75)
    assert best_of_recorded(recorder_of(curve)) == (1, 0.75)


def test_epochs_of_another_trial_give_no_score():
    assert best_of_recorded(recorder_of(curve_of(0.9, 0.5, 0.6), counts_from=1)) == (2, 0.6)


@pytest.mark.parametrize(
    ("recorder", "message"),
    [
        (recorder_of(curve_of(0.5, 0.4), diverged=1), "The loss became NaN in epoch 1; accuracy had been 0.5 before"),
        (recorder_of(curve_of(math.nan), diverged=0), r"The loss became NaN in epoch 0\. A smaller learning rate"),
        (recorder_of([]), "No epoch was trained: epochs has to be at least 1"),
        (recorder_of(curve_of(math.nan, math.nan)), "'accuracy' was NaN in every epoch"),
        (recorder_of(curve_of(math.nan, math.inf)), "'accuracy' was not finite in every epoch"),
    ],
    ids=["NaN loss after a score", "NaN loss", "no epoch", "NaN", "not finite"],
)
def test_a_training_without_a_score_says_why(recorder, message):
    with pytest.raises(Diverged, match=message):
        best_of_recorded(recorder)


def test_an_objective_that_no_epoch_reports_is_a_mistake_in_the_call():
    with pytest.raises(ObjectiveError, match=r"reported in no epoch.*Lower validation_freq"):
        best_of_recorded(recorder_of([{"loss": 1.0}], may_be_missing=True))
    with pytest.raises(ObjectiveError, match="doesn't report the objective 'accuracy'"):
        best_of_curve(ACCURACY, [{"loss": 1.0}])


def test_a_returned_curve_that_is_never_finite_says_what_it_was():
    with pytest.raises(Diverged, match="The objective 'accuracy' is nan, not a finite number"):
        best_of_curve(ACCURACY, curve_of(math.nan))
