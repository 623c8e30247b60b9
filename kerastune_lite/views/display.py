"""Which display shows a search: the one for notebooks in a notebook, and elsewhere the one for terminals."""

from __future__ import annotations

from kerastune_lite.study.writer import View
from kerastune_lite.views.notebook import NotebookDisplay, notebook_output
from kerastune_lite.views.progress import Progress


def display_for(verbose: int) -> View:
    """The display of a search in this process.

    Args:
        verbose: 0 shows nothing.
    """
    output = notebook_output() if verbose else None
    return Progress(verbose) if output is None else NotebookDisplay(output)
