"""Grid and random search as pure functions of the trials."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest

from kerastune_lite import HyperParameters, Pause, Suggestion, Trial, TrialState
from kerastune_lite.space import Space
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy

STRATEGIES = [GridStrategy(), RandomStrategy()]


def played(strategy, build_fn, trials=1000, *, states=lambda number: TrialState.COMPLETED, seed=0, first=()):
    """The settings of a search, build after build, until the strategy is done; `first` are tried before it."""
    space, record, queue = Space(), [], list(first)
    while len(record) < trials:
        number = len(record)
        rng = np.random.default_rng([seed, number])
        answer = Suggestion(queue.pop(0)) if queue else strategy.suggest(space, record, rng)
        if answer is Pause.DONE:
            break
        is_first = answer.fill == "first"
        draw = np.random.default_rng([seed, number, 1])
        hp = HyperParameters(
            answer.values, space, lambda p, f=is_first, d=draw: p.grid(5)[0] if f else p.decode(d.random())
        )
        build_fn(hp)
        space = hp.space
        record.append(Trial(number=number, values=hp.values, state=states(number), score=0.0))
    return [dict(trial.values) for trial in record]


def three_levels(hp):
    kind = hp.choice("kind", ["dense", "conv"])
    if kind == "conv":
        hp.int("kernel", 1, 5, step=2)
        if hp.boolean("pool"):
            hp.float("dropout", 0.0, 0.4, step=0.2)
    else:
        for index in range(hp.int("layers", 1, 2)):
            hp.choice(f"units{index}", [4, 8])


def nested_loops():
    for units in (4, 8):
        yield {"kind": "dense", "layers": 1, "units0": units}
    for one, two in itertools.product((4, 8), (4, 8)):
        yield {"kind": "dense", "layers": 2, "units0": one, "units1": two}
    for kernel in (1, 3, 5):
        yield {"kind": "conv", "kernel": kernel, "pool": False}
        for dropout in (0.0, 0.2, 0.4):
            yield {"kind": "conv", "kernel": kernel, "pool": True, "dropout": dropout}


def test_a_grid_over_three_levels_gives_what_nested_loops_give():
    assert played(GridStrategy(), three_levels) == list(nested_loops())


def test_a_grid_leaves_out_what_was_tried_before_it():
    tried = list(nested_loops())[3:7:2]

    assert played(GridStrategy(), three_levels, first=tried) == tried + [s for s in nested_loops() if s not in tried]


def test_a_setting_off_the_grid_takes_nothing_from_it():
    def build_fn(hp):
        hp.float("x", 0.0, 1.0)

    assert played(GridStrategy(3), build_fn, first=[{"x": 0.1}]) == [{"x": 0.1}, {"x": 0.0}, {"x": 0.5}, {"x": 1.0}]


def test_a_failed_setting_is_not_tried_again():
    states = [TrialState.FAILED, TrialState.COMPLETED]

    assert played(GridStrategy(), three_levels, states=lambda number: states[number % 2]) == list(nested_loops())


def test_a_random_search_tries_every_setting_of_a_conditional_space_once_and_is_done():
    drawn = played(RandomStrategy(), three_levels)

    assert sorted(map(str, drawn)) == sorted(map(str, nested_loops()))


def test_random_draws_are_uniform_over_the_range():
    def build_fn(hp):
        hp.int("n", 1, 4)
        hp.float("x", 0.0, 1.0)

    drawn = played(RandomStrategy(), build_fn, trials=800)
    counts = collections.Counter(values["n"] for values in drawn)

    assert all(150 < counts[n] < 250 for n in range(1, 5))
    assert np.mean([values["x"] for values in drawn]) == pytest.approx(0.5, abs=0.04)


def test_different_seeds_draw_differently():
    def build_fn(hp):
        hp.float("x", 0.0, 1.0)

    assert played(RandomStrategy(), build_fn, 5, seed=0) != played(RandomStrategy(), build_fn, 5, seed=1)


def test_declared_conditions_are_searched_like_plain_ones():
    def build_fn(hp):
        hp.choice("optimizer", ["adam", "sgd"])
        with hp.when("optimizer", "sgd"):
            hp.choice("momentum", [0.0, 0.9])

    expected = [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.0}, {"optimizer": "sgd", "momentum": 0.9}]

    assert played(GridStrategy(), build_fn) == expected
    assert sorted(map(str, played(RandomStrategy(), build_fn))) == sorted(map(str, expected))


@pytest.mark.parametrize("points", [0, 1])
def test_a_grid_needs_both_ends(points):
    with pytest.raises(ValueError, match="points_per_axis has to be at least 2"):
        GridStrategy(points)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_space_of_one_setting_is_done_after_one_trial(strategy):
    def build_fn(hp):
        hp.fixed("a", 1)
        hp.choice("b", [2])
        hp.int("c", 3, 3)
        hp.float("d", 4.0, 4.0)

    assert played(strategy, build_fn) == [{"a": 1, "b": 2, "c": 3, "d": 4.0}]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_build_fn_that_asks_nothing_is_tried_once(strategy):
    assert played(strategy, lambda hp: None) == [{}]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_the_same_question_gets_the_same_answer(strategy):
    hp = HyperParameters()
    three_levels(hp)
    trials = [Trial(number=0, values=hp.values, state=TrialState.COMPLETED, score=0.5)]
    first, second = (strategy.suggest(hp.space, trials, np.random.default_rng(7)) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_running_setting_is_not_handed_out_again(strategy):
    hp = HyperParameters()
    hp.choice("a", [1, 2])
    done = Trial(number=0, values={"a": 1}, state=TrialState.COMPLETED, score=0.5)
    running = Trial(number=1, values={"a": 2})

    assert strategy.suggest(hp.space, [done, running], np.random.default_rng(0)) is Pause.WAIT
    assert strategy.suggest(hp.space, [done], np.random.default_rng(0)).values == {"a": 2}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_build_that_failed_before_it_asked_anything_ends_nothing(strategy):
    hp = HyperParameters()
    hp.choice("a", [1, 2])
    failed = Trial(number=0, values={}, state=TrialState.FAILED)

    assert isinstance(strategy.suggest(hp.space, [failed], np.random.default_rng(0)), Suggestion)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_large_space_is_drawn_from_without_being_listed(strategy):
    def build_fn(hp):
        for index in range(20):
            hp.int(f"n{index}", 0, 10**6)

    assert len({str(values) for values in played(strategy, build_fn, trials=10)}) == 10
