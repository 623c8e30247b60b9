"""Population based training as a pure function of trials; no model is trained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kerastune_lite.space import Choice, Float, Int, Space
from kerastune_lite.strategies.population import PopulationStrategy, changed
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Pause, PausingStrategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialPlan, TrialState

SPACE = Space((Float(name="rate", low=1e-4, high=1.0, log=True), Int(name="units", low=2, high=64)))
STOPPED, COMPLETED, FAILED, RUNNING = TrialState.STOPPED, TrialState.COMPLETED, TrialState.FAILED, TrialState.RUNNING


def strategy(population=8, interval=2, epochs=10, layout=lambda values: values.get("units")):
    return PopulationStrategy(RandomStrategy(), population, interval, epochs, layout)


def member(number, score, state=STOPPED, pause_at=2, **values):
    values = {"rate": 0.01 * (number + 1), "units": 2 + number} | values
    curve = (score,) * pause_at if state is not FAILED else ()
    return Trial(
        number=number,
        values=values,
        state=state,
        score=None if state in (FAILED, RUNNING) else score,
        plan=TrialPlan(pause_at=pause_at),
        best_so_far=curve,
        curves=(({},) * len(curve),),
    )


def turn(scores, **settings):
    return [member(number, score, **settings) for number, score in enumerate(scores)]


def asked(trials, count=8, **settings):
    """The suggestions of the next turn."""
    asking, given = strategy(**settings), []
    trials = list(trials)
    for number in range(len(trials), len(trials) + count):
        suggestion = asking.suggest(SPACE, trials, np.random.default_rng([0, number]))
        given.append(suggestion)
        plan = TrialPlan(resumed_from=suggestion.resume_from)
        trials.append(Trial(number=number, values=suggestion.values, plan=plan))
    return given


def test_the_first_turn_draws_settings_and_pauses():
    suggestion = strategy().suggest(SPACE, [], np.random.default_rng(0))

    assert (suggestion.epochs, suggestion.pause_at, suggestion.resume_from) == (10, 2, None)
    assert suggestion.continues_as_new_trial


def test_the_worst_quarter_takes_over_from_the_best_and_all_others_continue():
    given = asked(turn([0.8, 0.1, 0.3, 0.2, 0.5, 0.9, 0.4, 0.6]))
    sources = [suggestion.resume_from for suggestion in given]

    assert sources[1:5] == [1, 2, 3, 4]
    assert sources[6:] == [6, 7]
    assert {sources[0], sources[5]} <= {1, 3}
    assert given[1].values == {"rate": 0.02, "units": 3}
    assert given[0].values["rate"] != 0.01 * (sources[0] + 1)
    assert {suggestion.pause_at for suggestion in given} == {4}


def test_the_last_turn_is_as_long_as_epochs_are_left_and_does_not_pause():
    whole = [member(n, 0.1 * n, pause_at=2 * (n // 8 + 1)) for n in range(32)]

    assert {suggestion.pause_at for suggestion in asked(whole)} == {None}
    after = [*whole, *(member(n, 0.1, COMPLETED, pause_at=10) for n in range(32, 40))]
    assert strategy().suggest(SPACE, after, np.random.default_rng(0)) is Pause.DONE


def test_a_turn_waits_for_the_members_of_the_one_before():
    trials = [*turn([0.1] * 7), member(7, 0.0, RUNNING)]

    assert strategy().suggest(SPACE, trials, np.random.default_rng(0)) is Pause.WAIT


def test_members_that_failed_or_ended_by_themselves_take_over_too():
    trials = turn([0.8, 0.1, 0.3, 0.2, 0.5, 0.7, 0.4, 0.6])
    trials[4] = member(4, 0.0, FAILED)
    trials[6] = member(6, 0.05, COMPLETED)
    sources = [suggestion.resume_from for suggestion in asked(trials)]

    assert {sources[4], sources[6]} <= {1, 3}
    # Those two are a quarter of the population already.
    assert [sources[n] for n in (0, 1, 2, 3, 5, 7)] == [0, 1, 2, 3, 5, 7]


def outside(trial):
    return dataclasses.replace(trial, is_outside=True)


def test_a_member_outside_the_space_takes_over_from_one_inside_and_nobody_from_it():
    trials = turn([0.8, 0.1, 0.3, 0.2, 0.5, 0.9, 0.4, 0.6])
    trials[1], trials[2] = outside(trials[1]), outside(trials[2])
    sources = [suggestion.resume_from for suggestion in asked(trials)]

    assert {sources[1], sources[2]} <= {3, 6}
    assert not {1, 2} & set(sources)


def test_a_turn_does_not_wait_for_a_member_outside_the_space():
    trials = [*turn([0.1] * 7), outside(member(7, 0.0, RUNNING))]

    assert isinstance(strategy().suggest(SPACE, trials, np.random.default_rng(0)), Suggestion)


def test_a_population_goes_on_from_the_members_that_lie_in_the_space():
    trials = turn([0.1] * 8)
    nobody = [outside(trial) for trial in trials]

    assert strategy().goes_on_from([])
    assert strategy().goes_on_from(nobody[:7])
    assert strategy().goes_on_from([*nobody[:7], trials[7]])
    assert not strategy().goes_on_from(nobody)


@pytest.mark.parametrize("plan", [{}, {"pause_at": 4}, {"epochs": 8}, {"continues_as_new_trial": False}])
def test_a_trial_of_another_plan_has_no_place(plan):
    begun = TrialPlan(epochs=10, pause_at=2, continues_as_new_trial=True)
    trial = dataclasses.replace(member(3, 0.1), plan=begun)

    assert strategy().has_place_for(trial)
    other = TrialPlan() if not plan else dataclasses.replace(trial.plan, **plan)
    assert not strategy().has_place_for(dataclasses.replace(trial, plan=other))


def test_a_population_that_failed_as_a_whole_begins_anew():
    given = asked([member(n, 0.0, FAILED) for n in range(8)])

    assert {(suggestion.resume_from, suggestion.pause_at) for suggestion in given} == {(None, 4)}


def test_a_space_with_fewer_settings_than_members_has_some_twice():
    space = Space((Choice(name="x", options=(1, 2)),))
    trials = [member(0, 0.1, x=1), member(1, 0.2, x=2)]
    trials = [dataclasses.replace(t, values={"x": t.values["x"]}) for t in trials]

    assert strategy().suggest(space, trials, np.random.default_rng(0)).values["x"] in (1, 2)


def test_weights_are_kept_as_long_as_the_next_turn_may_need_them():
    first = turn([0.1 * n for n in range(8)])
    second = [member(n, 0.1, pause_at=4) for n in range(8, 16)]

    assert strategy().resumable(first) == set(range(8))
    assert strategy().resumable([*first, *second[:3]]) == set(range(11))
    assert strategy().resumable([*first, *second]) == set(range(8, 16))


def draws(values, space, layout=lambda values: None, count=400):
    rng = np.random.default_rng(0)
    return [changed(values, space, layout, rng) for _ in range(count)]


def test_numbers_are_multiplied_or_drawn_anew_and_stay_in_their_range():
    new = [values["rate"] for values in draws({"rate": 0.5}, SPACE)]
    near = [value for value in new if value == pytest.approx(0.4) or value == pytest.approx(0.6)]

    assert 0.65 < len(near) / len(new) < 0.85
    assert len(set(new)) > 80
    assert all(1e-4 <= value <= 1.0 for value in new)
    assert max(values["rate"] for values in draws({"rate": 0.95}, SPACE)) == pytest.approx(1.0)


def test_integers_move_by_one_at_least():
    new = {values["units"] for values in draws({"units": 2}, Space((Int(name="units", low=2, high=9),)))}

    assert new == set(range(2, 10))
    counts = [values["units"] for values in draws({"units": 4}, Space((Int(name="units", low=2, high=9),)))]
    assert counts.count(3) > 120
    assert counts.count(5) > 120


def test_ordered_options_move_to_a_neighbour_and_others_are_only_drawn_anew():
    space = Space((Choice(name="batch", options=(16, 32, 64, 128)), Choice(name="kind", options=("a", "b", "c"))))
    new = draws({"batch": 32, "kind": "b"}, space)
    batches, kinds = [values["batch"] for values in new], [values["kind"] for values in new]

    assert batches.count(16) > 120
    assert batches.count(64) > 120
    assert batches.count(128) < 40
    assert kinds.count("b") > 300
    assert {"a", "c"} < set(kinds)


def test_what_needs_other_weights_is_inherited():
    new = draws({"rate": 0.5, "units": 8}, SPACE, layout=lambda values: values["units"])

    assert {values["units"] for values in new} == {8}
    assert len({values["rate"] for values in new}) > 80


def test_changes_that_fit_one_by_one_but_not_together_are_not_made():
    def layout(values):
        return values["rate"] != 0.5 and values["units"] != 8

    assert all(v["rate"] == 0.5 or v["units"] == 8 for v in draws({"rate": 0.5, "units": 8}, SPACE, layout))


def test_it_says_that_its_trials_pause():
    assert isinstance(strategy(), PausingStrategy)


@pytest.mark.parametrize(
    ("settings", "received"),
    [
        ({"population": 3}, "population=3"),
        ({"interval": 10}, "interval=10, epochs=10"),
        ({"interval": 0}, "interval=0"),
    ],
)
def test_impossible_settings_are_refused(settings, received):
    with pytest.raises(ValueError, match=received):
        strategy(**settings)
