"""KerasTuner's trials: what a person's `run_trial` is given, and views of the study's own trials."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.study.metric_directions import Direction, direction_of_name


class TrialStatus:
    """The words for a trial's state."""

    RUNNING = "RUNNING"
    IDLE = "IDLE"
    INVALID = "INVALID"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass
class MetricObservation:
    """The values of a metric at a step.

    Attributes:
        value: The values.
        step: The step.
    """

    value: list[float]
    step: int

    def mean(self) -> float:
        """The mean of the values."""
        return statistics.fmean(self.value)


class MetricsTracker:
    """The metrics of a trial: for each its values by step."""

    def __init__(self) -> None:
        self.metrics: dict[str, dict[int, MetricObservation]] = {}
        self._directions: dict[str, Direction] = {}

    def exists(self, name: str) -> bool:
        """Whether a metric is known."""
        return name in self.metrics

    def register(self, name: str, direction: Direction | None = None) -> None:
        """Makes a metric known; where no direction is given, its name tells it, and else less is better."""
        self.metrics.setdefault(name, {})
        self._directions.setdefault(name, direction or direction_of_name(name) or "min")

    def update(self, name: str, value: float, step: int = 0) -> None:
        """Adds a value."""
        self.register(name)
        self.metrics[name].setdefault(step, MetricObservation([], step)).value.append(float(value))

    def get_direction(self, name: str) -> Direction:
        """Whether less or more of a metric is better."""
        return self._directions[name]

    def get_history(self, name: str) -> list[MetricObservation]:
        """The values of a metric by step."""
        return [self.metrics[name][step] for step in sorted(self.metrics[name])]

    def set_history(self, name: str, observations: list[MetricObservation]) -> None:
        """Puts other values in the place of a metric's."""
        self.register(name)
        self.metrics[name] = {observation.step: observation for observation in observations}

    def _best(self, name: str) -> MetricObservation | None:
        best = min if self._directions[name] == "min" else max
        history = self.get_history(name)
        return best(history, key=MetricObservation.mean) if history else None

    def get_best_value(self, name: str) -> float | None:
        """The best value of a metric, the mean over executions; None without one."""
        best = self._best(name)
        return None if best is None else best.mean()

    def get_best_step(self, name: str) -> int | None:
        """The step with the best value; None without one."""
        best = self._best(name)
        return None if best is None else best.step

    def get_last_value(self, name: str) -> float | None:
        """The value at the last step; None without one."""
        history = self.get_history(name)
        return history[-1].mean() if history else None

    def get_statistics(self, name: str) -> dict[str, float]:
        """Smallest and largest value, mean and median over all steps; empty without values."""
        values = [value for observation in self.get_history(name) for value in observation.value]
        if not values:
            return {}
        return {
            "min": min(values),
            "max": max(values),
            "mean": statistics.fmean(values),
            "median": statistics.median(values),
        }

    def get_config(self) -> dict[str, Any]:
        """The metrics as JSON can hold them."""
        return {
            "metrics": {
                name: {
                    "direction": self._directions[name],
                    "observations": [{"value": o.value, "step": o.step} for o in self.get_history(name)],
                }
                for name in self.metrics
            }
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The metrics that `get_config` describes."""
        tracker = cls()
        for name, described in config["metrics"].items():
            tracker.register(name, described["direction"])
            for observation in described["observations"]:
                values, step = observation["value"], int(observation["step"])
                values = [float(value) for value in (values if isinstance(values, list) else [values])]
                tracker.metrics[name][step] = MetricObservation(values, step)
        return tracker


class Trial:
    """A setting, and what came of it.

    Args:
        hyperparameters: The setting.
        trial_id: Its name: the trial's number in the study, filled up with zeros.
        status: One of the words of TrialStatus.
        message: The traceback of a trial that failed.

    Attributes:
        metrics: Its metrics at its best epoch.
        score: The objective there; None without one.
        best_step: That epoch, from 0.
    """

    def __init__(
        self,
        hyperparameters: HyperParameters,
        trial_id: str | None = None,
        status: str = TrialStatus.RUNNING,
        message: str | None = None,
    ) -> None:
        self.hyperparameters = hyperparameters
        self.trial_id = "0" if trial_id is None else trial_id
        self.status = status
        self.message = message
        self.metrics = MetricsTracker()
        self.score: float | None = None
        self.best_step: int | None = None

    def summary(self) -> None:
        """Prints the setting and the score; of a trial that failed also the traceback."""
        print(f"Trial {self.trial_id} summary")
        print("Hyperparameters:")
        self.display_hyperparameters()
        if self.score is not None:
            print(f"Score: {self.score}")
        if self.message is not None:
            print(self.message)

    def display_hyperparameters(self) -> None:
        """Prints the setting."""
        if self.hyperparameters.values:
            for name, value in self.hyperparameters.values.items():
                print(f"{name}: {value}")
        else:
            print("default configuration")

    def get_state(self) -> dict[str, Any]:
        """The trial as JSON can hold it, in the form of KerasTuner's trial.json."""
        return {
            "trial_id": self.trial_id,
            "hyperparameters": self.hyperparameters.get_config(),
            "metrics": self.metrics.get_config(),
            "score": self.score,
            "best_step": self.best_step,
            "status": self.status,
            "message": self.message,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `get_state` wrote."""
        self.trial_id = state["trial_id"]
        self.hyperparameters = HyperParameters.from_config(state["hyperparameters"])
        self.metrics = MetricsTracker.from_config(state["metrics"])
        self.score = state["score"]
        self.best_step = state["best_step"]
        self.status = state["status"]
        self.message = state.get("message")

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The trial that `get_state` wrote."""
        trial = cls(HyperParameters())
        trial.set_state(state)
        return trial

    def save(self, path: str | Path) -> None:
        """Writes the trial to a file."""
        Path(path).write_text(json.dumps(self.get_state()))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a trial from a file: one that `save` or KerasTuner wrote."""
        return cls.from_state(json.loads(Path(path).read_text()))

    def __repr__(self) -> str:
        return f"Trial(id={self.trial_id!r}, status={self.status}, score={self.score}, {self.hyperparameters.values})"
