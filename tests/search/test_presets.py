"""`fixed=` and `space=`: parameters that are held at a value, or have another range, whatever build_fn asks."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    HyperParameters,
    Objective,
    PopulationBasedTraining,
    RandomSearch,
    SpaceError,
    Study,
    StudyMismatchError,
    Suggestion,
    Tuner,
)
from kerastune_lite.space import Boolean, Choice, Float, Int, Presets, Space

LOSS = Objective("loss", "min")
X = np.linspace(-1.0, 1.0, 40, dtype="float32")[:, None]
Y = 2.0 * X


def line(hp):
    """A linear model with two open choices."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=hp.choice("init", ["zeros", "ones"]))]
    )
    model.compile(keras.optimizers.SGD(hp.float("rate", 1e-4, 1.0, log=True)), "mse")
    return model


@pytest.fixture
def search(tmp_path):
    def play(build_fn, tuner=GridSearch, max_trials=None, **settings):
        return tuner(build_fn, LOSS, max_trials=max_trials, directory=tmp_path, seed=0, verbose=0, **settings).search()

    return play


def product(hp):
    """A function of two questions that trains nothing."""
    return float(hp.choice("x", [1, 2, 3]) * hp.int("y", 1, 3))


@pytest.mark.parametrize("tuner", [GridSearch, RandomSearch, BayesianOptimization])
def test_a_held_parameter_has_its_value_in_every_trial_and_the_others_are_searched(search, tuner):
    study = search(product, tuner, fixed={"y": 2})

    assert sorted(trial.values["x"] for trial in study.trials) == [1, 2, 3]
    assert {trial.values["y"] for trial in study.trials} == {2}
    assert study.space["y"].kind == "fixed"


@pytest.mark.parametrize(
    ("ask", "given", "answer"),
    [
        (lambda hp: hp.int("x", 0, 9), np.int64(4), 4),
        (lambda hp: hp.int("x", 0, 9), 4.0, 4),
        (lambda hp: hp.float("x", 0.0, 1.0), np.float32(0.5), 0.5),
        (lambda hp: hp.float("x", 0.0, 1.0, step=0.1), 0.1 + 0.2, 0.3),
        (lambda hp: hp.float("x", 0.0, 2.0), 1, 1.0),
        (lambda hp: hp.boolean("x"), np.bool_(False), False),
        (lambda hp: hp.choice("x", [None, (1, 2), "a"]), (1, 2), (1, 2)),
        (lambda hp: hp.choice("x", [None, (1, 2), "a"]), None, None),
        (lambda hp: hp.choice("x", [len, max]), max, max),
        (lambda hp: hp.fixed("x", 3), 3, 3),
        (lambda hp: hp.loguniform("x", 1e-3, 1.0), 0.1, 0.1),
    ],
)
def test_every_kind_can_be_held_and_answers_with_plain_values_of_its_own(ask, given, answer):
    hp = HyperParameters(presets=Presets(fixed={"x": given}))

    got = ask(hp)

    assert got == answer
    assert type(got) is type(answer)
    assert hp.values == {"x": answer}


def test_a_held_parent_decides_about_its_children():
    def ask(hp):
        hp.choice("optimizer", ["adam", "sgd"])
        with hp.when("optimizer", "sgd"):
            hp.float("momentum", 0.0, 1.0)
        with hp.when("optimizer", "adam"), hp.scope("adam"):
            hp.float("beta", 0.0, 1.0)

    hp = HyperParameters(presets=Presets(fixed={"optimizer": "adam", "momentum": 0.5, "adam/beta": 0.25}))
    ask(hp)

    assert hp.values == {"optimizer": "adam", "adam/beta": 0.25}


@pytest.mark.parametrize("value", [4, 0, "2", 1.5, True, None])
def test_a_value_outside_the_range_is_refused_before_anything_is_tried(search, tmp_path, value):
    with pytest.raises(
        SpaceError, match=r"fixed=\{'y': .*\}: .* is not one of the values of int 'y' \(low=1, high=3\)"
    ):
        search(product, fixed={"y": value})

    assert Study.open(tmp_path).trials == ()


def test_a_name_that_is_never_asked_for_is_refused_with_those_that_are(search, tmp_path):
    with pytest.raises(
        SpaceError, match=r"doesn't ask for 'learning_rat'\. Did you mean 'learning_rate'\?.*: learning_rate"
    ):
        search(lambda hp: hp.float("learning_rate", 0.0, 1.0), RandomSearch, 3, fixed={"learning_rat": 0.1})

    assert Study.open(tmp_path).trials == ()


