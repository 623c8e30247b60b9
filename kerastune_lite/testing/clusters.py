"""The contract of a cluster, by trials that it really runs. Loads Keras, as the workers do."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kerastune_lite.errors import BuildError
from kerastune_lite.execution.clusters import Cluster, Future, RemoteWorkers, Ticket
from kerastune_lite.execution.in_process import run_here
from kerastune_lite.execution.messages import EpochLogs, ReportMessage
from kerastune_lite.execution.workers import Ended
from kerastune_lite.running.task import AskedParameters, BuildFunction, Outcome, Request, Shared
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import Choice, Float, HyperParameters, Space
from kerastune_lite.study.files import of_run
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import TrialPlan
from kerastune_lite.testing.simulation import made_up_trial
from kerastune_lite.training.engine.engine import Engine

OBJECTIVE = Objective("loss", "min")
SPACE = Space([Float(name="rate", low=0.0, high=1.0), Choice(name="kind", options=("good", "failing", "wrong"))])
EPOCHS = 4
"""How many epochs a model is trained."""


def trained_by_itself(hp: HyperParameters) -> float | None:
    """A build_fn that trains nothing: its score is the parameter `rate`."""
    rate, kind = hp.float("rate", 0.0, 1.0), hp.choice("kind", ["good", "failing", "wrong"])
    if kind == "failing":
        raise ValueError("this trial fails")
    return None if kind == "wrong" else rate


def linear_model(hp: HyperParameters) -> Any:
    """A build_fn that builds a model with two weights."""
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1 * hp.float("rate", 0.0, 1.0)), "mse")
    return model


class Recorded:
    """The report of a trial, which records what arrives.

    Args:
        stop_after: After how many epochs the trial is to stop; None for never.

    Attributes:
        arrived: The name and the content of each report, in order.
        epochs: The loss of each epoch.
    """

    def __init__(self, stop_after: int | None = None) -> None:
        self._stop_after = stop_after
        self.arrived: list[tuple[str, object]] = []
        self.epochs: dict[int, float] = {}

    def asked(self, asked: AskedParameters) -> None:
        """Records the parameters."""
        self.arrived.append(("asked", dict(asked.values)))

    def built(self, objective: Objective, epochs: int | None) -> None:
        """Records how long the trial will train."""
        self.arrived.append(("built", epochs))

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Records the epoch."""
        self.arrived.append(("epoch", (epoch, logs["loss"])))
        self.epochs[epoch] = logs["loss"]
        return "enough" if epoch + 1 == self._stop_after else None


