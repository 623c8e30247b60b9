"""What the strategy suggests: stories of a few trials, resumed searches, running and failed trials, odd input."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

from kerastune_lite.space import Boolean, Choice, Condition, Fixed, Float, Int, Space
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.bayesian.output_warp import straight, warped
from kerastune_lite.strategies.bayesian.rows import table_of
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy, model_of
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

LINE = Space([Float(name="x", low=0.0, high=1.0)])
SQUARE = Space([Float(name="x", low=0.0, high=1.0), Float(name="y", low=0.0, high=1.0)])
MIXED = Space(
    [
        Choice(name="optimizer", options=("sgd", "adam", "rmsprop")),
        Float(name="rate", low=1e-5, high=1.0, log=True),
        Float(name="momentum", low=0.0, high=0.99, conditions=(Condition("optimizer", ("sgd",)),)),
        Int(name="layers", low=1, high=5),
        Int(name="units", low=8, high=512, log=True),
    ]
)


def mixed_score(values):
    best = {"sgd": -1.0, "adam": -3.0, "rmsprop": -2.5}[values["optimizer"]]
    loss = (
        0.3 * (math.log10(values["rate"]) - best) ** 2 + {"sgd": 0.1, "adam": 0.0, "rmsprop": 0.2}[values["optimizer"]]
    )
    loss += (values.get("momentum", 0.9) - 0.9) ** 2 + 0.05 * (values["layers"] - 3) ** 2
    return loss + 0.1 * math.log(values["units"] / 128) ** 2


def scored(number, values, score, state=TrialState.COMPLETED):
    return Trial(number=number, values=values, score=score, state=state)


def failed(number, values):
    return Trial(number=number, values=values, state=TrialState.FAILED)


def running(number, values):
    return Trial(number=number, values=values)


def ask(space, trials, seed=0, strategy=None):
    strategy = strategy or BayesianStrategy(seed=seed)
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise"):
        warnings.simplefilter("error")
        return strategy.suggest(space, trials, suggestion_rng(seed, len(trials)))


def search(space, score, count, seed=0, strategy=None, trials=()):
    trials = list(trials)
    while len(trials) < count:
        answer = ask(space, trials, seed, strategy)
        if isinstance(answer, Pause):
            break
        trials.append(scored(len(trials), answer.values, score(answer.values)))
    return trials


def best(trials):
    return min(trial.score for trial in trials)


# Where it looks


def test_the_first_trials_are_spread_evenly():
    values = [trial.values["x"] for trial in search(LINE, lambda values: 0.0, 8)]

    assert sorted(int(8 * x) for x in values) == list(range(8))


def test_the_even_spread_covers_the_options_of_a_choice():
    space = Space([Choice(name="c", options=tuple("abcd")), Float(name="x", low=0.0, high=1.0)])

    options = [trial.values["c"] for trial in search(space, lambda values: 0.0, 8)]

    assert sorted(options) == sorted("aabbccdd")


def test_other_seeds_spread_otherwise():
    assert ask(SQUARE, [], seed=1) != ask(SQUARE, [], seed=2)


def test_a_parameter_met_later_leaves_the_spread_of_the_others_alone():
    trials = [scored(0, {"x": 0.5}, 1.0)]

    assert ask(SQUARE, trials).values["x"] == ask(LINE, trials).values["x"]


def test_it_goes_to_the_bottom_of_a_valley():
    trials = [scored(number, {"x": x}, (x - 0.62) ** 2) for number, x in enumerate(np.linspace(0.0, 1.0, 9))]

    assert ask(LINE, trials).values["x"] == pytest.approx(0.62, abs=0.03)


def test_it_finds_the_optimum_much_better_than_random_search():
    def score(values):
        return (values["x"] - 0.3) ** 2 + 2.0 * (values["y"] - 0.7) ** 2 + 0.1 * math.sin(9.0 * values["x"])

    lowest = -0.0600130697  # on a grid of 2,000,000 points
    ours = [best(search(SQUARE, score, 25, seed)) - lowest for seed in range(3)]
    random = [best(search(SQUARE, score, 25, seed, RandomStrategy())) - lowest for seed in range(3)]

    assert max(ours) < 0.05 * np.median(random)


@pytest.mark.drill
def test_it_beats_random_search_on_a_mixed_conditional_space():
    ours = [best(search(MIXED, mixed_score, 30, seed)) for seed in range(3)]
    random = [best(search(MIXED, mixed_score, 30, seed, RandomStrategy())) for seed in range(3)]

    assert np.median(ours) < 0.5 * np.median(random)


def test_conditions_that_nobody_declared_are_searched_as_well():
    space = Space([dataclasses.replace(parameter, conditions=()) for parameter in MIXED])

    def trial(number, values):
        asked = {name: v for name, v in values.items() if name != "momentum" or values["optimizer"] == "sgd"}
        return scored(number, asked, mixed_score(asked))

    trials = []
    for number in range(30):
        trials.append(trial(number, ask(space, trials).values))

    assert best(trials) < 0.15


# Settings


def test_a_suggestion_leaves_out_what_its_own_conditions_switch_off():
    for trial in search(MIXED, mixed_score, 20):
        assert ("momentum" in trial.values) == (trial.values["optimizer"] == "sgd")


def test_before_the_first_build_everything_is_left_to_chance():
    assert ask(Space(), []) == Suggestion({})


def test_a_space_of_one_point_is_tried_once():
    space = Space([Fixed(name="mode", options=("only",)), Float(name="x", low=2.0, high=2.0)])

    first = ask(space, [])

    assert first == Suggestion({"mode": "only", "x": 2.0})
    assert ask(space, [scored(0, first.values, 1.0)]) is Pause.DONE
    assert ask(space, [running(0, first.values)]) is Pause.WAIT


def test_a_discrete_space_is_searched_without_repeats_until_it_is_exhausted():
    space = Space(
        [
            Boolean(name="flag"),
            Int(name="n", low=1, high=5, conditions=(Condition("flag", (True,)),)),
            Choice(name="c", options=("a", "b", "c")),
        ]
    )

    trials = search(space, lambda values: values.get("n", 9) + len(values["c"]), 99)

    assert len(trials) == len({tuple(trial.values.items()) for trial in trials}) == 3 + 5 * 3
    assert ask(space, trials) is Pause.DONE


def test_the_good_settings_of_a_discrete_space_come_early():
    space = Space([Int(name="a", low=0, high=11), Int(name="b", low=0, high=11)])

    trials = search(space, lambda values: (values["a"] - 8) ** 2 + (values["b"] - 2) ** 2, 22)

    assert best(trials) == 0


def test_ranges_with_steps_are_kept():
    space = Space([Float(name="x", low=0.0, high=1.0, step=0.1), Int(name="n", low=16, high=256, step=2, log=True)])

    for trial in search(space, lambda values: values["x"] * values["n"], 25):
        assert space["x"].contains(trial.values["x"])
        assert space["n"].contains(trial.values["n"])


# Resumed, running, failed


@pytest.mark.parametrize("stop", [3, 11, 17])
def test_a_resumed_search_suggests_what_an_uninterrupted_one_does(stop):
    whole = search(MIXED, mixed_score, 20, strategy=BayesianStrategy(seed=5))

    resumed = search(MIXED, mixed_score, 20, strategy=BayesianStrategy(seed=5), trials=whole[:stop])

    assert resumed == whole


def test_the_same_question_gets_the_same_answer():
    trials = search(MIXED, mixed_score, 12)

    assert ask(MIXED, trials) == ask(MIXED, trials)


@pytest.mark.parametrize("ended", [0, 3, 12])
def test_four_running_trials_are_four_settings(ended):
    trials = search(SQUARE, lambda values: math.sin(12 * values["x"]) * math.cos(9 * values["y"]), ended)
    points = []
    for _ in range(4):
        answer = ask(SQUARE, trials)
        trials.append(running(len(trials), answer.values))
        points.append((answer.values["x"], answer.values["y"]))

    assert min(math.dist(a, b) for a in points for b in points if a != b) > 1e-3
    assert len(set(points)) == 4


def test_running_trials_that_fill_a_small_space_are_waited_for():
    space = Space([Boolean(name="flag")])
    trials = [running(0, {"flag": True}), running(1, {"flag": False})]

    assert ask(space, trials[:1]).values == {"flag": False}
    assert ask(space, trials) is Pause.WAIT


def test_four_at_a_time_are_nearly_as_good_as_one_at_a_time():
    trials = []
    for _ in range(8):
        batch = []
        for _ in range(4):
            batch.append(running(len(trials) + len(batch), ask(MIXED, trials + batch).values))
        trials += [scored(trial.number, trial.values, mixed_score(trial.values)) for trial in batch]
    random = best(search(MIXED, mixed_score, 32, strategy=RandomStrategy()))

    assert best(trials) < 0.7 * random


def test_failures_move_the_search_away_from_their_region():
    def trial(number, values):
        if values["x"] > 0.5:
            return failed(number, values)
        return scored(number, values, (values["x"] - 0.2) ** 2 + (values["y"] - 0.5) ** 2)

    trials = []
    for number in range(24):
        trials.append(trial(number, ask(SQUARE, trials).values))

    assert sum(trial.state is TrialState.FAILED for trial in trials[8:]) <= 3
    assert best(trial for trial in trials if trial.score is not None) < 1e-3


# Odd input: always an answer, never an exception or a warning


def line_of(scores, states=None):
    rng = np.random.default_rng(0)
    return [
        scored(number, {"x": float(rng.random())}, score, states[number] if states else TrialState.COMPLETED)
        for number, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    "scores",
    [
        [None] * 12,
        [math.nan] * 12,
        [math.inf, -math.inf] * 6,
        [1.0] + [math.nan] * 11,
        [1.0] * 12,
        [1.0, 1.0, math.nan] * 4,
        [1e300, 1e-300] * 6,
        [1.7e308, -1.7e308] * 6,
        [0.0, 5e-324] * 6,
        [1.0 + 1e-15 * number for number in range(12)],
        [10**400 if number < 0 else number for number in range(12)],
    ],
    ids=str,
)
def test_any_scores_get_an_answer(scores):
    answer = ask(LINE, line_of(scores))

    assert LINE["x"].contains(answer.values["x"])


def test_a_single_score_among_failures_draws_the_search_near():
    trials = [failed(number, {"x": 0.6 + 0.04 * number}) for number in range(9)] + [scored(9, {"x": 0.2}, 1.0)]

    assert ask(LINE, trials).values["x"] < 0.6


def test_all_trials_failed():
    trials = [failed(number, {"x": number / 10}) for number in range(10)]

    assert LINE["x"].contains(ask(LINE, trials).values["x"])


def test_duplicate_settings_with_different_scores():
    trials = [scored(number, {"x": 0.1 * (number % 3)}, float(number)) for number in range(15)]

    assert LINE["x"].contains(ask(LINE, trials).values["x"])


def test_columns_in_which_all_trials_agree():
    trials = [scored(number, {"x": 0.5, "y": number / 12}, float(number)) for number in range(12)]

    assert SQUARE["x"].contains(ask(SQUARE, trials).values["x"])


def test_one_setting_tried_again_and_again():
    trials = [scored(number, {"x": 0.5, "y": 0.5}, float(number)) for number in range(12)]

    assert SQUARE["x"].contains(ask(SQUARE, trials).values["x"])


def test_sixty_parameters():
    space = Space([Float(name=f"x{index}", low=0.0, high=1.0) for index in range(60)])
    rng = np.random.default_rng(0)
    trials = [scored(number, space.decode(rng.random(60)), float(rng.random())) for number in range(40)]

    assert len(ask(space, trials).values) == 60


def test_more_parameters_than_one_block_of_the_design():
    space = Space([Float(name=f"x{index}", low=0.0, high=1.0) for index in range(70)])

    assert len(ask(space, []).values) == 70


def test_a_thousand_trials():
    rng = np.random.default_rng(0)
    trials = []
    for number in range(1000):
        values = MIXED.decode(rng.random(5))
        trials.append(scored(number, values, mixed_score(values)))

    assert mixed_score(ask(MIXED, trials).values) < 0.2


def test_a_discrete_space_smaller_than_the_design():
    space = Space([Boolean(name="flag"), Int(name="n", low=1, high=2)])

    trials = search(space, lambda values: values["n"], 99)

    assert len(trials) == 4


def test_a_choice_of_hundreds_of_options():
    space = Space([Choice(name="c", options=tuple(range(300))), Float(name="x", low=0.0, high=1.0)])

    trials = search(space, lambda values: values["c"] + values["x"], 15)

    assert len(trials) == 15


def test_integers_beyond_the_floats_precision():
    space = Space([Int(name="n", low=0, high=2**62), Int(name="m", low=1, high=2**62, log=True)])

    for trial in search(space, lambda values: math.log(values["m"]) + values["n"] / 2**62, 12):
        assert space["n"].contains(trial.values["n"])
        assert space["m"].contains(trial.values["m"])


def test_parameters_that_no_trial_asked_for():
    trials = [scored(number, {"x": number / 12}, float(number)) for number in range(12)]

    assert set(ask(SQUARE, trials).values) == {"x", "y"}


def test_trials_that_asked_for_nothing():
    trials = [failed(number, {}) for number in range(10)]

    assert set(ask(SQUARE, trials).values) == {"x", "y"}


def test_a_design_without_trials_is_refused():
    with pytest.raises(ValueError, match=r"design has to be at least 1: a model needs trials\. Received: 0\."):
        BayesianStrategy(design=0)


def model_warp(function, count=24):
    """The scores of a function at even places, and how the strategy's model warps them."""
    places = np.linspace(0.0, 1.0, count)
    trials = [
        Trial(number=number, values={"x": float(x)}, score=float(function(x)), state=TrialState.COMPLETED)
        for number, x in enumerate(places)
    ]
    _, warp = model_of(table_of(LINE, trials), np.random.default_rng(0))
    return np.array([trial.score for trial in trials]), warp


def test_tame_scores_keep_their_shape_in_the_model():
    scores, warp = model_warp(lambda x: (x - 0.5) ** 2)

    np.testing.assert_array_equal(warp.knots_u, straight(scores)[1].knots_u)


def test_scores_with_a_wild_worse_half_keep_only_its_order():
    wild = np.random.default_rng(1)
    scores, warp = model_warp(lambda x: (x - 0.5) ** 2 if abs(x - 0.5) < 0.3 else 10.0 ** wild.uniform(0.0, 3.0))

    np.testing.assert_array_equal(warp.knots_u, warped(scores)[1].knots_u)
