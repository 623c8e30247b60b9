"""How studies, trials, tuners and hp tell what they are: one line each, and a small, safe fragment in a notebook."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kerastune_lite import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    HyperParameters,
    Objective,
    PopulationBasedTraining,
    RandomSearch,
    Study,
    Trial,
    TrialState,
)
from kerastune_lite.space import Choice, Float, Space
from kerastune_lite.study.trial import Note, TrialFailure

HOSTILE = "<script>alert('&')</script>\"\x1b[2J\u202e\udce9"
LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")
TUNERS = {
    "grid": lambda build_fn, **settings: GridSearch(build_fn, "loss", **settings),
    "random": lambda build_fn, **settings: RandomSearch(build_fn, "loss", **settings),
    "bayesian": lambda build_fn, **settings: BayesianOptimization(build_fn, "loss", **settings),
    "hyperband": lambda build_fn, **settings: Hyperband(build_fn, "loss", max_epochs=9, **settings),
    "population": lambda build_fn, **settings: PopulationBasedTraining(build_fn, "loss", **settings),
}


def trial_of(number, score=0.5, state=TrialState.COMPLETED, values=None, epochs=3, **fields):
    curve = tuple({"loss": 1.0 / (epoch + 1), "val_loss": 1.0 / (epoch + 2)} for epoch in range(epochs))
    known = {"units": 8 * number, "rate": 0.01 / (number + 1)} if values is None else values
    return Trial(
        number=number,
        state=state,
        score=score,
        values=known,
        curves=(curve,),
        best_epoch=epochs - 1,
        seconds=1.5,
        **fields,
    )


def failed(number, message="no memory", **fields):
    error = TrialFailure(type="ValueError", message=message, traceback=f"Traceback\n{message}")
    return trial_of(number, None, TrialState.FAILED, error=error, **fields)


def study_of(trials, objective=LOSS, directory="runs/digits", space=()):
    return Study(Path(directory), objective, 0, Space(space), {trial.number: trial for trial in trials})


def many(count, parameters=2, epochs=3):
    values = [{f"parameter {place}": number * place / 7 for place in range(parameters)} for number in range(count)]
    return study_of([trial_of(n, 1.0 + math.sin(n), values=values[n], epochs=epochs) for n in range(count)])


def html_of(thing):
    """The fragment, read by a parser of XML, which bears no tag that isn't closed and nothing that isn't escaped."""
    fragment = thing._repr_html_()
    assert not re.search(r"<(script|style|link|img|iframe)|\bid=|https?:|\bon\w+=", fragment, re.IGNORECASE)
    fragment.encode("utf-8")
    return ElementTree.fromstring(fragment)


def shown(thing):
    return " ".join(" ".join(html_of(thing).itertext()).split())


def rows_of(thing, table=0):
    found = html_of(thing).findall(".//table")[table]
    return [["".join(cell.itertext()) for cell in row] for row in found.iter("tr")]


# One line each


def test_a_study_tells_its_place_its_counts_and_its_best_in_one_line():
    study = study_of([trial_of(0, 0.5), trial_of(1, 0.25), failed(2), trial_of(3, None, TrialState.RUNNING)])

    assert repr(study) == (
        "<Study 'runs/digits': 4 trials (2 completed, 1 failed, 1 unfinished), best val_loss 0.25 (trial 1)>"
    )


def test_a_study_without_trials_or_objective_tells_that_there_are_none():
    assert repr(study_of([], objective=None)) == "<Study 'runs/digits': 0 trials>"


def test_a_trial_tells_its_state_its_score_and_its_setting():
    assert repr(trial_of(4)) == "<Trial 4: completed, score 0.5 (epoch 3/3), units=32 rate=0.002>"
    assert repr(failed(5)) == "<Trial 5: failed (ValueError), units=40 rate=0.001667>"
    assert repr(Trial(number=0)) == "<Trial 0: running>"


def test_a_leaderboard_tells_how_many_trials_it_has_and_prints_as_a_table():
    board = study_of([trial_of(0, 0.5), trial_of(1, 0.25)]).leaderboard()

    assert repr(board) == "<Leaderboard of 2 trials, best 0.25 (trial 1)>"
    assert str(board).splitlines()[0].split() == ["rank", "trial", "val_loss", "epoch", "seconds", "values"]


def test_hp_tells_the_values_that_were_asked_for():
    hp = HyperParameters({"units": 64})
    hp.int("units", 16, 128)
    hp.choice("activation", ["relu", "gelu"])

    assert repr(HyperParameters()) == "<HyperParameters {}>"
    assert repr(hp) == "<HyperParameters {'units': 64, 'activation': 'relu'}>"


@pytest.mark.parametrize("kind", TUNERS)
def test_every_tuner_tells_its_kind_and_its_settings_before_and_after_a_search(tmp_path, kind):
    tuner = TUNERS[kind](build_iris_loss, directory=tmp_path / "study", workers=2)

    assert repr(tuner).startswith(f"<{type(tuner).__name__}: build_fn ")
    assert repr(tuner).endswith("study, workers 2>")
    assert "no study yet: call search(…)" in shown(tuner)


def build_iris_loss(hp):
    return {"loss": hp.float("rate", 0.0, 1.0)}


def test_a_tuner_shows_its_study_once_there_is_one(tmp_path):
    tuner = RandomSearch(build_iris_loss, "loss", directory=tmp_path, max_trials=3, seed=0, verbose=0)
    tuner.search()

    assert "3 trials: 3 completed" in shown(tuner)


def test_a_tuner_whose_study_cannot_be_read_says_why(tmp_path):
    (tmp_path / "journal.jsonl").write_text('{"event": "study", "version": 99}\n')

    assert "version" in shown(RandomSearch(build_iris_loss, "loss", directory=tmp_path))


# However large or hostile


@pytest.mark.parametrize(
    "thing",
    [
        many(10_000),
        many(10_000).leaderboard(),
        many(1, parameters=500).trials[0],
        many(3, parameters=500),
        many(1, epochs=5_000).trials[0],
        trial_of(0, values={HOSTILE * 50: HOSTILE * 50}, notes=(Note(HOSTILE * 500),) * 500),
        failed(0, message=HOSTILE * 10_000),
        study_of([trial_of(0)], directory="folder/" * 200),
    ],
    ids=[
        "study",
        "leaderboard",
        "many parameters",
        "study of many parameters",
        "many epochs",
        "long texts",
        "long error",
        "long path",
    ],
)
def test_whatever_is_large_is_told_in_one_short_line_and_shown_by_a_small_fragment(thing):
    assert len(repr(thing)) < 400
    assert "\n" not in repr(thing)
    assert len(thing._repr_html_()) < 60_000


def test_hp_with_many_parameters_is_told_in_one_short_line_and_shown_by_a_small_fragment():
    hp = HyperParameters()
    for number in range(500):
        hp.choice(f"parameter {number} {HOSTILE * 10}", [HOSTILE * 100, number])

    assert len(repr(hp)) < 600
    assert len(html_of(hp).findall(".//tr")) < 50


def test_names_values_and_errors_are_shown_letter_by_letter():
    space = [Choice(name=HOSTILE, options=(HOSTILE, "b")), Float(name="rate", low=0.0, high=1.0)]
    study = study_of([trial_of(0, values={HOSTILE: HOSTILE}), failed(1, message=HOSTILE)], space=space)
    hp = HyperParameters({HOSTILE: HOSTILE})
    hp.choice(HOSTILE, [HOSTILE])

    for thing in (study, study.leaderboard(), *study.trials, hp):
        assert "<script>alert('&')</script>" in shown(thing), thing
        assert not set("\x1b\u202e\udce9") & set(shown(thing) + repr(thing))


# What is shown


def test_a_leaderboard_is_a_table_with_a_column_a_parameter_that_is_empty_where_it_was_not_asked_for():
    board = study_of([trial_of(0, 0.5, values={"a": 1, "b": "x"}), trial_of(1, 0.25, values={"a": 2})]).leaderboard()

    assert rows_of(board) == [
        ["rank", "trial", "val_loss", "epoch", "seconds", "a", "b"],
        ["1", "1", "0.25", "3/3", "1.5", "2", ""],
        ["2", "0", "0.5", "3/3", "1.5", "1", "x"],
    ]


def test_of_many_parameters_those_that_vary_have_columns():
    def setting(number):
        return {f"p{place}": number if place % 10 == 9 else 0 for place in range(60)}

    board = study_of([trial_of(number, values=setting(number)) for number in range(3)]).leaderboard()

    columns = rows_of(board)[0][5:]
    assert {"p9", "p19", "p29", "p39", "p49", "p59"} < set(columns)
    assert "and 48 more parameters" in shown(board)


def test_a_trial_shows_its_metrics_at_its_best_epoch_and_its_error():
    assert ["val_loss", "0.25", "val_loss over 3 epochs"] in rows_of(trial_of(0), table=2)
    assert "ValueError: no memory" in html_of(failed(0)).find(".//details/summary").text


def test_a_study_shows_its_best_trials_its_counts_and_its_last_failure():
    told = shown(study_of([trial_of(0, 0.5), trial_of(1, 0.25), failed(2), failed(3, "too large")]))

    assert "objective val_loss (min) · 4 trials: 2 completed, 2 failed" in told
    assert "last failure: ValueError: too large" in told


def test_trials_that_no_search_runs_any_more_are_shown_as_interrupted(tmp_path):
    assert "1 interrupted" in shown(study_of([trial_of(0, None, TrialState.RUNNING)], directory=tmp_path))


@pytest.mark.parametrize(("objective", "best"), [(LOSS, 0.1), (ACCURACY, 0.9)])
def test_the_curve_of_the_best_score_so_far_ends_at_the_best(objective, best):
    study = study_of([trial_of(n, score) for n, score in enumerate([0.5, 0.1, 0.9, 0.4])], objective)

    (picture,) = html_of(study).findall(".//svg")
    number = [0.5, 0.1, 0.9, 0.4].index(best)
    assert picture.find("title").text == f"best {objective.name} so far: {best}, reached by trial {number} of 0 to 3"
    dots, steps, mark = (path.get("d") for path in picture.findall("path"))
    assert dots.count("M") == 4
    # The best score is at the edge of the picture: above where more is better. The line stays there to the right end.
    height = "100" if objective is LOSS else "0"
    assert steps.endswith(f"L100 {height}")
    assert mark.split()[1] == f"{height}h0"


def test_scores_that_are_far_worse_do_not_flatten_the_curve():
    study = study_of([trial_of(n, score) for n, score in enumerate([1e9, 0.5, 0.45, 0.4, 0.44, 0.42, 0.41])])

    heights = [
        float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", html_of(study).find(".//svg").findall("path")[0].get("d"))
    ]
    assert heights[0] == 0.0
    assert max(heights[1:]) - min(heights[1:]) > 10


@pytest.mark.parametrize("scores", [[], [None, None], [0.5], [math.nan, math.inf], [0.5, 0.5, 0.5]], ids=str)
def test_studies_with_few_or_no_scores_are_shown(scores):
    study = study_of([trial_of(n, score) for n, score in enumerate(scores)])

    assert "nan" not in "".join(path.get("d") for path in html_of(study).iter("path"))


def test_a_study_of_an_unknown_direction_is_shown():
    study = study_of([trial_of(0)], Objective("mine"))

    assert "mine (direction not known yet)" in shown(study)


def test_hp_shows_each_value_with_its_range():
    hp = HyperParameters({"units": 64})
    hp.int("units", 16, 128, log=True)

    assert rows_of(hp)[1:] == [["units", "64", "int (low=16, high=128, log=True)"]]
    assert "nothing yet" in shown(HyperParameters())


def test_a_prediction_is_told_and_shown_with_few_digits():
    from kerastune_lite.strategies.bayesian.predictions import Prediction

    prediction = Prediction(mean=1 / 3, deviation=1 / 30, expected_improvement=1 / 300)

    assert repr(prediction) == "Prediction(mean=0.33333, deviation=0.033, expected_improvement=0.0033)"
    assert rows_of(prediction)[0] == ["expected score", "0.33333"]


def test_a_search_can_show_hp_while_a_model_is_built(tmp_path):
    told = []

    def build_fn(hp):
        loss = hp.float("rate", 0.0, 1.0)
        told.append(shown(hp))
        return {"loss": loss}

    RandomSearch(build_fn, "loss", directory=tmp_path, max_trials=2, seed=0, verbose=0).search()

    assert all("rate" in text for text in told)
    assert len(set(told)) > 1
