"""Samplers of Optuna's search here, and are made anew for each question."""

from __future__ import annotations

import numpy as np
import pytest

from kerastune_lite import Objective, Tuner
from kerastune_lite.space import Float, Space
from kerastune_lite.testing import StrategyContract, simulated_search

optuna = pytest.importorskip("optuna")

from optuna.samplers import GridSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler  # noqa: E402

from kerastune_lite.compat.optuna import OptunaStrategy  # noqa: E402


class TestTPE(StrategyContract):
    ENDS = False
    REPEATS = True

    def strategy(self):
        return OptunaStrategy(TPESampler)


class TestRandom(StrategyContract):
    ENDS = False
    REPEATS = True

    def strategy(self):
        return OptunaStrategy(RandomSampler())


def bowl(values, epoch):
    return (values["x"] - 0.3) ** 2 + (values["y"] - 0.7) ** 2


SPACE = Space([Float(name="x", low=0.0, high=1.0), Float(name="y", low=0.0, high=1.0)])


def test_a_sampler_finds_the_bottom_of_a_bowl_better_than_chance():
    tpe, chance = (
        simulated_search(OptunaStrategy(sampler), SPACE, bowl, epochs=1, max_trials=40)
        for sampler in (TPESampler, RandomSampler)
    )

    assert tpe.best.score < 0.01
    late = [np.median([trial.score for trial in search.trials[20:]]) for search in (tpe, chance)]
    assert late[0] < 0.5 * late[1]


SOURCES = {
    "a class": TPESampler,
    "a sampler": TPESampler(n_startup_trials=3),
    "a sampler with a seed of its own": TPESampler(n_startup_trials=3, seed=7),
    "a function": lambda seed: TPESampler(n_startup_trials=3, seed=seed),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_search_that_was_cut_goes_on_as_it_would_have_gone(source, tmp_path):
    def build_fn(hp):
        rate = hp.float("rate", 1e-4, 1.0, log=True)
        units = hp.int("units", 8, 64, step=8)
        momentum = hp.float("momentum", 0.0, 0.9) if hp.choice("optimizer", ["sgd", "adam"]) == "sgd" else 0.0
        return {"loss": abs(np.log10(rate) + 2) + units / 100 - momentum}

    def searched(directory, *lengths):
        for max_trials in lengths:
            study = Tuner(
                build_fn,
                Objective("loss", "min"),
                strategy=OptunaStrategy(source),
                max_trials=max_trials,
                directory=tmp_path / directory,
                seed=3,
                verbose=0,
            ).search()
        return [trial.values for trial in study.trials]

    whole = searched("whole", 8)

    assert searched("cut", 5, 8) == whole
    assert len({tuple(values.items()) for values in whole}) == 8


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sampler_that_counts_goes_through_its_sequence():
    search = simulated_search(OptunaStrategy(QMCSampler), SPACE, bowl, epochs=1, max_trials=17)

    # 16 points of Sobol's sequence, after a first trial that tells the space: one in each sixteenth of every axis.
    for name in ("x", "y"):
        assert sorted(int(16 * trial.values[name]) for trial in search.trials[1:]) == list(range(16))


@pytest.mark.drill
def test_a_sampler_that_notes_its_generations_is_better_than_chance():
    evolved, chance = (
        simulated_search(OptunaStrategy(sampler), SPACE, bowl, epochs=1, max_trials=120)
        for sampler in (NSGAIISampler(population_size=10), RandomSampler)
    )

    late = [np.median([trial.score for trial in search.trials[60:]]) for search in (evolved, chance)]
    assert late[0] < 0.5 * late[1]


def test_a_sampler_that_is_given_is_not_changed():
    sampler = TPESampler(seed=1)
    before = TPESampler(seed=1)

    simulated_search(OptunaStrategy(sampler), SPACE, bowl, epochs=1, max_trials=12)

    study, other = (optuna.create_study(sampler=each) for each in (sampler, before))
    assert study.ask().suggest_float("x", 0, 1) == other.ask().suggest_float("x", 0, 1)


def test_optunas_log_level_is_put_back():
    optuna.logging.set_verbosity(optuna.logging.INFO)

    simulated_search(OptunaStrategy(RandomSampler), SPACE, bowl, epochs=1, max_trials=3)

    assert optuna.logging.get_verbosity() == optuna.logging.INFO


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        (GridSampler, "GridSampler has to know the space before the first trial.* Use GridSearch of this library"),
        (GridSampler({"x": [1, 2]}), "Use GridSearch of this library"),
        (7, "a function of a seed that makes one. Received: 7"),
    ],
)
def test_what_is_no_sampler_for_a_search_is_refused(sampler, told):
    with pytest.raises(TypeError, match=told):
        OptunaStrategy(sampler)
