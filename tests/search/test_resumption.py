"""Studies that are resumed with another space: what is tried next, what counts, and what is refused."""

from __future__ import annotations

import itertools
import json
from functools import partial

import keras
import numpy as np
import pytest

from kerastune_lite import (
    BayesianOptimization,
    FailedTrial,
    GridSearch,
    NoResultError,
    Objective,
    RandomSearch,
    SpaceError,
    Study,
    StudyMismatchError,
)
from kerastune_lite.errors import NoScoreError, RangeChangedError, TooManyFailuresError
from kerastune_lite.running.task import Shared
from kerastune_lite.search import resumption
from kerastune_lite.search.resumption import Reviewer
from kerastune_lite.study.writer import StudyWriter

TUNERS = [GridSearch, RandomSearch, BayesianOptimization]
LOSS = Objective("loss", "min")


@pytest.fixture
def search(tmp_path):
    """Searches in the test's directory, each time with the build_fn that is given."""

    def play(build_fn, tuner=GridSearch, max_trials=None, **settings):
        return tuner(build_fn, LOSS, max_trials=max_trials, directory=tmp_path, seed=0, verbose=0, **settings).search()

    return play


def tried(study, name="x"):
    return [trial.values.get(name) for trial in study.trials]


def of(ask):
    """A build_fn that asks one question, and scores the answer by its length as a text."""
    return lambda hp: float(len(str(ask(hp))))


def choice(*options):
    return of(lambda hp: hp.choice("x", options))


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize("options", [(64, 128, 256), (64, 96, 128), (256, 64, 128)])
def test_an_option_that_is_added_anywhere_is_tried_and_the_others_not_again(search, tuner, options):
    search(choice(64, 128), tuner)

    study = search(choice(*options), tuner)

    assert sorted(tried(study)) == sorted(options)
    assert study.outside == ()


@pytest.mark.parametrize("tuner", TUNERS)
def test_trials_of_an_option_that_is_removed_stay_in_the_record_and_do_not_count(search, tuner):
    search(lambda hp: -float(hp.choice("x", [1, 2, 3])), tuner)

    study = search(lambda hp: -float(hp.choice("x", [1, 2, 4])), tuner)

    assert sorted(tried(study)) == [1, 2, 3, 4]
    assert tried(study)[3] == 4
    assert [trial.values["x"] for trial in study.outside] == [3]
    assert [trial.values["x"] for trial in study.leaderboard()] == [4, 2, 1]


def test_what_lies_in_a_narrower_and_a_wider_range_is_tried_once(search, tmp_path):
    def scored(low, high):
        return lambda hp: float(hp.int("x", low, high))

    assert tried(search(scored(2, 4))) == [2, 3, 4]
    narrowed = search(scored(3, 4))
    widened = search(scored(1, 5))

    assert tried(narrowed) == [2, 3, 4]
    assert (narrowed.best.values, [trial.number for trial in narrowed.outside]) == ({"x": 3}, [0])
    assert tried(widened) == [2, 3, 4, 1, 5]
    assert (widened.best.values, widened.outside) == ({"x": 1}, ())
    assert Study.open(tmp_path).leaderboard() == widened.leaderboard()


@pytest.mark.parametrize("tuner", [RandomSearch, BayesianOptimization])
def test_a_narrowed_continuous_range_holds_from_the_first_new_trial_and_old_ones_outside_do_not_count(search, tuner):
    def scored(low, high):
        return lambda hp: hp.float("x", low, high)

    before = search(scored(0.0, 1.0), tuner, max_trials=12)
    study = search(scored(0.5, 2.0), tuner, max_trials=12)

    outside = [trial.number for trial in before.trials if trial.values["x"] < 0.5]
    assert outside
    assert [trial.number for trial in study.outside] == outside
    assert len(study.trials) == 12 + len(outside)
    assert all(0.5 <= trial.values["x"] <= 2.0 for trial in study.trials[12:])
    assert study.best.values["x"] >= 0.5
    assert study.recommended.number not in outside
    assert len(study.leaderboard()) == 12