@pytest.mark.parametrize("fixed", [["y"], "y", {1: 2}, 3])
def test_what_is_no_dict_of_names_is_refused_when_the_tuner_is_made(fixed):
    with pytest.raises(TypeError, match="fixed takes a dict from names of parameters to values"):
        GridSearch(product, LOSS, fixed=fixed)


def conditional(hp):
    """Asks for `momentum` with one of many options only."""
    if hp.choice("optimizer", list(range(12))) == 11:
        return hp.float("momentum", 0.0, 1.0)
    return hp.float("rate", 0.0, 1.0) if hp.values["optimizer"] == 3 else 1.0


def test_a_name_that_some_settings_lead_to_is_held_where_they_do(search):
    study = search(conditional, fixed={"momentum": 0.25, "rate": 0.5})

    assert [trial.values.get("momentum") for trial in study.trials] == [None] * 11 + [0.25]


def test_a_name_that_no_build_has_asked_for_is_told_at_the_end(tmp_path, capsys):
    GridSearch(
        conditional, LOSS, max_trials=4, directory=tmp_path, seed=0, fixed={"momentun": 0.25, "rate": 0.5}
    ).search()

    assert "fixed: no build has asked for 'momentun'" in capsys.readouterr().out


def test_a_parameter_is_held_and_then_no_longer_and_held_at_another_value(search):
    free = search(product)
    held = search(product, fixed={"y": 2})
    again = search(product)
    other = search(product, fixed={"y": 3, "x": 1})

    assert len(free.trials) == len(held.trials) == len(again.trials) == len(other.trials) == 9
    assert [trial.values["y"] for trial in held.leaderboard()] == [2, 2, 2]
    assert again.outside == ()
    assert [trial.values for trial in other.leaderboard()] == [{"x": 1, "y": 3}]


@pytest.mark.parametrize("value", [1, 2])
def test_an_enqueued_setting_may_say_what_is_held_and_nothing_else(tmp_path, value):
    tuner = GridSearch(product, LOSS, directory=tmp_path, seed=0, verbose=0, fixed={"y": 2})
    tuner.enqueue({"x": 3, "y": value})

    if value == 2:
        assert tuner.search().trials[0].values == {"x": 3, "y": 2}
    else:
        with pytest.raises(SpaceError, match="1 was given for 'y', which fixed= holds at 2"):
            tuner.search()


