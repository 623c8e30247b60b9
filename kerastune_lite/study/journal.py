"""The journal of a study: a file with one JSON object a line, appended to and never rewritten.

Owns the bytes: writing whole lines, flushing them to the disk, recognising damaged ones and cutting off a line torn by
a crash. Knows nothing of trials or scores; events.py gives the lines their meaning.

Every line ends in `"crc"`, a checksum of what stands before it. So a byte that was changed in the middle is noticed
even where the line is still JSON. Lines without one are read as they are.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerastune_lite.errors import JournalError

FORMAT_VERSION = 1
JOURNAL_NAME = "journal.jsonl"

Line = Mapping[str, Any]
"""One line of a journal as JSON gives it: events.py knows what it means."""

_CHECKSUM = re.compile(rb', "crc": "([0-9a-f]{8})"\}$')
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Reading:
    """What was read of a journal: the lines that are sound, and what is wrong with the others.

    Attributes:
        lines: The sound lines, in order.
        damages: One sentence for each line that was left out.
        sound_bytes: Where the last whole line ends; what follows was torn by a crash.
        ends_in_newline: False where only the last line's end is missing.
    """

    lines: Sequence[Line] = ()
    damages: Sequence[str] = ()
    sound_bytes: int = 0
    ends_in_newline: bool = True


def read_journal(path: Path) -> Reading:
    """Reads a journal: its sound lines, and what is wrong with the others.

    Raises:
        JournalError: It can't be read, or a newer version of this library wrote it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"The journal {path} can't be read: {error.strerror or error}.") from error
    *raw, tail = data.split(b"\n")
    lines: list[Line] = []
    damages: list[str] = []
    for number, line in enumerate(raw, start=1):
        decoded = _decode(line)
        if decoded is None:
            damages.append(f"line {number} of {path.name} is damaged and was skipped")
        else:
            lines.append(decoded)
    sound_bytes, ends_in_newline = len(data) - len(tail), True
    if tail:
        # A writer killed in the middle of a line leaves no newline. Only a line with its checksum is known to be whole.
        decoded = _decode(tail) if _CHECKSUM.search(tail) else None
        if decoded is None:
            damages.append(f"the last line of {path.name} was torn by a crash and was skipped")
        else:
            lines.append(decoded)
            sound_bytes, ends_in_newline = len(data), False
    for decoded in lines:
        version = decoded.get("version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise JournalError(
                f"The journal {path} has format {version}; this version of kerastune_lite reads up to format "
                f"{FORMAT_VERSION}. Upgrade kerastune_lite to open it."
            )
    return Reading(lines, damages, sound_bytes, ends_in_newline)


class Journal:
    """Appends lines to the journal of a study, as its only writer.

    Args:
        path: The file; it is made on the first append.
        reading: What the file held when it was read, so that a torn end is cut off before the first append.
    """

    def __init__(self, path: Path, reading: Reading | None = None) -> None:
        self.path = path
        reading = reading or Reading()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._file, reading.sound_bytes)
            if not reading.ends_in_newline:
                os.write(self._file, b"\n")
        except OSError as error:
            raise JournalError(
                f"The journal {path} can't be written: {error.strerror or error}. "
                "Make the directory writable, or choose another one."
            ) from error

    def append(self, event: str, *, flush: bool = False, **fields: Any) -> Line:
        """Writes one line and gives it back as a reader would see it.

        Args:
            event: The kind of event.
            flush: Whether the line has to be on the disk before this returns (fsync).
            **fields: What the line says besides its time.

        Raises:
            JournalError: The line could not be written whole; the journal is as it was before.
        """
        entry = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        line = _encode(entry)
        start = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, line)
            if written < len(line):
                # The rest says why the disk took only a part.
                os.write(self._file, line[written:])
            if flush:
                os.fsync(self._file)
        except BaseException as error:
            # Also an interruption by Ctrl-C must not leave half a line for the next append to be glued to.
            with suppress(OSError):
                os.ftruncate(self._file, start)
            if isinstance(error, OSError):
                raise JournalError(
                    f"The journal {self.path} could not be written: {error.strerror or error}. Everything that it "
                    "held before is kept: make room and search again in the same directory."
                ) from error
            raise
        decoded = _decode(line.rstrip(b"\n"))
        if decoded is None:
            raise JournalError(f"The journal {self.path} would not read back its own line for {event!r}.")
        return decoded

    def close(self) -> None:
        """Flushes everything to the disk and closes the file."""
        if self._file >= 0:
            with suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def _encode(entry: Mapping[str, Any]) -> bytes:
    body = json.dumps(_finite(entry), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    return body[:-1] + b', "crc": "%08x"}\n' % zlib.crc32(body)


def _decode(line: bytes) -> Line | None:
    """The object of a line, or None where the line is damaged."""
    checksum = _CHECKSUM.search(line)
    if checksum is not None:
        line = line[: checksum.start()] + b"}"
        if zlib.crc32(line) != int(checksum[1], 16):
            return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    return {key: _numbers(value) if key in ("logs", "score", "scores") else value for key, value in event.items()}


def _finite(value: Any) -> Any:
    """The value with words for NaN and infinities, which JSON doesn't have."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _numbers(value: Any) -> Any:
    """The value with the words for NaN and infinities turned back into numbers."""
    if isinstance(value, str):
        return _NON_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value
