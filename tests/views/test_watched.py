"""What a display shows of a search at one moment, folded from events."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kerastune_lite import Objective
from kerastune_lite.study.events import (
    EpochEnded,
    EpochsKnown,
    SearchBegun,
    SearchEnded,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, Trial, TrialFailure, TrialPlan, TrialState
from kerastune_lite.views.watched import Watch, reason_of

NEVER_JOURNALED = (SearchBegun, SearchEnded)


class Watched:
    """A watch and its study, with a clock that is set by hand."""

    def __init__(self, objective=None, search=None):
        self.study = Study(Path("runs/one"), objective or Objective("val_loss", "min"), 0)
        self.watch = Watch()
        self.now = 100.0
        self.tell(search or SearchBegun())

    def tell(self, *events):
        for event in events:
            if not isinstance(event, NEVER_JOURNALED):
                self.study = self.study.after(event)
            self.watch = self.watch.after(event, self.study, self.now)
        return self.picture

    @property
    def picture(self):
        return self.watch.picture(self.study, self.now)


def begun(number, **values):
    return TrialBegun(trial=number, values=values)


def ended(number, score=0.5, state=TrialState.COMPLETED, **fields):
    known = {"values": {"units": 8}, "score": score, "best_epoch": 0, "seconds": 2.0}
    return TrialEnded(trial=number, state=state, **{**known, **fields})


def epochs(number, *losses, run=0, first=0):
    return [
        EpochEnded(trial=number, epoch=epoch, run=run, logs={"val_loss": loss})
        for epoch, loss in enumerate(losses, start=first)
    ]


def test_a_running_trial_has_its_epoch_its_score_and_its_curve():
    picture = Watched().tell(begun(0, units=8), EpochsKnown(trial=0, epochs=9), *epochs(0, 0.5, 0.3, 0.4))

    (running,) = picture.running
    assert (running.number, dict(running.values)) == (0, {"units": 8})
    assert (running.epoch, running.epochs, running.score, running.best) == (3, 9, 0.4, 0.3)
    assert running.curve == [0.5, 0.3, 0.4]
    assert picture.rows == ()


def test_of_a_maximised_objective_the_best_of_a_curve_is_its_greatest():
    watched = Watched(Objective("val_accuracy", "max"))
    watched.tell(begun(0), *[EpochEnded(trial=0, epoch=e, logs={"val_accuracy": v}) for e, v in enumerate([0.7, 0.6])])

    assert watched.picture.running[0].best == 0.7
    assert watched.picture.is_maximised


def test_an_epoch_that_lacks_the_objective_is_a_hole_in_the_curve():
    (running,) = Watched().tell(begun(0), *epochs(0, 0.5), EpochEnded(trial=0, epoch=1, logs={"loss": 1.0})).running

    assert running.curve[0] == 0.5
    assert math.isnan(running.curve[1])
    assert running.score is None


def test_an_ended_trial_becomes_a_row():
    watched = Watched()
    (row,) = watched.tell(begun(0, units=8), *epochs(0, 0.6, 0.5), ended(0, best_epoch=1)).rows

    assert (row.number, dict(row.values), row.score, row.seconds) == (0, {"units": 8}, 0.5, 2.0)
    assert (row.best_epoch, row.epochs, row.state_word, row.reason) == (2, 2, "completed", "")
    assert watched.picture.running == []


def test_a_row_is_a_new_best_where_no_earlier_score_was_as_good():
    watched = Watched()
    for number, score in enumerate([0.5, 0.6, 0.4, 0.4]):
        watched.tell(begun(number), ended(number, score))

    assert [row.is_new_best for row in watched.picture.rows] == [True, False, True, False]
    assert watched.picture.bests == (0.5, 0.5, 0.4, 0.4)
    assert watched.picture.best.number == 2


def test_the_best_of_an_earlier_search_is_no_new_one():
    watched = Watched()
    watched.tell(begun(0), ended(0, 0.3), SearchBegun())

    assert watched.picture.rows == ()
    assert watched.picture.best.number == 0
    assert not watched.tell(begun(1), ended(1, 0.4)).rows[0].is_new_best


def test_a_trial_that_a_killed_search_left_running_does_not_run_before_it_is_begun_again():
    watched = Watched()
    watched.tell(begun(0), SearchBegun())

    assert watched.picture.running == []
    assert watched.tell(begun(0)).running[0].number == 0


def test_a_trial_whose_worker_was_lost_does_not_run():
    assert Watched().tell(begun(0), WorkerLost(trial=0, reason="killed")).running == []


def test_an_interrupted_trial_is_no_row():
    picture = Watched().tell(begun(0), ended(0, None, TrialState.INTERRUPTED, best_epoch=None))

    assert picture.rows == ()
    assert picture.trials == 0


def test_remarks_that_change_what_a_trial_is_worth_are_in_its_row():
    notes = (Note("the model could not be saved", "model"), Note("enqueued", "setting"))
    (row,) = Watched().tell(begun(0), ended(0, notes=notes)).rows

    assert row.remarks == ["the model could not be saved"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"stop_reason": "EarlyStopping: val_loss did not improve for 3 epochs"}, "early stopping"),
        ({"stop_reason": "TimeLimit: 2 s were over"}, "time limit"),
        ({"stop_reason": "StopOnNaN: loss became nan in epoch 3"}, "stop on NaN"),
        ({"stop_reason": "max_epochs_total: 40 epochs were trained"}, "max_epochs_total"),
        ({"stop_reason": "tuner.stop() was called"}, "tuner.stop()"),
        ({"stop_reason": "too slow to be worth it"}, "too slow"),
        ({"state": TrialState.FAILED, "error": TrialFailure(type="ValueError", message="no")}, "ValueError"),
        (
            {"state": TrialState.STOPPED, "curves": (({"loss": 1.0},),), "plan": TrialPlan(pause_at=1)},
            "may go on",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_reason_is_told_in_a_word_or_two(fields, reason):
    assert reason_of(Trial(number=0, **{"state": TrialState.COMPLETED, **fields})) == reason


def test_the_time_left_follows_the_trials_done_and_those_half_done():
    watched = Watched(search=SearchBegun(max_trials=4))
    assert watched.picture.seconds_left is None
    watched.tell(begun(0), ended(0), begun(1), EpochsKnown(trial=1, epochs=4), *epochs(1, 0.5, 0.4))
    watched.now += 30.0

    # 1.5 trials took 30 seconds, so that the other 2.5 take 50.
    assert watched.picture.seconds_left == pytest.approx(50.0)
    assert watched.picture.share == pytest.approx(1.5 / 4)
    assert (watched.picture.trials, watched.picture.seconds) == (1, 30.0)


def test_the_time_left_follows_the_epochs_where_they_are_planned():
    watched = Watched(search=SearchBegun(max_epochs=10))
    watched.tell(begun(0), *epochs(0, 0.5, 0.4))
    watched.now += 4.0

    assert watched.picture.seconds_left == pytest.approx(16.0)
    assert watched.picture.share == pytest.approx(0.2)


def test_of_a_budget_of_epochs_it_is_known_how_many_are_left():
    watched = Watched(search=SearchBegun(max_epochs=10))

    assert watched.tell(begun(0), EpochsKnown(trial=0, epochs=4), *epochs(0, 0.5, 0.4)).epochs_left == 8


def test_the_epochs_left_are_those_that_the_trials_to_come_train_at_most():
    watched = Watched(search=SearchBegun(max_trials=3))
    assert watched.picture.epochs_left is None
    watched.tell(begun(0), EpochsKnown(trial=0, epochs=4), *epochs(0, 0.5), ended(0), begun(1), *epochs(1, 0.5))

    assert watched.picture.epochs_left == 3 + 4


def test_the_share_of_a_search_grows_from_fold_to_fold():
    watched = Watched(search=SearchBegun(max_trials=2, trainings=4, folds=4))
    watched.tell(begun(0), EpochsKnown(trial=0, epochs=2))
    shares = [watched.tell(epoch).share for fold in range(4) for epoch in epochs(0, 0.5, 0.4, run=fold)]

    assert shares == pytest.approx([place / 16 for place in range(1, 9)])
    assert watched.picture.epochs_left == 8


@pytest.mark.parametrize(
    ("trainings", "folds", "run", "told"),
    [
        (1, 0, 0, ""),
        (3, 0, 1, "run 2/3"),
        (3, 0, 0, "run 1/3"),
        (5, 5, 1, "fold 2/5"),
        (10, 5, 1, "run 1/2 fold 2/5"),
        (10, 5, 6, "run 2/2 fold 2/5"),
    ],
)
def test_a_running_trial_tells_which_of_its_trainings_runs(trainings, folds, run, told):
    watched = Watched(search=SearchBegun(trainings=trainings, folds=folds))
    watched.tell(begun(0), EpochsKnown(trial=0, epochs=1), *(epochs(0, 0.5, run=r)[0] for r in range(run + 1)))

    assert watched.picture.running[0].run_text == told


def test_of_trainings_that_go_on_in_turn_the_one_that_does_is_shown():
    watched = Watched(search=SearchBegun(trainings=2))
    watched.tell(begun(0), EpochsKnown(trial=0, epochs=2), *epochs(0, 0.5, run=0), *epochs(0, 0.6, run=1))
    watched.tell(ended(0, state=TrialState.STOPPED))
    watched.tell(TrialBegun(trial=0, values={}, plan=TrialPlan(epochs=3, resumed_from=0, resumed_at=1)))
    shown = []
    for run, epoch in [(0, 1), (0, 2), (1, 1), (1, 2)]:
        watched.tell(*epochs(0, 0.4, run=run, first=epoch))
        shown.append((watched.picture.running[0].run_text, watched.picture.running[0].epoch))

    assert shown == [("run 1/2", 2), ("run 2/2", 1), ("run 2/2", 2), ("run 2/2", 3)]


def test_of_several_bounds_the_one_that_is_reached_first_counts():
    watched = Watched(search=SearchBegun(max_epochs=10, max_seconds=5.0))
    watched.tell(begun(0), *epochs(0, 0.5))
    watched.now += 4.0

    assert watched.picture.seconds_left == pytest.approx(1.0)
    assert watched.picture.share == pytest.approx(0.8)


def test_a_search_without_a_bound_tells_neither_share_nor_time_left():
    picture = Watched().tell(begun(0), ended(0))

    assert picture.share is None
    assert picture.seconds_left is None


def test_trials_that_were_given_up_or_that_earlier_searches_ended_count_as_max_trials_counts_them():
    watched = Watched()
    watched.tell(begun(0), ended(0), SearchBegun(max_trials=3))
    failure = TrialFailure(type="FailedTrial", message="too large")
    watched.tell(begun(1), ended(1, None, TrialState.FAILED, error=failure, is_rejected=True, best_epoch=None))

    assert watched.picture.trials == 1


def test_a_search_that_has_ended_has_no_time_left():
    watched = Watched(search=SearchBegun(max_trials=2))
    watched.tell(begun(0), ended(0), SearchEnded(reason="max_time is over"))

    assert watched.picture.seconds_left is None
    assert watched.picture.ended.reason == "max_time is over"
