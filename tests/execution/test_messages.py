"""What a worker in another process sends, and what the search makes of it."""

from __future__ import annotations

import pickle
import threading

import pytest

from kerastune_lite.errors import ObjectiveError, WorkerError
from kerastune_lite.execution.messages import Mistake, RemoteReport, deliver
from kerastune_lite.running.task import AskedParameters, Request
from kerastune_lite.space import Choice, Int, OptionLabel, Space
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial


class Recording:
    """A report that keeps what it is told, and wants no epoch after the second."""

    def __init__(self):
        self.told = []

    def asked(self, asked):
        self.told.append(("asked", list(asked.parameters), dict(asked.values)))

    def built(self, objective, epochs):
        self.told.append(("built", objective, epochs))

    def epoch(self, run, epoch, logs):
        self.told.append(("epoch", run, epoch, logs))
        return "enough" if epoch == 1 else None


def remote_report_to(report, *, awaits_stop_decision):
    """A report whose messages are pickled on their way to another, and the answers that wait for it."""
    answers = []

    def send(message):
        answers.append(deliver(pickle.loads(pickle.dumps(message)), report))

    return RemoteReport(send, lambda: answers[-1], awaits_stop_decision)


def test_everything_that_a_trial_reports_arrives():
    here = Recording()
    remote = remote_report_to(here, awaits_stop_decision=False)
    units = Int(name="units", low=1, high=8)
    remote.asked(AskedParameters(Space([units]), {"units": 3}))
    remote.built(Objective("loss", "min"), 5)
    remote.epoch(1, 0, {"loss": 0.5})

    assert here.told == [
        ("asked", [units], {"units": 3}),
        ("built", Objective("loss", "min"), 5),
        ("epoch", 1, 0, {"loss": 0.5}),
    ]


@pytest.mark.parametrize(("awaits_stop_decision", "answers"), [(True, [None, "enough"]), (False, [None, None])])
def test_an_epoch_is_answered_where_a_stop_decision_is_awaited(awaits_stop_decision, answers):
    remote = remote_report_to(Recording(), awaits_stop_decision=awaits_stop_decision)

    assert [remote.epoch(0, epoch, {"loss": 0.5}) for epoch in range(2)] == answers


def test_options_that_are_objects_travel_as_labels():
    def swish(x):
        return x

    space = Space([Choice(name="activation", options=("relu", swish, lambda x: x))])
    here = Recording()
    remote_report_to(here, awaits_stop_decision=False).asked(AskedParameters(space, {"activation": swish}))
    _, _, reported = here.told[0]
    trial = Trial(number=0, values={"activation": swish})
    request = Request(trial=trial, space=space, objective=Objective("loss"), study_seed=0).portable()
    requested = pickle.loads(pickle.dumps(request)).trial.values

    for values in (reported, requested):
        assert isinstance(values["activation"], OptionLabel)
        assert values["activation"].place == 1


def test_a_mistake_arrives_as_the_exception_that_it_was_with_the_workers_traceback():
    try:
        raise ObjectiveError("there is no such metric")
    except ObjectiveError as error:
        arrived = Mistake.of(error).unpacked()

    assert type(arrived) is ObjectiveError
    assert str(arrived) == "there is no such metric"
    assert "test_messages.py" in arrived.__notes__[0]


def test_a_mistake_that_cannot_be_pickled_arrives_as_a_worker_error_with_its_text():
    error = ValueError("the lock is taken")
    error.lock = threading.Lock()
    arrived = Mistake.of(error).unpacked()

    assert type(arrived) is WorkerError
    assert str(arrived) == "ValueError: the lock is taken"
