"""The journal: whole lines or nothing, and what is damaged is told."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from kerastune_lite import JournalError, RandomSearch, Study
from kerastune_lite.study.journal import FORMAT_VERSION, Journal, read_journal


def written(path, count=5):
    journal = Journal(path)
    for number in range(count):
        journal.append("note", trial=number, text=f"line {number}")
    journal.close()
    return path


def texts(reading):
    return [event.get("text") for event in reading.lines]


def test_what_was_appended_is_read_back(tmp_path):
    journal = Journal(tmp_path / "j")
    appended = journal.append("epoch", trial=3, logs={"loss": 0.1, "ü": 1e-300}, scores=[1.5])
    journal.close()

    assert read_journal(tmp_path / "j").lines == [appended]
    assert appended["logs"] == {"loss": 0.1, "ü": 1e-300}


def test_every_line_is_json_and_tells_its_event_time_and_trial(tmp_path):
    for line in written(tmp_path / "j").read_text().splitlines():
        event = json.loads(line)
        assert {"event", "time", "trial"} <= set(event)
        assert event["time"].endswith("+00:00")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_come_back(tmp_path, value):
    journal = Journal(tmp_path / "j")
    journal.append("epoch", logs={"loss": value})
    journal.close()
    json.loads((tmp_path / "j").read_text(), parse_constant=pytest.fail)

    assert repr(read_journal(tmp_path / "j").lines[0]["logs"]["loss"]) == repr(value)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    directory = tmp_path_factory.mktemp("studied")

    def build_fn(hp):
        return {"loss": hp.float("x", 0.0, 1.0), "quality": 1.0}

    RandomSearch(build_fn, max_trials=6, directory=directory, verbose=0, seed=0).search()
    return (directory / "journal.jsonl").read_bytes()


def opened(directory, data):
    (directory / "journal.jsonl").write_bytes(data)
    return Study.open(directory)


def test_a_journal_cut_anywhere_near_its_end_opens_without_what_was_cut(tmp_path, studied):
    whole = opened(tmp_path, studied)
    for cut in range(1, 401):
        kept = studied[:-cut]
        study = opened(tmp_path, kept)
        tail = kept.split(b"\n")[-1]
        is_whole = tail in studied.split(b"\n")

        assert len(study.damages) == (not is_whole)
        assert all("was torn by a crash and was skipped" in damage for damage in study.damages)
        assert len(read_journal(tmp_path / "journal.jsonl").lines) == kept.count(b"\n") + (is_whole and tail != b"")
        for trial in study.trials:
            assert trial.state.value == "running" or trial == whole.trial(trial.number)


GARBLINGS = {
    "a digit changed": lambda line: line.replace(b"202", b"203", 1),
    "noise in the middle": lambda line: line[:20] + b"\xff\x00#" + line[23:],
    "an empty line": lambda line: b"",
    "half a line": lambda line: line[: len(line) // 2],
    "no JSON": lambda line: b"Segmentation fault",
    "another kind of JSON": lambda line: b"[1, 2]",
    "zeros": lambda line: bytes(len(line)),
}


@pytest.mark.parametrize("garble", GARBLINGS.values(), ids=GARBLINGS)
def test_any_one_garbled_line_costs_what_it_said_and_is_told(tmp_path, studied, garble):
    whole = opened(tmp_path, studied)
    lines = studied.splitlines()
    for number, line in enumerate(lines):
        study = opened(tmp_path, b"\n".join([*lines[:number], garble(line), *lines[number + 1 :]]) + b"\n")
        event = json.loads(line)

        assert any(f"line {number + 1} of journal.jsonl is damaged" in damage for damage in study.damages)
        assert study.objective == whole.objective
        assert len(study.trials) == len(whole.trials)
        for trial in study.trials:
            if trial.number != event.get("trial"):
                assert trial == whole.trial(trial.number)
            elif event["event"] != "end":
                assert (trial.score, trial.values, trial.state) == (
                    whole.trial(trial.number).score,
                    whole.trial(trial.number).values,
                    whole.trial(trial.number).state,
                )


def test_a_torn_line_is_cut_off_before_the_next_one_is_appended(tmp_path):
    path = written(tmp_path / "j", count=2)
    path.write_bytes(path.read_bytes()[:-5])
    journal = Journal(path, read_journal(path))
    journal.append("note", text="after")
    journal.close()

    assert texts(read_journal(path)) == ["line 0", "after"]
    assert read_journal(path).damages == []


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path):
    path = written(tmp_path / "j", count=2)
    path.write_bytes(path.read_bytes()[:-1])
    journal = Journal(path, read_journal(path))
    journal.append("note", text="after")
    journal.close()

    assert texts(read_journal(path)) == ["line 0", "line 1", "after"]


def test_lines_without_a_checksum_are_read_as_they_are(tmp_path):
    (tmp_path / "j").write_text('{"event": "note", "text": "by hand"}\n')

    assert texts(read_journal(tmp_path / "j")) == ["by hand"]


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "j").write_text(json.dumps({"event": "study", "version": FORMAT_VERSION + 1}) + "\n")
    with pytest.raises(JournalError, match="Upgrade kerastune_lite"):
        read_journal(tmp_path / "j")


def test_an_event_of_a_kind_that_is_not_known_is_told_and_skipped(tmp_path, studied):
    study = opened(tmp_path, studied + b'{"event": "fanfare", "time": "2026-01-01T00:00:00+00:00"}\n')

    assert "fanfare" in study.damages[0]
    assert len(study.trials) == 6


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from kerastune_lite import JournalError
from kerastune_lite.study.journal import Journal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]))
try:
    for number in range(1000):
        journal.append("note", text=f"line {number}", flush=True)
except JournalError as error:
    print(error)
    sys.exit(3)
"""


def test_a_full_disk_is_told_and_leaves_the_journal_as_it_was(tmp_path):
    path = tmp_path / "j"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=False)
    reading = read_journal(path)

    assert done.returncode == 3, done.stderr
    assert "could not be written" in done.stdout
    assert "make room" in done.stdout
    assert reading.damages == []
    assert texts(reading) == [f"line {number}" for number in range(len(reading.lines))]
    assert len(reading.lines) > 5


def test_a_journal_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="can't be written: Not a directory"):
        Journal(tmp_path / "file" / "journal.jsonl")
