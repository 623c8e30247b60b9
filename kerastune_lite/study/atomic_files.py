"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unfinished_path(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f".unfinished-{path.name}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Another path to write to, which takes the place of `path` at the end, or is removed where the writing fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_path(path)
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
