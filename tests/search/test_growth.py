"""A trial of a large study costs what a trial of a small one does: counted are the trials that are looked at."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from kerastune_lite import Objective, TrialState
from kerastune_lite.execution.workers import Ended
from kerastune_lite.running.task import AskedParameters, Outcome, Shared
from kerastune_lite.search.loop import SearchLoop
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Float, Int, Space
from kerastune_lite.stopping import StoppingRule
from kerastune_lite.strategies.grid_search import GridStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.study.events import (
    EpochEnded,
    ParameterLearned,
    SearchBegun,
    SearchEnded,
    StudyBegun,
    TrialBegun,
    TrialEnded,
)
from kerastune_lite.study.journal import JOURNAL_NAME, Journal
from kerastune_lite.study.sorted_map import SortedMap
from kerastune_lite.study.study import Study
from kerastune_lite.study.writer import StudyWriter
from kerastune_lite.views.progress import Progress

LOSS = Objective("loss", "min")
DISCRETE = (Int(name="a", low=0, high=49), Int(name="b", low=0, high=49))
CONTINUOUS = (Float(name="x", low=0.0, high=1.0), Float(name="y", low=0.0, high=1.0))


class Workers:
    """Workers whose trials are over after one epoch."""

    def __init__(self, parameters, places=1):
        self.parameters, self.places, self.given = parameters, places, []

    @property
    def has_room(self):
        return len(self.given) < self.places

    def start(self, request, report):
        self.given.append((request, report))

    def wait(self):
        request, report = self.given.pop(0)
        values = {p.name: request.trial.values.get(p.name, p.low) for p in self.parameters}
        loss = float(sum(values.values()))
        report.asked(AskedParameters(Space(self.parameters), values))
        report.built(LOSS, 2)
        report.epoch(0, 0, {"loss": loss})
        return [Ended(request.trial.number, Outcome(scores=(loss,), best_epoch=0))]

    def close(self):
        pass


class NeverStops(StoppingRule):
    """A rule that looks at no other trial."""

    def should_stop(self, trial, trials, objective):
        return None


class Looks:
    """Counts the records of trials that are gone through, and the trials that are made of them."""

    def __init__(self, monkeypatch):
        self.count = 0
        for name in ("__iter__", "items", "values"):
            monkeypatch.setattr(SortedMap, name, self.counting(getattr(SortedMap, name)))
        monkeypatch.setattr(Study, "_derived_from", self.counted(Study._derived_from))

    def counting(self, method):
        def each(this):
            for item in method(this):
                self.count += 1
                yield item

        return each

    def counted(self, method):
        def once(*arguments):
            self.count += 1
            return method(*arguments)

        return once


def write_study(directory, parameters, trials):
    journal = Journal(directory / JOURNAL_NAME)
    events = [StudyBegun(objective=LOSS, seed=0), *(ParameterLearned(parameter=p) for p in parameters)]
    for number, (a, b) in enumerate(itertools.islice(itertools.product(range(50), range(50)), trials)):
        values = {p.name: value if p in DISCRETE else value / 50 for p, value in zip(parameters, (a, b), strict=True)}
        score = float(sum(values.values()))
        events += [
            TrialBegun(trial=number, values=values),
            EpochEnded(trial=number, epoch=0, logs={"loss": score}),
            TrialEnded(trial=number, state=TrialState.COMPLETED, values=values, score=score, scores=(score,)),
        ]
    for event in events:
        journal.append(event.kind, **event.to_json())
    journal.close()


def looks_of_a_trial(directory, looks, strategy, parameters, trials, places):
    """How many trials are looked at from the end of one trial to the end of the next, in a terminal and with a rule."""
    directory.mkdir()
    write_study(directory, parameters, trials)
    counts = []
    console = Console(file=io.StringIO(), force_terminal=True, width=200, soft_wrap=True)
    views = [Progress(1, console), lambda event, study: isinstance(event, TrialEnded) and counts.append(looks.count)]
    writer = StudyWriter.open(directory, LOSS, 0, 0, views=views)
    plan = SearchPlan(
        shared=Shared(build_fn=lambda hp: None),
        strategy=strategy,
        stopping=NeverStops(),
        max_trials=trials + 8,
        max_epochs_total=10**6,
        keep_models=3,
    )
    writer.show(SearchBegun(max_trials=trials + 8))
    try:
        SearchLoop(plan, writer, Workers(parameters, places)).run()
    finally:
        writer.show(SearchEnded(reason=None))
        writer.close()
    return [after - before for before, after in itertools.pairwise(counts)]


@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize(
    ("strategy", "parameters"),
    [(GridStrategy(), DISCRETE), (RandomStrategy(), DISCRETE), (RandomStrategy(), CONTINUOUS)],
    ids=["grid", "random", "random, continuous"],
)
def test_the_trials_of_a_large_study_cost_what_those_of_a_small_one_do(
    tmp_path, monkeypatch, strategy, parameters, places
):
    looks = Looks(monkeypatch)

    small, large = (
        looks_of_a_trial(tmp_path / str(trials), looks, strategy, parameters, trials, places) for trials in (20, 1000)
    )

    assert large[2:] == small[2:]
    assert max(large[2:]) < 100


def test_an_epoch_of_a_long_trial_copies_no_curve(tmp_path):
    writer = StudyWriter.open(tmp_path, LOSS, 0, 0)
    writer.append(TrialBegun(trial=0, values={}))
    kept = []
    for epoch in range(500):
        writer.append(EpochEnded(trial=0, epoch=epoch, logs={"loss": 1.0 / (epoch + 1)}))
        kept.append(writer.study.trial(0))
    writer.close()

    assert len({id(trial.curve._items) for trial in kept}) == 1
    assert len({id(trial.best_so_far._items) for trial in kept}) == 1
    assert [len(trial.curve) for trial in kept] == [len(trial.best_so_far) for trial in kept] == list(range(1, 501))
    assert kept[9].best_so_far == tuple(1.0 / epoch for epoch in range(1, 11))


def test_a_trial_that_has_ended_has_plain_tuples(tmp_path):
    writer = StudyWriter.open(tmp_path, LOSS, 0, 0)
    writer.append(TrialBegun(trial=0, values={}))
    writer.append(EpochEnded(trial=0, epoch=0, logs={"loss": 1.0}))
    writer.append(TrialEnded(trial=0, state=TrialState.COMPLETED, values={}, score=1.0))
    writer.close()

    trial = writer.study.best
    assert (type(trial.curve), type(trial.best_so_far)) == (tuple, tuple)
    assert trial == Study.open(tmp_path).best
