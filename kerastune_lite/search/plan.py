"""What a search was asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerastune_lite.space import Value
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.strategies.strategy import StrategySource
from kerastune_lite.training.callback_copies import CallbackSource
from kerastune_lite.training.data import TrainingData
from kerastune_lite.training.engine.engine import EngineName


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """The settings of one search, checked.

    Attributes:
        build_fn: The user's function or object.
        strategy: What chooses settings, or a function of the study's seed that makes it.
        data: What to train on; None for a build_fn that trains by itself.
        callbacks: As the user gave them.
        enqueued: Settings to try before the strategy's.
        max_trials: How many trials the study is to hold; None for no bound.
        max_seconds: How long this search may take; None for no bound.
        max_epochs_total: How many epochs the study's trials may train in all; None for no bound.
        runs: How many times to train each setting.
        stopping: What ends trials that will not win, or None.
        engine: What trains: "auto" or "fit".
        keep_models: How many of the best models stay on disk.
        max_failures_in_a_row: After how many failures the search is given up.
        max_attempts: How many times a trial whose process died is begun: it may be what kills it.
    """

    build_fn: Any
    strategy: StrategySource
    data: TrainingData | None
    callbacks: CallbackSource
    enqueued: Sequence[Mapping[str, Value]]
    max_trials: int | None
    max_seconds: float | None
    max_epochs_total: int | None
    runs: int
    stopping: StoppingRule | None
    engine: EngineName
    keep_models: int
    max_failures_in_a_row: int
    max_attempts: int = 2

    @property
    def ends_epochs(self) -> bool:
        """Whether the search may want an epoch to be a trial's last."""
        return self.stopping is not None or self.max_epochs_total is not None
