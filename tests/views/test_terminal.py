"""Whole searches in a terminal, as a person sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading

import pyte
import pytest
from waiting import PATIENCE, wait_until

from kerastune_lite import Study

COLUMNS, LINES = 100, 40

TRAINED_HERE = """
import sys, time
from kerastune_lite import RandomSearch

def build_fn(hp):
    rate = hp.float("rate", 0.0, 1.0)
    print("building\\nwith two lines")
    time.sleep({seconds})
    return {{"loss": rate}}

tuner = RandomSearch(build_fn, "loss", directory=sys.argv[1], max_trials={trials}, seed=0, workers={workers})
"""
KERAS_MODEL = """
import sys
from kerastune_lite import RandomSearch
import keras
import numpy as np

def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.float("rate", 0.0, 1.0)), "mse")
    return model

tuner = RandomSearch(build_fn, "loss", directory=sys.argv[1], max_trials=2, seed=0, verbose={verbose},
    workers={workers})
tuner.search(np.zeros((64, 3)), np.zeros(64), epochs=2, batch_size=8)
"""


class Terminal:
    """A process in a terminal of its own, and what the terminal shows."""

    def __init__(self, program, *arguments):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # conftest.py has set it
        environment |= {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", program, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._ours = ours
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the other end was closed
                return
            with self._lock:
                self._stream.feed(data)

    @property
    def lines(self):
        with self._lock:
            return [line.rstrip() for line in "\n".join(self._screen.display).rstrip().splitlines()]

    @property
    def shows_cursor(self):
        return not self._screen.cursor.hidden

    def ended(self):
        self.process.wait(PATIENCE)
        self._reader.join(5.0)
        os.close(self._ours)
        return self.lines


@pytest.mark.drill
@pytest.mark.parametrize("workers", [1, 2])
def test_prints_of_build_fn_are_whole_and_the_live_area_is_gone_at_the_end(tmp_path, workers):
    program = TRAINED_HERE.format(seconds=0.2, trials=3, workers=workers) + "tuner.search()"
    lines = Terminal(program, tmp_path).ended()

    assert lines.count("building") == lines.count("with two lines") == 3
    assert all(lines[number + 1] == "with two lines" for number, line in enumerate(lines) if line == "building")
    assert sum(line.endswith("completed") for line in lines) == 3
    assert not any("━" in line for line in lines)


@pytest.mark.drill
def test_ctrl_c_ends_with_one_line_and_without_a_traceback(tmp_path):
    terminal = Terminal(TRAINED_HERE.format(seconds=0.5, trials=50, workers=1) + "tuner.search()", tmp_path)
    wait_until(lambda: any("completed" in line for line in terminal.lines), terminal.process)
    terminal.process.send_signal(signal.SIGINT)
    lines = terminal.ended()

    finished = sum(trial.state.ended for trial in Study.open(tmp_path).trials)
    told = " ".join(lines[-3:])
    assert f"Interrupted: {finished} trial" in told
    assert str(tmp_path) in "".join(lines)
    assert not any("Traceback" in line or "KeyboardInterrupt" in line for line in lines)
    assert terminal.process.returncode == -signal.SIGINT
    assert terminal.shows_cursor


@pytest.mark.drill
def test_a_person_who_catches_ctrl_c_gets_it_as_ever(tmp_path):
    catching = "try:\n    tuner.search()\nexcept KeyboardInterrupt as error:\n    print('caught', type(error).__name__)"
    terminal = Terminal(TRAINED_HERE.format(seconds=0.5, trials=50, workers=1) + catching, tmp_path)
    wait_until(lambda: any("completed" in line for line in terminal.lines), terminal.process)
    terminal.process.send_signal(signal.SIGINT)

    assert terminal.ended()[-1] == "caught KeyboardInterrupt"
    assert terminal.process.returncode == 0


@pytest.mark.drill
def test_an_exception_that_ends_a_search_leaves_the_terminal_clean(tmp_path):
    ending = "def view(event, study):\n    if len(study.trials) > 1: raise ZeroDivisionError\n"
    ending += "tuner.views = (view,)\ntuner.search()"
    terminal = Terminal(TRAINED_HERE.format(seconds=0.2, trials=9, workers=1) + ending, tmp_path)
    lines = terminal.ended()

    assert lines[-1] == "ZeroDivisionError"
    assert not any("━" in line for line in lines)
    assert terminal.shows_cursor


@pytest.mark.drill
def test_keras_bar_is_whole_beside_the_table(tmp_path):
    lines = Terminal(KERAS_MODEL.format(verbose=2, workers=1), tmp_path).ended()

    bars = [line for line in lines if line.startswith("8/8 ")]
    assert sum(line.startswith("Epoch ") for line in lines) == len(bars) == 4
    assert all("━" in bar and "loss:" in bar for bar in bars)
    assert sum(line.endswith("completed") and "/2 " in line for line in lines) == 2


@pytest.mark.drill
@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_shows_no_line_of_tensorflows(tmp_path, workers):
    lines = Terminal(KERAS_MODEL.format(verbose=1, workers=workers), tmp_path).ended()

    assert lines[0].startswith("The study is kept in ")
    assert lines[2].split() == ["best"]
