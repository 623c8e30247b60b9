"""How much processor time a search takes besides training, as its study grows.

    python benchmarks/growth.py [--trials 100 1000 10000] [--epochs 1000 10000 100000] [--asked-trials 2000]

The trials cost nothing: a worker answers each request at once, so that what is measured is the search itself: choosing
the setting, the journal, the study, tidying, and the line in a terminal. Each study is written to a journal first and
then resumed, so that a row costs the same however long its search would have taken. Rows:

* random, grid: the median of the trials that follow a study of so many trials;
* 200 parameters: the same with random search, of a space of 200 parameters;
* epochs: the median of the epochs that follow so many epochs of one trial;
* open: `Study.open` of that study; show: the whole command `kerastune-lite show`, with its imports;
* Bayesian: a trial of Bayesian optimisation, its question and all the work around it, on one thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np
from rich.console import Console

from kerastune_lite.execution.workers import Ended
from kerastune_lite.running.task import AskedParameters, Outcome, Request, Shared
from kerastune_lite.search.loop import SearchLoop
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Float, Int, Parameter, Space
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Strategy
from kerastune_lite.study import Study
from kerastune_lite.study.events import (
    EpochEnded,
    EpochsKnown,
    Event,
    ParameterLearned,
    ParametersKnown,
    SearchBegun,
    StudyBegun,
    TrialBegun,
    TrialEnded,
)
from kerastune_lite.study.journal import JOURNAL_NAME, Journal
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import TrialState
from kerastune_lite.study.writer import StudyWriter
from kerastune_lite.views.progress import Progress

LOSS = Objective("loss", "min")
MEASURED = 41
"""How many trials, or epochs, are measured at each size: the first begins a strategy's memory, and isn't counted."""
LEVELS = 25
CONTINUOUS = [Float(name=f"x{place}", low=0.0, high=1.0) for place in range(4)]
DISCRETE = [Int(name=f"n{place}", low=0, high=LEVELS - 1) for place in range(4)]
MANY = [Float(name=f"p{place}", low=0.0, high=1.0) for place in range(200)]


def loss(values: dict[str, Any]) -> float:
    """A score that differs from trial to trial."""
    return sum((value - 0.3) ** 2 for value in values.values())


class InstantWorkers:
    """A worker whose trials are over as soon as they begin, after one epoch."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._given: tuple[Request, Any] | None = None

    @property
    def has_room(self) -> bool:
        return self._given is None

    def start(self, request: Request, report: Any) -> None:
        self._given = request, report

    def wait(self) -> list[Ended]:
        assert self._given is not None
        (request, report), self._given = self._given, None
        given = request.trial.values
        values = {p.name: given.get(p.name, p.grid(2)[0]) for p in self._parameters}
        report.asked(AskedParameters(Space(self._parameters), values))
        report.built(LOSS, 1)
        report.epoch(0, 0, {"loss": loss(values), "accuracy": 0.5})
        return [Ended(request.trial.number, Outcome(scores=(loss(values),), best_epoch=0))]

    def close(self) -> None:
        pass