def test_a_grid_of_floats_takes_over_the_points_that_both_ranges_have(search):
    search(lambda hp: hp.float("x", 0.0, 1.0), points_per_axis=3)

    study = search(lambda hp: hp.float("x", 0.0, 2.0), points_per_axis=5)

    assert tried(study) == [0.0, 0.5, 1.0, 1.5, 2.0]


def relu(x):
    return x


def tanh(x):
    return x


def gelu(x):
    return x


@pytest.mark.parametrize("options", [(relu, gelu, tanh), (tanh, relu), (gelu, tanh, relu)])
def test_options_that_are_objects_are_found_by_their_names_wherever_they_stand_now(search, tmp_path, options):
    names = []

    def build_fn(given, hp):
        names.append(hp.choice("x", given).__name__)
        return float(len(names))

    search(partial(build_fn, [relu, tanh]))
    study = search(partial(build_fn, list(options)))

    labels = [str(trial.values["x"]).rpartition(".")[2] for trial in Study.open(tmp_path).trials]
    assert labels[:2] == ["relu", "tanh"]
    assert sorted(labels) == sorted({"relu", "tanh", *(option.__name__ for option in options)})
    assert study.outside == ()


def test_trials_of_an_object_that_is_no_longer_an_option_lie_outside_until_it_is_one_again(search):
    search(of(lambda hp: hp.choice("x", [relu, tanh, gelu]).__name__))

    without = search(of(lambda hp: hp.choice("x", [relu, gelu]).__name__))
    with_it = search(of(lambda hp: hp.choice("x", [tanh, relu, gelu]).__name__))

    assert [trial.number for trial in without.outside] == [1]
    assert (with_it.outside, len(with_it.trials)) == ((), 3)


def test_options_of_one_name_are_tried_again_where_nobody_can_tell_which_is_which(search):
    """Lambdas all have the name <lambda>."""
    first, second, third = (lambda: 1), (lambda: 2), (lambda: 3)
    search(lambda hp: float(hp.choice("x", [first, second])()))

    study = search(lambda hp: float(hp.choice("x", [first, third, second])()))

    assert [trial.score for trial in study.trials if not trial.is_outside] == [1.0, 3.0, 2.0]
    assert [trial.number for trial in study.outside] == [0, 1]


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_new_question_puts_the_trials_that_were_not_asked_it_outside(search, tuner):
    search(lambda hp: float(hp.choice("x", [1, 2])), tuner)

    study = search(lambda hp: float(hp.choice("x", [1, 2]) * hp.choice("y", [1, 10])), tuner)

    assert [trial.number for trial in study.outside] == [0, 1]
    assert sorted(trial.score for trial in study.leaderboard()) == [1.0, 2.0, 10.0, 20.0]
    assert len(study.trials) == 6


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_question_that_is_no_longer_asked_leaves_the_space(search, tuner):
    search(lambda hp: float(hp.choice("x", [1, 2]) * hp.choice("y", [1, 10])), tuner)

    study = search(lambda hp: float(hp.choice("x", [1, 2])), tuner)

    assert [parameter.name for parameter in study.space] == ["x"]
    assert len(study.outside) == 4
    assert sorted(trial.values["x"] for trial in study.leaderboard()) == [1, 2]

    again = search(lambda hp: float(hp.choice("x", [1, 2]) * hp.choice("y", [1, 10])), tuner)

    assert [trial.number for trial in again.outside] == [4, 5]
    assert len(again.trials) == 6


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_new_question_of_one_branch_is_noticed_before_the_space_counts_as_used_up(search, tuner):
    def build_fn(hp, momenta=()):
        score = 1.0 if hp.choice("optimizer", ["adam", "sgd"]) == "adam" else 5.0
        return score - hp.choice("momentum", momenta) if score > 2.0 and momenta else score

    search(build_fn, tuner)
    study = search(lambda hp: build_fn(hp, momenta=[0, 1, 2]), tuner)

    assert [trial.values for trial in study.outside] == [{"optimizer": "sgd"}]
    assert sorted(trial.score for trial in study.leaderboard()) == [1.0, 3.0, 4.0, 5.0]


