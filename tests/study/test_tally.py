"""What a search asks of all trials, brought up to date trial by trial, is what counting all of them gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kerastune_lite import Objective, Study, TrialState
from kerastune_lite.space import Choice, Float, Space
from kerastune_lite.study.events import (
    Confirmed,
    EpochEnded,
    EpochsKnown,
    ParameterLearned,
    ParametersKnown,
    SpaceReviewed,
    StudyBegun,
    TrialBegun,
    TrialEnded,
)
from kerastune_lite.study.fold import Fold
from kerastune_lite.study.tally import Tally
from kerastune_lite.study.trial import TrialFailure, TrialPlan, best_first, inside

NAMES = ("x", "y", "z")


def random_event(rng, study):
    """Some event, sensible or not, of one of the first 90 trials or of the study."""
    number = rng.randrange(90)
    values = {name: rng.random() * 1.1 for name in NAMES if rng.random() < 0.7}
    match rng.randrange(12):
        case 0 | 1 | 2:
            pause = rng.choice([None, None, 2])
            source = rng.choice([None, None, number, rng.randrange(90)])
            plan = TrialPlan(epochs=5, pause_at=pause, resumed_from=source, resumed_at=2 if source is not None else 0)
            return TrialBegun(trial=number, values=values, plan=plan)
        case 3 | 4:
            return EpochEnded(trial=number, run=rng.choice([0, 0, 1]), epoch=rng.randrange(4), logs={"loss": 1.0})
        case 5 | 6 | 7:
            state = rng.choice(list(TrialState)[1:])
            failed = state is TrialState.FAILED
            return TrialEnded(
                trial=number,
                state=state,
                values=values,
                score=None if failed else rng.choice([rng.random(), 0.5]),
                error=TrialFailure(type="E", message="") if failed else None,
                is_rejected=failed and rng.random() < 0.5,
            )
        case 8:
            return ParametersKnown(trial=number, values=values)
        case 9:
            return EpochsKnown(trial=number, epochs=rng.randrange(1, 6))
        case 10:
            return Confirmed(trial=number, scores=(0.5,))
    if rng.random() < 0.5:
        high = 1.0 if rng.random() < 0.5 else 1.1
        return ParameterLearned(parameter=Float(name=rng.choice(NAMES), low=0.0, high=high))
    differing = tuple(n for n in study.records if rng.random() < 0.1)
    return SpaceReviewed(differing=differing)


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_same_after_any_events(seed, direction):
    rng = random.Random(seed)
    space = Space(Float(name=name, low=0.0, high=1.0) for name in NAMES)
    study = Study(Path(), Objective("loss"), 0, space)

    for step in range(600):
        event = random_event(rng, study) if step != 50 else StudyBegun(objective=Objective("loss", direction), seed=0)
        study.tally  # noqa: B018  a search asks for it at every step
        study = study.after(event)
        anew = Tally.of((study._counted(*item) for item in study.records.items()), study._rank_sign)
        assert study.tally == anew

    trials = study.trials
    assert study.leaderboard() == tuple(best_first(inside(trials), direction))
    assert study.in_space == inside(trials)
    assert study.epochs_spent == sum(trial.epochs_spent for trial in trials)
    assert study.epochs_saved == sum(trial.epochs_saved for trial in trials)
    assert study.outside == tuple(trial for trial in trials if trial.is_outside)


@pytest.mark.parametrize("seed", range(3))
def test_a_study_folded_in_one_go_is_the_one_folded_event_by_event(seed):
    rng = random.Random(seed)
    study = whole = Study(Path(), Objective("loss", "min"), 0, Space([Float(name="x", low=0.0, high=1.0)]))
    events = []
    for _ in range(500):
        events.append(random_event(rng, study))
        study = study.after(events[-1])

    fold = Fold(whole._facts, {})
    for event in events:
        fold.add(event)
    fold.finish()

    assert dict(study.records) == fold.changed
    assert {name: fold.facts[name] for name in ("space", "differing", "outranged")} == {
        name: getattr(study, name) for name in ("space", "differing", "outranged")
    }
    for number, record in study.records.items():
        assert (number in study.outranged) == (not study.space.contains(record.values))


@pytest.mark.parametrize(
    ("settings", "awaiting", "answer"),
    [
        ([], [], False),
        ([("a", "b"), ("b", "a")], [], True),
        ([("a", "b"), ("a",)], [], False),
        ([("a", "b"), ("a",)], [1], True),
        ([(), ("a",)], [0], True),
        ([("a",)], [0], False),
        ([(), ()], [], True),
    ],
)
def test_trials_ask_for_the_same_if_all_have_the_same_parameters(settings, awaiting, answer):
    study = Study(Path(), Objective("loss", "min"), 0, Space([Choice(name=name, options=(1, 2)) for name in "ab"]))
    for number, names in enumerate(settings):
        study = study.after(TrialBegun(trial=number, values=dict.fromkeys(names, 1)))

    assert study.tally.ask_for_the_same([study.records[number] for number in awaiting]) is answer


def test_an_earlier_study_stays_as_it_was():
    study = Study(Path(), Objective("loss", "min"), 0)
    kept = []
    for number in range(200):
        study = study.after(TrialEnded(trial=number, state=TrialState.COMPLETED, values={}, score=float(-number)))
        kept.append(study)

    assert [len(each.trials) for each in kept] == list(range(1, 201))
    assert [each.best.number for each in kept] == list(range(200))
