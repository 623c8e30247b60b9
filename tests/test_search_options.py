"""What code that is built on a tuner relies on: defaults, errors that end a search, a strategy's notes, the space."""

from __future__ import annotations

import random

import pytest

from kerastune_lite import FatalError, Objective, RandomSearch, Study, Suggestion, TrialState, Tuner
from kerastune_lite.space import Float

SCORE = Objective("score", "min")
QUIET = {"verbose": 0, "seed": 0}


def build_fn(hp):
    rate = hp.float("rate", 0.0, 1.0, default=0.5)
    return rate + hp.int("units", 1, 8)


# Defaults


def test_the_first_trial_has_the_defaults_unless_they_are_not_to_be_tried(tmp_path):
    with_defaults = RandomSearch(build_fn, SCORE, directory=tmp_path / "with", max_trials=2, **QUIET).search()
    without = RandomSearch(
        build_fn, SCORE, directory=tmp_path / "without", max_trials=2, try_defaults=False, **QUIET
    ).search()

    assert with_defaults.trials[0].values["rate"] == 0.5
    assert 0.5 not in [trial.values["rate"] for trial in without.trials]
    assert with_defaults.trials[1].values == without.trials[1].values


# Errors that end the search


class OutOfQuota(FatalError):
    """An error of a person's own."""


def test_a_fatal_error_ends_the_search_as_it_is(tmp_path):
    def fails(hp):
        score = build_fn(hp)
        if len(scores) == 1:
            raise OutOfQuota("no machine is left")
        scores.append(score)
        return score

    scores = []
    tuner = RandomSearch(fails, SCORE, directory=tmp_path, max_trials=3, **QUIET)
    with pytest.raises(OutOfQuota, match="no machine is left"):
        tuner.search()

    assert [trial.state for trial in tuner.study.trials] == [TrialState.COMPLETED, TrialState.INTERRUPTED]


# A strategy's notes


class Counts:
    """Notes in each trial how often it was asked, which the trials of another search wouldn't tell."""

    def suggest(self, space, trials, rng):
        asked = max((trial.memory.get("asked", 0) for trial in trials), default=0)
        return Suggestion({}, memory={"asked": asked + 1, "pair": (1, 2)})


def test_a_strategy_finds_its_notes_again_after_a_resumption(tmp_path):
    for max_trials in (2, 4):
        tuner = Tuner(build_fn, SCORE, strategy=Counts(), directory=tmp_path, max_trials=max_trials, **QUIET)
        study = tuner.search()

    assert [trial.memory["asked"] for trial in study.trials] == [1, 2, 3, 4]
    assert study.trials[-1].memory["pair"] == [1, 2]
    assert Study.open(tmp_path).trials == study.trials


def test_notes_that_a_journal_cannot_hold_are_refused(tmp_path):
    class Forgetful:
        def suggest(self, space, trials, rng):
            return Suggestion({}, memory={"rng": rng})

    tuner = Tuner(build_fn, SCORE, strategy=Forgetful(), directory=tmp_path, **QUIET)
    with pytest.raises(TypeError, match=r"Suggestion.memory has to be a dict of what JSON can hold .* Generator"):
        tuner.search()


# A look at the space


def test_the_space_is_shown_before_a_search_without_training(tmp_path):
    def branches(hp):
        if hp.boolean("deep"):
            hp.int("layers", 2, 4)
        return hp.float("rate", 0.0, 1.0)

    state = random.getstate()
    tuner = RandomSearch(branches, SCORE, directory=tmp_path / "study", fixed={"rate": 0.5}, **QUIET)
    space = tuner.space()

    assert [parameter.name for parameter in space] == ["deep", "rate", "layers"]
    assert space["rate"].kind == "fixed"
    assert str(space).splitlines()[1] == "fixed 'rate' (one of 0.5)"
    assert random.getstate() == state
    assert not (tmp_path / "study").exists()


def test_the_space_has_the_ranges_that_a_search_learns(tmp_path):
    tuner = RandomSearch(build_fn, SCORE, directory=tmp_path, max_trials=1, **QUIET)

    assert tuner.space() == tuner.search().space
    assert tuner.space()["rate"] == Float(name="rate", low=0.0, high=1.0, default=0.5)
