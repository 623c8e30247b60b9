"""The journal of a study: a file with one JSON object a line, appended to and never rewritten.

Owns the bytes: writing whole lines, flushing them to the disk, recognising damaged ones and cutting off a line torn by
a crash. Knows nothing of trials or scores; events.py gives the lines their meaning.

Every line ends in `"crc"`, a checksum of what stands before it. So a byte that was changed in the middle is noticed
even where the line is still JSON. Lines without one are read as they are.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerastune_lite.errors import JournalError
from kerastune_lite.study.atomic_files import written_whole

FORMAT_VERSION = 1
JOURNAL_NAME = "journal.jsonl"

Line = Mapping[str, Any]
"""One line of a journal as JSON gives it: events.py knows what it means."""

DEEPEST = 100
"""Levels of lists and objects inside each other; a line with more can't be one of ours, and is hard to walk through."""

_CHECKSUM = re.compile(rb', "crc": "([0-9a-f]{8})"\}')
_CHECKSUM_AT_END = re.compile(_CHECKSUM.pattern + rb"$")
_LINE_START = re.compile(rb'\{"event": "')
_FIRST_LINE = b'{"event": "study", "time": "'
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WITH_NON_FINITE = ("logs", "score", "scores", "confirmed")
"""The fields in which a text may stand for a number."""


@dataclass(frozen=True)
class Reading:
    """What was read of a journal: the lines that are sound, and what is wrong with the others.

    Attributes:
        lines: The sound lines, in order.
        damages: One sentence for each line that was left out.
        sound_bytes: Where the last whole line ends; what follows was torn by a crash.
        ends_in_newline: False where only the last line's end is missing.
        is_journal: False of a file that a search can't have written, whatever damaged it.
    """

    lines: Sequence[Line] = ()
    damages: Sequence[str] = ()
    sound_bytes: int = 0
    ends_in_newline: bool = True
    is_journal: bool = True

    @property
    def latest_time(self) -> str:
        """When the last of the lines was written; empty where none tells it."""
        times = (line.get("time") for line in reversed(self.lines))
        return next((time for time in times if isinstance(time, str) and _TIME.fullmatch(time)), "")

    @property
    def trial_numbers(self) -> frozenset[int]:
        """The numbers of the trials that the lines speak of."""
        return frozenset(number for line in self.lines if type(number := line.get("trial")) is int)


def read_journal(path: Path, *, of_any_version: bool = False) -> Reading:
    """Reads a journal: its sound lines, and what is wrong with the others.

    Args:
        path: The file.
        of_any_version: Whether to read one of a newer version too, as far as this version understands it.

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
        found = _within(line) if decoded is None else [decoded]
        lines += found
        if decoded is None:
            saved = f", but for {len(found)} whole ones in it" if found else ""
            damages.append(f"line {number} of {path.name} is damaged and was skipped{saved}")
    sound_bytes, ends_in_newline = len(data) - len(tail), True
    if tail:
        # A writer killed in the middle of a line leaves no newline. Only a line with its checksum is known to be whole.
        found = _within(tail)
        lines += found
        if not found or _decode(tail) is None:
            damages.append(f"the last line of {path.name} was torn by a crash and was skipped")
        if found:
            sound_bytes, ends_in_newline = len(data), False
    if not of_any_version:
        for decoded in lines:
            _check_version(path, decoded)
    return Reading(lines, damages, sound_bytes, ends_in_newline, _is_journal(data, lines))


def cut_off_path(journal: Path) -> Path:
    """The file in which a journal's torn last lines are kept when they are cut off."""
    return journal.with_name(f"{journal.name}.cut-off")


def _check_version(path: Path, line: Line) -> None:
    version = line.get("version", FORMAT_VERSION)
    if type(version) is not int or version > FORMAT_VERSION:
        raise JournalError(
            f"The journal {path} has format {version!r}; this version of kerastune_lite reads up to format "
            f"{FORMAT_VERSION}. Upgrade kerastune_lite to open it."
        )


def _is_journal(data: bytes, lines: Sequence[Line]) -> bool:
    """Whether a search may have written these bytes: they begin as a journal does, or hold a line of one."""
    begins_so = data.startswith(_FIRST_LINE[: len(data)])
    has_trials = any(line["event"] in ("begin", "end") and "trial" in line for line in lines)
    return begins_so or has_trials or _CHECKSUM.search(data) is not None


