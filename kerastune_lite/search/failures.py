"""The failures of a search: what is known of lost trials, and when there are too many in a row."""

from __future__ import annotations

from collections.abc import Sequence

from kerastune_lite.errors import Diverged, NoScoreError, TooManyFailuresError
from kerastune_lite.execution.workers import Lost
from kerastune_lite.study.study import Study
from kerastune_lite.study.texts import printable_lines
from kerastune_lite.study.trial import Note, Trial, TrialFailure, TrialState, inside

_MAY_BE_THE_SETTING = (
    Diverged.__name__,
    "ResourceExhaustedError",
    "MemoryError",
    "TrialTimeout",
    "WorkerDied",
    "WorkerHung",
)
"""Types of failures that the settings of a badly chosen range have in common."""
LONGEST_TRACEBACK = 6000
"""Characters of a traceback's end that are shown; TensorFlow's may have pages."""


class Failures:
    """The failures since a search began: it counts them, and keeps how workers were lost.

    Args:
        max_in_a_row: After how many failures without a success between them the search is given up.
    """

    def __init__(self, max_in_a_row: int) -> None:
        self._max_in_a_row = max_in_a_row
        self._in_a_row: list[Trial] = []
        self._losses: dict[int, list[Lost]] = {}

    def record_loss(self, number: int, loss: Lost) -> None:
        """Keeps what is known of a lost trial's end."""
        self._losses.setdefault(number, []).append(loss)

    def was_lost(self, number: int) -> bool:
        """Whether a trial was lost in this search."""
        return number in self._losses

    def note_on(self, number: int, attempt: int) -> tuple[Note, ...]:
        """What the record of a trial that is begun again says of the attempt before."""
        return tuple(
            Note(f"attempt {attempt - 1}: {loss.reason}", "attempt") for loss in self._losses.get(number, ())[-1:]
        )

    def failure_of(self, trial: Trial) -> TrialFailure:
        """Why a trial is given up, from all that is known of its attempts."""
        losses = self._losses.get(trial.number, ())
        if not losses:
            return TrialFailure(
                type="ProcessDied",
                message=f"the process died while this trial ran, which was begun {trial.attempts} times",
            )
        reasons = [loss.reason for loss in losses]
        if len(reasons) > 1:
            reasons = [f"attempt {n}: {reason}" for n, reason in enumerate(reasons, start=1)]
        traceback = "\n".join(loss.traceback for loss in losses if loss.traceback)
        return TrialFailure.told(losses[-1].type, "; ".join(reasons), traceback)

    def count(self, trial: Trial) -> None:
        """Counts a trial that has ended.

        One that the user's code rejected doesn't count, unless it did so before it asked for anything: every setting
        would be rejected.

        Raises:
            TooManyFailuresError: It is one failure too many.
        """
        if trial.state is not TrialState.FAILED:
            self._in_a_row = []
        elif not (trial.is_rejected and trial.values):
            self._in_a_row.append(trial)
        if len(self._in_a_row) >= self._max_in_a_row:
            raise TooManyFailuresError(
                f"{len(self._in_a_row)} trials in a row failed (max_failures_in_a_row={self._max_in_a_row}), so the "
                f"search ends. {_shown(self._in_a_row)}"
            )


def failed_numbers(study: Study) -> list[int]:
    """The numbers of the trials that have failed."""
    return [number for number, trial in sorted(study.records.items()) if trial.state is TrialState.FAILED]


def check_has_score(study: Study, reason: str, *, is_kept: bool) -> None:
    """Refuses the end of a search in whose study trials failed and none has a score.

    Args:
        study: The study as the search leaves it.
        reason: Why the search ended.
        is_kept: Whether the study stays on disk, where its failed trials can be tried again.

    Raises:
        NoScoreError: It is such an end.
    """
    failed = [trial for trial in inside(study.trials) if trial.state is TrialState.FAILED]
    if not failed or study.leaderboard(1):
        return
    states = ["outside the space" if trial.is_outside else trial.state.value for trial in study.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    rejected = sum(trial.is_rejected for trial in failed)
    if rejected == len(failed):
        told = (
            "Every setting that was tried was given up by FailedTrial. Let build_fn give up fewer, or change a range."
        )
    else:
        told = "Mend what failed and search again."
        if is_kept and all(trial.plan.pause_at is None for trial in failed):
            told += " With retry_failed=True these trials are tried again."
    raise NoScoreError(f"{reason}, and no trial of the study has a score ({counts}). {told} {_shown(failed)}")


def _shown(failed: Sequence[Trial]) -> str:
    """What a person is told of several failures: the first of them, and whether all are the same."""
    first = failed[0]
    assert first.error is not None
    same = "It was the same error each time: it isn't the setting. " if _are_the_same(failed) else ""
    # The user's own words may hold what moves a terminal's cursor, and this message ends up on one.
    return printable_lines(
        f"{same}The first was trial {first.number} with {dict(first.values)}: {first.error.summary}\n\n"
        f"{first.error.traceback[-LONGEST_TRACEBACK:] or first.error}"
    )


def _are_the_same(failed: Sequence[Trial]) -> bool:
    """Whether several failures are one error that no other setting would mend."""
    first = failed[0].error
    if first is None or len(failed) < 2 or first.type in _MAY_BE_THE_SETTING or failed[0].is_rejected:
        return False
    settings = [dict(trial.values) for trial in failed]
    differ = any(setting != settings[0] for setting in settings) or not any(settings)
    return differ and all(trial.error is not None and trial.error.is_like(first) for trial in failed)
