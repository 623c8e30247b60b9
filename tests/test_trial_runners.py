"""Objects that run whole trials themselves: what they train by, what they return, and how they fail."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite import BuildError, FatalError, Hyperband, Objective, RandomSearch
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.training.data import prepare


class Runner:
    """Builds a small classifier; what `run_trial` does is a test's own."""

    def __init__(self, run, x=None, y=None):
        self.run, self.x, self.y = run, x, y

    def build(self, hp):
        units = hp.int("units", 2, 5)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def run_trial(self, hp, trainings):
        return self.run(self, hp, trainings)

    def data(self, **arguments):
        return prepare(self.x, self.y, None, 0.2, arguments)


def searched(runner, tmp_path, **settings):
    settings = {"max_trials": 2, "seed": 0, "verbose": 0, "directory": tmp_path / "study", **settings}
    return RandomSearch(runner, "val_loss", **settings).search()


def test_its_trainings_count_where_it_returns_nothing(iris, tmp_path):
    def run(self, hp, trainings):
        epochs = hp.int("epochs", 1, 2)
        curves = trainings.train(self, self.data(epochs=epochs, batch_size=16))
        assert [len(curve) for curve in curves] == [epochs, epochs]

    study = searched(Runner(run, *iris), tmp_path, executions_per_trial=2)

    for trial in study.trials:
        assert set(trial.values) == {"epochs", "units"}
        assert len(trial.scores) == 2
        assert trial.score == pytest.approx(np.mean([min(e["val_loss"] for e in curve) for curve in trial.curves]))
        assert trial.engine in ("compiled", "shared")


def test_what_it_returns_is_the_score_and_the_trained_model_is_kept(iris, tmp_path):
    def run(self, hp, trainings):
        curves = trainings.train(self, self.data(epochs=2))
        return {"val_loss": curves[0][-1]["val_loss"] + 100, "note": "moved"}

    tuner = RandomSearch(Runner(run, *iris), "val_loss", max_trials=1, directory=tmp_path / "study", verbose=0)
    study = tuner.search()

    assert study.best.score == pytest.approx(study.best.curve[-1]["val_loss"] + 100)
    assert tuner.best_model().predict(iris[0][:1], verbose=0).shape == (1, 3)


def test_it_needs_no_training_at_all(tmp_path):
    study = searched(Runner(lambda self, hp, trainings: hp.float("x", 0, 1) ** 2), tmp_path)

    assert [trial.score for trial in study.trials] == [trial.values["x"] ** 2 for trial in study.trials]


def test_the_parts_of_its_result_are_the_runs_of_a_trial(tmp_path):
    def run(self, hp, trainings):
        x = hp.float("x", 0, 1)
        return [{"val_loss": x, "other": 1.0}, {"val_loss": [x + 3, x + 2], "other": [2.0, 3.0]}]

    trial = searched(Runner(run), tmp_path).trials[0]

    assert trial.scores == (trial.values["x"], trial.values["x"] + 2)
    assert [list(curve) for curve in trial.curves] == [
        [{"val_loss": trial.values["x"], "other": 1.0}],
        [{"val_loss": trial.values["x"] + 3, "other": 2.0}, {"val_loss": trial.values["x"] + 2, "other": 3.0}],
    ]
    assert trial.best_run == 0


@pytest.mark.drill
def test_a_trial_that_is_tried_again_forgets_the_trainings_before(iris, tmp_path):
    def run(self, hp, trainings):
        trainings.train(self, self.data(epochs=3))
        trainings.restart()
        trainings.train(self, self.data(epochs=1))

    trial = searched(Runner(run, *iris), tmp_path).trials[0]

    assert len(trial.scores) == 1
    assert trial.score in [logs["val_loss"] for logs in trial.curve]


def test_hyperband_pauses_and_continues_its_trainings(iris, tmp_path):
    def run(self, hp, trainings):
        trainings.train(self, self.data())

    tuner = Hyperband(Runner(run, *iris), "val_loss", max_epochs=4, factor=2, directory=tmp_path / "hb", verbose=0)
    study = tuner.search()

    assert {len(trial.curve) for trial in study.trials} >= {1, 4}
    assert any(trial.plan.resumed_from == trial.number for trial in study.trials)


def test_a_planned_trial_has_to_be_trained_by_the_search(tmp_path):
    runner = Runner(lambda self, hp, trainings: hp.float("x", 0, 1))

    with pytest.raises(BuildError, match=r"train by trainings\.train"):
        Hyperband(runner, Objective("val_loss"), max_epochs=4, directory=tmp_path / "hb", verbose=0).search()


@pytest.mark.parametrize(
    ("result", "words"), [(None, "returned nothing, and trained nothing"), ("good", "run_trial returned 'good'")]
)
def test_what_is_no_result_ends_the_search(result, words, tmp_path):
    with pytest.raises(BuildError, match=words):
        searched(Runner(lambda self, hp, trainings: result), tmp_path)


def test_folds_of_a_search_are_refused(iris, tmp_path):
    tuner = RandomSearch(Runner(lambda self, hp, trainings: 1.0), "val_loss", directory=tmp_path / "study", verbose=0)

    with pytest.raises(BuildError, match="Leave cv out"):
        tuner.search(*iris, cv=3)


def test_a_fatal_error_leaves_the_trial_to_be_run_again(tmp_path):
    class NoLicence(FatalError):
        pass

    def run(self, hp, trainings):
        if hp.float("x", 0, 1) < 2:
            raise NoLicence("the licence is used up")

    with pytest.raises(NoLicence, match="used up"):
        searched(Runner(run), tmp_path)
    study = searched(Runner(lambda self, hp, trainings: hp.float("x", 0, 1)), tmp_path)

    assert [trial.number for trial in study.trials] == [0, 1]


def test_a_resumed_search_takes_its_trials_as_they_are(tmp_path):
    calls = []

    def run(self, hp, trainings):
        calls.append(trainings.trial.number)
        return hp.float("x", 0, 1)

    searched(Runner(run), tmp_path)
    study = searched(Runner(run), tmp_path, max_trials=3)

    assert calls == [0, 1, 2]
    assert not study.outside


@pytest.mark.drill
def test_data_may_be_made_by_hand(iris, tmp_path):
    x, y = iris

    def run(self, hp, trainings):
        trainings.train(self, TrainingData(x, y, validation_data=(x, y), fit_arguments={"epochs": 1}))

    assert searched(Runner(run), tmp_path).best.score > 0
