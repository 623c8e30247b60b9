"""KerasTuner's module of what a trial's result means."""

from __future__ import annotations

from typing import Any

from kerastune_lite.compat.keras_tuner.objectives import Objective
from kerastune_lite.compat.keras_tuner.results import checked, curves_of, metrics_of

__all__ = ["convert_to_metrics_dict", "get_best_step", "validate_trial_results"]


def validate_trial_results(results: Any, objective: Objective, func_name: str) -> None:
    """FatalTypeError or FatalValueError where something is no result of a trial."""
    checked(results, objective, func_name)


def convert_to_metrics_dict(results: Any, objective: Objective) -> dict[str, float]:
    """Each metric of a result at its best epoch, the mean over executions."""
    return metrics_of(curves_of(checked(results, objective, "run_trial()"), objective), objective)[0]


def get_best_step(results: Any, objective: Objective) -> int:
    """The best epoch of a result, from 0, the mean over executions rounded down."""
    return metrics_of(curves_of(checked(results, objective, "run_trial()"), objective), objective)[1]