def test_a_build_that_asked_nothing_does_not_end_every_later_search(search):
    assert len(search(lambda hp: 1.0).trials) == 1

    study = search(lambda hp: float(hp.choice("x", [1, 2])))

    assert tried(study) == [None, 1, 2]
    assert [trial.number for trial in study.outside] == [0]


def test_a_trial_that_failed_before_it_asked_does_not_end_a_search(search):
    def broken(hp):
        raise FailedTrial("not today")

    with pytest.raises(TooManyFailuresError):
        search(broken, RandomSearch, max_trials=1)

    study = search(choice(1, 2), RandomSearch)

    assert sorted(trial.values["x"] for trial in study.leaderboard()) == [1, 2]


def test_a_build_fn_that_asks_nothing_is_one_setting(search):
    search(lambda hp: 1.0)

    assert len(search(lambda hp: 2.0).trials) == 1


def test_an_unchanged_study_is_asked_with_one_trial_of_each_kind_and_nothing_is_written(search, tmp_path):
    calls = []

    def build_fn(hp):
        calls.append(hp.choice("x", list(range(20))))
        return float(calls[-1])

    search(build_fn, max_trials=6)
    journal = (tmp_path / "journal.jsonl").read_text()
    search(build_fn, max_trials=6)

    assert len(calls) == 7
    assert (tmp_path / "journal.jsonl").read_text() == journal


def test_the_users_exception_in_the_first_build_is_left_to_the_trials(search):
    search(choice(1, 2), max_trials=1)

    def build_fn(hp):
        raise RuntimeError("no build today")

    with pytest.raises(Exception, match="no build today"):
        search(build_fn)


def test_an_interrupted_trial_that_lies_outside_now_is_not_run_again(search):
    def build_fn(hp):
        if hp.choice("x", [1, 2, 3]) == 2:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        search(build_fn)

    study = search(choice(1, 3))

    assert [(trial.values["x"], trial.state.value) for trial in study.trials] == [
        (1, "completed"),
        (2, "interrupted"),
        (3, "completed"),
    ]


def test_a_range_that_changes_from_build_to_build_is_a_mistake_as_in_a_fresh_search(search):
    def build_fn(hp):
        return float(hp.int("y", 1, 10 * hp.choice("x", [1, 2])))

    with pytest.raises(RangeChangedError, match="y_ratio"):
        search(build_fn)
    with pytest.raises(RangeChangedError, match="y_ratio"):
        search(build_fn)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (lambda hp: hp.int("x", 1, 2), lambda hp: hp.float("x", 1.0, 2.0)),
        (lambda hp: hp.float("x", 1.0, 2.0), lambda hp: hp.choice("x", [1.0, 2.0])),
        (lambda hp: hp.boolean("x"), lambda hp: hp.choice("x", [False, True])),
    ],
)
def test_another_kind_under_the_same_name_is_refused(search, before, now):
    search(of(before), RandomSearch, max_trials=1)

    with pytest.raises(StudyMismatchError, match=r"holds another study: its \w+ 'x'.*this search's \w+ 'x'"):
        search(of(now), RandomSearch, max_trials=2)


@pytest.mark.parametrize(
    ("ask", "value"),
    [
        (lambda hp: hp.int("x", 1, 3), 2),
        (lambda hp: hp.choice("x", ["a", "bb", "ccc"]), "bb"),
        (lambda hp: hp.boolean("x"), True),
        (lambda hp: hp.float("x", 0.0, 1.0, step=0.5), 0.5),
    ],
)
def test_a_question_becomes_a_fixed_value_and_again_a_question(search, ask, value):
    whole = search(of(ask))
    held = search(of(lambda hp: hp.fixed("x", value)))
    again = search(of(ask))

    assert [trial.values["x"] for trial in held.trials if not trial.is_outside] == [value]
    assert len(whole.trials) == len(held.trials) == len(again.trials)
    assert again.outside == ()


