"""The arguments that every tuner takes, and the checks that refuse impossible ones before anything is trained."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, overload

import numpy as np

from kerastune_lite.space import HyperParameters, Others, Parameter, Space
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.strategies.strategy import Strategy
from kerastune_lite.study.writer import View

if TYPE_CHECKING:
    from kerastune_lite.running.task import EngineName

Stopping = StoppingRule | Literal["median", "asha", "plateau"]
"""A stopping rule, or the name of one with its defaults."""


SpaceSource = Space | Sequence[Parameter] | Callable[[HyperParameters], object]
"""Ranges that take the place of build_fn's: as a space, as parameters, or as a function that asks for them."""

WorkerCount = int | Literal["auto"]
"""How many trials run at a time; "auto" lets the first trial show how many suit the machine."""


class TunerSettings(TypedDict, total=False):
    """The arguments that every tuner takes besides build_fn and objective; `Tuner` explains them."""

    max_trials: int | None
    directory: str | Path | None
    overwrite: bool
    seed: int | None
    workers: WorkerCount
    executor: Any
    trials_per_gpu: int
    trial_timeout: float | str | timedelta | None
    heartbeat_timeout: float
    max_attempts: int
    executions_per_trial: int
    stopping: Stopping | None
    engine: EngineName
    keep_models: int
    max_failures_in_a_row: int
    retry_failed: bool
    verbose: int
    views: Sequence[View]
    fixed: Mapping[str, Any] | None
    space: SpaceSource | None
    others: Others
    try_defaults: bool
    tensorboard: bool | str | Path


class DefaultCount(int):
    """A count that nobody gave, so that another bound may take its place."""


DEFAULT_MAX_TRIALS: Final = DefaultCount(10)
"""How many trials a study holds where nothing else bounds it."""


@overload
def check_count(name: str, value: object, *, at_least: int) -> int: ...


@overload
def check_count(name: str, value: object, *, at_least: int, or_none: bool) -> int | None: ...


def check_count(name: str, value: object, *, at_least: int, or_none: bool = False) -> int | None:
    """A whole number of any kind, NumPy's among them, as a plain int.

    Raises:
        ValueError: It isn't a whole number of at least `at_least`. The message names the argument.
    """
    if value is None and or_none:
        return None
    number = None
    if not isinstance(value, (bool, np.bool_)):  # older versions of NumPy count the latter as an index
        with suppress(TypeError):
            number = operator.index(value)  # type: ignore[arg-type]
    if number is None or number < at_least:
        raise ValueError(
            f"{name} has to be an integer of at least {at_least}{' or None' if or_none else ''}. Received: {value!r}."
        )
    return value if isinstance(value, DefaultCount) else number


def check_workers(workers: object, executor: object) -> WorkerCount:
    """A number of workers, or "auto" where processes of this machine are meant.

    Raises:
        ValueError: It is neither, or an executor is given whose workers can't be chosen.
    """
    if isinstance(workers, str) and workers == "auto":
        if executor is not None:
            raise ValueError(
                "workers='auto' chooses how many processes of this machine run trials. With executor= give the number "
                "of its workers; a Dask client needs none."
            )
        return "auto"
    if isinstance(workers, str):
        raise ValueError(f"workers has to be an integer of at least 1, or 'auto'. Received: {workers!r}.")
    return check_count("workers", workers, at_least=1)


def check_strategy(strategy: object) -> None:
    """TypeError where something is neither a strategy nor a function that makes one."""
    if isinstance(strategy, type):
        raise TypeError(
            f"strategy got the class {strategy.__name__}, and takes an object of it: pass {strategy.__name__}(…)."
        )
    if not isinstance(strategy, Strategy) and not callable(strategy):
        raise TypeError(
            "strategy has to be an object with suggest(space, trials, rng), or a function of the seed that makes one. "
            f"Received: {strategy!r}."
        )


def check_views(views: Sequence[object]) -> None:
    """TypeError where something among the views can't be called with an event and a study."""
    for view in views:
        if isinstance(view, type) or not callable(view):
            raise TypeError(f"views takes functions of (event, study), or objects that are one. Received: {view!r}.")


def check_tensorboard(tensorboard: object) -> bool | str | Path:
    """True, False, or a directory; TypeError of anything else."""
    if isinstance(tensorboard, (bool, str, Path)):
        return tensorboard
    raise TypeError(f"tensorboard has to be True, False or a directory. Received: {tensorboard!r}.")
