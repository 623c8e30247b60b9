"""What a tuner refuses at once, what it shows to views, and what it gives back."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import kerastune_lite
from kerastune_lite import (
    BayesianOptimization,
    FailedTrial,
    GridSearch,
    Hyperband,
    NoScoreError,
    Objective,
    RandomSearch,
    Study,
    Suggestion,
    Tuner,
    errors,
)
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.study.events import EpochEnded, SearchBegun, SearchEnded, TrialBegun, TrialEnded

ROOT = Path(__file__).parents[2]


def score_of(hp):
    """A build_fn that trains by itself."""
    return (hp.float("x", 0.0, 1.0) - 0.3) ** 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tuner(score_of, "loss", strategy=GridStrategy),
        lambda: Hyperband(score_of, "loss", max_epochs=4, strategy=RandomStrategy),
    ],
    ids=["a tuner's", "an inner one"],
)
def test_a_strategy_class_instead_of_an_object_is_refused_before_anything_is_trained(make):
    with pytest.raises(TypeError, match=r"strategy got the class \w+, and takes an object of it: pass \w+\(…\)"):
        make()


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_search_without_any_score_ends_with_an_error_that_shows_the_first_failure(tmp_path, verbose, capsys):
    def build_fn(hp):
        raise OSError(f"no file of size {hp.int('size', 1, 99)}")

    tuner = RandomSearch(build_fn, "loss", max_trials=2, directory=tmp_path, seed=0, verbose=verbose)

    with pytest.raises(NoScoreError, match="2 trials are done, and no trial of the study has a score") as caught:
        tuner.search()
    first = tuner.study.trials[0]
    assert f"it isn't the setting. The first was trial 0 with {dict(first.values)}: OSError: no" in str(caught.value)
    assert first.error.summary in str(caught.value)
    assert "in build_fn" in str(caught.value)  # the traceback
    assert ("Search ended: 2 trials are done (2 failed" in capsys.readouterr().out) == bool(verbose)
    assert [trial.state.value for trial in tuner.study.trials] == ["failed", "failed"]


def test_a_search_whose_settings_were_all_given_up_says_so(tmp_path):
    def build_fn(hp):
        raise FailedTrial(f"{hp.choice('units', [64, 128])} units are too many")

    tuner = GridSearch(build_fn, "loss", directory=tmp_path, verbose=0)

    with pytest.raises(NoScoreError, match=r"was given up by FailedTrial.*FailedTrial: 64 units are too many"):
        tuner.search()
    assert all(trial.is_rejected for trial in tuner.study.trials)


def test_what_failed_is_tried_again_where_the_search_is_told_to(tmp_path, capsys):
    is_there = []

    def build_fn(hp):
        x = hp.float("x", 0.0, 1.0)
        if not is_there:
            raise OSError("no such file")
        return x

    def search(**settings):
        return RandomSearch(build_fn, "loss", max_trials=2, directory=tmp_path, seed=0, **settings).search()

    with pytest.raises(NoScoreError, match="With retry_failed=True these trials are tried again"):
        search()
    before = [dict(trial.values) for trial in Study.open(tmp_path).trials]
    is_there.append(True)
    with pytest.raises(NoScoreError):  # there is nothing left to do
        search()
    study = search(retry_failed=True)

    assert [dict(trial.values) for trial in study.trials] == before
    assert [trial.score for trial in study.trials] == [values["x"] for values in before]
    assert "2 failed trials are tried again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("objective", "told"),
    [("accuracy", "'val_accuracy' would be"), ("loss", "'val_loss' would be"), ("val_accuracy", ""), (None, "")],
)
def test_an_objective_of_the_training_data_is_told_where_there_is_validation_data(
    tmp_path, iris, build_iris, objective, told, capsys
):
    RandomSearch(build_iris, objective, max_trials=1, directory=tmp_path, seed=0).search(*iris, validation_split=0.2)

    lines = [line for line in capsys.readouterr().out.splitlines() if "is measured on the training data" in line]
    assert len(lines) == bool(told)
    assert told in "".join(lines)


def test_without_validation_data_or_with_a_metric_of_ones_own_nothing_is_told(tmp_path, iris, build_iris, capsys):
    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["of_mine"] = 1.0

    def search(name, objective, **arguments):
        tuner = RandomSearch(build_iris, objective, max_trials=1, directory=tmp_path / name, seed=0)
        tuner.search(*iris, **arguments)

    search("without", "accuracy")
    search("mine", Objective("of_mine", "max"), validation_split=0.2, callbacks=Log())

    assert "measured on the training data" not in capsys.readouterr().out


@pytest.mark.parametrize("tuner", [RandomSearch, BayesianOptimization])
def test_settings_that_are_given_up_do_not_use_up_max_trials_also_when_resumed(tmp_path, tuner):
    class TooLarge(FailedTrial):
        pass

    def build_fn(hp):
        if (units := hp.int("units", 1, 40)) > 12:
            raise TooLarge(f"{units} units are too many")
        return float(units)

    def search(max_trials):
        return tuner(build_fn, "loss", max_trials=max_trials, directory=tmp_path, seed=1, verbose=0).search()

    for count in (3, 5):
        trials = search(count).trials
        assert sum(trial.score is not None for trial in trials) == count
        assert len(trials) > count
    assert {trial.is_rejected for trial in Study.open(tmp_path).trials} == {True, False}


def test_one_score_is_enough_for_a_search_to_give_its_study_back(tmp_path):
    def build_fn(hp):
        if hp.choice("units", [4, 8]) == 4:
            raise ValueError("too few")
        return 1.0

    study = GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()

    assert [trial.state.value for trial in study.trials] == ["failed", "completed"]


@pytest.mark.parametrize("view", [None, "a name", print.__class__, type("View", (), {})])
def test_a_view_that_cannot_be_called_is_refused(view):
    with pytest.raises(TypeError, match=r"views takes functions of \(event, study\)"):
        RandomSearch(score_of, "loss", views=[view])


def test_views_are_shown_the_whole_search(tmp_path):
    seen = []

    RandomSearch(
        score_of, "loss", max_trials=2, directory=tmp_path, verbose=0, views=[lambda event, study: seen.append(event)]
    ).search()

    of_trials = [type(event) for event in seen if isinstance(event, (TrialBegun, EpochEnded, TrialEnded))]
    begun = [event for event in seen if isinstance(event, SearchBegun)]
    assert begun == [SearchBegun(max_trials=2)]
    assert of_trials == [TrialBegun, EpochEnded, TrialEnded] * 2
    assert seen[-1] == SearchEnded(reason="2 trials are done")


def test_views_are_told_the_end_of_a_search_that_an_exception_ends(tmp_path):
    seen = []

    def interrupted(hp):
        raise KeyboardInterrupt

    tuner = RandomSearch(
        interrupted, "loss", directory=tmp_path, verbose=0, views=[lambda event, _: seen.append(event)]
    )
    with pytest.raises(KeyboardInterrupt):
        tuner.search()

    assert seen[-1] == SearchEnded(reason=None, is_interrupted=True)


@pytest.mark.parametrize("epochs", [0, -1, 1.5])
def test_retraining_for_no_epochs_is_refused_rather_than_taken_for_the_default(tmp_path, iris, epochs):
    tuner = RandomSearch(score_of, "loss", max_trials=1, directory=tmp_path, verbose=0)
    tuner.search()

    with pytest.raises(ValueError, match=r"epochs has to be an integer of at least 1 or None. Received: "):
        tuner.retrain(*iris, epochs=epochs)


def test_the_journal_is_read_again_only_when_it_has_changed(tmp_path):
    tuner = RandomSearch(score_of, "loss", max_trials=2, directory=tmp_path, verbose=0)
    tuner.search()

    first = tuner.study
    assert tuner.study is first

    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "begin", "time": "2026-01-01T00:00:00+00:00", "trial": 2, "values": {}}\n')
    assert [trial.number for trial in tuner.study.trials] == [0, 1, 2]


def test_max_trials_holds_for_a_persons_own_strategy_whose_trials_pause(tmp_path):
    class Own:
        ending = "never"

        def suggest(self, space, trials, rng):
            return Suggestion({"x": float(rng.random())})

        def resumable(self, trials):
            return ()

    study = Tuner(score_of, "loss", strategy=Own(), max_trials=3, directory=tmp_path, verbose=0).search()

    assert len(study.trials) == 3


def test_every_error_that_a_person_may_meet_is_exported_and_in_the_tree():
    named = {
        name: each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, (Exception, SystemExit))
    }

    assert not [name for name in named if name not in kerastune_lite.__all__]
    assert not [name for name in named if name not in errors.__doc__]
    assert not [
        name
        for name, each in named.items()
        if not issubclass(each, (kerastune_lite.KerastuneError, kerastune_lite.SearchTerminated))
    ]


@pytest.mark.parametrize(
    "name",
    [
        "WorkerError",
        "StoppingError",
        "UnknownNameError",
        "WrongCallError",
        "NoScoreError",
        "Diverged",
        "SearchTerminated",
    ],
)
def test_errors_survive_the_way_from_a_worker(name):
    error = getattr(kerastune_lite, name)("a message")

    assert str(pickle.loads(pickle.dumps(error))) == "a message"


@pytest.mark.drill
def test_a_checkout_finds_its_callbacks_without_an_installation(tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("kerastune_lite", "callbacks"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import sys; sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each)]\n"
        "import kerastune_lite.callbacks as found; print(found.__file__, found.TimeLimit.__module__)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True, env=dict(os.environ)
    )

    assert done.stdout.split() == [
        str(checkout / "callbacks" / "__init__.py"),
        "kerastune_lite.callbacks.time_limit",
    ]


def test_the_command_line_is_the_package_itself(tmp_path):
    RandomSearch(score_of, "loss", max_trials=1, directory=tmp_path, verbose=0).search()

    command = [sys.executable, "-m", "kerastune_lite", "show", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "trials     1: 1 completed" in done.stdout
