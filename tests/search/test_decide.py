"""What a search does next, by table: a study, who runs, and the decision."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from kerastune_lite import GoOn, Objective, Pause, Suggestion
from kerastune_lite.running.task import Shared
from kerastune_lite.search.decide import Done, GiveUp, Running, Situation, Start, Wait, decide
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Float, Int, Space
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, Trial, TrialPlan, TrialState

UNITS = Int(name="units", low=1, high=9)
COMPLETED, STOPPED, RUNNING = TrialState.COMPLETED, TrialState.STOPPED, TrialState.RUNNING


@dataclass(frozen=True)
class Always:
    """A strategy that has one answer."""

    answer: object

    def suggest(self, space, trials, rng):
        return self.answer


@dataclass(frozen=True)
class AlwaysPausing(Always):
    """The same for a strategy whose trials pause."""

    ending = "the strategy is at its end"

    def resumable(self, trials):
        return set()


def plan(**bounds):
    return SearchPlan(shared=Shared(build_fn=lambda hp: None), strategy=Always(None), **{"max_trials": 5, **bounds})


def study(*trials, space=(UNITS,)):
    return Study(Path(), Objective("loss", "min"), 0, Space(space), {trial.number: trial for trial in trials})


def trial(number, state=COMPLETED, values=None, **fields):
    return Trial(number=number, state=state, values={"units": number + 1} if values is None else values, **fields)


SEVEN = Suggestion({"units": 7})


def decided(known, answer=SEVEN, running=(), awaiting=(), queue=(), seconds_left=None, first_number=0, **bounds):
    strategy = answer if hasattr(answer, "suggest") else Always(answer)
    running = Running(numbers=frozenset(running), awaiting_parameters=frozenset(awaiting))
    situation = Situation(
        strategy=strategy, running=running, queue=queue, seconds_left=seconds_left, first_number=first_number
    )
    return decide(known, plan(**bounds), situation)


def test_a_new_trial_gets_the_next_number_and_the_values_of_the_strategy():
    decision = decided(study(trial(0), trial(1)), Suggestion({"units": 7}, fill="first", epochs=9, pause_at=3))

    assert (decision.begun.trial, dict(decision.begun.values), decision.begun.attempt) == (2, {"units": 7}, 1)
    assert decision.begun.plan == TrialPlan(epochs=9, pause_at=3, fill="first")


ENDS = {
    "max_time": ({"seconds_left": 0.0}, "max_time is over"),
    "max_trials": ({"max_trials": 2}, "2 trials are done"),
    "max_epochs_total": ({"max_epochs_total": 2}, "max_epochs_total is reached: 2 epochs were trained"),
    "the space": ({"answer": Pause.DONE}, "the space is used up: every setting of the space has been tried"),
    "the strategy": ({"answer": AlwaysPausing(Pause.DONE)}, "the strategy is at its end"),
}


@pytest.mark.parametrize(("arguments", "reason"), ENDS.values(), ids=ENDS)
def test_a_search_ends_for_a_reason_that_a_person_reads(arguments, reason):
    known = study(trial(0, curves=(({"loss": 1.0},),)), trial(1, curves=(({"loss": 1.0},),)))

    assert decided(known, **arguments) == Done(reason)


def test_a_trial_that_was_interrupted_begins_again_as_it_was_and_does_not_count_it_as_an_attempt():
    interrupted = trial(0, TrialState.INTERRUPTED, notes=(Note("enqueued"),), plan=TrialPlan(fill="first"))

    begun = decided(study(interrupted)).begun

    assert (begun.trial, dict(begun.values), begun.attempt) == (0, {"units": 1}, 1)
    assert (begun.notes, begun.plan.fill) == (("enqueued",), "first")


def test_a_trial_whose_process_died_begins_again_and_counts_the_attempt():
    assert decided(study(trial(0, RUNNING))).begun.attempt == 2


def test_a_trial_that_has_had_its_attempts_is_given_up():
    lost = trial(0, RUNNING, attempts=2)

    assert decided(study(lost)) == GiveUp(lost)
    assert decided(study(lost), max_attempts=3).begun.attempt == 3


def test_a_trial_that_a_worker_has_is_left_alone():
    assert decided(study(trial(0, RUNNING)), running=[0]).begun.trial == 1


def test_nothing_is_started_before_the_first_trial_has_shown_what_it_asks_for():
    unknown = study(trial(0, RUNNING, values={}), space=())

    assert isinstance(decided(unknown, running=[0], awaiting=[0]), Wait)


def test_a_space_whose_trials_all_ask_for_the_same_needs_no_waiting():
    known = study(trial(0), trial(1), trial(2, RUNNING))

    assert isinstance(decided(known, running=[2], awaiting=[2]), Start)


def test_a_space_whose_trials_ask_for_different_parameters_waits():
    known = study(trial(0), trial(1, values={"units": 2, "rate": 0.1}), trial(2, RUNNING))

    assert isinstance(decided(known, running=[2], awaiting=[2]), Wait)


def test_enqueued_settings_come_before_the_strategy_is_asked_and_used_ones_are_counted():
    decision = decided(study(trial(0)), answer=Pause.DONE, queue=[{"units": 1}, {"units": 4}])

    assert (dict(decision.begun.values), decision.begun.notes) == ({"units": 4}, ("enqueued",))
    assert decision.taken == 2  # the first one was tried as trial 0


def test_defaults_are_tried_first():
    space = (UNITS, Float(name="rate", low=0.0, high=1.0, default=0.25))

    begun = decided(study(space=space)).begun

    assert (dict(begun.values), begun.notes) == ({"rate": 0.25}, ("defaults",))


def paused(number, at=1):
    curve = tuple({"loss": 1.0} for _ in range(at))
    return trial(number, STOPPED, curves=(curve,), plan=TrialPlan(epochs=9, pause_at=at), notes=(Note("kept"),))


def test_a_paused_trial_is_continued_under_its_own_number_with_its_own_values():
    begun = decided(study(paused(0), paused(1)), AlwaysPausing(GoOn(1, pause_at=3))).begun

    assert (begun.trial, dict(begun.values), begun.notes) == (1, {"units": 2}, ("kept",))
    assert begun.plan == TrialPlan(epochs=9, pause_at=3, resumed_from=1, resumed_at=1)


def test_a_paused_trial_whose_state_was_not_kept_begins_again_and_says_so():
    begun = decided(study(paused(0, at=3)), AlwaysPausing(GoOn(0, pause_at=5, begins_again=True))).begun

    assert begun.plan == TrialPlan(epochs=9, pause_at=5)
    assert begun.notes == ("kept", "trained again from the first epoch, since its state after 3 epochs wasn't kept")


class PausingAnywhere(AlwaysPausing):
    """A strategy that goes on with a trial from any epoch."""

    pauses_anywhere = True


@pytest.mark.parametrize(
    ("answer", "left", "pause_at"),
    [
        (GoOn(0, pause_at=5), 3, 5),
        (GoOn(0, pause_at=5), 2, 5),
        (GoOn(0, pause_at=5), 1, 4),
        (GoOn(0), 6, None),
        (GoOn(0), 5, 8),
        (GoOn(0, pause_at=5, begins_again=True), 1, 5),
        (Suggestion(epochs=9, pause_at=2), 1, 1),
        (Suggestion(epochs=9, pause_at=2), 2, 2),
        (Suggestion({"units": 7}), 1, None),
    ],
)
def test_a_trial_that_may_pause_anywhere_pauses_where_the_epochs_are_over(answer, left, pause_at):
    known = study(paused(0, at=3))

    assert decided(known, PausingAnywhere(answer), max_epochs_total=3 + left).begun.plan.pause_at == pause_at
    assert decided(known, PausingAnywhere(answer)).begun.plan.pause_at == answer.pause_at
    assert decided(known, AlwaysPausing(answer), max_epochs_total=3 + left).begun.plan.pause_at == answer.pause_at


def test_a_new_trial_may_take_over_from_a_paused_one():
    answer = Suggestion({"units": 1}, epochs=9, pause_at=2, resume_from=0, continues_as_new_trial=True)

    begun = decided(study(paused(0)), AlwaysPausing(answer), queue=[{"units": 5}]).begun

    assert (begun.trial, dict(begun.values)) == (1, {"units": 1})
    assert begun.plan == TrialPlan(epochs=9, pause_at=2, resumed_from=0, resumed_at=1, continues_as_new_trial=True)


def test_max_trials_holds_for_a_persons_own_pausing_strategy():
    strategy = AlwaysPausing(Suggestion({"units": 7}, epochs=9, pause_at=1))
    known = study(paused(0), paused(1))

    assert decided(known, strategy, max_trials=2) == Done("2 trials are done")
    assert isinstance(decided(known, strategy, max_trials=3), Start)


def rejected(number, **fields):
    return trial(number, TrialState.FAILED, is_rejected=True, **fields)


def test_trials_that_the_users_code_gave_up_do_not_count_for_max_trials():
    known = study(trial(0), rejected(1), rejected(2), trial(3))

    assert decided(known, max_trials=3).begun.trial == 4
    assert decided(known, max_trials=2) == Done("2 trials are done")


def test_a_pausing_strategys_rejected_trials_do_not_count_either():
    strategy = AlwaysPausing(Suggestion({"units": 7}, epochs=9, pause_at=1))

    assert decided(study(rejected(0), paused(1)), strategy, max_trials=2).begun.trial == 2
    assert decided(study(rejected(0), paused(1)), strategy, max_trials=1) == Done("1 trials are done")


@pytest.mark.parametrize(("max_trials", "bound"), [(3, 40), (10, 110), (None, 1000)])
def test_a_search_in_which_every_setting_is_given_up_ends(max_trials, bound):
    trials = [trial(0), *(rejected(number) for number in range(1, bound + 1))]
    end = Done(f"FailedTrial gave up the last {bound} settings, one after the other (1 trials are done)")

    assert isinstance(decided(study(*trials[:-1]), max_trials=max_trials), Start)
    assert decided(study(*trials), max_trials=max_trials) == end
    # Neither a trial that runs nor what an earlier search came to changes that.
    running = [*trials, trial(bound + 1, RUNNING)]
    assert decided(study(*running), running=[bound + 1], max_trials=max_trials) == end
    assert isinstance(decided(study(*trials), max_trials=max_trials, first_number=bound), Start)


def test_a_setting_that_is_accepted_now_and_then_keeps_the_search_going():
    trials = [trial(number) if number % 20 == 0 else rejected(number) for number in range(100)]

    assert isinstance(decided(study(*trials), max_trials=6), Start)


def test_max_trials_lets_a_pausing_strategy_continue_what_still_runs():
    strategy = AlwaysPausing(Suggestion({"units": 7}, epochs=9, pause_at=1))
    known = study(paused(0), trial(1, RUNNING, plan=TrialPlan(epochs=9, pause_at=1)))

    assert decided(known, strategy, running=[1], max_trials=2) == Wait("2 trials are done")
    assert decided(known, AlwaysPausing(GoOn(0)), running=[1], max_trials=2).begun.trial == 0


@pytest.mark.parametrize("answer", [None, {"units": 3}, Suggestion])
def test_what_is_no_answer_is_refused_by_name(answer):
    with pytest.raises(TypeError, match=r"Always\.suggest\(\) has to return a Suggestion, GoOn, or Pause. Received: "):
        decided(study(trial(0)), Always(answer))


@pytest.mark.parametrize("answer", [GoOn(7), GoOn(0), Suggestion(resume_from=7)])
def test_a_trial_that_is_not_paused_cannot_be_continued(answer):
    with pytest.raises(ValueError, match=r"wants to continue trial \d, and there is no paused trial of that number"):
        decided(study(trial(0)), AlwaysPausing(answer))


def test_a_trial_that_runs_towards_its_pause_cannot_be_continued():
    running = trial(0, RUNNING, plan=TrialPlan(epochs=9, pause_at=3))

    with pytest.raises(ValueError, match="wants to continue trial 0, and there is no paused trial of that number"):
        decided(study(running), AlwaysPausing(GoOn(0)), running=[0])


def test_the_same_question_gets_the_same_decision():
    known = study(trial(0))

    assert decided(known) == decided(known)


def outside(*trials):
    """A study in which the trials of even numbers lie outside the space."""
    known = study(*trials)
    return dataclasses.replace(known, differing=frozenset(each.number for each in trials if each.number % 2 == 0))


@dataclass(frozen=True)
class Given:
    """Remembers which trials it was given."""

    numbers: list

    def suggest(self, space, trials, rng):
        self.numbers.append([trial.number for trial in trials])
        return SEVEN


@dataclass(frozen=True)
class GivenPausing(Given):
    ending = "the strategy is at its end"

    def resumable(self, trials):
        return set()


@pytest.mark.parametrize(("strategy", "numbers"), [(Given, [1, 3]), (GivenPausing, [0, 1, 2, 3])])
def test_a_strategy_is_given_the_trials_inside_and_one_that_pauses_trials_all_of_them(strategy, numbers):
    asked = strategy([])

    decided(outside(*map(trial, range(4))), asked)

    assert asked.numbers == [numbers]


@pytest.mark.parametrize("answer", [SEVEN, AlwaysPausing(SEVEN)])
def test_trials_outside_the_space_do_not_count_for_max_trials(answer):
    known = outside(*map(trial, range(4)))

    assert decided(known, answer, max_trials=3).begun.trial == 4
    assert decided(known, answer, max_trials=2) == Done("2 trials are done")


@pytest.mark.parametrize("state", [RUNNING, TrialState.INTERRUPTED])
def test_a_trial_outside_the_space_is_not_begun_again(state):
    assert decided(outside(trial(0, state), trial(1))).begun.trial == 2


def test_a_paused_trial_outside_the_space_cannot_be_continued_with_its_own_values():
    paused = trial(0, STOPPED, curves=(({"loss": 1.0},),), plan=TrialPlan(epochs=9, pause_at=1))

    with pytest.raises(ValueError, match="continue trial 0, whose setting lies outside the space"):
        decided(outside(paused), AlwaysPausing(GoOn(0)))


def test_trials_outside_the_space_say_nothing_of_what_the_next_one_is_asked():
    known = outside(trial(0, values={"units": 1, "gone": 1}), trial(1), trial(3, RUNNING))

    assert isinstance(decided(known, running=[3], awaiting=[3]), Start)
