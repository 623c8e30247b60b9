"""The score of a training: the objective at its best epoch, or why the training has none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kerastune_lite.errors import Diverged, ObjectiveError
from kerastune_lite.study.objective import Objective, not_reported
from kerastune_lite.training.recorder import EpochRecorder


def best_of_recorded(recorder: EpochRecorder) -> tuple[int, float]:
    """The best epoch of a training by `fit`, and its score.

    Raises:
        Diverged: The loss became NaN, or the objective was finite in no epoch.
        ObjectiveError: No epoch reported the objective.
    """
    name = recorder.objective.name
    if recorder.diverged is not None:
        earlier = "" if recorder.score is None else f"; {name} had been {recorder.score:.5g} before"
        raise Diverged(f"The loss became NaN in epoch {recorder.diverged}{earlier}. A smaller learning rate may help.")
    if recorder.best_epoch is not None and recorder.score is not None:
        return recorder.best_epoch, recorder.score
    if not recorder.curve:
        raise Diverged("No epoch was trained: epochs has to be at least 1, and the data must hold at least one batch.")
    reported = [score for score in recorder.scores if score is not None]
    if not reported and recorder.is_own_fit:
        names = list(dict.fromkeys(name for logs in recorder.curve for name in logs))
        raise ObjectiveError(f"{not_reported(name, names)} The own fit of build_fn may return it, in a dict.")
    if not reported:
        raise ObjectiveError(
            f"The objective {name!r} was reported in no epoch; with validation_freq above the number of epochs there "
            "is no validation. Lower validation_freq or train longer."
        )
    problem = "NaN" if all(math.isnan(score) for score in reported) else "not finite"
    raise Diverged(f"The objective {name!r} was {problem} in every epoch.")


def best_of_curve(objective: Objective, curve: Sequence[Mapping[str, float]]) -> tuple[int, float]:
    """The best epoch of a learning curve, and its score.

    Raises:
        Diverged: The objective was finite in no epoch.
        ObjectiveError: No epoch reported the objective.
    """
    name = objective.reported_name(dict.fromkeys(name for logs in curve for name in logs))
    scores = [logs.get(name) for logs in curve]
    best_epoch = objective.best_epoch(scores)
    score = None if best_epoch is None else scores[best_epoch]
    if best_epoch is None or score is None:
        raise Diverged(f"The objective {objective.name!r} is {scores[-1]}, not a finite number.")
    return best_epoch, score
