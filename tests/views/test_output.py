"""What is printed and what is kept of texts: no screen ends a search, no text moves a terminal, none is endless."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from kerastune_lite import RandomSearch, Study
from kerastune_lite.cli import main
from kerastune_lite.errors import NoScoreError, SearchTerminated
from kerastune_lite.study.texts import LONGEST_MESSAGE, LONGEST_TRACEBACK, bounded, printable
from kerastune_lite.views.screen import Screen

PROGRAM = """
import sys
from kerastune_lite import RandomSearch
tuner = RandomSearch(lambda hp: {"loss": hp.float("a", 0.0, 1.0)}, "loss", directory=sys.argv[1], max_trials=5, seed=0)
study = tuner.search()
sys.stderr.write(f"{len(study.trials)} trials")
sys.stderr.flush()
import os
os._exit(0)
"""


def search(directory, build_fn, **settings):
    settings = {"max_trials": 3, "max_failures_in_a_row": 9, "seed": 0} | settings
    return RandomSearch(build_fn, "loss", directory=directory, **settings).search()


def failing(error):
    def build_fn(hp):
        if hp.int("a", 0, 2) != 1:
            raise error
        return {"loss": 1.0}

    return build_fn


class Broken(io.StringIO):
    """A screen that raises what it is given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed file"), SystemExit(1)],
    ids=repr,
)
def test_a_screen_that_cannot_be_written_becomes_silent(error):
    screen = Screen(Console(file=Broken(error)))

    screen.show("a line")
    screen.show("another")

    assert screen.is_silent


def test_what_ends_the_search_is_not_kept_from_it():
    with pytest.raises(SearchTerminated):
        Screen(Console(file=Broken(SearchTerminated("enough")))).show("a line")


@pytest.mark.parametrize(
    "redirection", ["> /dev/full", *(pytest.param(way, marks=pytest.mark.drill) for way in (">&-", "| head -1"))]
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
def test_a_search_goes_on_where_nobody_can_see_it(tmp_path, redirection):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    command = f"{sys.executable} {script} {tmp_path / 'study'} {redirection}"

    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    assert done.stderr.endswith("5 trials")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
@pytest.mark.parametrize("text", ["file \udce4.txt", "caf\u00e9 \u2192 \u4e2d", "\x1b[2J\x1b]0;owned\x07\r"])
def test_any_text_is_shown_in_any_encoding(encoding, text):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    screen = Screen(Console(file=file, width=200))

    screen.show(text)
    file.flush()

    shown = file.buffer.getvalue().decode(encoding)
    assert not screen.is_silent
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown


def test_control_characters_of_names_values_and_messages_are_escapes_in_the_progress_and_in_show(tmp_path, capsys):
    def build_fn(hp):
        if hp.choice("na\x1b[2Jme", ["\x1b]0;owned\x07", "\r\x1b[31mred", "two\nlines"]) == "two\nlines":
            return {"loss": 1.0}
        raise ValueError("first \x1b]52;c;aGk=\x07 \x9b2J \u202e end")

    search(tmp_path, build_fn, max_trials=9)
    main(["show", str(tmp_path)])

    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e")
    assert "\\x1b[2Jme" in shown
    assert "\\x1b]52;c;aGk=\\x07" in shown
    assert "two\\nlines" in shown


def test_control_characters_of_messages_are_escapes_in_the_error_that_ends_a_search(tmp_path):
    def build_fn(hp):
        hp.float("a", 0.0, 1.0)
        raise ValueError("first \x1b]52;c;aGk=\x07 \x9b2J end")

    with pytest.raises(NoScoreError) as caught:
        search(tmp_path, build_fn, verbose=0)

    assert "\\x1b]52;c;aGk=\\x07" in str(caught.value)
    assert not set(str(caught.value)) & set("\x1b\x07\x9b")


def test_lone_surrogates_in_options_and_messages_cost_nothing(tmp_path, capsys):
    study = search(tmp_path / "error", failing(ValueError("file \udce4.txt is missing")))
    choices = search(
        tmp_path / "choice", lambda hp: {"loss": len(hp.choice("file", ["ok", "caf\udce9.txt"]))}, max_trials=2
    )

    assert len(study.trials) == 3
    assert {trial.values["file"] for trial in choices.trials} == {"ok", "caf\udce9.txt"}
    assert "caf\\udce9.txt" in capsys.readouterr().out


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Confused(Exception):
    def __str__(self):
        return 3


@pytest.mark.parametrize("error", [Mute(), Confused()], ids=["raises", "returns a number"])
def test_an_exception_that_has_no_text_is_a_failure_like_others(tmp_path, error):
    study = search(tmp_path, failing(error), verbose=0)

    failures = [trial.error for trial in study.trials if trial.error]
    assert len(study.trials) == 3
    assert failures
    assert {failure.type for failure in failures} == {type(error).__name__}
    assert "its text can't be had" in failures[0].message


def test_endless_messages_are_kept_by_their_beginning_and_their_end(tmp_path):
    message = "the beginning\n" + "x" * 3_000_000 + "\nthe end"

    study = search(tmp_path, failing(ValueError(message)), verbose=0)

    (failure, *_) = [trial.error for trial in study.trials if trial.error]
    assert failure.message.startswith("the beginning\n")
    assert failure.message.endswith("\nthe end")
    assert "characters are left out" in failure.message
    assert len(failure.message) < LONGEST_MESSAGE + 100
    assert len(failure.traceback) < LONGEST_TRACEBACK + 100
    assert (tmp_path / "journal.jsonl").stat().st_size < 200_000
    assert len(Study.open(tmp_path).trials) == 3


def test_short_texts_are_kept_whole_and_long_ones_by_whole_lines():
    lines = "\n".join(f"line {number}" for number in range(1000))

    assert bounded("short", 10) == "short"
    kept = bounded(lines, 100).splitlines()
    assert (kept[0], kept[-1]) == ("line 0", "line 999")
    assert all(line in lines.splitlines() for line in kept if "left out" not in line)


def test_what_people_write_is_printed_as_it_is():
    assert printable("größer → 中文 😀 a\u00a0b") == "größer → 中文 😀 a\u00a0b"


def test_show_into_a_closed_pipe_ends_quietly(tmp_path):
    search(tmp_path, lambda hp: {"loss": hp.float("a", 0.0, 1.0)}, verbose=0)
    command = [sys.executable, "-m", "kerastune_lite", "show", str(tmp_path)]
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, "")
