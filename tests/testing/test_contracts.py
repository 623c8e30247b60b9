"""Our own strategies and stopping rules satisfy the contracts that are offered to others."""

from __future__ import annotations

from typing import ClassVar

import pytest

from kerastune_lite.stopping import MedianRule, Plateau, SuccessiveHalving
from kerastune_lite.strategies.bayesian.freeze_thaw import FreezeThawStrategy
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.population import PopulationStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.testing import StoppingRuleContract
from kerastune_lite.testing import StrategyContract as PublicStrategyContract
from kerastune_lite.testing.strategies import SPACE


class StrategyContract(PublicStrategyContract):
    """The contract, whose searches are played once for all tests of a class, on which alone they depend here."""

    PLAYED: ClassVar = {}

    def searched(self, space=SPACE, *, workers=1, fails=False):
        key = type(self), space is SPACE, workers, fails
        if key not in self.PLAYED:
            self.PLAYED[key] = super().searched(space, workers=workers, fails=fails)
        return self.PLAYED[key]


class TestGridStrategy(StrategyContract):
    def strategy(self):
        return GridStrategy()


class TestRandomStrategy(StrategyContract):
    def strategy(self):
        return RandomStrategy()


class TestBayesianStrategy(StrategyContract):
    def strategy(self):
        return BayesianStrategy(seed=1)


class TestHyperbandStrategy(StrategyContract):
    TRIALS = 40

    def strategy(self):
        return HyperbandStrategy(RandomStrategy(), max_epochs=9)


@pytest.mark.drill
class TestHyperbandStrategyWithAGaussianProcess(StrategyContract):
    def strategy(self):
        return HyperbandStrategy(BayesianStrategy(seed=1), max_epochs=9)


class TestFreezeThawStrategy(StrategyContract):
    def strategy(self):
        return FreezeThawStrategy(max_epochs=9, seed=1)


@pytest.mark.drill
class TestFreezeThawStrategyThatKeepsFewPausedTrials(StrategyContract):
    def strategy(self):
        return FreezeThawStrategy(max_epochs=9, seed=1, design=3, spread=4, keep_paused=5)


class TestPopulationStrategy(StrategyContract):
    TRIALS = 64
    REPEATS = True

    def strategy(self):
        return PopulationStrategy(
            RandomStrategy(), population=4, interval=2, epochs=9, layout=lambda values: values.get("units")
        )


class TestMedianRule(StoppingRuleContract):
    GRACE_EPOCHS = 3

    def rule(self):
        return MedianRule()


class TestSuccessiveHalving(StoppingRuleContract):
    GRACE_EPOCHS = 3

    def rule(self):
        return SuccessiveHalving()


class TestSuccessiveHalvingAfterOneEpoch(StoppingRuleContract):
    def rule(self):
        return SuccessiveHalving(min_epochs=1)


class TestPlateau(StoppingRuleContract):
    GRACE_EPOCHS = 5

    def rule(self):
        return Plateau()
