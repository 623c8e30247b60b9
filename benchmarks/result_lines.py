"""The file of a benchmark's finished runs: one JSON object a line, appended as each run ends.

A run that is repeated is appended again, and its last line counts. A benchmark that is killed while it writes leaves
part of a line, which readers skip and the next writer ends, so that it costs one run. Several processes may append to
one file: each line is a single write at the file's end, under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def append_result(path: Path, result: dict[str, Any]) -> None:
    """Adds one line to a file, which is made where there is none."""
    line = json.dumps(result, separators=(",", ":")).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not _ends_a_line(file.fileno()):
            line = b"\n" + line
        os.write(file.fileno(), line)


def read_results(path: Path, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The last whole line of each key, in the order in which the keys first appeared; empty without a file.

    Args:
        path: The file.
        key: The fields that say which run a line holds.
    """
    results: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            result = json.loads(line)
        except ValueError:  # a line that a kill cut short
            continue
        results[tuple(result[name] for name in key)] = result
    return results


def _ends_a_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"
