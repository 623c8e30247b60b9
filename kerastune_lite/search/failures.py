"""The failures of a search: what is known of lost trials, and when there are too many in a row."""

from __future__ import annotations

from kerastune_lite.errors import TooManyFailuresError
from kerastune_lite.execution.workers import Lost
from kerastune_lite.study.trial import Note, Trial, TrialFailure, TrialState


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
                type="ProcessDied", message=f"the process died {trial.attempts} times while this trial ran"
            )
        reasons = [loss.reason for loss in losses]
        if len(reasons) > 1:
            reasons = [f"attempt {n}: {reason}" for n, reason in enumerate(reasons, start=1)]
        traceback = "\n".join(loss.traceback for loss in losses if loss.traceback)
        return TrialFailure(type=losses[-1].type, message="; ".join(reasons), traceback=traceback)

    def count(self, trial: Trial, *, is_rejected: bool) -> None:
        """Counts a trial that has ended.

        Args:
            trial: The trial.
            is_rejected: Whether the user's code gave the setting up. It doesn't count then, unless it did so before
                it asked for anything: every setting would be rejected.

        Raises:
            TooManyFailuresError: It is one failure too many.
        """
        if trial.state is not TrialState.FAILED:
            self._in_a_row = []
        elif not (is_rejected and trial.values):
            self._in_a_row.append(trial)
        if len(self._in_a_row) >= self._max_in_a_row:
            first = self._in_a_row[0]
            assert first.error is not None
            raise TooManyFailuresError(
                f"{len(self._in_a_row)} trials in a row failed (max_failures_in_a_row={self._max_in_a_row}), so the "
                f"search ends. The first was trial {first.number} with {dict(first.values)}:\n\n"
                f"{first.error.traceback or first.error}"
            )
