"""The setup of a worker in another process: it is packed by the search, and unpacked once by each worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerastune_lite.execution.in_process import run_here
from kerastune_lite.running.task import Outcome, Report, Request, Shared
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_settings import KerasSettings


def parts_of(shared: Shared) -> dict[str, Any]:
    """What workers need before their first trial, each part by the name that an error message gives it."""
    return {
        "Keras's settings": KerasSettings.here(),
        "build_fn": shared.build_fn,
        "the data": shared.data,
        "callbacks": shared.callbacks,
        "the engine's name": shared.engine,
        "whether the objective was given": shared.objective_is_given,
        "what is preset": shared.presets,
        "whether defaults are tried first": shared.try_defaults,
    }


@dataclass(frozen=True)
class WorkerContext:
    """What a worker keeps from trial to trial.

    Attributes:
        settings: Keras's settings in the search's process.
        shared: What all trials share.
        engine: What trains them.
    """

    settings: KerasSettings
    shared: Shared
    engine: Engine

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> WorkerContext:
        """The context from the parts of `parts_of`; sets Keras as in the search's process."""
        settings, *rest = parts.values()
        settings.apply()
        shared = Shared(*rest)
        return cls(settings, shared, Engine.trusted(shared.engine))

    def run(self, request: Request, report: Report) -> Outcome:
        """Runs a trial."""
        return run_here(self.shared, request, report, self.engine)