def test_a_study_without_a_trial_inside_says_so(search, tmp_path):
    search(choice(1, 2))

    def never(hp):
        hp.choice("x", [3, 4])
        raise FailedTrial("no")

    with pytest.raises(NoScoreError, match=r"no trial of the study has a score \(2 outside the space, 2 failed\)"):
        search(never)
    with pytest.raises(NoResultError, match="2 outside the space, 2 failed"):
        Study.open(tmp_path).best  # noqa: B018


def test_the_progress_says_in_one_line_what_lies_outside(tmp_path, capsys):
    for options in ([1, 2, 3], [2, 3, 4]):
        GridSearch(choice(*options), LOSS, directory=tmp_path, seed=0).search()

    line = "1 of 3 trials lies outside the space as build_fn asks for it now: it stays in the record and doesn't count"
    assert capsys.readouterr().out.count(line) == 1


def test_max_trials_and_the_outsiders_are_counted_apart(search):
    search(choice(1, 2, 3, 4), max_trials=3)

    study = search(choice(2, 3, 4, 5), max_trials=3)

    assert tried(study) == [1, 2, 3, 4]


def test_an_enqueued_setting_of_an_outsider_is_new(tmp_path):
    GridSearch(choice(1, 2), LOSS, directory=tmp_path, seed=0, verbose=0).search()
    tuner = GridSearch(
        lambda hp: float(hp.choice("x", [1, 2]) + hp.choice("y", [0, 1])), LOSS, directory=tmp_path, seed=0, verbose=0
    )
    tuner.enqueue({"x": 2})

    study = tuner.search()

    assert study.trials[2].values["x"] == 2
    assert study.trials[2].notes == ("enqueued",)
    assert len(study.leaderboard()) == 4


def test_older_versions_pass_over_the_new_lines(search, tmp_path):
    search(choice(1, 2))
    search(lambda hp: float(hp.choice("y", [1, 2]) + hp.choice("x", [1, 2])))

    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    added = [line for line in lines if "differing" in line or "search" in line]
    assert {line["event"] for line in added} == {"note"}
    assert not any("trial" in line for line in added)


def test_numpy_options_and_changed_defaults_are_taken_as_they_are_now(search):
    search(lambda hp: float(hp.choice("x", np.array([1, 2]))))

    study = search(lambda hp: float(hp.choice("x", np.array([1, 2, 3]), default=3)))

    assert tried(study) == [1, 2, 3]


def test_a_mistake_in_the_new_space_is_told_before_anything_is_tried(search, tmp_path):
    search(choice(1, 2))

    with pytest.raises(SpaceError, match="low is greater than high"):
        search(lambda hp: float(hp.choice("x", [1, 2]) + hp.int("y", 3, 2)))

    assert len(Study.open(tmp_path).trials) == 2


def own_fit(trainings, options, *, asks_later=(), asks_first=()):
    """A function that trains by itself with Keras, and asks for something before and after that."""

    def build_fn(hp):
        for name in asks_first:
            hp.choice(name, [1, 2])
        rate = hp.choice("rate", options)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        history = model.fit(np.ones((8, 1)), np.ones((8, 1)), verbose=0)
        trainings.append(rate)
        for name in asks_later:
            hp.choice(name, [1, 2])
        return history

    return build_fn


def test_a_function_that_trains_by_itself_is_asked_without_its_training(search):
    trainings = []
    search(own_fit(trainings, [0.1, 0.2]))
    study = search(own_fit(trainings, [0.2, 0.3, 0.1]))
    narrowed = search(own_fit(trainings, [0.2, 0.3]))

    assert tried(study, "rate") == trainings == [0.1, 0.2, 0.3]
    assert [trial.number for trial in narrowed.outside] == [0]


def test_what_such_a_function_asks_after_its_training_is_not_taken_for_no_longer_asked(search):
    trainings = []
    before = search(own_fit(trainings, [0.1, 0.2], asks_later=["late"]))
    study = search(own_fit(trainings, [0.1, 0.2], asks_later=["late"]))

    assert study.outside == ()
    assert len(study.trials) == len(before.trials) == 4


