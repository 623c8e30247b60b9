"""The tree of settings that is brought up to date from question to question is the one that is grown anew."""

from __future__ import annotations

import copy
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from kerastune_lite import HyperParameters, Objective, Study, TrialState
from kerastune_lite.space.seeds import random_value, suggestion_rng
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.study.events import Confirmed, ParametersKnown, TrialBegun, TrialEnded
from kerastune_lite.study.trial import TrialFailure


def conditional(hp):
    kind = hp.choice("kind", ["dense", "conv", None])
    if kind == "conv":
        hp.int("kernel", 1, 5, step=2)
        if hp.boolean("pool"):
            hp.float("dropout", 0.0, 0.4, step=0.2)
    elif kind == "dense":
        for index in range(hp.int("layers", 1, 3)):
            hp.choice(f"units{index}", [4, 8])


def flat(hp):
    hp.int("a", 0, 5)
    hp.choice("b", ["x", (1, 2), len])
    hp.int("c", 1, 4)


def in_any_order(hp, orders=random.Random(0)):  # noqa: B008  one order after the other
    names = ["p", "q", "r"]
    orders.shuffle(names)
    for name in names:
        hp.int(name, 0, 2)


def histories(build, seed, length=70):
    """A study step by step: trials that begin, and end in any order and state, some of them before their last question.

    A failed trial may be begun again, and one that has ended may be confirmed.
    """
    rng = random.Random(seed)
    study = Study(Path(), Objective("loss", "min"), seed)
    running = []
    for _ in range(length):
        number = study.next_number
        if running and (len(running) > 3 or rng.random() < 0.6):
            number = running.pop(rng.randrange(len(running)))
            drawn = study.records[number].values
            hp = HyperParameters(drawn, study.space, lambda p, n=number: random_value(p, seed, n))
            build(hp)
            state = rng.choice([TrialState.COMPLETED, TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED])
            is_early = state is TrialState.FAILED and rng.random() < 0.5
            names = list(hp.values)[: rng.randrange(len(hp.values) + 1)] if is_early else list(hp.values)
            values = {name: hp.values[name] for name in names}
            study = study.with_space(hp.space).after(ParametersKnown(trial=number, values=values))
            error = TrialFailure(type="E", message="") if state is TrialState.FAILED else None
            study = study.after(TrialEnded(trial=number, state=state, values=values, score=0.0, error=error))
        elif study.records and rng.random() < 0.1:
            study = study.after(Confirmed(trial=rng.choice(list(study.records)), scores=(0.5,)))
        else:
            failed = [n for n, trial in study.records.items() if trial.state is TrialState.FAILED]
            number = rng.choice(failed) if failed and rng.random() < 0.1 else number
            values = study.records[number].values if number in study.records else None
            if values is None:
                hp = HyperParameters({}, study.space, lambda p, n=number: random_value(p, seed, n))
                build(hp)
                values = hp.values if study.records else {}
            study = study.after(TrialBegun(trial=number, values=values))
            running.append(number)
        yield study


@pytest.mark.parametrize("build", [conditional, flat, in_any_order], ids=lambda build: build.__name__)
@pytest.mark.parametrize("strategy", [GridStrategy(3), RandomStrategy()], ids=["grid", "random"])
@pytest.mark.parametrize("seed", range(4))
def test_the_next_setting_is_the_same_with_a_memory_and_without(build, strategy, seed):
    for study in histories(build, seed):
        trials, rng = study.in_space_to_minimise(), suggestion_rng(seed, study.next_number)
        remembering = strategy.suggest(study.space, trials, copy.deepcopy(rng))
        anew = copy.deepcopy(strategy).suggest(study.space, tuple(trials), rng)

        assert remembering == anew


def visited(strategy, trials):
    """How many trials a question looks at, if the study has so many of them and one more than at the question before.

    Their settings are those of a grid of three parameters.
    """
    study = Study(Path(), Objective("loss", "min"), 0)

    def build(hp):
        for name in "abc":
            hp.int(name, 0, 24)

    def add(study, number):
        hp = HyperParameters({"a": number // 625, "b": number // 25 % 25, "c": number % 25}, study.space)
        build(hp)
        study = study.with_space(hp.space)
        return study.after(TrialEnded(trial=number, state=TrialState.COMPLETED, values=hp.values, score=0.0))

    for number in range(trials):
        study = add(study, number)
    strategy.suggest(study.space, study.in_space_to_minimise(), np.random.default_rng(0))
    study = add(study, trials)
    asked = study.in_space_to_minimise()
    made, looked_at = asked._made, []
    asked._made = lambda number: looked_at.append(number) or made(number)
    answer = strategy.suggest(study.space, asked, np.random.default_rng(0))
    if isinstance(strategy, GridStrategy):
        assert answer.values == {"a": (trials + 1) // 625, "b": (trials + 1) // 25 % 25, "c": (trials + 1) % 25}
    return len(looked_at)


@pytest.mark.parametrize("strategy", [GridStrategy(), RandomStrategy()], ids=["grid", "random"])
def test_a_question_looks_at_the_trials_that_have_changed_and_at_no_others(strategy):
    assert visited(copy.deepcopy(strategy), 10) == visited(copy.deepcopy(strategy), 1000) == 1


@pytest.mark.parametrize("strategy", [GridStrategy(4), RandomStrategy()])
def test_a_memory_is_no_part_of_what_a_strategy_is(strategy):
    *_, study = histories(flat, 0, 20)
    strategy.suggest(study.space, study.in_space_to_minimise(), np.random.default_rng(0))

    again = pickle.loads(pickle.dumps(strategy))

    assert again == strategy
    assert repr(again) == repr(strategy)
    assert again._memory._latest is None
