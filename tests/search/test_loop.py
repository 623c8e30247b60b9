"""The loop of a search, played in milliseconds by workers that only pretend to train. No Keras."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from kerastune_lite import (
    FailedTrial,
    GoOn,
    GridSearch,
    Objective,
    ObjectiveError,
    Pause,
    StudyMismatchError,
    Suggestion,
    TooManyFailuresError,
)
from kerastune_lite.execution.workers import Ended, Lost
from kerastune_lite.running.task import AskedParameters, Outcome, Shared
from kerastune_lite.search.loop import SearchLoop
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Choice, Space
from kerastune_lite.stopping import MedianRule
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.study import Study
from kerastune_lite.study.events import EpochEnded, ParametersKnown, TrialBegun, TrialEnded, WorkerLost
from kerastune_lite.study.trial import TrialFailure, TrialState
from kerastune_lite.study.writer import StudyWriter

UNITS = Choice(name="units", options=(1, 2, 3, 4))


def failed(name="ValueError", message="no", **fields):
    return Outcome(error=TrialFailure(type=name, message=message, traceback="the traceback"), **fields)


class PretendWorkers:
    """Answers requests as a script says: by trial number, what each attempt comes to.

    A trial without a script reports `epochs` epochs whose loss is its `units`, and comes to that score.
    """

    def __init__(self, script=(), places=1, epochs=2):
        self.script = {number: list(ends) for number, ends in dict(script).items()}
        self.places = places
        self.epochs = epochs
        self.given = []
        self.requests = []

    @property
    def has_room(self):
        return len(self.given) < self.places

    def start(self, request, report):
        assert self.has_room
        self.given.append((request, report))
        self.requests.append(request)

    def wait(self):
        request, report = self.given.pop(0)
        trial = request.trial
        values = {"units": trial.values.get("units", 1)}
        report.asked(AskedParameters(Space([UNITS]), values))
        report.built(Objective("loss", "min"), self.epochs)
        end = self.script[trial.number].pop(0) if self.script.get(trial.number) else None
        if isinstance(end, BaseException):
            raise end
        if end is not None:
            return [Ended(trial.number, end)]
        until = trial.plan.pause_at or self.epochs
        for epoch in range(until):
            reason = report.epoch(0, epoch, {"loss": float(values["units"])})
            if reason is not None:
                return [Ended(trial.number, self._outcome(values, epoch, stop_reason=reason, is_stopped=True))]
        return [Ended(trial.number, self._outcome(values, until - 1, is_stopped=trial.plan.pause_at is not None))]

    def _outcome(self, values, epoch, **fields):
        return Outcome(scores=(float(values["units"]),), best_epoch=epoch, **fields)

    def close(self):
        pass


@pytest.fixture
def search(tmp_path):
    """Plays a search in the test's directory; the events that views saw are in `search.events`."""

    def play(workers, strategy=None, views=(), queue=(), is_stopped=lambda: False, **bounds):
        play.events = []
        writer = StudyWriter.open(
            tmp_path,
            Objective("loss"),
            seed=0,
            fresh_seed=0,
            views=[lambda event, study: play.events.append(event), *views],
        )
        shared = Shared(build_fn=lambda hp: None)
        plan = SearchPlan(**{"shared": shared, "strategy": strategy or GridStrategy(), "keep_models": 0, **bounds})
        try:
            return SearchLoop(plan, writer, workers, queue, clock=lambda: 0.0, is_stopped=is_stopped).run()
        finally:
            writer.close()

    return play


def test_a_search_runs_every_trial_and_says_why_it_ended(search, tmp_path):
    reason = search(PretendWorkers())

    study = Study.open(tmp_path)
    assert reason == "the space is used up: every setting of the space has been tried"
    assert [(trial.values["units"], trial.score) for trial in study.trials] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETED}


