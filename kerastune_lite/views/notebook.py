"""The display of a search in a notebook: one output, which is updated in place and stays with its last state."""

from __future__ import annotations

import importlib
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from kerastune_lite.errors import SearchTerminated
from kerastune_lite.study import Study
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    Event,
    ParameterLearned,
    SearchBegun,
    SearchDescribed,
    SearchEnded,
    SpaceReviewed,
    StudyBegun,
)
from kerastune_lite.views import sentences
from kerastune_lite.views.search_html import search_html, search_text
from kerastune_lite.views.watched import Watch

UPDATES_A_SECOND, UPDATES_AT_ONCE = 2.0, 6.0
"""How often the output is updated in the long run, and how many times without a pause after a quiet while."""
LARGEST_SHARE = 0.02
"""Updates are rarer where they would take more than this share of the time: those of very many trials."""
ALWAYS_SHOWN = (SearchBegun, SearchEnded, Confirmed, ConfirmationFailed)
"""The events after which nothing else may come that would show them."""
MOST_NOTICES = 5
"""How many of the latest notices are shown."""

Bundle = Mapping[str, str]
"""Contents by their MIME types, of which a notebook shows the richest one that it can."""
Show = Callable[[Bundle], Callable[[Bundle], object]]
"""Makes an output of a bundle, and gives back the function that puts another one in its place."""


class NotebookDisplay:
    """A view that shows a search in one output of a notebook, from the thread that the search runs in.

    What can't be shown is lost, and the search goes on.

    Args:
        show: Makes the output.
        clock: Tells the seconds that have passed.
    """

    def __init__(self, show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._update: Callable[[Bundle], object] | None = None
        self._is_silent = False
        self._clock = clock
        self._asked = clock()
        self._updates_free = UPDATES_AT_ONCE
        self._watch = Watch(started=clock())
        self._opening: list[str] = []
        self._notices: deque[str] = deque(maxlen=MOST_NOTICES)
        self._closing: list[str] = []

    def __call__(self, event: Event, study: Study) -> None:
        """Takes in an event, and shows it if it is worth an update now."""
        if self._is_silent:
            return
        now = self._clock()
        self._watch = self._watch.after(event, study, now)
        match event:
            case SearchBegun():
                self._opening = list(sentences.opening(event, study))
            case SearchEnded():
                self._closing = _closing(event, study, now - self._watch.started)
            case StudyBegun() | ParameterLearned() | SpaceReviewed() | SearchDescribed():
                return
            case _:
                notice = sentences.notice(event, study)
                self._notices.extend([] if notice is None else [notice])
        # Updates that aren't made are saved up to some number, so that a slow search shows each event at once.
        free = min(self._updates_free + (now - self._asked) * UPDATES_A_SECOND, UPDATES_AT_ONCE)
        self._asked, self._updates_free = now, free
        if free >= 1.0 or isinstance(event, ALWAYS_SHOWN):
            self._draw(study, now)
            took = self._clock() - now
            self._updates_free -= max(took * UPDATES_A_SECOND / LARGEST_SHARE, 1.0)

    def _draw(self, study: Study, now: float) -> None:
        picture = self._watch.picture(study, now)
        said = [*self._opening, *self._notices, *self._closing]
        bundle = {
            "text/html": str(search_html(picture, study, said)),
            "text/plain": search_text(picture, study, said),
        }
        try:
            if self._update is None:
                self._update = self._show(bundle)
            else:
                self._update(bundle)
        except SearchTerminated:
            raise
        except Exception:  # whatever a front end's connection raises
            self._is_silent = True


def notebook_output() -> Show | None:
    """What makes an output in the notebook that this process is the kernel of; None where there is no notebook.

    IPython is only asked where something else has loaded it. In a terminal it has no kernel.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else getattr(ipython, "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else _output


def _output(bundle: Bundle) -> Callable[[Bundle], object]:
    display = importlib.import_module("IPython.display").display
    handle = display(dict(bundle), raw=True, display_id=True)
    return lambda changed: handle.update(dict(changed), raw=True)


def _closing(event: SearchEnded, study: Study, seconds: float) -> list[str]:
    """What is said at the end of a search; of one that an error has ended, what is left of it."""
    said = list(sentences.closing(event, study, seconds))
    if event.reason is None and event.is_kept:
        if not event.is_interrupted:
            said.append(f"Ended by an error. The trials so far are kept in {study.directory}.")
        said.append("tuner.study holds them.")
    return said
