"""The arguments of tuners and searches in the forms in which people give them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from kerastune_lite import CallbackError, GridSearch, Hyperband, PopulationBasedTraining, RandomSearch, Study
from kerastune_lite.callbacks import EarlyStopping
from kerastune_lite.cli import main
from kerastune_lite.search.durations import seconds_of
from kerastune_lite.study.events import SearchBegun


def score_of(hp):
    """A build_fn that trains by itself."""
    return (hp.float("x", 0.0, 1.0) - 0.3) ** 2


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("90m", 5400),
        ("1h30m", 5400),
        ("5min", 300),
        ("5 minutes", 300),
        ("1 hour 30 min", 5400),
        ("1 Hour, and 30 Minutes", 5400),
        ("90 sec", 90),
        ("2 days", 172800),
        ("1.5h", 5400),
        (".5 HRS", 1800),
        ("1d 2h 3m 4s", 93784),
        (90, 90),
        (np.int64(90), 90),
        (timedelta(minutes=2), 120),
    ],
)
def test_a_duration_is_read_as_people_write_it(duration, seconds):
    assert seconds_of(duration) == seconds


@pytest.mark.parametrize(
    "duration", ["300", "5 parsecs", "5 ms", "1:30", "-5m", "1h30", "", "min", 0, -1, True, None, float("nan"), [5]]
)
def test_what_is_no_duration_is_refused_with_the_ways_to_write_one(duration):
    with pytest.raises(ValueError, match='a text with units, like "90s", "5 min"') as caught:
        seconds_of(duration)
    assert str(caught.value).endswith(f"Received: {duration!r}.")


def test_numpys_integers_are_integers(tmp_path):
    seed, trials, one = np.int64(3), np.array(4), np.uint8(1)

    tuner = RandomSearch(score_of, "loss", seed=seed, max_trials=trials, workers=one, directory=tmp_path, verbose=0)
    study = tuner.search(epochs=one, max_epochs_total=np.int32(99))

    assert (study.seed, len(study.trials), type(tuner.seed)) == (3, 4, int)
    plain = RandomSearch(score_of, "loss", seed=3, max_trials=4, directory=tmp_path / "plain", verbose=0).search()
    assert [dict(trial.values) for trial in plain.trials] == [dict(trial.values) for trial in study.trials]


@pytest.mark.drill
def test_numpys_integers_are_integers_where_epochs_are_planned(tmp_path, iris, build_iris):
    nine = np.int64(9)

    hyperband = Hyperband(build_iris, "loss", max_epochs=np.int64(3), factor=np.int8(3), directory=tmp_path / "h")
    population = PopulationBasedTraining(build_iris, "loss", population=np.int64(4), directory=tmp_path / "p")

    assert {trial.plan.epochs for trial in hyperband.search(*iris, max_time=9 * nine).trials} == {3}
    assert {trial.plan.epochs for trial in population.search(*iris, epochs=np.int64(2)).trials} == {2}


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True, np.True_, np.float64(3)])
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match="max_trials has to be an integer of at least 1 or None"):
        RandomSearch(score_of, "loss", max_trials=value)


def test_a_home_folder_and_environment_variables_are_looked_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNS", str(tmp_path))

    study = RandomSearch(score_of, "loss", max_trials=1, directory="~/study", verbose=0).search()

    assert study.directory == tmp_path / "study"
    assert len(Study.open("~/study").trials) == len(Study.open("$RUNS/study").trials) == 1
    assert RandomSearch(score_of, "loss", directory="${RUNS}/study").study.directory == tmp_path / "study"
    assert main(["show", "~/study"]) == 0
    assert "1 completed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "bound", [{"max_time": "1h"}, {"max_epochs_total": 12}, {"max_time": 60, "max_epochs_total": 12}]
)
def test_a_bound_of_the_search_takes_the_place_of_the_default_number_of_trials(tmp_path, bound):
    begun = []

    def show(event, study):
        if isinstance(event, SearchBegun):
            begun.append(event.max_trials)

    def build_fn(hp):
        return float(hp.int("x", 1, 12))

    def tuner(name, **settings):
        return RandomSearch(build_fn, "loss", directory=tmp_path / name, verbose=0, views=[show], **settings)

    assert tuner("neither").max_trials == 10
    assert len(tuner("neither").search().trials) == 10
    assert len(tuner("bounded").search(**bound).trials) == 12  # all that there are
    assert len(tuner("both", max_trials=3).search(**bound).trials) == 3
    assert begun == [10, None, 3]


def test_a_single_callback_needs_no_list(tmp_path, iris):
    import keras

    def build_fn(hp):
        model = keras.Sequential([keras.layers.Dense(hp.choice("units", [3]), activation="softmax")])
        model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return model, {"callbacks": keras.callbacks.LambdaCallback()}

    for name, callbacks in (
        ("one", EarlyStopping(monitor="loss", patience=1)),
        ("made", lambda trial: EarlyStopping(monitor="loss", patience=1)),
        ("none", None),
    ):
        tuner = GridSearch(build_fn, "loss", directory=tmp_path / name, verbose=0)
        best = tuner.search(*iris, epochs=4, callbacks=callbacks).best
        assert (best.stop_reason is None) == (name == "none")
    assert tuner.retrain(*iris, callbacks=EarlyStopping(monitor="loss")).compiled


def test_the_class_of_a_callback_is_refused_with_what_to_pass(tmp_path, iris, build_iris):
    with pytest.raises(CallbackError, match=r"got the class EarlyStopping: pass EarlyStopping\(…\)"):
        GridSearch(build_iris, "loss", directory=tmp_path).search(*iris, callbacks=EarlyStopping)
