"""A study: the fold of its events, and what a person asks it."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys

import pytest

from kerastune_lite import GridSearch, NoResultError, Objective, Study, StudyError, Trial, TrialState
from kerastune_lite.space import Boolean, Choice, Float, Space
from kerastune_lite.study.journal import Reading
from kerastune_lite.study.labels import values_to_json
from kerastune_lite.views.overview import overview

TIME = "2026-01-01T00:00:00+00:00"


def study_of(tmp_path, *events, objective="accuracy", direction="max"):
    study = {"event": "study", "objective": objective, "direction": direction, "seed": 1}
    return Study.of_events(tmp_path, Reading([{"time": TIME, **line} for line in (study, *events)]))


def ended(number, score, state="completed", **values):
    return {"event": "end", "trial": number, "state": state, "score": score, "values": values}


def test_a_trial_is_what_its_events_tell(tmp_path):
    study = study_of(
        tmp_path,
        {"event": "begin", "trial": 0, "values": {"x": 1}, "attempt": 2, "seed": 7, "notes": ["enqueued"]},
        {"event": "epoch", "trial": 0, "epoch": 0, "logs": {"accuracy": 0.5}},
        {"event": "epoch", "trial": 0, "epoch": 1, "logs": {"accuracy": 0.7}},
    )
    trial = study.trials[0]

    assert (trial.state, trial.attempts, trial.seed, trial.notes) == (TrialState.RUNNING, 2, 7, ("enqueued",))
    assert [logs["accuracy"] for logs in trial.curve] == [0.5, 0.7]


def test_a_lost_epoch_leaves_a_hole_so_that_others_keep_their_place(tmp_path):
    study = study_of(tmp_path, {"event": "epoch", "trial": 0, "epoch": 2, "logs": {"loss": 1.0}})

    assert study.trials[0].curve == ({}, {}, {"loss": 1.0})


def test_a_trial_that_is_begun_again_starts_anew(tmp_path):
    begin = {"event": "begin", "trial": 0, "values": {}}
    study = study_of(tmp_path, begin, {"event": "epoch", "trial": 0, "epoch": 0, "logs": {}}, begin)

    assert study.trials[0].curve == ()


def test_the_runs_of_a_trial_have_curves_of_their_own(tmp_path):
    epochs = [{"event": "epoch", "trial": 0, "epoch": 0, "run": run, "logs": {"loss": float(run)}} for run in (0, 1)]
    study = study_of(tmp_path, *epochs, {**ended(0, 0.5), "scores": [1.0, 0.0], "best_run": 1})

    assert study.trials[0].curves == (({"loss": 0.0},), ({"loss": 1.0},))
    assert study.trials[0].curve == ({"loss": 1.0},)
    assert study.trials[0].spread == pytest.approx(2**-0.5)


@pytest.mark.parametrize(("direction", "order"), [("max", [2, 0, 1]), ("min", [1, 0, 2])])
def test_the_leaderboard_follows_the_direction_and_leaves_out_what_has_no_score(tmp_path, direction, order):
    events = [ended(0, 0.5), ended(1, 0.1), ended(2, 0.9), ended(3, None, "failed"), ended(4, 9.0, "interrupted")]
    study = study_of(tmp_path, *events, direction=direction)

    assert [trial.number for trial in study.leaderboard()] == order
    assert study.leaderboard(1) == (study.best,)


def test_the_earlier_of_equal_trials_comes_first(tmp_path):
    assert study_of(tmp_path, ended(1, 0.5), ended(0, 0.5)).best.number == 0


def test_a_study_without_a_score_says_what_it_has(tmp_path):
    with pytest.raises(NoResultError, match=r"\(1 failed\)"):
        _ = study_of(tmp_path, ended(0, None, "failed")).best


def test_a_strategy_is_asked_with_scores_to_minimise(tmp_path):
    event = {**ended(0, 0.5), "scores": [0.4, 0.6]}

    assert [(t.score, t.scores) for t in study_of(tmp_path, event).to_minimise()] == [(-0.5, (-0.4, -0.6))]
    assert study_of(tmp_path, event, direction="min").to_minimise()[0].score == 0.5


def test_a_leaderboard_prints_as_a_table(tmp_path):
    epoch = {"event": "epoch", "trial": 0, "epoch": 0, "logs": {}}
    told = str(
        study_of(tmp_path, epoch, {**ended(0, 0.51234567, x=0.1, y="a"), "best_epoch": 0, "seconds": 2}).leaderboard()
    )

    assert told.splitlines()[0].split() == ["rank", "trial", "accuracy", "epoch", "seconds", "values"]
    assert told.splitlines()[1].split() == ["1", "0", "0.51235", "1/1", "2.0", "x=0.1", "y=a"]
    assert str(study_of(tmp_path).leaderboard()) == "no trial has a score yet"


def test_options_that_are_objects_are_labels_until_the_space_has_them(tmp_path):
    space = Space([Choice(name="f", options=(len, None, (1, 2)))])
    values = values_to_json({"f": len}, space)
    study = study_of(
        tmp_path,
        {"event": "parameter", **space["f"].describe()},
        {**ended(0, 1.0), "values": values},
        {**ended(1, 0.5, f=None)},
    )

    assert values == {"f": {"choice": 0, "label": "builtins.len"}}
    assert study.trial(0).values == {"f": "builtins.len"}
    assert study.with_space(space).trial(0).values["f"] is len
    assert study.trial(1).values == {"f": None}


def test_a_tuple_comes_back_as_a_tuple(tmp_path):
    space = Space([Choice(name="kernel", options=((3, 3), (5, 5)))])
    values = values_to_json({"kernel": (5, 5)}, space)
    study = study_of(
        tmp_path, {"event": "parameter", **space["kernel"].describe()}, {**ended(0, 1.0), "values": values}
    )

    assert study.trial(0).values == {"kernel": (5, 5)}


def test_a_parameter_named_like_a_column_is_told_apart_in_the_dataframe(tmp_path):
    frame = study_of(tmp_path, ended(0, 0.5, seed=3, x=1), ended(1, 0.6, x=2)).to_dataframe()

    assert frame["values.seed"].tolist()[0] == 3
    assert frame["x"].tolist() == [1, 2]
    assert frame["number"].tolist() == [0, 1]


def test_without_pandas_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'kerastune_lite\[pandas\]'"):
        study_of(tmp_path).to_dataframe()


def test_a_directory_without_a_study_is_told(tmp_path):
    with pytest.raises(StudyError, match=r"There is no study in .*Check the path"):
        Study.open(tmp_path / "nowhere")


def test_a_study_is_not_made_of_the_name_of_its_directory():
    with pytest.raises(StudyError, match=r"Write Study\.open\('runs/digits'\)"):
        Study("runs/digits")


def test_a_study_of_a_thousand_trials_is_read(tmp_path):
    space = Space([Boolean(name="a"), Float(name="b", low=0.0, high=1.0)])
    events = [ended(number, 1.0 / (1 + number), a=True, b=0.5) for number in range(1000)]

    assert study_of(tmp_path, *({"event": "parameter", **p.describe()} for p in space), *events).best.number == 0


def show(directory):
    command = [sys.executable, "-m", "kerastune_lite.cli", "show", directory]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def searched(tmp_path):
    def build_fn(hp):
        if hp.choice("units", [4, 8, 16]) == 8:
            raise ValueError("eight is unlucky")
        return 1.0 / hp["units"]

    GridSearch(build_fn, directory=tmp_path, verbose=0).search()
    return tmp_path


def test_show_tells_the_leaderboard_and_the_failures(searched):
    told = show(searched).stdout

    assert "trials     3: 2 completed, 1 failed" in told
    assert "objective  loss (min)" in told
    assert "units=16" in told.splitlines()[7]
    assert "ValueError: eight is unlucky" in told


def test_show_tells_what_was_cut_and_what_is_damaged(searched):
    journal = searched / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    told = show(searched).stdout

    assert "damaged    the last line of journal.jsonl was torn by a crash" in told
    assert "search     interrupted" in told
    assert "trials     3: 1 completed, 1 failed, 1 interrupted" in told
    assert "interrupted, to be run again when the search is resumed" in told
    assert "trial 2  epoch 1" in told


def test_show_of_no_study_ends_with_an_error(tmp_path):
    told = show(tmp_path)

    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "There is no study" in told.stderr


def test_an_objective_can_be_turned_only_where_its_direction_is_known():
    with pytest.raises(ValueError, match=r'Objective."f1_custom", direction="max"'):
        _ = Objective("f1_custom").sign


def test_a_trial_is_frozen():
    with pytest.raises(AttributeError):
        Trial(number=0).score = 1.0


def epochs(*scores):
    return [
        {"event": "epoch", "trial": 0, "epoch": epoch, "logs": {"accuracy": score}}
        for epoch, score in enumerate(scores)
    ]


def test_what_a_study_holds_of_a_trial_cannot_be_changed(tmp_path):
    begun = {"event": "begin", "trial": 0, "values": {"x": 1}}
    study = study_of(tmp_path, begun, *epochs(0.5), ended(0, 0.5, x=1))

    for record in (study.trials[0].values, study.trials[0].curve[0], study.best.values, study.records[0].values):
        with pytest.raises(TypeError, match=r"A trial's record can't be changed. Change a copy: dict\(trial.values\)"):
            record["x"] = 99
        with pytest.raises(TypeError, match="can't be changed"):
            record.pop("x", None)

    assert study.trials[0].values == {"x": 1}
    assert dict(study.trials[0].values) | {"x": 2} == {"x": 2}


def test_a_trials_values_survive_a_pickle_and_a_deep_copy_as_they_are():
    trial = Trial(number=0, values={"x": (1, 2)})

    for copied in (pickle.loads(pickle.dumps(trial)), copy.deepcopy(trial)):
        assert copied == trial
        assert type(copied.values) is type(trial.values)


def test_a_trial_does_not_change_with_the_dict_that_it_was_made_of():
    values = {"x": 1}
    trial = Trial(number=0, values=values)
    values["x"] = 2

    assert trial.values == {"x": 1}


@pytest.mark.parametrize(("direction", "best"), [("max", (0.5, 0.7, 0.7)), ("min", (0.5, 0.5, 0.2))])
def test_a_person_sees_the_best_score_after_each_epoch_in_the_objectives_own_units(tmp_path, direction, best):
    study = study_of(tmp_path, *epochs(0.5, 0.7, 0.2), direction=direction)

    assert study.trials[0].best_so_far == best
    assert study.to_minimise()[0].best_so_far == (best if direction == "min" else tuple(-score for score in best))


def test_the_best_so_far_is_infinitely_bad_before_there_is_a_score(tmp_path):
    study = study_of(tmp_path, *epochs(float("nan"), 0.5))

    assert study.trials[0].best_so_far == (-math.inf, 0.5)
    assert study.to_minimise()[0].best_so_far == (math.inf, -0.5)


def test_how_a_trial_was_trained_is_told_from_why(tmp_path):
    study = study_of(tmp_path, {**ended(0, 0.5), "engine": "fit: the data is a generator: it can't be shared"})

    trained = study.trials[0].trained
    assert (trained.how, trained.reason) == ("fit", "the data is a generator: it can't be shared")
    assert study.trials[0].engine == "fit: the data is a generator: it can't be shared"


def asked_for(low, high):
    return {"event": "parameter", "name": "x", "kind": "int", "low": low, "high": high, "step": None, "log": False}


def test_the_latest_range_decides_which_trials_lie_in_the_space(tmp_path):
    trials = [ended(number, 0.1 * number, x=number) for number in range(1, 5)]

    narrowed = study_of(tmp_path, asked_for(1, 4), *trials, asked_for(2, 3))
    widened = study_of(tmp_path, asked_for(1, 4), *trials, asked_for(2, 3), asked_for(1, 9))

    assert [trial.number for trial in narrowed.outside] == [1, 4]
    assert (narrowed.best.number, [trial.number for trial in narrowed.leaderboard()]) == (3, [3, 2])
    assert [trial.is_outside for trial in narrowed.trials] == [True, False, False, True]
    assert (widened.outside, widened.best.number) == ((), 4)


def test_the_latest_review_decides_which_trials_differ_and_what_left_the_space(tmp_path):
    events = [asked_for(1, 4), ended(1, 0.1, x=1), ended(2, 0.2, x=2)]
    first = {"event": "note", "differing": [1, 2], "dropped": ["x"]}
    second = {"event": "note", "differing": [1], "dropped": []}

    assert len(study_of(tmp_path, *events, first).space) == 0
    assert [trial.number for trial in study_of(tmp_path, *events, first).outside] == [1, 2]
    assert [trial.number for trial in study_of(tmp_path, *events, first, asked_for(1, 4), second).outside] == [1]


def test_a_trial_whose_parameters_line_was_damaged_counts(tmp_path):
    assert study_of(tmp_path, ended(1, 0.1, x=1)).outside == ()


def test_a_note_without_a_trial_that_is_not_known_is_passed_over(tmp_path):
    study = study_of(tmp_path, {"event": "note", "of_a_later_version": 1}, ended(1, 0.1, x=1))

    assert (study.damages, len(study.trials)) == ((), 1)


def test_an_option_keeps_its_trials_when_others_are_put_before_it(tmp_path):
    def asked(*names):
        return {"event": "parameter", "name": "f", "kind": "choice", "options": [{"label": name} for name in names]}

    trials = [ended(0, 0.1, f={"choice": 0, "label": "relu"}), ended(1, 0.2, f={"choice": 1, "label": "tanh"})]
    study = study_of(tmp_path, asked("relu", "tanh"), *trials, asked("gelu", "relu"))

    assert [str(trial.values["f"]) for trial in study.trials] == ["relu", "tanh"]
    assert study.trials[0].values["f"].place == 1
    assert [trial.number for trial in study.outside] == [1]


def test_show_says_how_many_trials_lie_outside(tmp_path):
    study = study_of(tmp_path, asked_for(1, 4), ended(1, 0.1, x=1), ended(2, 0.2, x=2), asked_for(2, 4))

    assert "outside    1 of them" in overview(study, 5, is_running=False)
