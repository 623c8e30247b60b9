"""How much of the score's variance each parameter explains: functions whose shares are known in closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from kerastune_lite import NoResultError, Objective, Study, Trial, TrialState
from kerastune_lite.importances import explained
from kerastune_lite.space import Boolean, Choice, Condition, Fixed, Float, Int, Space

MIXED = Space(
    [
        Float(name="plain", low=0.0, high=1.0),
        Float(name="log", low=1e-4, high=1e-1, log=True),
        Choice(name="option", options=("p", "q", "r")),
        Float(name="idle", low=0.0, high=1.0),
    ]
)
SGD = Condition("optimizer", ("sgd",))
CONDITIONAL = Space(
    [
        Choice(name="optimizer", options=("adam", "sgd")),
        Float(name="momentum", low=0.0, high=1.0, conditions=(SGD,)),
        Float(name="rate", low=0.0, high=1.0),
    ]
)


def study_of(space, score, count, objective=None, seed=0):
    rng = np.random.default_rng(seed)
    settings = [space.decode(rng.random(len(space))) for _ in range(count)]
    trials = [
        Trial(number=number, values=values, score=float(score(values)), state=TrialState.COMPLETED)
        for number, values in enumerate(settings)
    ]
    objective = objective or Objective("val_loss", "min")
    return Study(Path("by hand"), objective, 0, space, {trial.number: trial for trial in trials})


def mixed(values):
    """A sum of terms of variance 4/12, 2/12 and 1/18: shares of 60 %, 30 % and 10 %."""
    log = math.log(values["log"] / 1e-4) / math.log(1e3)
    return 2.0 * values["plain"] + math.sqrt(2.0) * log + 0.5 * (values["option"] == "q")


def shares(importances):
    return {name: each.share for name, each in importances.items()}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.drill) for seed in (1, 2))])
def test_shares_are_those_of_a_sum_whose_variances_are_known(seed):
    found = shares(study_of(MIXED, mixed, 100, seed=seed).importances())

    assert found == pytest.approx({"plain": 0.6, "log": 0.3, "option": 0.1, "idle": 0.0}, abs=0.1)


@pytest.mark.drill
def test_what_only_several_parameters_explain_together_is_told_apart():
    space = Space([Float(name="a", low=-1.0, high=1.0), Float(name="b", low=-1.0, high=1.0)])
    found = study_of(space, lambda values: values["a"] * values["b"], 300).importances()

    assert shares(found) == pytest.approx({"a": 0.0, "b": 0.0}, abs=0.1)
    assert found.interactions == pytest.approx(1.0, abs=0.2)


def test_a_conditional_parameter_counts_where_it_is_active():
    def score(values):
        """Variances: 1/4 by the optimizer, half of 4/12 by the momentum, 1/12 by the rate."""
        is_sgd = values["optimizer"] == "sgd"
        return is_sgd * (1.0 + 2.0 * (values.get("momentum", 0.0) - 0.5)) + values["rate"]

    found = shares(study_of(CONDITIONAL, score, 100).importances())

    assert found == pytest.approx({"optimizer": 1 / 2, "momentum": 1 / 3, "rate": 1 / 6}, abs=0.1)


@pytest.mark.drill
def test_a_condition_that_build_fn_did_not_declare_is_learnt_from_the_trials():
    undeclared = Space(
        [CONDITIONAL["optimizer"], Float(name="momentum", low=0.0, high=1.0), CONDITIONAL["rate"]],
    )
    declared = study_of(CONDITIONAL, lambda values: 4.0 * values.get("momentum", 0.5) + values["rate"], 100)
    study = Study(declared.directory, declared.objective, 0, undeclared, declared.records)

    assert shares(study.importances()) == pytest.approx(shares(declared.importances()), abs=0.02)


@pytest.mark.drill
def test_the_search_may_have_looked_at_one_region_more_than_at_others():
    space = Space([Float(name="a", low=0.0, high=1.0), Float(name="b", low=0.0, high=1.0)])
    everywhere, rng = study_of(space, lambda values: 2.0 * values["a"] + values["b"], 60), np.random.default_rng(1)
    near = [{"a": float(a), "b": float(b)} for a, b in zip(0.1 * rng.random(140), 0.1 * rng.random(140), strict=True)]
    more = {
        60 + place: Trial(number=60 + place, values=v, score=2.0 * v["a"] + v["b"], state=TrialState.COMPLETED)
        for place, v in enumerate(near)
    }
    study = Study(Path("by hand"), everywhere.objective, 0, space, {**everywhere.records, **more})

    assert shares(study.importances()) == pytest.approx({"a": 0.8, "b": 0.2}, abs=0.1)


@pytest.mark.drill
def test_the_interval_holds_the_share_and_narrows_with_more_trials():
    few, many = (study_of(MIXED, mixed, count).importances() for count in (16, 160))

    for each in (*few.values(), *many.values()):
        assert 0.0 <= each.low <= each.share <= each.high <= 1.0
    assert many["plain"].high - many["plain"].low < few["plain"].high - few["plain"].low


@pytest.mark.drill
def test_the_direction_of_the_objective_does_not_matter():
    least = study_of(MIXED, mixed, 40)
    most = study_of(MIXED, lambda values: -mixed(values), 40, Objective("val_accuracy", "max"))

    assert shares(most.importances()) == pytest.approx(shares(least.importances()))


def test_one_diverged_training_is_not_all_of_the_variance():
    study = study_of(MIXED, mixed, 100)
    diverged = Trial(number=100, values=study.trials[0].values, score=1e30, state=TrialState.COMPLETED)
    study = Study(study.directory, study.objective, 0, MIXED, {**study.records, 100: diverged})

    assert shares(study.importances()) == pytest.approx(
        {"plain": 0.6, "log": 0.3, "option": 0.1, "idle": 0.0}, abs=0.15
    )


def test_a_parameter_that_never_changed_explains_nothing():
    space = Space(
        [
            Int(name="units", low=8, high=64),
            Fixed(name="held", options=("adam",)),
            Float(name="point", low=0.5, high=0.5),
            Boolean(name="bias"),
        ]
    )
    study = study_of(space, lambda values: values["units"], 30)
    records = {n: Trial(number=n, values={**t.values, "bias": True}, score=t.score, state=t.state)
               for n, t in study.records.items()}  # fmt: skip
    found = shares(Study(study.directory, study.objective, 0, space, records).importances())

    assert found == {"units": pytest.approx(1.0, abs=0.01), "held": 0.0, "point": 0.0, "bias": 0.0}


def test_equal_scores_leave_nothing_to_explain():
    found = study_of(MIXED, lambda values: 0.25, 20).importances()

    assert set(shares(found).values()) == {0.0}
    assert found.interactions == 0.0


def test_too_few_trials_are_refused_with_their_number():
    study = study_of(MIXED, mixed, 12)
    failed = {n: Trial(number=n, values=t.values, state=TrialState.FAILED) for n, t in study.records.items() if n > 3}
    study = Study(study.directory, study.objective, 0, MIXED, {**study.records, **failed})

    with pytest.raises(NoResultError, match=r"at least 8 trials that ended with a score.* has 4\. Go on"):
        study.importances()


def test_they_are_printed_as_a_bar_chart_the_greatest_first():
    found = study_of(MIXED, mixed, 60).importances()
    lines = repr(found).splitlines()

    assert lines[0].startswith("share of the variance of val_loss, from 60 trials")
    assert [line.split()[0] for line in lines[1:4]] == ["plain", "log", "option"]
    assert lines[1].count("█") > lines[2].count("█") > lines[3].count("█")
    assert max(map(len, lines)) <= 80


def test_a_notebook_shows_names_with_odd_characters_as_they_are():
    space = Space([Float(name="<script>", low=0.0, high=1.0)])
    shown = study_of(space, lambda values: values["<script>"], 10).importances()._repr_html_()

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_chance_alone_explains_nothing():
    rng = np.random.default_rng(0)
    found = [explained(rng.integers(16, size=(4000, 1)), np.ones((4000, 1), bool), rng.normal(size=4000))[0]
             for _ in range(20)]  # fmt: skip

    assert np.mean(found) < 0.002
