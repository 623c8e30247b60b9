"""Contract suites for strategies, stopping rules and clusters of your own, and a search that is simulated.

A contract is a class of tests. Derive from it in a test file, say what is to be tested, and pytest runs them all:

    class TestMine(StrategyContract):
        def strategy(self):
            return MyStrategy()

The tests are plain methods with plain assertions, so that other runners can call them. Nothing here imports pytest.
The contract of a cluster is in `kerastune_lite.testing.clusters`, since it loads Keras, as the workers do.
"""

from kerastune_lite.testing.simulation import SimulatedSearch, Step, made_up_trial, simulated_search
from kerastune_lite.testing.stopping_rules import StoppingRuleContract
from kerastune_lite.testing.strategies import StrategyContract

__all__ = [
    "SimulatedSearch",
    "Step",
    "StoppingRuleContract",
    "StrategyContract",
    "made_up_trial",
    "simulated_search",
]