def test_each_trial_is_a_story_of_events_in_their_order(search):
    search(PretendWorkers(), max_trials=1)

    of_trial = [event for event in search.events if getattr(event, "trial", None) == 0]
    assert [type(event).__name__ for event in of_trial] == [
        "TrialBegun",
        "ParametersKnown",
        "EpochsKnown",
        "EpochEnded",
        "EpochEnded",
        "TrialEnded",
    ]


@pytest.mark.parametrize("places", [1, 2, 5])
def test_any_number_of_workers_tries_the_settings_of_a_grid_once_each(search, tmp_path, places):
    search(PretendWorkers(places=places))

    assert [trial.values["units"] for trial in Study.open(tmp_path).trials] == [1, 2, 3, 4]


def test_workers_are_given_no_trial_before_the_first_has_shown_what_it_asks_for(search):
    workers = PretendWorkers(places=3)

    search(workers, max_trials=4)

    assert [request.trial.values.get("units") for request in workers.requests] == [None, 2, 3, 4]


def test_a_lost_trial_is_begun_again_and_its_record_says_why(search, tmp_path):
    lost = Lost("WorkerDied", "its worker was ended by SIGKILL")

    search(PretendWorkers({1: [lost]}), max_trials=2)

    trial = Study.open(tmp_path).trial(1)
    assert (trial.state, trial.attempts) == (TrialState.COMPLETED, 2)
    assert trial.notes == ("attempt 1: its worker was ended by SIGKILL",)
    assert [event.reason for event in search.events if isinstance(event, WorkerLost)] == [lost.reason]


def test_a_trial_that_is_lost_again_and_again_fails_with_all_that_is_known(search, tmp_path):
    losses = [Lost("WorkerDied", "it died", "first words"), Lost("WorkerHung", "it hung", "last words")]

    search(PretendWorkers({1: losses}), max_trials=3)

    trial = Study.open(tmp_path).trial(1)
    assert trial.state is TrialState.FAILED
    assert trial.error == TrialFailure(
        type="WorkerHung", message="attempt 1: it died; attempt 2: it hung", traceback="first words\nlast words"
    )
    assert Study.open(tmp_path).trial(2).score == 3.0


def test_a_trial_that_must_not_be_tried_again_fails_at_once(search, tmp_path):
    search(PretendWorkers({1: [Lost("TrialTimeout", "it took too long", may_try_again=False)]}), max_trials=2)

    trial = Study.open(tmp_path).trial(1)
    assert (trial.state, trial.attempts, trial.error.type) == (TrialState.FAILED, 1, "TrialTimeout")


def test_failures_in_a_row_end_the_search_and_show_the_first(search):
    workers = PretendWorkers({number: [failed()] for number in (1, 2)})

    with pytest.raises(TooManyFailuresError, match=r"2 trials in a row failed.*first was trial 1 with \{'units': 2\}"):
        search(workers, max_failures_in_a_row=2)


def test_the_same_error_in_different_settings_is_said_not_to_be_the_setting(search):
    same = [failed(message=f"Layer dense_{number} has {2**number} units at 0x7f{number}") for number in range(3)]

    with pytest.raises(TooManyFailuresError, match="It was the same error each time: it isn't the setting"):
        search(PretendWorkers({number: [failure] for number, failure in enumerate(same)}))


@pytest.mark.parametrize(
    "failures",
    [
        [failed(), failed("TypeError"), failed()],
        [failed(message="no room"), failed(message="no time"), failed(message="no room")],
        [failed("Diverged", message="The loss became NaN in epoch 0.")] * 3,
        [failed("ResourceExhaustedError", message="OOM when allocating tensor with shape[1000,1000]")] * 3,
    ],
    ids=["other types", "other messages", "a rate that is too large", "models that are too large"],
)
def test_what_may_be_the_setting_is_not_said_to_be_none(search, failures):
    with pytest.raises(TooManyFailuresError) as caught:
        search(PretendWorkers({number: [failure] for number, failure in enumerate(failures)}))
    assert "isn't the setting" not in str(caught.value)