class Journal:
    """Appends lines to the journal of a study, as its only writer.

    Args:
        path: The file; it is made on the first append.
        reading: What the file held when it was read, so that a torn end is cut off before the first append.
    """

    def __init__(self, path: Path, reading: Reading | None = None) -> None:
        self.path = path
        reading = reading or Reading()
        self._latest_time = reading.latest_time
        self._saved: Path | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._cut_off(reading.sound_bytes)
            if not reading.ends_in_newline:
                os.write(self._file, b"\n")
        except OSError as error:
            raise JournalError(
                f"The journal {path} can't be written: {error.strerror or error}. "
                "Make the directory writable, or choose another one."
            ) from error

    def _cut_off(self, sound_bytes: int) -> None:
        """Cuts off what follows the last whole line, once it is kept beside the journal."""
        torn = os.pread(self._file, max(os.fstat(self._file).st_size - sound_bytes, 0), sound_bytes)
        if torn:
            with cut_off_path(self.path).open("ab") as kept:
                kept.write(torn + b"\n")
                kept.flush()
                os.fsync(kept.fileno())
            os.ftruncate(self._file, sound_bytes)

    def append(self, event: str, *, flush: bool = False, at: datetime | None = None, **fields: Any) -> Line:
        """Writes one line and gives it back as a reader would see it.

        Args:
            event: The kind of event.
            flush: Whether the line has to be on the disk before this returns (fsync).
            at: When it happened, where that was not just now: another tuner's trials have their own times.
            **fields: What the line says besides its time.

        Raises:
            JournalError: The line could not be written whole; the journal is as it was before.
        """
        # Also where the system's clock is set back, so that the order of lines can be told from their times.
        time = (at or datetime.now(UTC)).astimezone(UTC)
        self._latest_time = max(time.isoformat(timespec="milliseconds"), self._latest_time)
        entry = {"event": event, "time": self._latest_time, **fields}
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

    def restore(self) -> str | None:
        """Writes the journal anew where its file is no longer at its path; what it held is still in the open file.

        A file that has taken its place is kept beside it, under another name.

        Returns:
            What a person should know, or None where the file is where it was.

        Raises:
            JournalError: It can't be written there; the message says where the trials are.
        """
        if self._is_in_place():
            return None
        content, ours = self._content(), self._place_now()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            other = _set_aside(self.path)
            with written_whole(self.path) as unfinished, unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            reopened = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            self._saved = ours or self._saved or _saved_elsewhere(content)
            raise JournalError(
                f"The journal {self.path} has vanished while the search ran, and can't be written anew: "
                f"{error.strerror or error}. All trials so far are in {self._saved}: move it back to go on."
            ) from error
        os.close(self._file)
        self._file = reopened
        beside = f"; the file that had taken its place is {other}" if other else ""
        moved = f"; what was moved is {ours}" if ours else ""
        return f"the journal had vanished while the search ran, and was written anew with all trials{beside}{moved}"

    def _is_in_place(self) -> bool:
        try:
            there, ours = self.path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _content(self) -> bytes:
        """What the open file holds, wherever it is now."""
        size, content = os.fstat(self._file).st_size, bytearray()
        while len(content) < size and (part := os.pread(self._file, size - len(content), len(content))):
            content += part
        return bytes(content)

    def _place_now(self) -> Path | None:
        """Where the open file was moved to; None where it was deleted, or nobody knows."""
        with suppress(OSError):
            place = Path(os.readlink(f"/proc/self/fd/{self._file}"))
            if place.is_file() and place.stat().st_ino == os.fstat(self._file).st_ino:
                return place
        return None

    def close(self) -> None:
        """Flushes everything to the disk and closes the file."""
        if self._file >= 0:
            with suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def _set_aside(path: Path) -> Path | None:
    """Gives whatever lies at a path another name, which is free; returns its new path, or None where there is none."""
    if not path.exists():
        return None
    names = (path.with_name(f"{path.name}.replaced-{number}") for number in itertools.count(1))
    other = next(name for name in names if not name.exists())
    path.rename(other)
    return other


def _saved_elsewhere(content: bytes) -> Path:
    """Saves a journal that has no place any more among the system's temporary files."""
    descriptor, name = tempfile.mkstemp(prefix="kerastune_lite-journal-", suffix=".jsonl")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return Path(name)


def _encode(entry: Mapping[str, Any]) -> bytes:
    body = json.dumps(_finite(entry), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    return body[:-1] + b', "crc": "%08x"}\n' % zlib.crc32(body)


def _decode(line: bytes) -> Line | None:
    """The object of a line, or None where the line is damaged."""
    line = line.rstrip(b" \t\r")
    checksum = _CHECKSUM_AT_END.search(line)
    if checksum is not None:
        line = line[: checksum.start()] + b"}"
        if zlib.crc32(line) != int(checksum[1], 16):
            return None
    try:
        event = json.loads(line)
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            return None
        # Hardly any line has so many brackets, and counting them is quicker than walking through every line.
        if line.count(b"[") + line.count(b"{") > DEEPEST and _is_deeper(event, DEEPEST):
            return None
        return {key: _numbers(value) if key in _WITH_NON_FINITE else value for key, value in event.items()}
    except (ValueError, RecursionError):
        return None


def _within(damaged: bytes) -> list[Line]:
    """The whole lines, known by their checksums, inside one that is damaged: the line end between two may be lost."""
    found: list[Line] = []
    read_to = 0
    for start in _LINE_START.finditer(damaged):
        end = _CHECKSUM.search(damaged, start.end())
        if end is None:
            break
        if start.start() >= read_to and (line := _decode(damaged[start.start() : end.end()])) is not None:
            found.append(line)
            read_to = end.end()
    return found


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand inside each other in more than so many levels."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in items)


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
