"""KerasTuner's names over this library: `from kerastune_lite.compat import keras_tuner as kt`.

Code that was written for KerasTuner runs with its import changed; docs/from_keras_tuner.md tells what differs.
"""

from kerastune_lite._version import __version__
from kerastune_lite.compat.keras_tuner import applications, engine, errors, oracles, tuners
from kerastune_lite.compat.keras_tuner.hypermodels import HyperModel
from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.named_tuners import BayesianOptimization, GridSearch, Hyperband, RandomSearch
from kerastune_lite.compat.keras_tuner.objectives import Objective
from kerastune_lite.compat.keras_tuner.oracles import Oracle, synchronized
from kerastune_lite.compat.keras_tuner.sklearn_tuner import SklearnTuner
from kerastune_lite.compat.keras_tuner.tuner import Tuner

__all__ = [
    "BayesianOptimization",
    "GridSearch",
    "HyperModel",
    "HyperParameters",
    "Hyperband",
    "Objective",
    "Oracle",
    "RandomSearch",
    "SklearnTuner",
    "Tuner",
    "__version__",
    "applications",
    "engine",
    "errors",
    "oracles",
    "synchronized",
    "tuners",
]
