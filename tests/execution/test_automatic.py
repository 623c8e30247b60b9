"""workers="auto": how many processes are chosen, from what, and what a search makes of it."""

from collections.abc import Sequence

import keras
import numpy as np
import pytest

from kerastune_lite import RandomSearch
from kerastune_lite.errors import WorkerError
from kerastune_lite.execution import automatic
from kerastune_lite.execution.automatic import GIB, AutomaticWorkers, Choice, Room, chosen
from kerastune_lite.execution.processes import machine
from kerastune_lite.execution.workers import Ended
from kerastune_lite.running.task import Outcome, Usage
from kerastune_lite.study.events import WorkersChosen

X, Y = np.random.default_rng(0).normal(size=(64, 4)).astype("float32"), np.zeros(64)


@pytest.mark.parametrize(
    ("busy", "cores", "workers"),
    [
        (1.0, 2, 2),  # small steps: threads don't help
        (1.3, 8, 8),
        (0.1, 4, 4),  # it waits for its data
        (1.9, 2, 1),
        (3.9, 4, 1),
        (5.2, 16, 3),
        (9.0, 8, 1),  # more threads than cores
        (1.0, 1, 1),
    ],
)
def test_a_process_gets_the_cores_that_a_trial_keeps_busy(busy, cores, workers):
    assert chosen(Usage(seconds=60.0, cores=busy, memory=None), Room(cores)).workers == workers


def test_no_more_processes_start_than_the_memory_holds():
    usage = Usage(seconds=60.0, cores=1.0, memory=2 * GIB)

    assert chosen(usage, Room(16, memory=5 * GIB)) == Choice(
        3, "a process takes up to 2.0 GiB of memory, and 5.0 GiB are available"
    )
    assert chosen(usage, Room(16, memory=GIB)).workers == 1
    assert chosen(usage, Room(16, memory=None)).workers == 16


def test_no_more_processes_start_than_there_are_trials():
    assert chosen(Usage(600.0, 1.0, None), Room(16, trials=3)) == Choice(3, "3 trials are left")


@pytest.mark.parametrize("room", [Room(4, trials=10), Room(4, seconds=10.0), Room(4, trials=1000, seconds=12.0)])
def test_no_processes_start_where_the_rest_is_done_sooner_without_them(room):
    choice = chosen(Usage(seconds=1.0, cores=1.0, memory=None), room)

    assert choice.workers == 1
    assert "starting processes takes as long" in choice.reason


def test_a_choice_says_how_many_and_why():
    assert str(chosen(Usage(60.0, 1.27, None), Room(4))) == (
        "workers='auto': 4 processes from now on, since the first trial kept 1.3 of 4 cores busy"
    )
    assert str(chosen(Usage(60.0, 3.96, None), Room(4))) == (
        "workers='auto': one process, as until now, since the first trial kept 4.0 of 4 cores busy"
    )


class Pretending:
    """Workers that end a trial at once."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.given: list[int] = []
        self.is_closed = False
        self._outcomes = list(outcomes)

    has_room = True

    def start(self, request, report):
        self.given.append(request)

    def wait(self):
        return [Ended(self.given[-1], self._outcomes.pop(0))]

    def close(self):
        self.is_closed = True


FAILED, MEASURED = Outcome(), Outcome(scores=(1.0,), usage=Usage(60.0, 1.0, None))


def test_trials_run_alone_until_one_was_measured_and_then_on_the_processes_that_were_chosen():
    first, several, told = Pretending([FAILED, MEASURED]), Pretending([MEASURED] * 2), []
    workers = AutomaticWorkers(first, {4: several}.__getitem__, lambda: Room(4), told.append)
    for number in range(4):
        workers.start(number, None)
        workers.wait()

    assert (first.given, several.given) == ([0, 1], [2, 3])
    assert first.is_closed
    assert [choice.workers for choice in told] == [4]


def test_a_search_goes_on_alone_where_processes_cannot_be_started():
    def more(count):
        raise WorkerError("build_fn can't be pickled.")

    first, told = Pretending([MEASURED] * 3), []
    workers = AutomaticWorkers(first, more, lambda: Room(4), told.append)
    for number in range(3):
        workers.start(number, None)
        workers.wait()

    assert first.given == [0, 1, 2]
    assert not first.is_closed
    assert [str(choice) for choice in told] == [
        "workers='auto': one process, as until now, since more can't be started. build_fn can't be pickled."
    ]


def build(hp):
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(hp.int("units", 1, 64)), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def searched(tmp_path, monkeypatch, workers, start_seconds):
    monkeypatch.setattr(automatic, "START_SECONDS", start_seconds)
    monkeypatch.setattr("kerastune_lite.search.places.cores", lambda: 2)
    events = []
    tuner = RandomSearch(
        build,
        "loss",
        max_trials=4,
        directory=tmp_path,
        workers=workers,
        seed=1,
        verbose=0,
        views=[lambda event, study: events.append(event)],
    )
    study = tuner.search(X, Y, epochs=3)
    return study, [event for event in events if isinstance(event, WorkersChosen)]


def test_a_short_search_with_auto_stays_in_its_process_and_says_why(tmp_path, monkeypatch):
    study, choices = searched(tmp_path, monkeypatch, "auto", start_seconds=1e6)

    assert [(choice.workers, "starting processes" in choice.text) for choice in choices] == [(1, True)]
    assert len(study.trials) == 4


@pytest.mark.drill
def test_a_long_search_with_auto_has_the_trials_and_scores_of_a_search_by_one_worker(tmp_path, monkeypatch):
    study, choices = searched(tmp_path / "auto", monkeypatch, "auto", start_seconds=0.0)
    alone, _ = searched(tmp_path / "alone", monkeypatch, 1, start_seconds=0.0)

    assert [choice.workers for choice in choices] == [2]
    assert [trial.values for trial in study.trials] == [trial.values for trial in alone.trials]
    assert [trial.score for trial in study.trials] == pytest.approx([trial.score for trial in alone.trials], rel=1e-5)


@pytest.mark.parametrize(("workers", "executor"), [("many", None), ("auto", object()), (0, None), (1.5, None)])
def test_other_numbers_of_workers_are_refused_with_the_way_out(workers, executor):
    with pytest.raises(ValueError, match="workers"):
        RandomSearch(build, workers=workers, executor=executor)


def test_the_limits_of_a_container_count(tmp_path, monkeypatch):
    for name, text in {"cpu.max": "150000 100000", "memory.max": str(3 * GIB), "memory.current": str(GIB)}.items():
        (tmp_path / name).write_text(text)
    without = machine.cores()
    monkeypatch.setattr(machine, "CGROUP", tmp_path)

    assert machine.cores() == min(without, 2)
    assert machine.available_memory() <= 2 * GIB
    (tmp_path / "cpu.max").write_text("max 100000")
    assert machine.cores() >= without
