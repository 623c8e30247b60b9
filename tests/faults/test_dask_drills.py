"""Searches on a Dask cluster of real processes, some of which are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from drill import TRIALS, killed, search
from test_drills import assert_no_orphans, assert_whole, finished
from waiting import wait_until

from kerastune_lite.errors import WorkerError
from kerastune_lite.study.journal import read_journal

distributed = pytest.importorskip("distributed")

SCHEDULER = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
WORKER = ("distributed.cli.dask_worker", "--nthreads", "2", "--no-dashboard", "--no-nanny")


class Cluster:
    """A scheduler and two workers, and a client."""

    def __init__(self, folder):
        self.folder = folder
        file = str(folder / "scheduler.json")
        self.scheduler = self._begun(*SCHEDULER, "--scheduler-file", file)
        self.workers = [
            self._begun(*WORKER, "--scheduler-file", file, "--local-directory", str(folder), "--name", name)
            for name in "ab"
        ]
        wait_until((folder / "scheduler.json").exists, self.scheduler)
        self.client = distributed.Client(scheduler_file=file, timeout=60)
        self.client.wait_for_workers(2, timeout=120)

    def _begun(self, *command):
        silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        modules = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.Popen([sys.executable, "-m", *command], cwd=self.folder, env=modules, **silence)

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self.client.close(timeout=2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()
    assert_no_orphans(cluster.folder)


class Enough:
    """A rule that stops every trial but the first after its first epoch."""

    def should_stop(self, trial, trials, objective):
        return "enough" if trial.number else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.drill
def test_a_cluster_tries_the_settings_of_one_worker_tells_its_epochs_at_once_and_stops_within_one(tmp_path, cluster):
    search(tmp_path, executor=cluster.client, stopping=Enough(), seconds=0.3)
    trials = assert_whole(tmp_path, failed=range(1, TRIALS))
    told = [event for event in read_journal(tmp_path / "journal.jsonl").lines if event.get("trial") == 0]
    times = [datetime.fromisoformat(event["time"]) for event in told if event["event"] == "epoch"]

    assert [trial.state.value for trial in trials] == ["completed"] + ["stopped"] * (TRIALS - 1)
    assert [len(trial.curve) for trial in trials] == [2] + [1] * (TRIALS - 1)
    assert (times[1] - times[0]).total_seconds() > 0.2


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_the_cluster_that_is_killed_costs_its_trial_one_attempt(tmp_path, cluster):
    search(tmp_path, executor=cluster.client, in_fit=[(5, killed)], once=[5])
    trials = assert_whole(tmp_path)

    assert [trial.attempts for trial in trials] == [1] * 5 + [2] + [1] * 6
    assert "was lost after epoch 0" in trials[5].notes[0]


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_dies_ends_the_search_which_can_be_resumed(tmp_path, cluster):
    class SchedulerDies:
        """Kills the scheduler in the middle of the search."""

        def should_stop(self, trial, trials, objective):
            if trial.number == 3:
                cluster.scheduler.kill()

    with pytest.raises(WorkerError, match=r"The Dask scheduler at .* can't be reached.*make a new Client"):
        search(tmp_path, executor=cluster.client, stopping=SchedulerDies())
    before = finished(tmp_path)
    search(tmp_path)

    assert len(before) >= 2
    assert_whole(tmp_path, before)