def settings(parameters: Sequence[Parameter], count: int) -> Iterator[dict[str, Any]]:
    """Settings of so many trials: of integers the first ones of their grid, of floats random ones."""
    rng, space = np.random.default_rng(0), Space(parameters)
    for number in range(count):
        if isinstance(parameters[0], Int):
            digits = [number // LEVELS**place % LEVELS for place in reversed(range(len(parameters)))]
            yield {parameter.name: digit for parameter, digit in zip(parameters, digits, strict=True)}
        else:
            yield space.decode(rng.random(len(space)))


def write_study(directory: Path, parameters: Sequence[Parameter], trials: int) -> None:
    """Writes the journal of a study of so many trials of one epoch."""
    with closing(Journal(directory / JOURNAL_NAME)) as journal:

        def write(event: Any) -> None:
            journal.append(event.kind, **event.to_json())

        write(StudyBegun(objective=LOSS, seed=0))
        for parameter in parameters:
            write(ParameterLearned(parameter=parameter))
        for number, values in enumerate(settings(parameters, trials)):
            score = loss(values)
            write(TrialBegun(trial=number, values=values if number else {}, seed=number))
            if number == 0:
                write(ParametersKnown(trial=number, values=values))
            write(EpochsKnown(trial=number, epochs=1))
            write(EpochEnded(trial=number, epoch=0, logs={"loss": score, "accuracy": 0.5}))
            ended = TrialEnded(trial=number, state=TrialState.COMPLETED, values=values, objective=LOSS, score=score)
            journal.append(ended.kind, **{**ended.to_json(), "scores": [score], "best_epoch": 0, "seconds": 0.0})


def write_long_trial(directory: Path, epochs: int) -> None:
    """Writes the journal of a study of one trial that has trained so many epochs and goes on."""
    with closing(Journal(directory / JOURNAL_NAME)) as journal:

        def write(event: Any) -> None:
            journal.append(event.kind, **event.to_json())

        write(StudyBegun(objective=LOSS, seed=0))
        write(TrialBegun(trial=0, values={"x0": 0.5}))
        write(EpochsKnown(trial=0, epochs=2 * epochs))
        for epoch in range(epochs):
            write(EpochEnded(trial=0, epoch=epoch, logs={"loss": 1.0 / (epoch + 1), "accuracy": 0.5}))


@contextmanager
def resumed(directory: Path, view: Callable[[Event, Study], None]) -> Iterator[StudyWriter]:
    """The study, open for a search that is shown in a terminal."""
    with open(os.devnull, "w") as nowhere:
        progress = Progress(1, Console(file=nowhere, force_terminal=True, width=200, soft_wrap=True))
        with closing(StudyWriter.open(directory, LOSS, 0, 0, views=[progress, view])) as writer:
            writer.show(SearchBegun(max_trials=10**6))
            yield writer
            progress._screen.end_line()


def milliseconds_a_trial(
    directory: Path, strategy: Strategy, parameters: Sequence[Parameter], measured: int = MEASURED
) -> float:
    """The median processor time of the trials that follow those of a study."""
    ends: list[float] = []

    def note_ends(event: Event, study: Study) -> None:
        if isinstance(event, TrialEnded):
            ends.append(time.process_time())

    with resumed(directory, note_ends) as writer:
        plan = SearchPlan(
            shared=Shared(build_fn=lambda hp: None),
            strategy=strategy,
            max_trials=len(writer.study.records) + measured,
            keep_models=3,
        )
        SearchLoop(plan, writer, InstantWorkers(parameters)).run()
    return 1000 * statistics.median(np.diff(ends).tolist())


def milliseconds_an_epoch(directory: Path) -> float:
    """The median processor time of the epochs that follow those of a study's only trial."""
    with resumed(directory, lambda event, study: None) as writer:
        plan = SearchPlan(shared=Shared(build_fn=lambda hp: None), strategy=RandomStrategy(), max_epochs_total=10**9)
        loop, trial = SearchLoop(plan, writer, InstantWorkers(CONTINUOUS)), writer.study.trial(0)
        ends = []
        for epoch in range(len(trial.curve), len(trial.curve) + MEASURED):
            loop.after_epoch(trial, 0, epoch, {"loss": 1.0 / (epoch + 1), "accuracy": 0.5})
            ends.append(time.process_time())
    return 1000 * statistics.median(np.diff(ends).tolist())


def seconds_to_open(directory: Path) -> float:
    start = time.process_time()
    Study.open(directory)
    return time.process_time() - start


def seconds_to_show(directory: Path) -> float:
    """The processor time of `kerastune-lite show` in a process of its own."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    start = spent()
    command = [sys.executable, "-m", "kerastune_lite", "show", str(directory)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return spent() - start


def print_row(name: str, size: int, figure: float, unit: str) -> None:
    print(f"{name:24s} {size:8d} {figure:10.3f} {unit}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--epochs", type=int, nargs="*", default=[1000, 10000, 100000])
    parser.add_argument("--asked-trials", type=int, nargs="*", default=[2000])
    options = parser.parse_args()
    print(f"{'row':24s} {'size':>8s} {'processor time':>16s}")
    arms: list[tuple[str, Callable[[], Strategy], Sequence[Parameter]]] = [
        ("random", RandomStrategy, CONTINUOUS),
        ("random, discrete", RandomStrategy, DISCRETE),
        ("grid", GridStrategy, DISCRETE),
        ("random, 200 parameters", RandomStrategy, MANY),
    ]
    for name, strategy, parameters in arms:
        for trials in options.trials:
            with tempfile.TemporaryDirectory() as directory:
                write_study(Path(directory), parameters, trials)
                if name in ("random", "random, 200 parameters"):
                    print_row(f"open, {name}", trials, seconds_to_open(Path(directory)), "s")
                    print_row(f"show, {name}", trials, seconds_to_show(Path(directory)), "s")
                print_row(name, trials, milliseconds_a_trial(Path(directory), strategy(), parameters), "ms a trial")
    for epochs in options.epochs:
        with tempfile.TemporaryDirectory() as directory:
            write_long_trial(Path(directory), epochs)
            print_row("open, one trial", epochs, seconds_to_open(Path(directory)), "s")
            print_row("show, one trial", epochs, seconds_to_show(Path(directory)), "s")
            print_row("epochs of one trial", epochs, milliseconds_an_epoch(Path(directory)), "ms an epoch")
    for trials in options.asked_trials:
        with tempfile.TemporaryDirectory() as directory:
            write_study(Path(directory), CONTINUOUS, trials)
            figure = milliseconds_a_trial(Path(directory), BayesianStrategy(), CONTINUOUS, measured=5)
            print_row("Bayesian", trials, figure, "ms a trial")


if __name__ == "__main__":
    main()