class ClusterContract:
    """What every cluster has to satisfy. Derive from it, and return yours from `cluster`.

    Attributes:
        PATIENCE: Seconds after which what has not happened counts as a failure. The first trial in a worker loads
            Keras.
        CLOSING: Seconds that a trial may still wait for an answer once the cluster is closed.
    """

    PATIENCE = 120.0
    CLOSING = 30.0

    def cluster(self, shared: Shared) -> Cluster:
        """A cluster whose workers are given what all trials share; `executor=` takes such a function."""
        raise NotImplementedError("Define cluster(self, shared), which returns the cluster to test.")

    def test_it_has_workers_with_names_of_their_own(self) -> None:
        """A trial is sent to a worker by its name."""
        with self._opened() as cluster:
            places = list(cluster.places())

            assert places, "places() is empty: no worker is alive"
            assert all(isinstance(place, str) for place in places), f"the names of workers have to be texts: {places}"
            assert len(set(places)) == len(places), f"two workers have the same name: {places}"

    def test_the_outcome_and_the_reports_of_a_trial_arrive_in_order(self) -> None:
        """Nothing is lost or repeated on the way."""
        with self._opened() as cluster:
            workers, report = RemoteWorkers(cluster), Recorded()
            workers.start(request(0, rate=0.25), report)
            outcome = self._outcomes(workers)[0]
            here = Recorded()
            expected = run_here(Shared(trained_by_itself), request(0, rate=0.25), here, Engine("fit"))

            assert report.arrived == here.arrived, f"{report.arrived} arrived, {here.arrived} was sent"
            # What a trial takes of its machine differs from one training to the next.
            found, expected = (dataclasses.replace(each, usage=None) for each in (outcome, expected))
            assert found == expected, f"the outcome is {expected}, and {found} arrived"

    def test_several_trials_are_not_mixed_up(self) -> None:
        """Each of twice as many trials as there are workers has its own reports and its own score."""
        with self._opened() as cluster:
            workers, outcomes = RemoteWorkers(cluster), dict[int, Outcome]()
            count = 2 * min(len(cluster.places()), 4)
            reports = [Recorded() for _ in range(count)]
            waiting = list(range(count))
            while len(outcomes) < count:
                while waiting and workers.has_room:
                    number = waiting.pop(0)
                    workers.start(request(number, rate=number / count), reports[number])
                outcomes |= self._outcomes(workers)

            for number, report in enumerate(reports):
                rate, scores = number / count, outcomes[number].scores
                assert scores == (rate,), f"the score of trial {number} is {rate}, and {scores} arrived"
                assert report.epochs == {0: rate}, f"trial {number} reported {rate}, and {report.epochs} arrived"

    def test_a_trial_that_fails_ends_with_its_error_and_frees_its_worker(self) -> None:
        """An exception of the user's code fails its own trial only."""
        with self._opened() as cluster:
            workers = RemoteWorkers(cluster)
            workers.start(request(0, kind="failing"), Recorded())
            error = self._outcomes(workers)[0].error
            workers.start(request(1, rate=0.5), Recorded())

            assert error is not None, "a trial whose build_fn raised has no error"
            assert str(error) == "ValueError: this trial fails", f"its error is {error}"
            assert self._outcomes(workers)[1].scores == (0.5,)

    def test_a_mistake_in_the_call_is_raised_in_the_search(self) -> None:
        """What no other setting would mend ends the search, with the error that the worker had."""
        with self._opened() as cluster:
            workers = RemoteWorkers(cluster)
            workers.start(request(0, kind="wrong"), Recorded())
            raised: BaseException | None = None
            try:
                self._outcomes(workers)
            except BuildError as error:
                raised = error

            assert raised is not None, "build_fn returned None, and wait() raised no BuildError"
            assert "build_fn returned None" in str(raised)

    def test_the_answer_to_an_epoch_stops_the_trial(self) -> None:
        """The worker waits for the search's answer to each epoch, and obeys it."""
        with self._opened(linear_model) as cluster:
            workers, report = RemoteWorkers(cluster), Recorded(stop_after=2)
            workers.start(request(0, awaits_stop_decision=True), report)
            outcome = self._outcomes(workers)[0]

            assert outcome.error is None, f"the trial failed: {outcome.error}"
            assert list(report.epochs) == [0, 1], f"it was to stop after two epochs, and reported {report.epochs}"
            assert outcome.is_stopped
            assert outcome.stop_reason == "enough", f"it stopped because of {outcome.stop_reason!r}, and not 'enough'"

    def test_files_travel_with_a_trial_in_both_directions(self) -> None:
        """All trainings of a trial that pauses on one worker are continued on any other, and its model comes back."""
        with self._opened(linear_model) as cluster, tempfile.TemporaryDirectory() as folder:
            checkpoint, model = Path(folder) / "paused.npz", Path(folder) / "model.keras"
            workers, report = RemoteWorkers(cluster), Recorded()
            plan = TrialPlan(epochs=EPOCHS, pause_at=2)
            workers.start(request(0, runs=2, plan=plan, checkpoint_path=checkpoint), report)
            paused = self._outcomes(workers)[0]

            assert paused.error is None, f"the trial failed: {paused.error}"
            for run in range(2):
                assert of_run(checkpoint, run).is_file(), f"training {run} paused, and its checkpoint didn't come back"

            plan = dataclasses.replace(plan, pause_at=None, resumed_from=0, resumed_at=2)
            losses, report = list(report.epochs.values()), Recorded()
            going_on = request(0, runs=2, plan=plan, losses=losses, checkpoint=checkpoint, model_path=model)
            workers.start(going_on, report)
            outcome = self._outcomes(workers)[0]

            assert outcome.error is None, f"the trial could not be continued: {outcome.error}"
            assert list(report.epochs) == [2, 3], (
                f"it was continued after two of four epochs, and reported {report.epochs}"
            )
            assert model.is_file(), "the trial has ended, and its model didn't come back"

    def test_a_trial_that_waits_for_an_answer_ends_when_the_cluster_is_closed(self) -> None:
        """A search that ends leaves no worker waiting."""
        with self._opened() as cluster:
            place = next(iter(cluster.places()))
            future = cluster.submit(place, "0-0", request(0, awaits_stop_decision=True).portable(), {})
            while not any(isinstance(message, EpochLogs) for _, message in cluster.messages(0.1)):
                pass
            cluster.close()
            until = time.monotonic() + self.CLOSING
            while not future.done():
                assert time.monotonic() < until, (
                    f"{self.CLOSING:g} seconds after close() the trial still waits for an answer"
                )
                time.sleep(0.05)

    @contextmanager
    def _opened(self, build_fn: BuildFunction = trained_by_itself) -> Iterator[Cluster]:
        """A cluster that runs trials of a build_fn, and is closed at the end."""
        x = np.linspace(-1.0, 1.0, 8, dtype="float32").reshape(-1, 1)
        data = TrainingData(x=x, y=2.0 * x, fit_arguments={"epochs": EPOCHS, "shuffle": False})
        cluster = _Watched(self.cluster(Shared(build_fn, data, engine="fit")), self.PATIENCE)
        try:
            yield cluster
        finally:
            cluster.close()

    def _outcomes(self, workers: RemoteWorkers) -> dict[int, Outcome]:
        """The outcomes of the next trials that end, by their numbers."""
        ended: Sequence[Ended] = ()
        while not ended:
            ended = workers.wait()
        outcomes = {end.number: end.result for end in ended if isinstance(end.result, Outcome)}
        lost = [end for end in ended if not isinstance(end.result, Outcome)]
        assert not lost, f"trials were lost: {lost}"
        return outcomes


