"""KerasTuner's modules, under the names by which they are imported."""

from kerastune_lite.compat.keras_tuner.engine import (
    base_tuner,
    hypermodel,
    hyperparameters,
    metrics_tracking,
    multi_execution_tuner,
    objective,
    oracle,
    trial,
    tuner,
    tuner_utils,
)

__all__ = [
    "base_tuner",
    "hypermodel",
    "hyperparameters",
    "metrics_tracking",
    "multi_execution_tuner",
    "objective",
    "oracle",
    "trial",
    "tuner",
    "tuner_utils",
]