@pytest.mark.parametrize("when", ["asks_first", "asks_later"])
def test_what_such_a_function_no_longer_asks_is_noticed(search, when):
    trainings = []
    search(own_fit(trainings, [0.1, 0.2], **{when: ["gone"]}))
    study = search(own_fit(trainings, [0.1, 0.2]))

    assert [parameter.name for parameter in study.space] == ["rate"]
    assert [trial.number for trial in study.outside] == [0, 1, 2, 3]
    assert tried(study, "rate")[4:] == [0.1, 0.2]


def x_then_y(hp):
    return float(hp.choice("x", [1, 2]) * hp.choice("y", [1, 2]))


def y_then_x(hp):
    return float(hp.choice("y", [1, 2, 3]) * hp.choice("x", [1, 2]))


def y_then_sometimes_x(hp):
    return float(hp.choice("x", [1, 2])) if hp.choice("y", [1, 2, 3]) != 3 else 0.0


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize(("build_fn", "added"), [(y_then_x, 2), (y_then_sometimes_x, 1)])
def test_questions_in_another_order_lead_to_the_same_settings(search, tuner, build_fn, added):
    search(x_then_y, tuner)

    study = search(build_fn, tuner)

    assert study.outside == ()
    assert len(study.trials) == 4 + added
    assert len({tuple(sorted(trial.values.items())) for trial in study.trials}) == 4 + added
    assert {next(iter(trial.values)) for trial in study.trials} == {"y"}


def when_one_of(allowed):
    def build_fn(hp):
        score = hp.choice("a", [1, 2, 3])
        with hp.when("a", allowed) as used:
            score += hp.choice("b", [10, 20]) if used else 0 * hp.choice("b", [10, 20])
        return float(score)

    return build_fn


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_declared_condition_that_changed_puts_the_trials_outside_that_it_concerns(search, tuner):
    search(when_one_of([1]), tuner)

    wider = search(when_one_of([1, 2]), tuner)

    assert [trial.values for trial in wider.outside] == [{"a": 2}]
    assert sorted(trial.score for trial in wider.leaderboard()) == [3.0, 11.0, 12.0, 21.0, 22.0]


