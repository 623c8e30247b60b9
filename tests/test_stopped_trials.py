"""Searches over real models in which a rule or a budget ends trials early."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite import BayesianOptimization, GridSearch, Objective, RandomSearch, Study, TrialState
from kerastune_lite.errors import StoppingError
from kerastune_lite.stopping import MedianRule, SuccessiveHalving

X = np.zeros((8, 2), dtype="float32")
Y = np.zeros(8, dtype="float32")


class Scripted(keras.callbacks.Callback):
    """Writes the score that a trial's `quality` stands for into the logs: it grows a little every epoch."""

    def __init__(self, trial):
        super().__init__()
        self.quality = trial.values["quality"]

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self.quality + 0.01 * epoch


def build_fn(hp):
    hp.choice("quality", [3.0, 1.0, 2.0, 5.0, 4.0])
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def search(directory, *, stopping, epochs=4, tuner=GridSearch, build_fn=build_fn, data=None, **settings):
    budget = settings.pop("max_epochs_total", None)
    tuner = tuner(
        build_fn, Objective("score", "max"), directory=directory, seed=0, verbose=0, stopping=stopping, **settings
    )
    return tuner.search(
        X, Y, epochs=epochs, callbacks=lambda trial: [Scripted(trial)], max_epochs_total=budget, **(data or {})
    )


def told(study):
    return [(trial.values["quality"], trial.state.value, len(trial.curve)) for trial in study.trials]


def test_a_stopped_trial_has_its_state_its_reason_and_the_score_it_reached(tmp_path):
    study = search(tmp_path, stopping=SuccessiveHalving(min_epochs=1, factor=3))

    assert told(study) == [
        (3.0, "completed", 4),
        (1.0, "stopped", 1),
        (2.0, "stopped", 1),
        (5.0, "completed", 4),
        (4.0, "stopped", 1),
    ]
    assert study.trials[1].stop_reason == (
        "SuccessiveHalving: after 1 epochs the best score was 1, behind 1 of 1 other trials; 1 may go on"
    )
    assert [trial.score for trial in study.trials] == pytest.approx([3.03, 1.0, 2.0, 5.03, 4.0])
    assert study.best.values == {"quality": 5.0}
    assert (study.epochs_spent, study.epochs_saved) == (11, 9)
    assert Study.open(tmp_path).trials == study.trials


def test_the_best_model_of_a_search_may_be_one_that_was_stopped(tmp_path):
    class Always:
        def should_stop(self, trial, trials, objective):
            return "enough" if len(trial.curve) == 2 else None

    tuner = RandomSearch(build_fn, "loss", directory=tmp_path, max_trials=2, seed=0, verbose=0, stopping=Always())
    study = tuner.search(X + 1.0, Y, epochs=9)

    assert {(trial.state.value, trial.stop_reason, len(trial.curve)) for trial in study.trials} == {
        ("stopped", "enough", 2)
    }
    assert study.best.best_epoch == 1
    assert tuner.best_model().predict(X[:1], verbose=0).shape == (1, 1)


def test_a_rule_is_not_asked_after_the_last_epoch(tmp_path):
    asked = []

    class Watching:
        def should_stop(self, trial, trials, objective):
            asked.append((trial.number, len(trial.curve)))

    search(tmp_path, stopping=Watching(), tuner=RandomSearch, max_trials=2, epochs=3)

    assert asked == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_only_the_first_of_several_runs_is_judged(tmp_path):
    study = search(tmp_path, stopping=SuccessiveHalving(), executions_per_trial=2)

    assert [len(trial.curves) for trial in study.trials] == [2, 1, 1, 2, 1]
    assert [len(trial.scores) for trial in study.trials] == [2, 1, 1, 2, 1]


def test_a_search_that_was_cut_judges_as_one_that_was_not(tmp_path):
    for max_trials in (1, 3, 5):
        parts = search(tmp_path / "parts", stopping="asha", max_trials=max_trials)

    assert told(parts) == told(search(tmp_path / "whole", stopping="asha"))


def test_trials_of_different_lengths_are_compared_at_the_same_epoch(tmp_path):
    """The user's own early stopping ends trials after 2 to 5 epochs; the rule compares what each had by then."""

    def build(hp):
        quality = hp.choice("quality", [3.0, 1.0, 2.0, 5.0, 4.0])
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model, {"epochs": 2 + int(quality) // 2}

    study = search(tmp_path, stopping=MedianRule(grace_epochs=2, min_trials=2), build_fn=build)

    assert told(study) == [
        (3.0, "completed", 3),
        (1.0, "completed", 2),
        (2.0, "completed", 3),  # 2.01 after two epochs, and the median of 3.01 and 1.01 is that
        (5.0, "completed", 4),
        (4.0, "completed", 4),
    ]


def test_a_rule_that_begins_after_the_training_is_refused_before_any_training(tmp_path):
    with pytest.raises(StoppingError, match="grace_epochs=4 lets every trial train for 4 epochs"):
        search(tmp_path, stopping=MedianRule(grace_epochs=4), epochs=4)

    assert Study.open(tmp_path).epochs_spent == 0


def test_a_rule_suits_a_build_fn_that_decides_the_epochs_itself(tmp_path):
    def build(hp):
        return build_fn(hp), {"epochs": 2}

    study = search(tmp_path, stopping=SuccessiveHalving(min_epochs=1), build_fn=build, epochs=1)

    assert [trial.state.value for trial in study.trials].count("stopped") == 3


def test_a_budget_of_epochs_ends_the_search_and_the_trial_that_spends_the_last_one(tmp_path):
    study = search(tmp_path, stopping=None, max_epochs_total=10)

    assert told(study) == [(3.0, "completed", 4), (1.0, "completed", 4), (2.0, "stopped", 2)]
    assert study.trials[-1].stop_reason == "max_epochs_total: 10 epochs were trained"
    again = search(tmp_path, stopping=None, max_epochs_total=15)
    assert told(again)[2:] == [(2.0, "stopped", 2), (5.0, "completed", 4), (4.0, "stopped", 1)]


def test_a_budget_has_to_be_a_number_of_epochs(tmp_path):
    with pytest.raises(ValueError, match="max_epochs_total has to be an integer of at least 1"):
        search(tmp_path, stopping=None, max_epochs_total=0)


def test_a_bayesian_search_goes_on_from_stopped_trials(tmp_path):
    def build(hp):
        hp.float("quality", 0.0, 5.0)
        return build_fn_without_choice()

    study = search(tmp_path, stopping="asha", tuner=BayesianOptimization, max_trials=14, build_fn=build)

    assert study.best.values["quality"] > 4.5
    assert {TrialState.STOPPED, TrialState.COMPLETED} == {trial.state for trial in study.trials}


def build_fn_without_choice():
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_a_person_sees_what_was_spent_and_what_was_saved(tmp_path, capsys):
    tuner = GridSearch(build_fn, Objective("score", "max"), directory=tmp_path, seed=0, stopping="asha")
    tuner.search(X, Y, epochs=4, callbacks=lambda trial: [Scripted(trial)])
    out = capsys.readouterr().out

    assert "trial 1 stopped  score 1 at epoch 1 of 1" in out
    assert "SuccessiveHalving: after 1 epochs" in out
    assert "; 11 epochs in " in out
    assert "Trials that ended early left out 9 epochs" in out
