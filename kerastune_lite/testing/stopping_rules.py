"""The contract of a stopping rule."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.errors import StoppingError
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.testing.simulation import made_up_trial

LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")
HISTORIES = 40
"""How many histories of trials a rule is asked about."""


@dataclass(frozen=True)
class Question:
    """One question to a stopping rule.

    Attributes:
        trial: The running trial.
        trials: Every trial of the study, the running one among them.
        objective: What is optimised.
    """

    trial: Trial
    trials: Sequence[Trial]
    objective: Objective

    def asked(self, rule: StoppingRule) -> str | None:
        """What a rule answers."""
        return rule.should_stop(self.trial, self.trials, self.objective)


class StoppingRuleContract:
    """What every stopping rule has to satisfy. Derive from it, and return yours from `rule`.

    Attributes:
        EPOCHS: How many epochs a whole training has.
        GRACE_EPOCHS: How many epochs every trial gets before the rule may stop it.
    """

    EPOCHS = 27
    GRACE_EPOCHS = 1

    def rule(self) -> StoppingRule:
        """The rule to test; a new and equal one at each call."""
        raise NotImplementedError("Define rule(self), which returns the stopping rule to test.")

    def test_it_follows_the_protocol(self) -> None:
        """It has `should_stop`."""
        rule = self.rule()

        assert isinstance(rule, StoppingRule), f"{rule!r} has no should_stop(trial, trials, objective)"

    def test_it_answers_none_or_why_the_trial_ends(self) -> None:
        """The answer is shown to the user, and kept with the trial."""
        for question in self._questions():
            answer = question.asked(self.rule())

            assert answer is None or isinstance(answer, str), f"it answers {answer!r}, neither None nor a text"
            assert answer is None or answer.strip(), "it stops a trial with an empty text; it has to say why"

    def test_the_same_question_gets_the_same_answer(self) -> None:
        """Nothing is remembered between two questions."""
        asked = self.rule()
        questions = list(self._questions())
        answers = [question.asked(asked) for question in questions]

        assert [question.asked(self.rule()) for question in questions] == answers, "a new rule answers otherwise"
        assert [question.asked(asked) for question in reversed(questions)] == answers[::-1], (
            "asked again in another order, it answers otherwise"
        )

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        """Trials are the search's own."""
        rule = self.rule()
        for question in self._questions():
            trials = list(question.trials)
            before = copy.deepcopy(trials)
            rule.should_stop(question.trial, trials, question.objective)

            assert trials == before, "it changed the list of trials"

    def test_it_follows_the_direction_of_the_objective(self) -> None:
        """With all scores negated, and the direction reversed, the decision is the same."""
        rule = self.rule()
        for minimised, maximised in zip(self._questions(LOSS), self._questions(ACCURACY), strict=True):
            decisions = [question.asked(rule) is not None for question in (minimised, maximised)]

            assert decisions[0] == decisions[1], (
                f"for scores {minimised.trial.best_so_far} that are minimised it answers {minimised.asked(rule)!r}, "
                f"and for their negatives that are maximised {maximised.asked(rule)!r}"
            )

    def test_every_trial_gets_its_first_epochs(self) -> None:
        """However bad it is, a trial isn't stopped before `GRACE_EPOCHS`."""
        others = [falling(self.EPOCHS, offset) for offset in np.linspace(0.0, 1.0, 30).tolist()]
        for epochs in range(1, self.GRACE_EPOCHS):
            for curve in ([100.0] * epochs, [math.nan] * epochs):
                answer = self._question(curve, others).asked(self.rule())

                assert answer is None, f"after {epochs} epochs it stops a trial: {answer}"

    def test_trials_are_compared_after_equally_many_epochs(self) -> None:
        """The trial that leads after as many epochs continues, though others have better scores by now."""
        others = [falling(self.EPOCHS, offset) for offset in np.linspace(0.1, 1.0, 30).tolist()]
        for epochs in range(1, self.EPOCHS):
            answer = self._question(falling(epochs, 0.0), others).asked(self.rule())

            assert answer is None, f"it stops the trial that leads after {epochs} epochs: {answer}"

    def test_it_answers_whatever_became_of_the_other_trials(self) -> None:
        """Trials that failed, run, or have no finite score are a part of every search."""
        states = (TrialState.FAILED, TrialState.RUNNING, TrialState.INTERRUPTED, TrialState.STOPPED)
        curves: Sequence[Sequence[float]] = ((), (math.nan,), (math.inf,) * self.EPOCHS, (1.0,) * self.EPOCHS)
        others = [
            made_up_trial(number, curve, LOSS, state=state, epochs=self.EPOCHS)
            for number, (state, curve) in enumerate((state, curve) for state in states for curve in curves)
        ]
        for scores in ([], [2.0] * (self.EPOCHS - 1), [math.nan] * (self.EPOCHS - 1)):
            trial = made_up_trial(len(others), scores, LOSS, epochs=self.EPOCHS)
            self.rule().should_stop(trial, [*others, trial], LOSS)  # raises nothing

    def test_it_answers_where_the_length_of_the_training_is_unknown(self) -> None:
        """A build_fn may train by itself, for as long as it likes."""
        trial = made_up_trial(0, [1.0, 1.0, 1.0], LOSS, epochs=None)
        self.rule().should_stop(trial, [trial], LOSS)  # raises nothing

    def test_check_refuses_trainings_in_which_it_could_never_stop_a_trial(self) -> None:
        """`check`, where it has one, raises a StoppingError for trainings that are too short, and for no others."""
        check: Callable[[int], None] | None = getattr(self.rule(), "check", None)
        for epochs in range(1, self.EPOCHS + 1) if check is not None else ():
            assert check is not None
            others = [falling(epochs, offset) for offset in np.linspace(0.0, 1.0, 30).tolist()]
            # With its last epoch a training ends anyway.
            hopeless = (self._question([100.0] * some, others, epochs=epochs) for some in range(1, epochs))
            could_stop = any(question.asked(self.rule()) is not None for question in hopeless)

            assert is_refused(check, epochs) != could_stop, (
                f"check({epochs}) raises {'a' if could_stop else 'no'} StoppingError, and in a training of that length "
                f"the rule {'could' if could_stop else 'would never'} stop a hopeless trial"
            )

    def _question(
        self,
        scores: Sequence[float],
        others: Sequence[Sequence[float]],
        objective: Objective = LOSS,
        epochs: int | None = None,
    ) -> Question:
        epochs = epochs or self.EPOCHS
        trials = [
            made_up_trial(number, curve, objective, state=TrialState.COMPLETED, epochs=epochs)
            for number, curve in enumerate(others)
        ]
        trial = made_up_trial(len(trials), scores, objective, epochs=epochs)
        return Question(trial, [*trials, trial], objective)

    def _questions(self, objective: Objective = LOSS) -> Iterator[Question]:
        """Histories of noisy curves of different lengths; the same for each objective, but for the sign."""
        rng = np.random.default_rng(0)
        for _ in range(HISTORIES):
            curves = []
            for _ in range(int(rng.integers(1, 15))):
                length = int(rng.integers(1, self.EPOCHS))
                curve = np.array(falling(length, float(rng.random()))) + 0.1 * rng.standard_normal(length)
                curve[rng.random(length) < 0.05] = math.nan
                curves.append((objective.sign * curve).tolist())
            yield self._question(curves[0], curves[1:], objective)


def falling(epochs: int, offset: float) -> list[float]:
    """A learning curve that falls steadily towards `offset`."""
    return [offset + 2.0 / math.sqrt(epoch) for epoch in range(1, epochs + 1)]


def is_refused(check: Callable[[int], None], epochs: int) -> bool:
    """Whether a rule's `check` raises a StoppingError for a training of that many epochs."""
    try:
        check(epochs)
    except StoppingError:
        return True
    return False