@pytest.mark.parametrize(
    ("now", "values"),
    [
        (lambda hp: hp.int("x", 2, 8, step=2), [2, 4, 6, 8]),
        (lambda hp: hp.int("x", 2, 8, step=2, log=True), [2, 4, 8]),
        (lambda hp: hp.int("x", 1, 8, log=True), [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_another_step_or_scale_is_another_range(search, now, values):
    search(lambda hp: float(hp.int("x", 2, 8)))

    study = search(lambda hp: float(now(hp)))

    assert sorted(trial.values["x"] for trial in study.leaderboard()) == values
    assert len(study.trials) == len({2, 3, 4, 5, 6, 7, 8, *values})


def objects(options, low):
    return lambda hp: float(hp.int("y", low, 3) + len(hp.choice("x", options).__name__))


@pytest.mark.drill
def test_workers_try_the_new_space_too(search):
    def before(hp):
        return objects([relu, tanh], 1)(hp)

    def now(hp):
        return objects([gelu, tanh, relu], 2)(hp) + hp.choice("z", [0, 1])

    search(before)
    study = search(now, workers=2)

    assert [trial.number for trial in study.outside] == list(range(6))
    inside = [(str(trial.values["x"]), trial.values["y"], trial.values["z"]) for trial in study.leaderboard()]
    assert len(set(inside)) == len(inside) == 3 * 2 * 2
    assert {trial.score for trial in study.leaderboard()} == {4.0 + y + z for y in (2, 3) for z in (0, 1)}


def test_another_kind_in_a_branch_that_is_met_later_is_refused_too(search):
    def build_fn(hp, ask):
        return float(ask() if hp.choice("branch", list(range(12))) == 11 else 1)

    search(lambda hp: build_fn(hp, lambda: hp.int("x", 1, 2)))

    with pytest.raises((StudyMismatchError, RangeChangedError), match=r"int 'x' .*float 'x'"):
        search(lambda hp: build_fn(hp, lambda: hp.float("x", 1.0, 2.0, step=1.0)))


def test_a_space_that_is_changed_back_at_once_has_all_its_trials_again(search):
    search(choice(1, 2))
    study = search(lambda hp: float(hp.choice("x", [1, 2]) + hp.choice("y", [1, 2])), max_trials=1)
    assert len(study.outside) == 2

    again = search(choice(1, 2))

    assert [trial.number for trial in again.outside] == [2]
    assert len(again.trials) == 3


@pytest.mark.parametrize("tuner", [RandomSearch, BayesianOptimization])
def test_a_branch_that_is_changed_back_before_it_was_tried_counts_again(search, tuner):
    def branches(hp, names):
        if hp.choice("optimizer", ["adam", "sgd"]) == "sgd":
            return sum((hp.choice(name, [1, 2]) for name in names), start=hp.float("x", 0.0, 1.0))
        return hp.float("x", 0.0, 1.0)

    search(lambda hp: branches(hp, ()), tuner, max_trials=6)
    changed = search(lambda hp: branches(hp, ("momentum",)), tuner, max_trials=8)
    again = search(lambda hp: branches(hp, ()), tuner, max_trials=10)

    assert {trial.values["optimizer"] for trial in changed.outside} <= {"sgd"}
    assert not any(trial.number < 6 for trial in again.outside)
    assert all("momentum" in trial.values for trial in again.outside)


def test_trials_that_build_fn_was_not_asked_with_are_taken_to_be_like_others_of_the_same_parameters(
    search, monkeypatch
):
    monkeypatch.setattr(resumption, "MOST_BUILDS", 3)
    calls = []
    search(lambda hp: float(hp.int("x", 1, 9)))

    def build_fn(hp):
        calls.append(hp.int("x", 1, 9))
        return float(calls[-1] * hp.choice("y", [1, 2]))

    study = search(build_fn, RandomSearch, max_trials=1)

    assert len(calls) == 3 + 1
    assert [trial.number for trial in study.outside] == list(range(9))


def test_a_build_fn_that_takes_long_is_asked_for_a_while_only(tmp_path):
    def build_fn(hp):
        return float(hp.int("x", 1, 9))

    GridSearch(build_fn, LOSS, directory=tmp_path, seed=0, verbose=0).search()
    calls = []
    writer = StudyWriter.open(tmp_path, LOSS, 0, 0)
    reviewer = Reviewer(
        Shared(lambda hp: calls.append(build_fn(hp))), writer, clock=itertools.count(0.0, step=25.0).__next__
    )

    assert not reviewer.review()
    assert len(calls) == 2
    writer.close()


class OwnFit:
    """An object with a `fit` of its own, which asks for a batch size."""

    def __init__(self, units, batches):
        self.units, self.batches, self.trainings = units, batches, 0

    def build(self, hp):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(hp.choice("units", self.units))])
        model.add(keras.layers.Dense(1))
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, *args, **arguments):
        history = model.fit(*args, batch_size=hp.choice("batch", self.batches), **arguments)
        self.trainings += 1
        return history


def test_what_a_fit_of_its_own_asks_is_a_part_of_the_space_too(tmp_path):
    def searched(builder, **settings):
        tuner = GridSearch(builder, LOSS, directory=tmp_path, seed=0, verbose=0, **settings)
        return tuner.search(np.ones((8, 1)), np.ones((8, 1)))

    searched(OwnFit([1, 2], [4]))
    same, wider = OwnFit([1, 2], [4]), OwnFit([2, 3], [4, 8])
    unchanged = searched(same)
    study = searched(wider)
    held = searched(OwnFit([2, 3], [4, 8]), fixed={"batch": 8})

    assert (len(unchanged.trials), unchanged.outside, same.trainings) == (2, (), 0)
    assert [dict(trial.values) for trial in study.outside] == [{"units": 1, "batch": 4}]
    assert (len(study.trials), wider.trainings) == (5, 3)
    assert (len(held.trials), len(held.leaderboard())) == (5, 2)
