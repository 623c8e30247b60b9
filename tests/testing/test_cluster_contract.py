"""The clusters that come with the library satisfy the contract that is offered to others, which finds faults."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import ClassVar

import pytest

from kerastune_lite.execution.clusters import Result, cluster_of, dask_cluster
from kerastune_lite.execution.messages import EpochLogs
from kerastune_lite.testing.clusters import ClusterContract


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        yield client


class TestExecutorCluster(ClusterContract):
    @pytest.fixture(autouse=True)
    def _executor(self, processes):
        self.executor = processes

    def cluster(self, shared):
        return cluster_of(self.executor, 2, shared)


@pytest.mark.filterwarnings("ignore")
class TestDaskCluster(ClusterContract):
    @pytest.fixture(autouse=True)
    def _client(self, client, monkeypatch):
        # A trial that waits for an answer notices the end of its search when its patience is over.
        monkeypatch.setattr(dask_cluster, "PATIENCE", 3.0)
        self.client = client

    def cluster(self, shared):
        return cluster_of(self.client, 1, shared)


class Faulty:
    """A cluster that works, for a subclass to break."""

    def __init__(self, cluster):
        self.cluster = cluster

    def places(self):
        return self.cluster.places()

    def submit(self, place, ticket, request, files):
        return self.cluster.submit(place, ticket, request, files)

    def messages(self, seconds):
        return self.cluster.messages(seconds)

    def answer(self, ticket, text):
        self.cluster.answer(ticket, text)

    def close(self):
        self.cluster.close()


class Losing(Faulty):
    """It loses what trials send of their epochs."""

    def messages(self, seconds):
        return [sent for sent in super().messages(seconds) if not isinstance(sent[1], EpochLogs)]


class Repeating(Faulty):
    """It delivers everything twice."""

    def messages(self, seconds):
        return [sent for sent in super().messages(seconds) for _ in range(2)]


class Agreeable(Faulty):
    """It answers every trial that it may continue."""

    def answer(self, ticket, text):
        super().answer(ticket, None)


class Fileless(Faulty):
    """It loses the files that trials write."""

    def submit(self, place, ticket, request, files):
        future = super().submit(place, ticket, request, files)
        whole = future.result
        future.result = lambda: Result(whole().message, {})
        return future


class Deaf(Faulty):
    """It never answers."""

    def answer(self, ticket, text):
        pass


class Lingering(Faulty):
    """It lets trials wait when it is closed."""

    waiting: ClassVar[list] = []

    def close(self):
        self.waiting.append(self.cluster)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Losing, "test_the_outcome_and_the_reports_of_a_trial_arrive_in_order"),
        (Repeating, "test_the_outcome_and_the_reports_of_a_trial_arrive_in_order"),
        (Losing, "test_several_trials_are_not_mixed_up"),
        (Agreeable, "test_the_answer_to_an_epoch_stops_the_trial"),
        (Deaf, "test_the_answer_to_an_epoch_stops_the_trial"),
        (Fileless, "test_files_travel_with_a_trial_in_both_directions"),
        pytest.param(
            Lingering,
            "test_a_trial_that_waits_for_an_answer_ends_when_the_cluster_is_closed",
            marks=pytest.mark.drill,
        ),
    ],
)
def test_a_cluster_with_a_fault_fails_the_test_about_it(processes, kind, test):
    contract = ClusterContract()
    contract.cluster = lambda shared: kind(cluster_of(processes, 2, shared))
    contract.PATIENCE = 3.0 if kind is Deaf else 120.0
    contract.CLOSING = 1.0

    with pytest.raises(AssertionError):
        getattr(contract, test)()
    for cluster in Lingering.waiting:
        cluster.close()
    Lingering.waiting.clear()
