"""The loop: what a search does, told by its study."""

from __future__ import annotations

import os
import random
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerastune_lite import (
    FailedTrial,
    GridSearch,
    NoResultError,
    NoScoreError,
    Objective,
    Pause,
    RandomSearch,
    SearchTerminated,
    Study,
    StudyError,
    StudyMismatchError,
    Suggestion,
    TooManyFailuresError,
    TrialState,
    Tuner,
)
from kerastune_lite.training.keras_internals import TRACING_DRAWS


def parabola(hp):
    """A function that trains by itself: the loss is (x - 1)²."""
    return (hp.float("x", -2.0, 4.0) - 1.0) ** 2


def settings(study):
    return [dict(trial.values) for trial in study.trials]


def search(build_fn, directory, tuner=RandomSearch, **arguments):
    return tuner(build_fn, directory=directory, verbose=0, **({"seed": 0} | arguments)).search()


def test_a_search_keeps_the_best_of_its_trials(tmp_path):
    study = search(parabola, tmp_path, max_trials=20)

    assert len(study.trials) == 20
    assert study.best.score == min((trial.values["x"] - 1.0) ** 2 for trial in study.trials)


def test_a_max_objective_is_turned_once(tmp_path):
    asked = []

    class Watching:
        def suggest(self, space, trials, rng):
            asked.append([trial.score for trial in trials])
            return Suggestion({"x": float(len(trials))})

    def build_fn(hp):
        return {"accuracy": hp.float("x", 0.0, 3.0)}

    study = search(build_fn, tmp_path, tuner=Tuner, strategy=Watching(), objective="accuracy", max_trials=3)

    assert study.best.values == {"x": 2.0}
    assert asked[-1] == [-0.0, -1.0]


