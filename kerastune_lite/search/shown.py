"""A tuner as one line, and as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastune_lite import markup
from kerastune_lite.errors import KerastuneError
from kerastune_lite.markup import Html
from kerastune_lite.space import label_of
from kerastune_lite.study.as_html import pairs_html, study_html
from kerastune_lite.study.journal import JOURNAL_NAME
from kerastune_lite.study.texts import beginning_of, end_of

if TYPE_CHECKING:
    from kerastune_lite.search.tuner import Tuner

LONGEST_ERROR = 500
"""Characters of what is told of a study that can't be read."""


def tuner_text(tuner: Tuner) -> str:
    """The tuner's kind, and its settings that are of most interest, on one line."""
    told = ", ".join(f"{name} {value}" for name, value in _settings(tuner).items())
    return f"<{type(tuner).__name__}: {told}>"


def tuner_html(tuner: Tuner) -> Html:
    """The tuner's settings, and its study where there is one."""
    settings = pairs_html("", list(_settings(tuner).items()))
    return markup.block(markup.line(markup.strong(type(tuner).__name__)), settings, _study(tuner))


def _settings(tuner: Tuner) -> dict[str, str]:
    objective = tuner.objective
    settings = {
        "build_fn": beginning_of(label_of(tuner.build_fn)),
        "objective": "val_loss or loss" if objective is None else beginning_of(objective.name),
        "max_trials": "without bound" if tuner.max_trials is None else str(int(tuner.max_trials)),
        "directory": "not made yet" if tuner.directory is None else end_of(str(tuner.directory)),
    }
    if tuner.workers != 1:
        settings["workers"] = str(tuner.workers)
    if tuner.stopping is not None:
        settings["stopping"] = type(tuner.stopping).__name__
    return settings


def _study(tuner: Tuner) -> Html:
    """The study of the tuner's directory; why there is none, or why it can't be read."""
    if tuner.directory is None or not (tuner.directory / JOURNAL_NAME).is_file():
        return markup.line("no study yet: call search(…)", soft=True)
    try:
        return study_html(tuner.study)
    except (KerastuneError, OSError) as error:
        return markup.line(beginning_of(str(error), LONGEST_ERROR), soft=True)
