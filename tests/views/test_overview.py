"""A study as one text: in a terminal as wide as that."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from kerastune_lite import Objective
from kerastune_lite.space.parameters import Choice, Float
from kerastune_lite.study.events import Confirmed, ParameterLearned, TrialBegun, TrialEnded
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import TrialFailure, TrialState
from kerastune_lite.views.glyphs import ASCII, UNICODE
from kerastune_lite.views.overview import overview

PARAMETERS = [
    Choice(name="activation", options=("relu", "gelu")),
    *(Float(name=f"dropout_{number}", low=0.0, high=0.5) for number in range(9)),
]
VALUES = {"activation": "relu", **{f"dropout_{number}": 0.123456 for number in range(9)}}


@pytest.fixture
def study():
    """A study of two trials with a score, one that failed, and one that runs."""
    study = Study(Path("runs/one"), Objective("val_loss", "min"), 0)
    for parameter in PARAMETERS:
        study = study.after(ParameterLearned(parameter=parameter))
    failure = TrialFailure(type="ValueError", message="a message of many words " * 20)
    for number, score in enumerate([0.5, 0.25, None, None]):
        study = study.after(TrialBegun(trial=number, values=VALUES))
        state = TrialState.COMPLETED if score else TrialState.FAILED
        error = None if score else failure
        if number < 3:
            study = study.after(
                TrialEnded(trial=number, state=state, values=VALUES, score=score, error=error, seconds=2.0)
            )
    return study


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_the_terminal(study, width, glyphs):
    lines = overview(study, 10, is_running=True, width=width, glyphs=glyphs).splitlines()

    assert max(map(cell_len, lines)) <= width
    assert any("activation" in line for line in lines)
    assert glyphs is UNICODE or all(line.isascii() for line in lines)


def test_the_best_comes_first_with_its_parameters_in_columns(study):
    lines = overview(study, 10, is_running=True, width=200, glyphs=UNICODE).splitlines()
    header = next(number for number, line in enumerate(lines) if line.split()[:1] == ["trial"])

    assert lines[header + 1].split()[:3] == ["1", "relu", "0.1235"]
    assert lines[header + 2].split()[0] == "0"


def test_trials_that_were_trained_again_keep_the_table_that_tells_it(study):
    study = study.after(Confirmed(trial=0, scores=(0.5, 0.6)))

    assert "confirmed" in overview(study, 10, is_running=True, width=80, glyphs=UNICODE)


def test_outside_of_a_terminal_nothing_is_cut(study):
    assert ("a message of many words " * 20).strip() in overview(study, 10, is_running=True)
