"""One trial: trained once or several times, scored, and the best run's model kept."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerastune_lite.errors import MISTAKES_IN_THE_CALL, BuildError, FailedTrial
from kerastune_lite.running.task import (
    AskedParameters,
    Builder,
    Outcome,
    Report,
    Request,
    Shared,
    TrialRunner,
    trial_runner_of,
)
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import HyperParameters
from kerastune_lite.space.seeds import run_seed
from kerastune_lite.study.files import of_run
from kerastune_lite.study.objective import Objective, with_direction
from kerastune_lite.study.trial import Curve, Note, Trained, Trial, TrialFailure
from kerastune_lite.training import checkpoints, model_files
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.engine.engine import Engine, ProgramError
from kerastune_lite.training.meter import Meter
from kerastune_lite.training.one_training import Run, Training, asked_by
from kerastune_lite.training.returned import Returned, returned_of
from kerastune_lite.training.scoring import best_of_curve
from kerastune_lite.training.seeding import set_random_seed

if TYPE_CHECKING:
    from kerastune_lite.running.task import CallbackSource

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
    kept = _kept_trainings(request)
    meter = Meter(report)
    trainings = _Trainings(shared, request, meter, engine, kept)
    runner = trial_runner_of(shared.build_fn)
    try:
        if runner is None:
            trainings.run_all()
        else:
            trainings.run_by(runner)
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
    """The trainings of one trial, one after the other, and the best of them.

    To an object that runs whole trials it is what such an object trains by: see `Trainings` in running/task.py.
    """

    def __init__(
        self, shared: Shared, request: Request, report: Report, engine: Engine, kept: Mapping[int, Checkpoint]
    ) -> None:
        self._shared = shared
        self._request = request
        self._report = report
        self._engine = engine
        self._deadline = None if request.seconds_left is None else time.monotonic() + request.seconds_left
        self._kept = kept
        self._latest: Run | None = None
        self._ended_by_itself: Run | None = None
        self._best: Run | None = None
        self._seconds_saved = 0.0
        self._hp: HyperParameters | None = None
        self._result: Returned | None = None
        self.notes: tuple[Note, ...] = ()
        self.scores: tuple[float, ...] = ()
        self.best_epochs: tuple[int | None, ...] = ()
        self._returned: tuple[Mapping[str, Any], ...] = ()

    @property
    def trial(self) -> Trial:
        """The trial as it begins."""
        return self._request.trial

    def run_all(self) -> None:
        """Trains as often as each setting is to be trained, unless the search stops one of the trainings."""
        self._run_all(self._shared)

    def run_by(self, runner: TrialRunner) -> None:
        """Lets an object run the trial that runs whole trials itself.

        Raises:
            BuildError: It returned something that is no result, or trained nothing and returned nothing.
            Exception: Whatever it raises.
        """
        if self._shared.data.folds is not None:
            raise BuildError(
                "cv= divides the data that search() was given, and build_fn runs whole trials with data of its own. "
                "Leave cv out, and return the list of the folds' scores."
            )
        hp = self._hp = asked_by(self._request, self._shared, self._request.trial.values)
        set_random_seed(run_seed(self._request.study_seed, self.trial.number, self._request.first_run))
        try:
            value = runner.run_trial(hp, self)
        finally:
            self._report.asked(AskedParameters(hp.asked, hp.values))
        if value is not None:
            self._result = _result_of(value, self._request.objective)
        elif self._best is None:
            raise BuildError("run_trial returned nothing, and trained nothing by trainings.train(…): return the score.")
        if self._result is not None and self._best is None:
            self._tell(self._result)

    def train(self, builder: Builder, data: TrainingData, callbacks: CallbackSource = ()) -> list[Curve]:
        """Trains a builder's model as often as each setting is to be trained; returns the learning curves."""
        shared = dataclasses.replace(self._shared, build_fn=builder, data=data, callbacks=callbacks)
        return [run.curve for run in self._run_all(shared)]

    def restart(self) -> None:
        """Forgets the trainings until now, so that the trial can be tried again."""
        self._latest = self._best = self._ended_by_itself = None
        self.scores = self.best_epochs = ()
        self._returned = ()

    def _run_all(self, shared: Shared) -> list[Run]:
        first = self._request.first_run + len(self.scores)
        runs: list[Run] = []
        for number in range(first, first + self._request.runs):
            runs.append(self.run(number, shared))
            if (runs[-1].is_stopped and not runs[-1].is_paused) or self.is_time_over:
                break
        return runs

    def _tell(self, result: Returned) -> None:
        """Reports the learning curves of a trial that was trained by other means."""
        if self.trial.plan.epochs is not None:
            raise BuildError(
                "This search decides how long a trial trains, so run_trial has to train by trainings.train(…), and not "
                "by other means."
            )
        self._report.built(with_direction(self._request.objective), len(result.curves[0]))
        for run, curve in enumerate(result.curves):
            for epoch, logs in enumerate(curve):
                self._report.epoch(run, epoch, logs)

    @property
    def trained(self) -> Trained | None:
        """How the latest run was trained."""
        return None if self._latest is None else self._latest.trained

    @property
    def is_time_over(self) -> bool:
        """Whether the time of the whole search is over, so that another training would be ended at its first batch."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def run(self, number: int, shared: Shared) -> Run:
        """Trains once more."""
        latest = self._latest
        training = Training(
            shared=shared,
            request=self._request,
            report=self._report,
            engine=self._engine,
            number=number,
            values=self._request.trial.values if latest is None else latest.values,
            objective=self._request.objective if latest is None else latest.objective,
            checkpoint=self._kept.get(number),
            deadline=self._deadline,
            hp=self._hp,
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
        if not run.is_stopped:
            self._ended_by_itself = self._latest
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
        result = self._result
        if self._best is None and result is not None:
            return _outcome_of(result, with_direction(self._request.objective), self.notes)
        best, latest = self._best, self._latest
        assert best is not None
        assert latest is not None
        if latest.is_paused and self._ended_by_itself is not None:
            latest = self._ended_by_itself  # A trial of which not all trainings have paused can't go on.
        outcome = Outcome(
            scores=self.scores if result is None else _scores_of(result, best.objective),
            best_epochs=self.best_epochs if result is None else (),
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


def _kept_trainings(request: Request) -> dict[int, Checkpoint]:
    """The trainings that a trial goes on with, by their numbers; none where it begins afresh."""
    if request.checkpoint is None:
        return {}
    numbers = range(request.first_run, request.first_run + request.runs)
    return {number: checkpoints.read(of_run(request.checkpoint, number)) for number in numbers}


def joined(returned: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the trainings on several folds returned: what all have in common as it is, else a list with one for each."""
    names = dict.fromkeys(name for each in returned for name in each)
    several = {name: [each.get(name) for each in returned] for name in names}
    return {
        name: values[0] if all(value == values[0] for value in values) else values for name, values in several.items()
    }