def test_a_success_between_them_begins_the_count_anew(search):
    search(PretendWorkers({0: [failed()], 2: [failed()]}), max_failures_in_a_row=2)


def test_settings_that_the_users_code_gives_up_do_not_count(search, tmp_path):
    rejected = failed(FailedTrial.__name__, is_rejected=True)

    search(PretendWorkers({number: [rejected] for number in range(3)}), max_failures_in_a_row=2)

    assert [trial.state.value for trial in Study.open(tmp_path).trials] == ["failed"] * 3 + ["completed"]


def test_trials_that_failed_in_an_earlier_search_are_tried_again_under_their_own_numbers(search, tmp_path):
    search(PretendWorkers({1: [failed()], 3: [failed("TypeError")]}), max_failures_in_a_row=2)

    workers = PretendWorkers({3: [failed("OSError", "still not there")]})
    search(workers, retry_failed=True)

    assert [(request.trial.number, request.trial.values["units"]) for request in workers.requests] == [(1, 2), (3, 4)]
    trials = Study.open(tmp_path).trials
    assert [(trial.state.value, trial.attempts) for trial in trials[::2]] == [("completed", 1)] * 2
    mended, failing = trials[1], trials[3]
    assert (mended.state.value, mended.score, mended.error, mended.attempts) == ("completed", 2.0, None, 2)
    assert mended.notes == ("attempt 1 failed: ValueError: no",)
    assert (failing.state.value, failing.error.type, failing.attempts) == ("failed", "OSError", 2)
    again = PretendWorkers()
    search(again)
    assert again.requests == []


def test_trials_that_fail_in_the_search_itself_are_not_tried_again_by_it(search):
    workers = PretendWorkers({number: [failed()] for number in (0, 2)})

    search(workers, retry_failed=True)

    assert [request.trial.number for request in workers.requests] == [0, 1, 2, 3]


def test_a_trial_that_was_tried_again_and_cut_is_run_again(search, tmp_path):
    search(PretendWorkers({1: [failed()]}), max_trials=2)
    with pytest.raises(KeyboardInterrupt):
        search(PretendWorkers({1: [KeyboardInterrupt()]}), max_trials=2, retry_failed=True)

    search(PretendWorkers(), max_trials=2)

    assert [(trial.state.value, trial.attempts) for trial in Study.open(tmp_path).trials] == [
        ("completed", 1),
        ("completed", 2),
    ]


def test_a_strategy_that_pauses_trials_does_not_try_failed_ones_again(search):
    with pytest.raises(ValueError, match="retry_failed=True can't be used with PauseAndContinue, which has decided"):
        search(PretendWorkers(), PauseAndContinue(), retry_failed=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ObjectiveError("no such metric")])
def test_what_ends_the_search_interrupts_the_trials_that_run_and_a_new_search_runs_them_again(search, tmp_path, error):
    with pytest.raises(type(error)):
        search(PretendWorkers({1: [error]}, places=2))
    interrupted = {trial.number: trial.state.value for trial in Study.open(tmp_path).trials}

    workers = PretendWorkers()
    search(workers)

    assert interrupted == {0: "completed", 1: "interrupted", 2: "interrupted"}
    assert [request.trial.number for request in workers.requests] == [1, 2, 3]
    assert [trial.values["units"] for trial in Study.open(tmp_path).trials] == [1, 2, 3, 4]


def test_a_stopping_rule_is_told_the_best_scores_so_far_and_ends_a_trial(search, tmp_path):
    workers = PretendWorkers(epochs=3)

    search(workers, stopping=MedianRule(grace_epochs=1, min_trials=2))

    trials = Study.open(tmp_path).trials
    assert [trial.state.value for trial in trials] == ["completed", "completed", "stopped", "stopped"]
    assert [len(trial.curve) for trial in trials] == [3, 3, 1, 1]
    assert all(request.awaits_stop_decision for request in workers.requests)


