"""What the search's process and a worker have in common before the first trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerastune_lite.execution.in_process import run_here
from kerastune_lite.execution.messages import Order, Shared, task_of
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_settings import KerasSettings
from kerastune_lite.training.one_trial import Outcome, Report


def parts_of(shared: Shared) -> dict[str, Any]:
    """What is to be packed for workers, by what a person calls it."""
    return {
        "Keras's settings": KerasSettings.here(),
        "build_fn": shared.build_fn,
        "the data": shared.data,
        "callbacks": shared.callbacks,
        "the engine's name": shared.engine_name,
    }


@dataclass(frozen=True)
class Workplace:
    """What a worker keeps from trial to trial.

    Attributes:
        settings: Keras's settings of the search's process.
        shared: What all trials share.
        engine: What trains them.
    """

    settings: KerasSettings
    shared: Shared
    engine: Engine

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Workplace:
        """The workplace that `parts_of` describes, with Keras set as in the search's process."""
        settings, *rest = parts.values()
        settings.apply()
        shared = Shared(*rest)
        return cls(settings, shared, Engine(shared.engine_name))

    def run(self, order: Order, report: Report) -> Outcome:
        """Runs the trial of an order."""
        return run_here(task_of(order, self.shared), report, self.engine)
