"""The plan of a search: what it was asked to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kerastune_lite.running.task import Shared
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.strategies.strategy import PausingStrategy, StrategySource, strategy_of
from kerastune_lite.study.objective import Objective


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """The settings of one search, checked.

    Attributes:
        shared: What all trials share: build_fn, data, callbacks and the engine's name.
        strategy: What chooses settings, or a function of the study's seed that makes it.
        stopping: What ends trials that will not win, or None.
        max_trials: How many trials the study is to hold; None for no bound.
        max_seconds: How long this search may take; None for no bound.
        max_epochs_total: How many epochs the study's trials may train in all; None for no bound.
        runs: How many times to train each setting, each time on all folds where there are any.
        keep_models: How many of the best models stay on disk.
        max_failures_in_a_row: After how many failures the search is given up.
        retry_failed: Whether to begin trials again that failed in earlier searches.
        max_attempts: How many times a trial whose process died is begun: it may be what kills it.
    """

    shared: Shared
    strategy: StrategySource
    stopping: StoppingRule | None = None
    max_trials: int | None = None
    max_seconds: float | None = None
    max_epochs_total: int | None = None
    runs: int = 1
    keep_models: int = 1
    max_failures_in_a_row: int = 3
    retry_failed: bool = False
    max_attempts: int = 2

    @property
    def folds(self) -> int:
        """How many folds trials are cross-validated on; 0 without cross-validation."""
        folds = self.shared.data.folds
        return 0 if folds is None else len(folds)

    @property
    def trainings(self) -> int:
        """How many trainings a trial has that nothing stops."""
        return self.runs * self.shared.data.fold_count

    @property
    def may_end_trials(self) -> bool:
        """Whether the search may decide that an epoch is a trial's last."""
        return self.stopping is not None or self.max_epochs_total is not None


def check_pauses(plan: SearchPlan, objective: Objective, seed: int) -> None:
    """Refuses what doesn't go together with a strategy that pauses trials.

    Raises:
        ValueError: Each trial has several folds, or repeats that the strategy doesn't take, so that it would be open
            which training pauses; or a trial would pause before an epoch was validated, without a score.
    """
    validation_freq = plan.shared.data.fit_arguments.get("validation_freq", 1)
    first_validated = min(validation_freq) if isinstance(validation_freq, Collection) else validation_freq
    is_validated_late = first_validated > 1 and objective.name.startswith("val_")
    if plan.trainings == 1 and not is_validated_late:
        return
    strategy = strategy_of(plan.strategy, seed)
    if not isinstance(strategy, PausingStrategy):
        return
    first_pause = getattr(strategy, "first_pause", 1)
    if is_validated_late and first_validated > first_pause:
        raise ValueError(
            f"{type(strategy).__name__} pauses trials after epoch {first_pause} already, and compares them by "
            f"{objective.name}, which the first {first_validated - 1} epochs don't have. Received: "
            f"validation_freq={validation_freq!r}. Leave it out and validate on fewer samples, or let them pause later."
        )
    if plan.trainings == 1:
        return
    if not plan.folds and getattr(strategy, "pauses_all_runs", False):
        return
    what = f"cv= of {plan.folds} folds" if plan.folds else f"executions_per_trial={plan.runs}"
    raise ValueError(
        f"{type(strategy).__name__} pauses trials and goes on with them, one training a trial, so it takes no "
        f"{what}. Use RandomSearch or BayesianOptimization with stopping='median' or 'asha', which end bad trials "
        "early; or search without it, and let tuner.confirm() train the best settings again."
    )
