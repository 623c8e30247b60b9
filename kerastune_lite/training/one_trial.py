"""One trial: trained once or several times, scored, and the best run's model kept."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from kerastune_lite.errors import MISTAKES_IN_THE_CALL, FailedTrial
from kerastune_lite.running.task import Outcome, Report, Request, Shared
from kerastune_lite.study.trial import Note, Trained, TrialFailure
from kerastune_lite.training import checkpoints, model_files
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.engine.engine import Engine, ProgramError
from kerastune_lite.training.meter import Meter
from kerastune_lite.training.one_training import Run, Training

LONGEST_NOTE = 300
"""Characters of a note that quotes TensorFlow, whose messages may be pages long."""


def run_trial(shared: Shared, request: Request, report: Report, engine: Engine) -> Outcome:
    """Builds, trains and scores one setting, `request.runs` times.

    An exception of the user's code or of the training fails the trial and is in the outcome. A mistake in the call
    itself, which no other setting would mend, is raised, and so are Ctrl-C and the like.

    Args:
        shared: What all trials of the search share.
        request: The trial.
        report: Its methods are called, while the trial runs, with what it asks for and reaches.
        engine: What trains. Its data and programs are shared by all trials that it is given to.
    """
    checkpoint = None if request.checkpoint is None else checkpoints.read(request.checkpoint)
    meter = Meter(report)
    trainings = _Trainings(shared, request, meter, engine, checkpoint)
    try:
        for number in range(request.first_run, request.first_run + request.runs):
            if trainings.run(number).is_stopped or trainings.is_time_over:
                break
        return dataclasses.replace(trainings.outcome(), usage=meter.usage())
    except MISTAKES_IN_THE_CALL:
        raise
    except Exception as error:
        return Outcome(
            scores=trainings.scores,
            best_epochs=trainings.best_epochs,
            trained=trainings.trained,
            error=_failure(error),
            notes=trainings.notes,
            is_rejected=isinstance(error, FailedTrial),
        )


class _Trainings:
    """The trainings of one trial, one after the other, and the best of them."""

    def __init__(
        self, shared: Shared, request: Request, report: Report, engine: Engine, checkpoint: Checkpoint | None
    ) -> None:
        self._shared = shared
        self._request = request
        self._report = report
        self._engine = engine
        self._checkpoint = checkpoint
        self._deadline = None if request.seconds_left is None else time.monotonic() + request.seconds_left
        self._latest: Run | None = None
        self._best: Run | None = None
        self._seconds_saved = 0.0
        self.notes: tuple[Note, ...] = ()
        self.scores: tuple[float, ...] = ()
        self.best_epochs: tuple[int | None, ...] = ()
        self._returned: tuple[Mapping[str, Any], ...] = ()

    @property
    def trained(self) -> Trained | None:
        """How the latest run was trained."""
        return None if self._latest is None else self._latest.trained

    @property
    def is_time_over(self) -> bool:
        """Whether the time of the whole search is over, so that another training would be ended at its first batch."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def run(self, number: int) -> Run:
        """Trains once more."""
        latest = self._latest
        training = Training(
            shared=self._shared,
            request=self._request,
            report=self._report,
            engine=self._engine,
            number=number,
            values=self._request.trial.values if latest is None else latest.values,
            objective=self._request.objective if latest is None else latest.objective,
            checkpoint=self._checkpoint,
            deadline=self._deadline,
        )
        try:
            run = training.run()
        except ProgramError as error:
            # A plain fit shows whether the model is at fault: then it fails too, in Keras's own words.
            run = dataclasses.replace(training, engine=Engine("fit")).run()
            failed = "its program failed" if error.has_run else "no program could be made of its step"
            reason = failed if error.is_new else "no program of its kind of model could be run before"
            run = dataclasses.replace(run, trained=Trained("fit", reason))
            if error.is_new:
                text = f"trained by a plain fit, since {failed}: {error}"
                self.notes = (*self.notes, Note(text[:LONGEST_NOTE], "engine"))
        self._latest = dataclasses.replace(run, model=None)  # no model but the best one is kept in memory
        self.notes = tuple(dict.fromkeys((*self.notes, *run.notes)))
        self._seconds_saved += run.seconds_saved
        self.scores = (*self.scores, run.score)
        self.best_epochs = (*self.best_epochs, run.best_epoch)
        self._returned = (*self._returned, run.returned)
        if self._best is None or run.objective.better(run.score, than=self._best.score):
            self._best = run
        return run

    def outcome(self) -> Outcome:
        """The scores of all runs, once the best run's model is kept where it is good enough."""
        best, latest = self._best, self._latest
        assert best is not None
        assert latest is not None
        outcome = Outcome(
            scores=self.scores,
            best_epochs=self.best_epochs,
            best_run=best.number,
            best_epoch=best.best_epoch,
            stop_reason=latest.stop_reason if latest.is_stopped else best.stop_reason,
            is_stopped=latest.is_stopped,
            trained=latest.trained,
            seconds_saved=self._seconds_saved,
            notes=self.notes,
            returned=best.returned if self._shared.data.folds is None else joined(self._returned),
        )
        path, weights_path, score = self._request.model_path, self._request.weights_path, outcome.score
        if path is None or weights_path is None or best.model is None or score is None:
            return outcome
        if not best.objective.better(score, than=self._request.score_to_beat):
            return outcome
        note = model_files.save(best.model, path, weights_path, best.example())
        return outcome if note is None else dataclasses.replace(outcome, notes=(*self.notes, note))


def joined(returned: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the trainings on several folds returned: what all have in common as it is, else a list with one for each."""
    names = dict.fromkeys(name for each in returned for name in each)
    several = {name: [each.get(name) for each in returned] for name in names}
    return {
        name: values[0] if all(value == values[0] for value in values) else values for name, values in several.items()
    }


def _failure(error: Exception) -> TrialFailure:
    text = "".join(traceback.format_exception(error))
    # The frames of the traceback hold the model, which has to be freed.
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__, cause = None, cause.__cause__ or cause.__context__
    return TrialFailure.of(error, text)
