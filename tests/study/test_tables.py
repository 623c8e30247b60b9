"""A study as tables: which columns they have, in which order, and what stands in them."""

from __future__ import annotations

import sys

import pytest

from kerastune_lite.study import Study
from kerastune_lite.study.event_lines import event_of
from kerastune_lite.study.journal import Reading
from kerastune_lite.study.tables import curves_table, trials_table

TIME = "2026-01-01T00:00:00+00:00"


def study_of(tmp_path, *events):
    study = {"event": "study", "objective": "val_loss", "direction": "min", "seed": 1}
    return Study.of_events(tmp_path, Reading([{"time": TIME, **line} for line in (study, *events)]))


def epoch(trial, number, run=0, **logs):
    return {"event": "epoch", "trial": trial, "epoch": number, "run": run, "logs": logs}


def ended(number, score, values, **fields):
    return {"event": "end", "trial": number, "state": "completed", "score": score, "values": values, **fields}


def test_parameters_stand_right_after_the_score_and_metrics_after_them(tmp_path):
    study = study_of(
        tmp_path,
        epoch(0, 0, loss=3.0, val_loss=2.0),
        epoch(0, 1, loss=1.0, val_loss=4.0),
        ended(0, 2.0, {"units": 8, "rate": 0.1}, best_epoch=0, returned={"batch_size": 32}),
    )
    frame = study.to_dataframe()

    assert list(frame)[:8] == ["number", "state", "score", "units", "rate", "loss", "val_loss", "batch_size"]
    assert frame.loc[0, ["units", "loss", "val_loss", "batch_size"]].tolist() == [8, 3.0, 2.0, 32]


def test_the_metrics_are_those_of_the_best_epoch_of_the_best_run(tmp_path):
    study = study_of(
        tmp_path,
        epoch(0, 0, val_loss=3.0, auc=0.1),
        epoch(0, 0, run=1, val_loss=1.0, auc=0.9),
        ended(0, 2.0, {}, best_epoch=0, best_run=1, scores=[3.0, 1.0]),
    )

    assert study.to_dataframe().loc[0, ["val_loss", "auc"]].tolist() == [1.0, 0.9]


def test_whatever_is_named_alike_keeps_a_column_of_its_own(tmp_path):
    study = study_of(
        tmp_path,
        epoch(0, 0, val_loss=2.0, seed=7.0, units=9.0),
        ended(0, 2.0, {"seed": 3, "units": 8}, best_epoch=0, returned={"units": 5, "score": "good"}),
    )
    row = study.to_dataframe().loc[0]

    assert (row["values.seed"], row["metrics.seed"]) == (3, 7.0)
    assert (row["units"], row["metrics.units"], row["returned.units"]) == (8, 9.0, 5)
    assert (row["score"], row["returned.score"]) == (2.0, "good")


def test_inactive_parameters_and_trials_without_a_score_have_empty_cells(tmp_path):
    failed = {"event": "end", "trial": 1, "state": "failed", "values": {"b": 2}}
    frame = study_of(tmp_path, ended(0, 2.0, {"a": 1}), failed).to_dataframe()

    assert frame["a"].isna().tolist() == [False, True]
    assert frame["b"].isna().tolist() == [True, False]
    assert frame["score"].isna().tolist() == [False, True]


def test_confirmations_are_in_the_table_and_count_in_what_was_spent(tmp_path):
    study = study_of(
        tmp_path,
        epoch(0, 0, val_loss=2.0),
        ended(0, 2.0, {}, best_epoch=0, seconds=4.0),
        {"event": "note", "trial": 0, "confirmed": [1.0], "effort": {"epochs": 3, "seconds": 1.5}},
        {"event": "note", "trial": 0, "confirmed": [1.0, 2.0]},  # as earlier versions wrote it
        {"event": "note", "trial": 0, "confirmation_failed": None, "effort": {"epochs": 1, "seconds": 0.5}},
    )
    row = study.to_dataframe().loc[0]

    assert (row["confirmed"], row["confirmations"], row["confirmed_spread"]) == (1.5, 2, pytest.approx(0.5**0.5))
    assert (row["epochs"], row["epochs_spent"], row["seconds"], row["seconds_spent"]) == (1, 5, 4.0, 6.0)
    assert (study.epochs_spent, study.seconds_spent) == (5, 6.0)


def test_curves_are_a_row_a_value(tmp_path):
    study = study_of(tmp_path, epoch(0, 0, a=1.0, b=2.0), epoch(0, 1, a=3.0), epoch(1, 0, run=1, a=4.0))
    frame = study.curves()

    assert list(frame) == ["trial", "run", "epoch", "metric", "value"]
    assert frame.to_numpy().tolist() == [
        [0, 0, 0, "a", 1.0],
        [0, 0, 0, "b", 2.0],
        [0, 0, 1, "a", 3.0],
        [1, 1, 0, "a", 4.0],
    ]


def test_curves_leave_out_the_epochs_that_another_trial_trained(tmp_path):
    heir = {"event": "begin", "trial": 1, "values": {}, "resumed_from": 0, "resumed_at": 1, "is_turn": True}
    study = study_of(tmp_path, epoch(0, 0, a=1.0), ended(0, 1.0, {}), heir, epoch(1, 1, a=0.5))

    assert [row[:3] for row in curves_table(study).rows] == [[0, 0, 0], [1, 0, 1]]


def test_an_empty_study_has_tables_without_rows(tmp_path):
    study = study_of(tmp_path)

    assert len(study.to_dataframe()) == len(study.curves()) == 0
    assert list(trials_table(study).columns)[:3] == ["number", "state", "score"]


def test_without_pandas_both_tables_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    for method in ("to_dataframe", "curves"):
        with pytest.raises(ImportError, match=rf"study.{method}\(\) needs pandas: pip install"):
            getattr(study_of(tmp_path), method)()


@pytest.mark.parametrize(
    "line",
    [
        {"event": "note", "trial": 0, "confirmed": [1.0], "effort": {"epochs": 3, "seconds": 1.5}},
        {"event": "note", "trial": 0, "confirmation_failed": None, "effort": {"epochs": 3, "seconds": 1.5}},
        ended(0, 1.0, {}, notes=[], returned={"batch_size": 32, "class_weight": {"0": 1.0}}),
    ],
)
def test_what_is_new_in_a_line_reads_back_as_it_was_written(line):
    event = event_of({"time": TIME, **line})

    assert event_of({"event": event.kind, "time": TIME, **event.to_json()}) == event
    new = {"effort", "returned"} & set(line)
    assert {name: event.to_json()[name] for name in new} == {name: line[name] for name in new}
