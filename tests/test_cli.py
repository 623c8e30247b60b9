"""The command line: what each command tells, what it says of a person's mistakes, and how quickly."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kerastune_lite import GridSearch, Study, cli
from kerastune_lite._version import __version__
from kerastune_lite.study.directory_lock import directory_lock
from kerastune_lite.study.journal import Journal

JOURNALS = Path(__file__).parent / "study" / "journals"
KINDS = [path.stem for path in sorted(JOURNALS.glob("*.jsonl"))]


def write(directory, *lines, objective="val_loss"):
    """A study of these lines of a journal."""
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal(directory / "journal.jsonl")
    journal.append("study", version=1, objective=objective, direction="min", seed=0)
    for event, fields in lines:
        journal.append(event, **fields)
    journal.close()
    return directory


def ended(number, score=0.5, state="completed", **fields):
    known = {"trial": number, "state": state, "score": score, "values": {"units": 8, "rate": 0.1}, "best_epoch": 0}
    return "end", {**known, **fields}


def epoch(number, **logs):
    return "epoch", {"trial": number, "epoch": 0, "logs": logs}


@pytest.fixture
def study(tmp_path):
    """A study with a trial that ended, one that failed, and one that was running when its process was killed."""
    error = {"type": "ValueError", "message": "eight is unlucky", "traceback": "Traceback\n  at line 1"}
    return write(
        tmp_path / "one",
        epoch(0, loss=0.25, val_loss=0.5),
        ended(0, seconds=2.0),
        ended(1, None, "failed", error=error),
        ("begin", {"trial": 2, "values": {"units": 4, "rate": 0.2}}),
        epoch(2, loss=0.125, val_loss=0.75),
    )


@pytest.fixture
def told(capsys):
    """What a command tells that ends well."""

    def run(*arguments):
        assert cli.main(list(map(str, arguments))) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def mistake(capsys):
    """The line that a command writes about a mistake, with the exit status 2."""

    def run(*arguments):
        assert cli.main(list(map(str, arguments))) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    return run


def test_a_study_whose_process_was_killed_is_interrupted_and_not_running(study, told):
    text = told("show", study)

    assert "trials     3: 1 completed, 1 failed, 1 interrupted" in text
    assert "search     interrupted; search again in this directory to resume it" in text
    assert json.loads(told("show", study, "--json"))["states"]["interrupted"] == 1
    assert "state       interrupted" in told("show", study, "--trial", 2)


def test_a_study_that_is_being_searched_is_running(study, told):
    with directory_lock(study):
        text = told("show", study)
        record = json.loads(told("show", study, "--json"))

    assert "trials     3: 1 running, 1 completed, 1 failed" in text
    assert "search     running now" in text
    assert (record["is_running"], [trial["number"] for trial in record["running"]]) == (True, [2])


def test_looking_at_a_study_keeps_no_search_from_starting_and_needs_no_right_to_write(study, told):
    (study / ".lock").touch()
    os.chmod(study / ".lock", 0o444)

    assert "search     interrupted" in told("show", study)
    os.chmod(study / ".lock", 0o644)
    with directory_lock(study):
        pass


def test_show_tells_everything_about_one_trial(study, told):
    failed, good = told("show", study, "--trial", 1), told("show", study, "--trial", 0)

    assert "ValueError: eight is unlucky" in failed
    assert "  at line 1" in failed
    assert [line.split() for line in good.splitlines()[-2:]] == [["epoch", "loss", "val_loss"], ["1", "0.25", "0.5"]]
    assert json.loads(told("show", study, "--trial", 0, "--json"))["curves"] == [[{"loss": 0.25, "val_loss": 0.5}]]


def test_show_of_a_directory_with_one_study_below_shows_it_and_with_several_lists_them(study, told):
    assert told("show", study.parent) == told("show", study)

    write(study.parent / "deeper" / "two", ended(0, 0.25), objective="val_mae")
    text = told("show", study.parent)

    assert text == told("list", study.parent)
    assert {line.split()[-1] for line in text.splitlines()[1:]} == {str(study), str(study.parent / "deeper" / "two")}


def test_list_tells_of_each_study_its_best_and_of_a_damaged_one_why(study, told):
    newer = study.parent / "newer"
    write(newer)
    line = '{"event": "study", "version": 99, "objective": "loss", "seed": 0}\n'
    (newer / "journal.jsonl").write_text(line)

    records = {record["directory"]: record for record in json.loads(told("list", study.parent, "--json"))}

    assert records[str(study)] | {"best_trial": 0, "best_score": 0.5, "trials": 3} == records[str(study)]
    assert "format 99" in records[str(newer)]["problem"]
    assert "format 99" in told("list", study.parent)


def test_best_tells_the_values_as_a_text_as_json_and_as_code_that_runs(study, told):
    assert f"trial 0 of {study}: val_loss 0.5 (epoch 1/1)" in told("best", study)
    assert json.loads(told("best", study, "--json")) == {"units": 8, "rate": 0.1}
    names = {}
    exec(told("best", study, "--code"), names)
    assert names["values"] == {"units": 8, "rate": 0.1}


def test_the_code_of_a_setting_runs_whatever_its_options_are(tmp_path, told):
    def build_fn(hp):
        hp.choice("activation", [len, "re\nlu"])
        hp.choice("kernel 'size'", [(3, 3)])
        hp.choice("layers", [[1, {"a": None}]])
        return 1.0

    GridSearch(build_fn, directory=tmp_path, verbose=0, max_trials=1).search()
    names = {}
    exec(told("best", tmp_path, "--code"), names)

    assert names["values"] == {"activation": "builtins.len", "kernel 'size'": (3, 3), "layers": [1, {"a": None}]}


def test_export_writes_all_trials_and_all_curves_as_csv_and_as_json(study, told):
    rows = list(csv.DictReader(io.StringIO(told("export", study))))
    assert [(row["number"], row["state"], row["score"], row["units"]) for row in rows] == [
        ("0", "completed", "0.5", "8"),
        ("1", "failed", "", "8"),
        ("2", "interrupted", "", "4"),
    ]
    assert json.loads(told("export", study, "--json"))[0]["val_loss"] == 0.5
    curves = list(csv.reader(io.StringIO(told("export", study, "--curves"))))
    assert curves[:2] == [["trial", "run", "epoch", "metric", "value"], ["0", "0", "0", "loss", "0.25"]]


def test_export_writes_a_file(study, told, tmp_path):
    assert told("export", study, "--csv", "-o", tmp_path / "trials.csv") == ""

    assert (tmp_path / "trials.csv").read_text() == told("export", study, "--csv")


def test_numbers_that_are_not_finite_and_odd_texts_survive_an_export(tmp_path, told):
    line = ended(0, values={"x": 'a,"b"\nc', "y": {"tuple": [1, 2]}})
    write(tmp_path, epoch(0, loss=float("nan"), other=float("inf")), line)

    (row,) = csv.DictReader(io.StringIO(told("export", tmp_path)))
    (record,) = json.loads(told("export", tmp_path, "--json"))

    assert (row["x"], row["y"], row["loss"]) == ('a,"b"\nc', "[1, 2]", "NaN")
    assert (record["x"], record["y"], record["other"]) == ('a,"b"\nc', [1, 2], "Infinity")


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_reads_the_journals_of_earlier_versions(kind, tmp_path, told):
    (tmp_path / "journal.jsonl").write_bytes((JOURNALS / f"{kind}.jsonl").read_bytes())

    for command in (["show"], ["show", "--json"], ["list"], ["best"], ["export"], ["export", "--curves"]):
        assert told(command[0], tmp_path, *command[1:])
    for number in Study.open(tmp_path).records:
        assert told("show", tmp_path, "--trial", number)


def test_mistakes_are_one_line(study, mistake):
    parent = study.parent
    assert "There is no directory" in mistake("show", parent / "nowhere")
    (parent / "empty").mkdir()
    assert "There is no study in" in mistake("best", parent / "empty")
    assert "There is no trial 7 in" in mistake("show", study, "--trial", 7)
    assert "its trials have the numbers 0 to 2" in mistake("show", study, "--trial", -1)
    write(parent / "two")
    assert "holds 2 studies: name one of them" in mistake("export", parent)
    assert "No such file or directory" in mistake("export", study, "-o", parent / "nowhere" / "file.csv")
    (parent / "a file").touch()
    assert "There is no directory" in mistake("list", parent / "a file")


@pytest.mark.parametrize("arguments", [[], ["shew"], ["show", "-n", "-1"], ["best", "--code", "--json"]])
def test_a_command_that_is_none_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    assert "usage: kerastune-lite" in capsys.readouterr().err


def test_a_study_without_a_score_has_no_best(tmp_path, capsys):
    write(tmp_path)

    assert cli.main(["best", str(tmp_path)]) == 1
    assert "No trial of the study" in capsys.readouterr().err


def test_control_characters_are_shown_as_escapes(tmp_path, told):
    odd = "\x1b[2J\x07‮\x9b"
    failed = ended(1, None, "failed", error={"type": "E", "message": odd, "traceback": odd}, values={odd: odd})
    write(tmp_path / odd, ended(0, values={odd: odd}), failed, objective=odd)

    for command in (
        ["show"],
        ["show", "--trial", 1],
        ["show", "--json"],
        ["list"],
        ["best"],
        ["best", "--code"],
        ["export"],
    ):
        text = told(command[0], tmp_path, *command[1:])
        assert not set(odd) & set(text) - set("[2J"), command
    assert cli.main(["show", str(tmp_path), "--trial", "9"]) == 2


def test_what_is_watched_is_shown_again_when_it_changes_until_the_search_ends(study, capsys, monkeypatch):
    monkeypatch.setattr(cli, "WATCH_SECONDS", 0.02)
    with directory_lock(study):
        watching = threading.Thread(target=cli.main, args=[["show", str(study), "--watch", "--json"]])
        watching.start()
        time.sleep(0.3)
        assert watching.is_alive()
    watching.join(timeout=30)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["is_running"] for line in lines] == [True, False]


def command(*arguments, **settings):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", **settings.pop("env", {})}
    arguments = [sys.executable, "-m", "kerastune_lite", *map(str, arguments)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment, **settings)


def test_the_module_is_the_command_and_knows_its_version():
    assert command("--version").stdout == f"kerastune_lite {__version__}\n"


def test_a_screen_that_lacks_characters_gets_escapes(tmp_path):
    write(tmp_path, ended(0, values={"größe": 1}))

    done = command("best", tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "gr\\xf6\\xdfe" in done.stdout


def test_a_pipe_that_is_closed_is_no_error(tmp_path):
    write(tmp_path, *(ended(number) for number in range(3000)))
    program = f"{sys.executable} -m kerastune_lite export {tmp_path} | head -n 1"

    done = subprocess.run(["bash", "-o", "pipefail", "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["show"], ["list"], ["best", "--code"], ["export"], ["show", "--trial", "0"]])
def test_no_command_loads_a_heavy_library(study, arguments):
    program = (
        "import sys; from kerastune_lite.cli import main; main(sys.argv[1:]); "
        "sys.exit(str({'keras', 'tensorflow', 'scipy', 'sklearn', 'pandas'} & set(sys.modules) or ''))"
    )
    arguments = [arguments[0], str(study), *arguments[1:]]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == ""
