"""Housekeeping: the models and checkpoints that a search keeps on disk, and those that it removes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from kerastune_lite.strategies.strategy import PausingStrategy, Strategy
from kerastune_lite.study.events import TrialBegun
from kerastune_lite.study.files import StudyFiles, of_run
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, Trial


class Housekeeping:
    """The files of a study while it is searched.

    Args:
        files: Where they are.
        keep_models: How many of the best models stay.
        runs: How many times each trial is trained.
    """

    def __init__(self, files: StudyFiles, keep_models: int, runs: int) -> None:
        self._files = files
        self._keep_models = keep_models
        self._runs = runs

    def tidy(self, study: Study, running: Iterable[Trial], strategy: Strategy) -> None:
        """Removes models that are no longer among the best, and checkpoints that no trial can be continued from."""
        files, running = self._files, list(running)
        best = study.leaderboard(self._keep_models) if self._keep_models else ()
        files.keep_models((trial.number for trial in best), (trial.number for trial in running), study.records)
        unfinished = (study.records[number].plan for number in study.tally.unfinished)
        kept = {(plan.resumed_from, plan.resumed_at) for plan in unfinished}
        if isinstance(strategy, PausingStrategy):
            resumable = strategy.resumable(study.to_minimise())
            kept |= {(n, study.records[n].plan.pause_at or 0) for n in resumable if n in study.records}
        files.keep_checkpoints(
            (files.checkpoint(number, epochs) for number, epochs in kept if number is not None),
            (files.checkpoint(t.number, t.plan.pause_at) for t in running if t.plan.pause_at is not None),
            study.records,
        )

    def model_path(self, trial: Trial) -> Path | None:
        """Where a trial's model is kept; None where no models are."""
        return self._files.model(trial.number) if self._keep_models else None

    def weights_path(self, trial: Trial) -> Path | None:
        """Where a trial's weights are kept, where its model can't be kept whole; None where no models are."""
        return self._files.weights(trial.number) if self._keep_models else None

    def pause_path(self, trial: Trial) -> Path | None:
        """Where a trial's training is kept when it pauses; None where it doesn't."""
        return None if trial.plan.pause_at is None else self._files.checkpoint(trial.number, trial.plan.pause_at)

    def resume_path(self, trial: Trial) -> Path | None:
        """The checkpoint that a trial is continued from; None where it begins afresh."""
        plan = trial.plan
        return None if plan.resumed_from is None else self._files.checkpoint(plan.resumed_from, plan.resumed_at)

    def score_to_beat(self, study: Study) -> float | None:
        """The score that a model has to beat to be kept; None while there is room for any.

        A trial that lacks folds gives way to every one that has them all, whatever its score.
        """
        ranked = study.leaderboard(self._keep_models) if self._keep_models else ()
        if not ranked or len(ranked) < self._keep_models or ranked[-1].lacks_folds:
            return None
        return ranked[-1].score

    def readable(self, begun: TrialBegun) -> TrialBegun:
        """The beginning itself, or one from the first epoch where the checkpoint that it needs can't be read."""
        from kerastune_lite.training import checkpoints

        plan = begun.plan
        if plan.resumed_from is None:
            return begun
        try:
            for run in range(self._runs):
                checkpoints.read(of_run(self._files.checkpoint(plan.resumed_from, plan.resumed_at), run))
        except checkpoints.CheckpointError as error:
            text = (
                f"trained again from the first epoch, since its checkpoint after {plan.resumed_at} epochs "
                f"can't be used: {error}"
            )
            return dataclasses.replace(
                begun,
                notes=(*begun.notes, Note(text, "checkpoint")),
                plan=dataclasses.replace(plan, resumed_from=None, resumed_at=0),
            )
        return begun
