"""Trials in this process, one after the other, each leaving the memory as it found it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from kerastune_lite.training.one_trial import Outcome, Report, Task, run_trial


@contextmanager
def quick_collection() -> Iterator[None]:
    """Lets garbage collections during a search look only at what the search made.

    A Keras model is full of cycles, so only a collection frees it. A full one takes a quarter of a second, most of it
    spent on the objects of TensorFlow itself; those are set aside here and put back at the end.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run_here(task: Task, report: Report) -> Outcome:
    """Runs a trial and frees its model."""
    try:
        return run_trial(task, report)
    finally:
        gc.collect()
        # What outlives a trial (TensorFlow keeps some 5 MB of each graph) is not to be searched again and again.
        gc.freeze()