def test_max_epochs_total_ends_the_running_trial_with_its_epoch(search, tmp_path):
    reason = search(PretendWorkers(epochs=4), max_epochs_total=6)

    assert reason == "max_epochs_total is reached: 6 epochs were trained"
    assert [len(trial.curve) for trial in Study.open(tmp_path).trials] == [4, 2]


@pytest.mark.parametrize("places", [1, 2])
def test_a_search_that_is_stopped_ends_its_trials_with_their_epochs_and_begins_no_other(search, tmp_path, places):
    epochs = []

    reason = search(
        PretendWorkers(epochs=3, places=places),
        views=[lambda event, study: epochs.append(event) if isinstance(event, EpochEnded) else None],
        is_stopped=lambda: len(epochs) >= 4,
    )

    trials = Study.open(tmp_path).trials
    assert reason == "tuner.stop() was called"
    assert [(len(trial.curve), trial.stop_reason) for trial in trials] == [(3, None), *[(1, reason)] * places]


def test_a_trial_that_pauses_when_the_search_is_stopped_goes_on_in_a_later_one(search, tmp_path):
    epochs = []

    search(
        PretendWorkers(),
        PauseAndContinue(),
        views=[lambda event, study: epochs.append(event) if isinstance(event, EpochEnded) else None],
        is_stopped=lambda: len(epochs) == 2,
    )

    assert [trial.is_paused for trial in Study.open(tmp_path).trials] == [True, True]
    assert search(PretendWorkers(), PauseAndContinue()) == "both have had their turns"


@dataclass(frozen=True)
class PauseAndContinue:
    """Pauses two trials after an epoch each, and then continues the first one."""

    ending: str = "both have had their turns"

    def suggest(self, space, trials, rng):
        if len(trials) < 2:
            return Suggestion({"units": len(trials) + 1}, epochs=2, pause_at=1)
        return GoOn(0) if trials[0].is_paused else Pause.DONE

    def resumable(self, trials):
        return {trial.number for trial in trials if trial.number == 0}


def test_a_paused_trial_whose_checkpoint_is_missing_is_trained_again_from_its_first_epoch(search, tmp_path):
    workers = PretendWorkers()

    reason = search(workers, PauseAndContinue())

    assert reason == "both have had their turns"
    assert [request.trial.number for request in workers.requests] == [0, 1, 0]
    assert [request.checkpoint_path and request.checkpoint_path.name for request in workers.requests] == [
        "0000-1.npz",
        "0001-1.npz",
        None,
    ]
    assert workers.requests[-1].checkpoint is None
    assert [note.kind for note in Study.open(tmp_path).trial(0).notes] == ["checkpoint"]


def test_a_resumed_directory_whose_build_fn_asks_for_nothing_that_it_asked_for_is_refused(search):
    search(PretendWorkers(), max_trials=1)

    class Others(PretendWorkers):
        def wait(self):
            _request, report = self.given.pop(0)
            report.asked(AskedParameters(Space([replace(UNITS, name="width")]), {"width": 1}))
            raise AssertionError("the search went on")

    with pytest.raises(StudyMismatchError, match="its build_fn asked for units, and this one asks for width"):
        search(Others())


def test_a_view_sees_the_study_after_each_event(search):
    seen = []

    search(PretendWorkers(), views=[lambda event, study: seen.append((event, study))], max_trials=1)

    for event, study in seen:
        match event:
            case TrialBegun():
                assert event.trial in study.records
            case ParametersKnown():
                assert study.trial(event.trial).values == {"units": 1}
            case EpochEnded():
                assert study.trial(event.trial).curve[event.epoch] == event.logs
            case TrialEnded():
                assert study.trial(event.trial).state is event.state


def test_the_loop_loads_no_keras():
    program = "import sys, kerastune_lite.search.loop\nsys.exit(str({'keras', 'tensorflow'} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == ""


def test_the_grid_of_a_tuner_is_the_strategy_that_is_played_here():
    assert GridSearch(lambda hp: None, "loss").strategy == GridStrategy()
