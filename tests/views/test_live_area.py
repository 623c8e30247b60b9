"""The lines at the end of a terminal that are drawn in place: what the terminal shows while others print as well."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading

import pyte
import pytest
from rich.console import Console
from rich.text import Text
from waiting import wait_until

from kerastune_lite.errors import SearchTerminated
from kerastune_lite.views.live_area import LiveArea
from kerastune_lite.views.screen import Screen


class Terminal(io.StringIO):
    """A terminal of 60 columns and 12 lines, which keeps what was written to it."""

    def isatty(self):
        return True

    @property
    def encoding(self):
        return "utf-8"

    @property
    def lines(self):
        """What it shows, without the empty lines at the end; a program that emulates terminals tells."""
        screen = pyte.Screen(60, 12)
        screen.set_mode(pyte.modes.LNM)  # a line feed begins a new line, as the system's terminals have it
        pyte.Stream(screen).feed(self.getvalue())
        return [line.rstrip() for line in "\n".join(screen.display).rstrip().splitlines()]


def terminal_of(monkeypatch):
    """A terminal in the place of both streams. (A fixture would come too early: pytest captures them for each test.)"""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


class Shown:
    """A live area in a terminal, with the lines that it is to draw."""

    def __init__(self):
        self.lines = ["bar", "running"]
        self.console = Console(force_terminal=True, width=60, height=12, color_system=None)
        self.area = LiveArea(self.console, lambda: [Text(), *map(Text, self.lines)], lambda act: act())

    def __enter__(self):
        self.area.start()
        return self

    def __exit__(self, *error):
        self.area.stop()
        self.area.clear()


def test_the_area_is_drawn_below_what_is_printed_and_is_gone_at_the_end(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        shown.area.print([Text("row 1")])
        shown.area.print([Text("row 2")])
        wait_until(lambda: terminal.lines == ["row 1", "row 2", "", "bar", "running"])

    assert terminal.lines == ["row 1", "row 2"]


def test_the_area_is_drawn_anew_in_place(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        wait_until(lambda: terminal.lines == ["", "bar", "running"])
        shown.lines = ["bar 2", "running", "another"]
        shown.area.refresh()

        wait_until(lambda: terminal.lines == ["", "bar 2", "running", "another"])


def test_what_the_users_code_prints_is_whole_and_above_the_area(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        wait_until(lambda: terminal.lines)
        print("two\nlines")
        print("to the standard error", file=sys.stderr)
        wait_until(lambda: terminal.lines[-1] == "running")

        assert terminal.lines == ["two", "lines", "to the standard error", "", "bar", "running"]
        assert shown.area.foreign_lines == 3


def test_a_line_that_has_not_ended_is_left_alone_until_it_has(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        wait_until(lambda: terminal.lines)
        for done in range(5):
            print(f"\r{done}/4 of Keras's bar", end="", flush=True)
        assert terminal.lines == ["4/4 of Keras's bar"]
        shown.area._redraw_now()
        assert terminal.lines == ["4/4 of Keras's bar"]
        print()

        wait_until(lambda: terminal.lines == ["4/4 of Keras's bar", "", "bar", "running"])


def test_a_row_does_not_stand_behind_a_line_that_has_not_ended(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        print("loading", end="")
        shown.area.print([Text("row")])

    assert terminal.lines == ["loading", "row"]


def test_the_prompt_does_not_stand_behind_a_line_that_has_not_ended(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown():
        print("loading", end="")
    print("$")

    assert terminal.lines == ["loading", "$"]


def test_a_line_that_comes_past_python_stays_whole(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        wait_until(lambda: terminal.lines)
        terminal.write("W0000 a warning of C++ code\n")
        shown.area.refresh()

        wait_until(lambda: terminal.lines == ["W0000 a warning of C++ code", "", "bar", "running"])


def test_an_area_at_the_bottom_of_the_terminal_scrolls_what_is_above(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown:
        for number in range(30):
            shown.area.print([Text(f"row {number}")])
        wait_until(lambda: terminal.lines[-1] == "running")

        assert terminal.lines == [*(f"row {number}" for number in range(21, 30)), "", "bar", "running"]


def test_prints_of_several_threads_are_not_mixed_with_the_area(monkeypatch):
    terminal = terminal_of(monkeypatch)

    def prints(name):
        for number in range(40):
            print(f"{name} {number}\n", end="")

    with Shown() as shown:
        threads = [threading.Thread(target=prints, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for number in range(40):
            shown.area.print([Text(f"row {number}")])
        for thread in threads:
            thread.join()

    rows = terminal.getvalue().replace("\r", "\n").replace("\x1b[J", "").split("\n")
    assert [row for row in rows if row.startswith("a ")] == [f"a {number}" for number in range(40)]
    assert [row for row in rows if row.startswith("b ")] == [f"b {number}" for number in range(40)]


def test_the_streams_are_given_back(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown():
        assert sys.stdout is not terminal
        assert sys.stdout.isatty()
        assert sys.stdout.encoding == "utf-8"

    assert sys.stdout is terminal
    assert sys.stderr is terminal


def test_what_others_print_elsewhere_holds_nothing_of_the_area(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as shown, contextlib.redirect_stdout(io.StringIO()) as elsewhere:
        print("elsewhere")
        shown.lines = ["drawn meanwhile"]
        wait_until(lambda: "drawn meanwhile" in terminal.lines)
        shown.area.print([Text("row")])

    assert elsewhere.getvalue() == "elsewhere\n"
    assert "row" in terminal.getvalue()
    assert "elsewhere" not in terminal.getvalue()


def test_a_stream_that_is_no_terminal_is_left_alone(monkeypatch):
    terminal_of(monkeypatch)
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with Shown():
        assert sys.stderr is file


def test_a_search_inside_anothers_trial_draws_no_second_area(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with Shown() as outer:
        wait_until(lambda: terminal.lines)
        with Shown() as inner:
            inner.lines = ["inner bar"]
            inner.area.print([Text("an inner row")])
        wait_until(lambda: terminal.lines[-1] == "running")

        assert terminal.lines == ["an inner row", "", "bar", "running"]
        assert outer.area.foreign_lines == 1


def test_a_forked_process_prints_though_the_area_was_being_drawn(monkeypatch):
    terminal = terminal_of(monkeypatch)
    read, write = os.pipe()
    with Shown() as shown, shown.area._lock:
        shown.area._process = -1  # what the area's own process is to a forked one
        thread = threading.Thread(target=lambda: (print("from a fork"), os.write(write, b"done")))
        thread.start()
        assert os.read(read, 4) == b"done"
        thread.join()
    os.close(read)
    os.close(write)

    assert "from a fork" in terminal.getvalue()


class Broken(Terminal):
    """A terminal that raises what it is given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed file")], ids=repr)
def test_a_terminal_that_has_gone_makes_the_screen_silent_and_gives_the_streams_back(monkeypatch, error):
    terminal = Broken(error)
    monkeypatch.setattr(sys, "stdout", terminal)
    screen = Screen(Console(force_terminal=True, width=60, height=12))
    screen.begin_area(lambda: [Text("bar")])

    wait_until(lambda: screen.is_silent)
    screen.show("a line")
    screen.end_area()

    assert sys.stdout is terminal


def test_what_ends_the_search_comes_through_the_area(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(SearchTerminated("enough")))
    screen = Screen(Console(force_terminal=True, width=60, height=12))
    screen.begin_area(list)

    with pytest.raises(SearchTerminated):
        screen.show("a line")
    sys.stdout.error = OSError()
    screen.end_area()