@pytest.mark.parametrize(
    "tuner", ["in this process", pytest.param("two workers", marks=pytest.mark.drill), "hyperband", "population"]
)
def test_every_way_to_search_holds_it(tmp_path, tuner):
    common = {"directory": tmp_path, "seed": 0, "verbose": 0, "fixed": {"rate": 0.01}}
    epochs = {"epochs": 2}
    if tuner == "hyperband":
        made, epochs = Hyperband(line, "loss", max_epochs=4, factor=2, **common), {}
    elif tuner == "population":
        made = PopulationBasedTraining(line, "loss", population=4, **common)
    else:
        made = RandomSearch(line, "loss", max_trials=2, workers=2 if tuner == "two workers" else 1, **common)

    study = made.search(X, Y, **epochs)

    assert {trial.values["rate"] for trial in study.trials} == {0.01}
    assert float(made.build({"init": "ones"}).optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    assert float(made.build(study.best).optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    assert float(made.retrain(X, Y).optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    assert made.confirm(n=1, repeats=1)[0].confirmations


@pytest.mark.drill
def test_an_object_that_is_held_is_the_same_one_in_workers(tmp_path):
    first, second = (lambda: 1.0), (lambda: 2.0)

    def build_fn(hp):
        hp.int("n", 1, 4)
        return hp.choice("function", [first, second])()

    tuner = RandomSearch(
        build_fn, LOSS, max_trials=2, directory=tmp_path, seed=0, verbose=0, workers=2, fixed={"function": second}
    )

    assert [trial.score for trial in tuner.search().trials] == [2.0, 2.0]


def test_two_ranges_for_one_name_stay_a_mistake_where_it_is_held(search):
    with pytest.raises(SpaceError, match="One name has one range"):
        search(lambda hp: hp.int("x", 1, 2) + hp.int("x", 1, 3), fixed={"x": 1})


def test_a_kind_that_was_changed_is_refused_where_it_is_not_held(search):
    search(product, max_trials=1, fixed={"y": 2})

    with pytest.raises(StudyMismatchError, match="int 'x'"):
        search(lambda hp: float(hp.int("x", 1, 3) * hp.int("y", 1, 3)), fixed={"y": 2})


def test_a_refused_value_changes_nothing_in_a_study_that_is_resumed(search, tmp_path):
    search(product)
    before = (tmp_path / "journal.jsonl").read_text()

    for fixed in ({"y": 4}, {"y": 2, "z": 1}):
        with pytest.raises(SpaceError, match="fixed="):
            search(product, fixed=fixed)

    assert (tmp_path / "journal.jsonl").read_text() == before


class Stubborn:
    """A strategy that chooses every value without a look at the space."""

    def suggest(self, space, trials, rng):
        return Suggestion({"x": 3, "y": 1 + len(trials) % 3})


def test_a_strategy_that_does_not_look_at_the_space_is_overruled(tmp_path):
    tuner = Tuner(
        product, LOSS, strategy=Stubborn(), max_trials=3, directory=tmp_path, seed=0, verbose=0, fixed={"y": 2}
    )

    assert [trial.values for trial in tuner.search().trials] == [{"x": 3, "y": 2}] * 3


@pytest.mark.parametrize("values", [{"x": 1, "y": 1}, {"y": 3}])
def test_a_model_of_another_value_is_not_built(tmp_path, values):
    tuner = GridSearch(product, LOSS, directory=tmp_path, seed=0, verbose=0, fixed={"y": 2})

    with pytest.raises(SpaceError, match=r"was given for 'y', which fixed= holds at 2\. Leave it out"):
        tuner.build(values)


@pytest.mark.parametrize("tuner", [GridSearch, RandomSearch, BayesianOptimization])
def test_a_range_in_space_takes_the_place_of_that_in_build_fn_from_the_first_trial_on(search, tuner):
    study = search(product, tuner, space=[Choice(name="x", options=(2, 5)), Int(name="y", low=3, high=4)])

    assert sorted(tuple(trial.values.values()) for trial in study.trials) == [(2, 3), (2, 4), (5, 3), (5, 4)]
    assert [trial.score for trial in study.trials] == [trial.values["x"] * trial.values["y"] for trial in study.trials]


def test_hyperband_trains_in_a_range_of_space(tmp_path):
    tuner = Hyperband(
        line, LOSS, max_epochs=2, factor=2, directory=tmp_path, seed=0, verbose=0,
        space=[Float(name="rate", low=0.01, high=0.02, log=True)],
    )  # fmt: skip
    study = tuner.search(X, Y)

    assert all(0.01 <= trial.values["rate"] <= 0.02 for trial in study.trials)
    assert tuner.best_model().optimizer.learning_rate.numpy() == pytest.approx(study.best.values["rate"])


def test_space_may_be_a_function_of_hp_and_what_another_tuner_gives_back(tmp_path, search):
    narrow = GridSearch(product, LOSS, directory=tmp_path / "narrow", verbose=0, space=lambda hp: hp.int("y", 2, 3))
    assert str(narrow.space()) == "choice 'x' (one of 1, 2, 3)\nint 'y' (low=2, high=3)"

    study = search(product, space=narrow.space())

    assert {trial.values["y"] for trial in study.trials} == {2, 3}
    assert len(study.trials) == 6


def test_others_are_held_at_their_defaults_on_request(search):
    def build_fn(hp):
        return hp.float("a", 0.0, 1.0, default=0.25) + hp.choice("b", [8.0, 9.0]) + hp.int("c", 1, 5)

    study = search(build_fn, space=[Int(name="c", low=2, high=4)], others="default")

    assert [trial.values for trial in study.trials] == [{"a": 0.25, "b": 8.0, "c": c} for c in (2, 3, 4)]


def test_others_are_refused_on_request_before_anything_is_tried(search, tmp_path):
    with pytest.raises(SpaceError, match=r"asks for int 'y' \(low=1, high=3\), which neither space= nor fixed= has"):
        search(product, fixed={"x": 1}, others="refuse")

    assert not Study(tmp_path).trials


def test_a_held_value_lies_in_the_range_of_space(search):
    space = [Int(name="y", low=5, high=6)]

    assert {trial.values["y"] for trial in search(product, space=space, fixed={"y": 5}).trials} == {5}
    with pytest.raises(SpaceError, match="2 is not one of the values of int 'y' \\(low=5, high=6\\)"):
        search(product, space=space, fixed={"y": 2})


@pytest.mark.parametrize(
    ("ask", "preset", "value"),
    [
        (lambda hp: hp.int("p", 1, 9), Choice(name="p", options=(4, 4096)), 4),
        (lambda hp: hp.float("p", 0.0, 1.0), Int(name="p", low=3, high=4), 3.0),
        (lambda hp: hp.float("p", 0.0, 1.0), Choice(name="p", options=(0, 0.5)), 0.0),
        (lambda hp: hp.choice("p", ["a", "b"]), Choice(name="p", options=("c", None)), "c"),
        (lambda hp: hp.choice("p", [32, 64]), Int(name="p", low=32, high=64), 32),
        (lambda hp: hp.boolean("p"), Choice(name="p", options=(True,)), True),
        (lambda hp: hp.normal("p", 0.0, 1.0), Float(name="p", low=-1.0, high=1.0), -1.0),
    ],
)
def test_a_range_of_another_kind_answers_with_the_type_that_build_fn_asks_for(ask, preset, value):
    got = ask(HyperParameters(presets=Presets(ranges=Space([preset]))))

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("ask", "preset"),
    [
        (lambda hp: hp.int("p", 1, 9), Float(name="p", low=1.0, high=9.0)),
        (lambda hp: hp.int("p", 1, 9), Choice(name="p", options=(1, 2.5))),
        (lambda hp: hp.int("p", 1, 9), Boolean(name="p")),
        (lambda hp: hp.float("p", 0.0, 1.0), Choice(name="p", options=(0.5, "auto"))),
        (lambda hp: hp.boolean("p"), Int(name="p", low=0, high=1)),
    ],
)
def test_a_range_with_values_that_build_fn_cant_use_is_refused(search, ask, preset):
    with pytest.raises(SpaceError, match=r"space= has .* 'p' .* where build_fn asks for .* can't use all"):
        search(lambda hp: float(ask(hp)), space=[preset])


def test_conditions_and_defaults_are_those_of_build_fn(tmp_path):
    def build_fn(hp):
        optimizer = hp.choice("optimizer", ["sgd", "adam"], default="sgd")
        with hp.when("optimizer", "sgd"):
            momentum = hp.float("momentum", 0.0, 0.9, default=0.5)
        return momentum if optimizer == "sgd" else 1.0

    tuner = RandomSearch(
        build_fn, LOSS, max_trials=6, directory=tmp_path, seed=0, verbose=0,
        space=[Float(name="momentum", low=0.4, high=0.6)],
    )  # fmt: skip
    study = tuner.search()

    assert study.trials[0].values == {"optimizer": "sgd", "momentum": 0.5}
    assert {("momentum" in trial.values) for trial in study.trials if trial.values["optimizer"] == "adam"} == {False}
    assert all(0.4 <= trial.values.get("momentum", 0.5) <= 0.6 for trial in study.trials)


def test_a_name_in_space_that_build_fn_doesnt_ask_for_is_refused_with_the_one_that_is_near(search):
    with pytest.raises(SpaceError, match=r"space= has 'yy': build_fn doesn't ask for 'yy'\. Did you mean 'y'\?"):
        search(product, space=[Int(name="yy", low=1, high=2)])


def test_a_search_goes_on_in_a_range_of_space_and_counts_only_what_lies_in_it(search):
    whole = search(product)
    narrowed = search(product, space=[Int(name="y", low=3, high=4)])

    assert len(whole.trials) == 9
    assert len(narrowed.trials) == 12
    assert {trial.values["y"] for trial in narrowed.outside} == {1, 2}
    assert narrowed.best.values == {"x": 1, "y": 3}


@pytest.mark.parametrize("space", [5, {"y": (1, 2)}, ["y"], [Int(name="y", low=1, high=2), None], "y"])
def test_what_is_no_space_is_refused_with_an_example(space):
    with pytest.raises(TypeError, match=r"space takes parameters of kerastune_lite\.space, such as"):
        GridSearch(product, LOSS, space=space)


def test_a_name_twice_and_an_unknown_word_for_the_others_are_refused():
    with pytest.raises(SpaceError, match="space= has two parameters of the name 'y'"):
        GridSearch(product, LOSS, space=[Int(name="y", low=1, high=2), Int(name="y", low=3, high=4)])
    with pytest.raises(ValueError, match=r"others has to be 'tune', 'default' or 'refuse'\. Received: 'ignore'"):
        GridSearch(product, LOSS, others="ignore")
