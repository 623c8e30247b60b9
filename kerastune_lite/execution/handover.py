"""What the search's process and a worker have in common before the first trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kerastune_lite.execution.messages import Order, Shared, task_of
from kerastune_lite.execution.packing import pack, unpack
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_settings import KerasSettings
from kerastune_lite.training.one_trial import Task


def packed(shared: Shared, folder: Path) -> Path:
    """Writes what all trials share, for workers to read; WorkerError where it can't be sent."""
    parts = {
        "Keras's settings": KerasSettings.here(),
        "build_fn": shared.build_fn,
        "the data": shared.data,
        "callbacks": shared.callbacks,
        "the engine's name": shared.engine_name,
    }
    return pack(parts, folder)


def task_maker(path: Path) -> Callable[[Order], Task]:
    """Reads what was packed, and gives what makes tasks of orders; all trials have one engine."""
    settings, *parts = unpack(path).values()
    settings.apply()
    shared = Shared(*parts)
    engine = Engine(shared.engine_name)

    def task(order: Order) -> Task:
        return task_of(order, shared, engine)

    return task
