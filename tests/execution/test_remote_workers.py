"""Searches on a cluster of any kind: here one whose workers train nothing."""

from __future__ import annotations

from concurrent.futures import CancelledError

import pytest

from kerastune_lite import RandomSearch
from kerastune_lite.errors import ObjectiveError, WorkerError
from kerastune_lite.execution.clusters import RemoteWorkers, Result
from kerastune_lite.execution.messages import EpochLogs, Finished, Mistake, ModelBuilt
from kerastune_lite.running.task import AskedParameters, Outcome, Request
from kerastune_lite.space import Float, Space
from kerastune_lite.study.journal import JOURNAL_NAME, read_journal
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialFailure

EPOCHS = 5
SPACE = Space([Float(name="rate", low=0.0, high=1.0)])


class Done:
    """A future that has ended."""

    def __init__(self, result):
        self._result = result

    def done(self):
        return True

    def result(self):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def cancel(self):
        pass


class NeverDone(Done):
    """A future of a worker that is gone."""

    def done(self):
        return False


class PretendedCluster:
    """Workers whose trials have ended as soon as they begin.

    Args:
        workers: How many.
        outcomes: What trials come to, by their numbers; a score of any kind by default.
        dies: The trials whose worker dies at the first attempt.
        is_taken_back: Whether their futures are cancelled then, and the workers stay.
    """

    def __init__(self, workers, outcomes=None, dies=(), is_taken_back=False):
        self._places = [str(place) for place in range(workers)]
        self._outcomes = outcomes or {}
        self._dies = set(dies)
        self._is_taken_back = is_taken_back
        self._sent = []
        self.most = 0
        self._given = 0
        self.answers = []

    def places(self):
        return self._places

    def submit(self, place, ticket, request, files):
        trial = request.trial
        value = trial.values.get("rate", 0.5)
        self._sent += [
            (ticket, AskedParameters(SPACE, {"rate": value})),
            (ticket, ModelBuilt(Objective("loss", "min"), EPOCHS)),
            *((ticket, EpochLogs(0, epoch, {"loss": value})) for epoch in range(EPOCHS)),
        ]
        self._given += 1
        self.most = max(self.most, self._given)
        if trial.number in self._dies:
            self._dies.discard(trial.number)
            if self._is_taken_back:
                return Done(CancelledError("already forgotten"))
            self._places.remove(place)
            return NeverDone(None)
        message = self._outcomes.get(trial.number, Finished(Outcome(scores=(value,), best_epoch=0)))
        return Done(message if isinstance(message, Exception) else Result(message, {}))

    def messages(self, seconds):
        self._given = 0
        sent, self._sent = self._sent, []
        return sent

    def answer(self, ticket, text):
        self.answers.append(text)

    def close(self):
        pass


def search(directory, cluster, trials=12, **settings):
    tuner = RandomSearch(
        lambda hp: None,
        "loss",
        max_trials=trials,
        seed=0,
        directory=directory,
        verbose=0,
        keep_models=0,
        executor=lambda shared: cluster,
        **settings,
    )
    return tuner.search()


def test_many_workers_are_all_given_trials_and_no_epoch_is_lost(tmp_path):
    cluster = PretendedCluster(64)
    study = search(tmp_path, cluster, trials=256)
    epochs = [event for event in read_journal(tmp_path / JOURNAL_NAME).lines if event["event"] == "epoch"]

    assert cluster.most >= 32
    assert len(epochs) == 256 * EPOCHS
    assert [len(trial.curve) for trial in study.trials] == [EPOCHS] * 256
    assert len({trial.values["rate"] for trial in study.trials}) == 256


def test_the_first_trial_tells_the_space_before_others_are_chosen(tmp_path):
    one = search(tmp_path / "1", PretendedCluster(1))
    eight = search(tmp_path / "8", PretendedCluster(8))

    assert [trial.values for trial in eight.trials] == [trial.values for trial in one.trials]


def test_a_worker_that_is_gone_costs_its_trial_one_attempt(tmp_path):
    study = search(tmp_path, PretendedCluster(4, dies=[3, 5]))

    assert {trial.state.value for trial in study.trials} == {"completed"}
    assert [trial.number for trial in study.trials if trial.attempts == 2] == [3, 5]
    assert "was lost after epoch 4" in study.trials[3].notes[0]


def test_a_trial_that_the_cluster_takes_back_by_itself_costs_one_attempt(tmp_path):
    study = search(tmp_path, PretendedCluster(4, dies=[3, 5], is_taken_back=True))

    assert {trial.state.value for trial in study.trials} == {"completed"}
    assert [trial.number for trial in study.trials if trial.attempts == 2] == [3, 5]
    assert "the cluster took it from its worker" in study.trials[3].notes[0]


def test_a_trial_whose_workers_are_lost_each_time_fails(tmp_path):
    study = search(tmp_path, PretendedCluster(4, dies=[3]), max_attempts=1)

    assert study.trials[3].state.value == "failed"
    assert study.trials[3].error.type == "WorkerDied"


def test_trials_that_have_ended_are_kept_when_another_one_ends_the_search(tmp_path):
    mistake = Mistake.of(ObjectiveError("there is no such metric"))

    with pytest.raises(ObjectiveError, match="no such metric"):
        search(tmp_path, PretendedCluster(8, outcomes={2: mistake}))
    events = read_journal(tmp_path / JOURNAL_NAME).lines
    ends = {event["trial"]: event["state"] for event in events if event["event"] == "end"}

    assert ends[1] == ends[3] == "completed"
    assert ends[2] == "interrupted"


def test_a_module_that_workers_lack_is_named(tmp_path):
    missing = ModuleNotFoundError("No module named 'mine'", name="mine")

    with pytest.raises(WorkerError, match=r"no module 'mine'.*client.upload_file"):
        search(tmp_path, PretendedCluster(2, outcomes={0: missing}))


def test_failures_in_a_row_end_the_search_with_the_first_one(tmp_path):
    from kerastune_lite.errors import TooManyFailuresError

    failed = Finished(Outcome(error=TrialFailure(type="ValueError", message="no", traceback="the traceback")))

    with pytest.raises(TooManyFailuresError, match="the traceback"):
        search(tmp_path, PretendedCluster(2, outcomes=dict.fromkeys(range(12), failed)))


def test_a_cluster_without_workers_has_no_room():
    cluster = PretendedCluster(0)

    assert not RemoteWorkers(cluster).has_room


class Silence:
    """A report that keeps nothing and answers each epoch in the same way."""

    def __init__(self, answer):
        self.answer = answer

    def asked(self, asked):
        pass

    def built(self, objective, epochs):
        pass

    def epoch(self, run, epoch, logs):
        return self.answer


@pytest.mark.parametrize(
    ("awaits_stop_decision", "answer", "answers"),
    [
        (True, "enough", ["enough"] * EPOCHS),
        (True, None, [None] * EPOCHS),
        (False, None, []),
        (False, "tuner.stop() was called", ["tuner.stop() was called"] * EPOCHS),
    ],
)
def test_a_worker_is_answered_where_it_waits_for_it_or_has_to_end(awaits_stop_decision, answer, answers):
    cluster = PretendedCluster(1)
    workers = RemoteWorkers(cluster)
    objective = Objective("loss", "min")
    workers.start(
        Request(
            trial=Trial(number=0),
            space=Space(),
            objective=objective,
            study_seed=0,
            awaits_stop_decision=awaits_stop_decision,
        ),
        Silence(answer),
    )
    workers.wait()

    assert cluster.answers == answers
