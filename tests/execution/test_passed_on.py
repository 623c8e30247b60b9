"""What worker processes print, on its way to the terminal of the search."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from kerastune_lite.execution.processes.passed_on import LONGEST_LINE, PassedOn, pipe_for


class Writes(io.StringIO):
    """A stream that remembers what it was given at a time."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def write(self, text):
        self.texts.append(text)
        return len(text)


class Gone(io.StringIO):
    def write(self, text):
        raise OSError("the terminal has gone")


def passed_on(stream, monkeypatch, *chunks):
    """Writes chunks into a pipe that is passed on to a stream, and waits for its end."""
    monkeypatch.setattr(sys, "stdout", stream)
    read, write = os.pipe()
    thread = PassedOn(os.fdopen(read, "rb"), "stdout")
    for chunk in chunks:
        os.write(write, chunk)
    os.close(write)
    thread._thread.join()


def test_lines_are_passed_on_whole(monkeypatch):
    stream = Writes()
    passed_on(stream, monkeypatch, b"one\ntw", b"o\n", "größer\nthe end".encode())

    assert "".join(stream.texts) == "one\ntwo\ngrößer\nthe end\n"
    assert all(text.endswith("\n") for text in stream.texts)


def test_a_line_that_does_not_end_is_passed_on_all_the_same(monkeypatch):
    stream = Writes()
    passed_on(stream, monkeypatch, *[b"x" * 4096] * (2 * LONGEST_LINE // 4096))

    assert len(stream.texts) >= 2
    assert "".join(stream.texts).rstrip("\n") == "x" * 2 * LONGEST_LINE


def test_a_terminal_that_has_gone_does_not_hold_a_worker_up(monkeypatch):
    passed_on(Gone(), monkeypatch, *[b"a line\n" * 1000] * 50)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "made"), [(Terminal(), subprocess.PIPE), (io.StringIO(), None), (None, None)])
def test_only_a_terminal_gets_lines_by_a_detour(monkeypatch, stream, made):
    monkeypatch.setattr(sys, "stdout", stream)

    assert pipe_for("stdout") == made