def _result_of(value: Any, objective: Objective) -> Returned:
    result = returned_of(value, objective)
    if result is None:
        raise BuildError(
            f"run_trial returned {value!r} ({type(value).__name__}). Return the score: a number, a dict of metrics "
            "that holds the objective, a History, or a list of these (folds or repeats); or nothing, and the trainings "
            "count."
        )
    return result


def _scores_of(result: Returned, objective: Objective) -> tuple[float, ...]:
    return tuple(best_of_curve(objective, curve)[1] for curve in result.curves)


def _outcome_of(result: Returned, objective: Objective, notes: tuple[Note, ...]) -> Outcome:
    """The outcome of a trial that was trained by other means: each fold or repeat of its result is a run."""
    bests = [best_of_curve(objective, curve) for curve in result.curves]
    best_run = objective.best_epoch([score for _, score in bests]) or 0
    return Outcome(
        scores=tuple(score for _, score in bests),
        best_epochs=tuple(epoch for epoch, _ in bests),
        best_run=best_run,
        best_epoch=bests[best_run][0],
        notes=notes,
        returned=result.besides,
    )


def _failure(error: Exception) -> TrialFailure:
    text = "".join(traceback.format_exception(error))
    # The frames of the traceback hold the model, which has to be freed.
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__, cause = None, cause.__cause__ or cause.__context__
    return TrialFailure.of(error, text)
