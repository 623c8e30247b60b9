"""Atomic files: written completely, or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""What the name of a file begins with while it is written."""


def unfinished_path(path: Path) -> Path:
    """The path at which a file lies while it is written."""
    return path.with_name(f"{UNFINISHED}{path.name}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a path to write to; at the end that file replaces `path`, or is removed where the writing failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_path(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