def test_the_same_seed_gives_the_same_settings_and_another_seed_others(tmp_path):
    first, again, other = (
        search(parabola, tmp_path / name, max_trials=5, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )

    assert settings(first) == settings(again) != settings(other)


def test_a_study_without_a_seed_keeps_the_one_it_drew(tmp_path):
    part = search(parabola, tmp_path / "a", max_trials=2, seed=None)
    whole = search(parabola, tmp_path / "a", max_trials=5, seed=None)
    again = search(parabola, tmp_path / "b", max_trials=5, seed=part.seed)

    assert settings(whole) == settings(again)


def test_a_resumed_search_goes_on_as_an_uninterrupted_one(tmp_path):
    for max_trials in (1, 2, 5, 8):
        resumed = search(parabola, tmp_path / "parts", max_trials=max_trials)

    assert settings(resumed) == settings(search(parabola, tmp_path / "whole", max_trials=8))


def test_searching_again_goes_on_up_to_max_trials(tmp_path):
    tuner = RandomSearch(parabola, directory=tmp_path, max_trials=3, verbose=0, seed=0)
    tuner.search()
    tuner.max_trials = 5

    assert len(tuner.search().trials) == 5
    assert len(tuner.search().trials) == 5


def test_the_users_own_random_state_is_put_back(tmp_path):
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    search(parabola, tmp_path, max_trials=2)

    assert (random.random(), np.random.random()) == expected


def test_the_users_own_seeds_of_keras_and_tensorflow_are_put_back(tmp_path, iris, build_iris):
    def drawn():
        shuffled = tf.data.Dataset.range(20).shuffle(20, seed=1)
        # Before Keras 3.15 a seed didn't begin the numbers of keras.random anew, so that none can be expected.
        of_keras = 0.0 if TRACING_DRAWS else float(keras.random.uniform(()))
        return [int(number) for number in shuffled], float(tf.random.uniform(())), of_keras

    keras.utils.set_random_seed(5)
    drawn()
    expected = drawn()
    keras.utils.set_random_seed(5)
    drawn()
    tuner = RandomSearch(build_iris, max_trials=1, directory=tmp_path, verbose=0)
    tuner.search(*iris, epochs=1)
    tuner.retrain(*iris)

    assert drawn() == expected


def test_defaults_come_first_and_then_what_was_enqueued(tmp_path):
    def build_fn(hp):
        return hp.int("units", 1, 100, default=7) * hp.float("rate", 0.0, 1.0, default=0.3)

    tuner = RandomSearch(build_fn, directory=tmp_path, max_trials=4, verbose=0, seed=0)
    tuner.enqueue({"units": 50, "rate": 0.5})
    tuner.enqueue({"units": 60})
    trials = tuner.search().trials

    assert [trial.values["units"] for trial in trials[:3]] == [7, 50, 60]
    assert [trial.values["rate"] for trial in trials[:2]] == [0.3, 0.5]
    assert trials[1].notes == ("enqueued",)


def test_defaults_are_tried_first_without_anything_enqueued(tmp_path):
    def build_fn(hp):
        return hp.int("units", 1, 100, default=7) + hp.float("rate", 0.0, 1.0)

    assert search(build_fn, tmp_path, max_trials=2).trials[0].values["units"] == 7


def test_an_enqueued_setting_comes_first_where_there_are_no_defaults(tmp_path):
    tuner = RandomSearch(parabola, directory=tmp_path, max_trials=2, verbose=0, seed=0)
    tuner.enqueue({"x": 1.0})

    assert tuner.search().trials[0].values == {"x": 1.0}


@pytest.mark.parametrize(
    ("values", "message"), [({"x": 99.0}, "99.0 was given for float 'x'"), ({"y": 1.0}, "doesn't ask for 'y'")]
)
def test_an_enqueued_setting_that_cannot_be_tried_is_refused_before_training(tmp_path, values, message):
    tuner = RandomSearch(parabola, directory=tmp_path, max_trials=2, verbose=0)
    tuner.enqueue(values)
    with pytest.raises((ValueError, LookupError), match=message):
        tuner.search()

    assert tuner.study.trials == ()


def test_a_setting_enqueued_again_in_a_resumed_script_is_not_tried_twice(tmp_path):
    for max_trials in (2, 4):
        tuner = RandomSearch(parabola, directory=tmp_path, max_trials=max_trials, verbose=0, seed=0)
        tuner.enqueue({"x": 1.0})
        study = tuner.search()

    assert [trial.values["x"] for trial in study.trials].count(1.0) == 1


def test_a_grid_turns_the_last_question_fastest(tmp_path):
    def build_fn(hp):
        return hp.choice("a", [1, 2]) * hp.float("b", 0.0, 1.0)

    study = search(build_fn, tmp_path, tuner=GridSearch, points_per_axis=3)

    assert settings(study) == [{"a": a, "b": b} for a in (1, 2) for b in (0.0, 0.5, 1.0)]


def test_an_enqueued_setting_of_the_grid_is_not_tried_again(tmp_path):
    def build_fn(hp):
        return float(hp.choice("a", [1, 2]) * hp.choice("b", [3, 4]))

    tuner = GridSearch(build_fn, directory=tmp_path, verbose=0)
    tuner.enqueue({"a": 2, "b": 3})

    assert settings(tuner.search()) == [{"a": 2, "b": 3}, {"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 4}]


def test_a_random_search_ends_when_the_space_is_used_up_and_says_so(tmp_path, capsys):
    def build_fn(hp):
        return float(hp.choice("a", [1, 2, 3]))

    tuner = RandomSearch(build_fn, directory=tmp_path, max_trials=50, seed=0)
    study = tuner.search()

    assert sorted(trial.values["a"] for trial in study.trials) == [1, 2, 3]
    assert "the space is used up" in capsys.readouterr().out


def test_a_failed_trial_keeps_its_error_and_the_search_goes_on(tmp_path):
    def build_fn(hp):
        x = hp.float("x", 0.0, 1.0)
        if x < 0.5:
            raise RuntimeError(f"no luck with {x}")
        return x

    study = search(build_fn, tmp_path, max_trials=12, max_failures_in_a_row=12)
    failed = [trial for trial in study.trials if trial.state is TrialState.FAILED]

    assert len(study.trials) == 12
    assert failed
    assert all(trial.values["x"] < 0.5 and trial.score is None for trial in failed)
    assert failed[0].error.type == "RuntimeError"
    assert "no luck with" in failed[0].error.message
    assert "build_fn" in failed[0].error.traceback


def test_too_many_failures_in_a_row_show_the_first_ones_traceback(tmp_path):
    calls = []

    def build_fn(hp):
        calls.append(hp.float("x", 0.0, 1.0))
        raise OSError(f"failure {len(calls)}")

    with pytest.raises(TooManyFailuresError, match=r"(?s)3 trials in a row failed.*Traceback.*failure 1"):
        search(build_fn, tmp_path, max_trials=10)

    assert len(Study.open(tmp_path).trials) == 3


def test_a_setting_that_the_user_gives_up_does_not_end_the_search(tmp_path):
    def build_fn(hp):
        if hp.float("x", 0.0, 1.0) < 0.9:
            raise FailedTrial("too large")
        return 1.0

    states = [trial.state for trial in search(build_fn, tmp_path, max_trials=4).trials]

    assert states.count(TrialState.FAILED) > 10
    assert states.count(TrialState.COMPLETED) == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_not_finite_fails_its_trial(tmp_path, value):
    def build_fn(hp):
        return {"loss": value if hp.choice("a", [0, 1]) else 1.0}

    study = search(build_fn, tmp_path, tuner=GridSearch)

    assert [trial.state.value for trial in study.trials] == ["completed", "failed"]
    assert study.best.values == {"a": 0}


def test_a_study_in_which_everything_failed_says_so(tmp_path):
    def build_fn(hp):
        hp.choice("a", [1, 2])
        raise FailedTrial("never")

    with pytest.raises(NoScoreError, match=r"no trial of the study has a score \(2 failed\).*FailedTrial: never"):
        search(build_fn, tmp_path, tuner=GridSearch)
    with pytest.raises(NoResultError, match=r"2 failed.*The first error was FailedTrial: never"):
        _ = Study.open(tmp_path).best


def test_ctrl_c_keeps_what_was_finished_and_the_search_can_be_resumed(tmp_path):
    calls = []

    def build_fn(hp):
        calls.append(hp.float("x", 0.0, 1.0))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return calls[-1]

    with pytest.raises(KeyboardInterrupt):
        search(build_fn, tmp_path, max_trials=5)
    interrupted = Study.open(tmp_path)
    assert [trial.state.value for trial in interrupted.trials] == ["completed", "completed", "interrupted"]

    resumed = search(build_fn, tmp_path, max_trials=5)
    assert [trial.state.value for trial in resumed.trials] == ["completed"] * 5
    asked_first, begun_again = calls[3:5]
    assert asked_first == interrupted.best.values["x"]
    assert calls[2] == begun_again == resumed.trials[2].values["x"]


def test_sigterm_closes_the_journal_and_goes_on_to_the_caller(tmp_path):
    def build_fn(hp):
        x = hp.float("x", 0.0, 1.0)
        if len(Study.open(tmp_path).trials) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return x

    with pytest.raises(SearchTerminated):
        search(build_fn, tmp_path, max_trials=5)

    assert Study.open(tmp_path).trials[2].state is TrialState.INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_users_own_sigterm_handler_is_left_alone(tmp_path):
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    try:
        search(lambda hp: (os.kill(os.getpid(), signal.SIGTERM), hp.float("x", 0.0, 1.0))[1], tmp_path, max_trials=2)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert received == [1, 1]


def test_max_time_bounds_the_whole_search(tmp_path):
    study = search_with_time(tmp_path, "2s")

    assert 1 <= len(study.trials) < 1000


def search_with_time(directory, max_time):
    import time

    def build_fn(hp):
        time.sleep(0.05)
        return hp.float("x", 0.0, 1.0)

    return RandomSearch(build_fn, directory=directory, max_trials=None, verbose=0).search(max_time=max_time)


@pytest.mark.parametrize("max_time", [0, -1, "soon", "5 parsecs"])
def test_a_time_that_is_none_is_refused(tmp_path, max_time):
    with pytest.raises(ValueError, match="A time has to be greater than 0"):
        search_with_time(tmp_path, max_time)


def test_another_objective_in_the_same_directory_is_refused_with_both_ways_out(tmp_path):
    search(parabola, tmp_path, max_trials=2)
    with pytest.raises(StudyMismatchError, match=r"'loss' \(min\).*'accuracy'.*another directory.*overwrite=True"):
        search(parabola, tmp_path, objective="accuracy")


def test_another_kind_in_the_same_directory_is_refused_with_both_before_anything_is_tried(tmp_path):
    search(lambda hp: hp.float("x", 0.0, 1.0), tmp_path, max_trials=2)
    with pytest.raises(StudyMismatchError, match=r"float 'x' \(low=0\.0.*int 'x' \(low=0, high=2\).*overwrite=True"):
        search(lambda hp: hp.int("x", 0, 2), tmp_path, max_trials=4)

    assert [trial.state.value for trial in Study.open(tmp_path).trials] == ["completed", "completed"]


def test_another_build_fn_in_the_same_directory_is_refused(tmp_path):
    search(lambda hp: hp.int("units", 4, 8), tmp_path, max_trials=2)
    with pytest.raises(StudyMismatchError, match="asked for units, and this one asks for width"):
        search(lambda hp: hp.choice("width", [1, 2]), tmp_path, max_trials=4)


def test_overwriting_starts_clean_and_leaves_other_files(tmp_path):
    search(lambda hp: hp.float("x", 0.0, 1.0), tmp_path, max_trials=3)
    (tmp_path / "notes.txt").write_text("mine")
    study = search(lambda hp: hp.float("y", 5.0, 6.0), tmp_path, max_trials=2, overwrite=True)

    assert [list(values) for values in settings(study)] == [["y"], ["y"]]
    assert (tmp_path / "notes.txt").exists()


def test_overwriting_counts_for_the_first_search_only(tmp_path):
    tuner = RandomSearch(parabola, directory=tmp_path, max_trials=2, overwrite=True, verbose=0)
    tuner.search()
    tuner.max_trials = 3

    assert len(tuner.search().trials) == 3


def test_a_study_that_has_nothing_to_lose_takes_another_objective(tmp_path):
    with pytest.raises(ValueError, match="doesn't report"):
        search(lambda hp: {"loss": hp.float("x", 0.0, 1.0)}, tmp_path, objective=Objective("lose", "min"))

    assert len(search(lambda hp: {"loss": hp.float("x", 0.0, 1.0)}, tmp_path, max_trials=2).trials) == 2


def test_without_a_directory_a_fresh_one_is_made_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, second = (RandomSearch(parabola, max_trials=1).search() for _ in range(2))

    assert first.directory != second.directory
    assert str(first.directory) in capsys.readouterr().out


def test_a_tuner_that_has_not_searched_has_no_study():
    with pytest.raises(StudyError, match="call search"):
        _ = RandomSearch(parabola).study


def test_silence_is_silent(tmp_path, capsys):
    search(parabola, tmp_path, max_trials=2)

    assert capsys.readouterr() == ("", "")


def test_a_search_tells_a_line_a_trial(tmp_path, capsys):
    RandomSearch(parabola, directory=tmp_path, max_trials=3, seed=0).search()
    lines = capsys.readouterr().out.splitlines()

    of_day = r"\d\d:\d\d:\d\d "
    assert sum(bool(re.match(rf"{of_day}trial \d completed", line)) for line in lines) == 3
    assert re.match(rf"{of_day}Search ended: 3 trials are done \(3 completed", lines[-2])
    assert re.match(rf"{of_day}best: trial \d", lines[-1])


def test_a_strategy_of_ones_own_may_end_the_search(tmp_path):
    class Twice:
        def suggest(self, space, trials, rng):
            return Pause.DONE if len(trials) == 2 else Suggestion({"x": float(len(trials))})

    assert settings(search(parabola, tmp_path, tuner=Tuner, strategy=Twice())) == [{"x": 0.0}, {"x": 1.0}]


@pytest.mark.parametrize(
    ("argument", "value"),
    [("max_trials", 0), ("executions_per_trial", 0), ("keep_models", -1), ("max_failures_in_a_row", 0), ("seed", -1)],
)
def test_an_impossible_argument_is_refused_when_the_tuner_is_made(argument, value):
    with pytest.raises(ValueError, match=f"{argument} has to be an integer of at least .* Received: {value}"):
        RandomSearch(parabola, **{argument: value})


def test_what_is_no_build_fn_is_refused_when_the_tuner_is_made():
    with pytest.raises(TypeError, match="build_fn has to be a function of hp"):
        RandomSearch(keras.layers)


def test_several_objectives_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="Several objectives are not searched together"):
        RandomSearch(parabola, objective=["val_auc", "val_loss"])
