"""What hp doesn't have, or doesn't take, is told with what was meant, and ends a search at its first trial."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from kerastune_lite import GridSearch, HyperParameters, SpaceError, UnknownNameError, WrongCallError


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Choice", "choice"),
        ("chioce", "choice"),
        ("Int", "int"),
        ("Boolean", "boolean"),
        ("FLOAT", "float"),
        ("suggest_float", "float"),
        ("suggest_categorical", "choice"),
        ("conditional_scope", "when"),
        ("bool", "boolean"),
        ("log_uniform", "loguniform"),
    ],
)
def test_an_unknown_name_on_hp_is_told_with_the_one_that_was_meant(name, meant):
    with pytest.raises(UnknownNameError, match=rf"no hp\.{name}: did you mean hp\.{meant}\? hp has: .*choice, .*when"):
        getattr(HyperParameters(), name)


def test_a_name_like_no_other_is_told_with_all_that_there_are():
    with pytest.raises(SpaceError, match=r"There is no hp\.zzz\. hp has: ask, asked, boolean, choice, "):
        _ = HyperParameters().zzz


def test_hp_may_be_asked_what_it_has_and_be_copied_and_pickled():
    hp = HyperParameters({"units": 8})
    hp.choice("units", [4, 8])

    assert not hasattr(hp, "Choice")
    assert not hasattr(hp, "__array__")
    assert getattr(hp, "numpy", None) is None
    for other in (copy.copy(hp), copy.deepcopy(hp), pickle.loads(pickle.dumps(hp))):
        assert other.values == {"units": 8}


WRONG_CALLS = {
    "bare options": (lambda hp: hp.choice("u", 32, 64), r"Give the options as one list: hp.choice\('u', \[32, 64\]\)"),
    "no options": (lambda hp: hp.choice("u"), r"'values'. Call it as hp.choice\(name, values, weights=…, default=…\)"),
    "one bound": (lambda hp: hp.float("rate", 0.1), r"'high'. Call it as hp.float\(name, low, high, step=None, log="),
    "other words": (lambda hp: hp.int("u", min_value=1, max_value=9), "did you mean low.* did you mean high.*hp.int"),
    "another scale": (lambda hp: hp.float("r", 1e-4, 1, sampling="log"), "For sampling did you mean log=True"),
    "a slip": (lambda hp: hp.int("u", 1, 9, stpe=2), r"For stpe did you mean step\? Call it as hp.int"),
    "a scope": (lambda hp: hp.scope(), r"Call it as hp.scope\(prefix\)"),
}


@pytest.mark.parametrize(("ask", "told"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_is_told_with_the_right_one(ask, told):
    with pytest.raises(WrongCallError, match=told):
        ask(HyperParameters())


def test_a_type_error_of_the_users_own_is_left_as_it_is():
    hp = HyperParameters()

    with pytest.raises(TypeError, match="unsupported operand") as caught, hp.scope("block"):
        _ = hp.int("u", 1, 9) + "1"
    assert not isinstance(caught.value, SpaceError)


NO_OPTIONS = {
    "a text": ("relu", r"hp.choice\('u', 'relu'\): the options are one text, not a list \(str\). Pass \['relu', …\]"),
    "a number": (32, r"one value, not a list \(int\). Pass \[32, …\]"),
    "None": (None, r"one value, not a list \(NoneType\)"),
    "a dict": ({"a": 1}, r"a dict \(dict\). Pass list\(…\) for its keys, as in options\[hp.choice\('u', list"),
    "a set": ({1, 2}, r"a set, .* Pass a list"),
    "a generator": ((n for n in (1, 2)), r"an iterator, .* Pass list"),
}


@pytest.mark.parametrize(("options", "told"), NO_OPTIONS.values(), ids=NO_OPTIONS)
def test_options_that_are_no_sequence_are_refused_with_the_right_call(options, told):
    with pytest.raises(SpaceError, match=told):
        HyperParameters().choice("u", options)


@pytest.mark.parametrize("options", [[1, 2], (1, 2), range(1, 3), np.array([1, 2]), {1: "a", 2: "b"}.keys()])
def test_any_sequence_of_options_is_taken(options):
    assert HyperParameters().choice("u", options) == 1


@pytest.mark.parametrize("ask", [lambda hp: hp.Choice("u", [1, 2]), WRONG_CALLS["one bound"][0]])
def test_a_misuse_of_hp_ends_the_search_at_its_first_trial(ask, tmp_path):
    tuner = GridSearch(lambda hp: float(ask(hp)), "loss", directory=tmp_path, verbose=0)

    with pytest.raises(SpaceError):
        tuner.search()
    assert [trial.state.value for trial in tuner.study.trials] == ["interrupted"]