class _Watched:
    """A cluster that is closed once, and fails the test when nothing has arrived from it for too long.

    Args:
        cluster: The cluster.
        patience: How many seconds are too long.
    """

    def __init__(self, cluster: Cluster, patience: float) -> None:
        self._cluster = cluster
        self._patience = patience
        self._latest = time.monotonic()
        self._is_open = True

    def places(self) -> Collection[str]:
        return self._cluster.places()

    def submit(self, place: str, ticket: Ticket, request: Request, files: Mapping[str, bytes]) -> Future:
        # What a cluster is given has to survive the way to another machine.
        request = pickle.loads(pickle.dumps(request))
        self._latest = time.monotonic()
        return self._cluster.submit(place, ticket, request, files)

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, ReportMessage]]:
        arrived = self._cluster.messages(seconds)
        if arrived:
            self._latest = time.monotonic()
        waited = time.monotonic() - self._latest
        assert waited < self._patience, f"nothing has arrived from the cluster for {waited:.0f} seconds"
        return arrived

    def answer(self, ticket: Ticket, text: str | None) -> None:
        self._cluster.answer(ticket, text)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._cluster.close()


def request(
    number: int,
    *,
    runs: int = 1,
    rate: float = 0.5,
    kind: str = "good",
    plan: TrialPlan | None = None,
    losses: Sequence[float] = (),
    awaits_stop_decision: bool = False,
    checkpoint: Path | None = None,
    checkpoint_path: Path | None = None,
    model_path: Path | None = None,
) -> Request:
    """A trial to run, with the epochs that each of its trainings has had, if any."""
    trial = made_up_trial(number, losses, OBJECTIVE, values={"rate": rate, "kind": kind})
    return Request(
        trial=dataclasses.replace(trial, plan=plan or TrialPlan(), curves=trial.curves * runs),
        space=SPACE,
        objective=OBJECTIVE,
        study_seed=0,
        runs=runs,
        model_path=model_path,
        weights_path=None if model_path is None else model_path.with_suffix(".npz"),
        checkpoint=checkpoint,
        checkpoint_path=checkpoint_path,
        awaits_stop_decision=awaits_stop_decision,
    )
