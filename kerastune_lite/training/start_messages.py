"""What TensorFlow's C++ code says when it starts, kept from a terminal.

While TensorFlow is imported, and when it first looks for devices, it writes lines to the standard error of which hardly
any concerns a person: which instructions it uses, that there is no GPU, that a plugin was registered twice. No setting
silences those that come before it reads its settings. So the file descriptor itself is turned aside for these two
moments, where it is a terminal and no other thread runs. What looks like a line of TensorFlow's log is kept for a file
in the study's directory; everything else, such as Python's warnings, is shown once the moment is over.

A process that crashes in such a moment can't do that any more. A small process waits for its end, and writes all that
was held.
"""

from __future__ import annotations

import importlib.abc
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FILE_NAME = "tensorflow.log"
"""The file in a study's directory that the lines are written to."""
LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""TensorFlow's own setting: 1 leaves out lines that only inform, once TensorFlow has read it."""
HELD_IN_WORKERS = "KERASTUNE_LITE_HOLDS_MESSAGES"
"""The environment variable that tells a worker process to hold lines back: its search is watched in a terminal."""
STANDARD_ERROR = 2

_LINE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    r"|[IWE]\d{4} [\d:.]+\s+\d+ \S+:\d+\] "
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IWE] \S+:\d+\] "
    r"|To enable the following instructions: "
)
_OF_CONCERN = re.compile(r"\] Cannot dlopen some GPU libraries")
"""A GPU is there and can't be used: a person has to know."""

_GUARD = """
import os, sys
if os.read(0, 1) != b"1":
    os.lseek(3, 0, os.SEEK_SET)
    while data := os.read(3, 65536):
        os.write(2, data)
"""
"""Writes what the file descriptor 3 holds, unless it is told before its standard input closes that all is well."""

_held: list[str] = []
_has_looked_for_devices = False


def hold_back() -> None:
    """Holds the lines back that an import of TensorFlow will write; nothing where it was imported already."""
    if "tensorflow" in sys.modules or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    os.environ.setdefault(LEVEL, "1")
    if _may_hold():
        sys.meta_path.insert(0, _Finder())


def look_for_devices(*, leaves_memory: bool = False) -> None:
    """Lets TensorFlow look for its devices now, once in a process, with what it says of them held back.

    Where nothing can be held back, it looks for them when it needs them.

    Args:
        leaves_memory: Whether this process leaves the GPUs' memory to its workers.
    """
    global _has_looked_for_devices
    import keras

    is_held = not _has_looked_for_devices and keras.backend.backend() == "tensorflow" and _may_hold()
    with _holding() if is_held else nullcontext():
        if leaves_memory:
            from kerastune_lite.training.devices import visible_gpus

            visible_gpus()
        if is_held:
            import tensorflow as tf

            _has_looked_for_devices = True
            tf.constant(0)


def write_held(directory: Path) -> None:
    """Writes the lines that were held back in this process to a file in a study's directory."""
    if _held:
        with suppress(OSError):  # they are no reason to end a search
            (directory / FILE_NAME).write_text("".join(_held), encoding="utf-8")


def parted(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines of TensorFlow's log that are held back, and those that are shown."""
    held: list[str] = []
    shown: list[str] = []
    for line in lines:
        (held if _LINE.match(line) and not _OF_CONCERN.search(line) else shown).append(line)
    return held, shown


def _may_hold() -> bool:
    """Whether the standard error is a terminal's, or a worker's whose search is watched in one, and may be turned."""
    if os.environ.get(HELD_IN_WORKERS):
        return True
    try:
        return os.isatty(STANDARD_ERROR)
    except OSError:  # it is closed
        return False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where the other finders do, and lets it be imported with its messages held back."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        for finder in sys.meta_path:
            spec = None if isinstance(finder, _Finder) else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Loads a module by its own loader, with messages held back."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        with _holding():
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        # Whoever only looks for the module may ask its loader for more.
        return getattr(self._loader, name)


@contextmanager
def _holding() -> Iterator[None]:
    """Turns the standard error aside, and in the end writes to it what isn't TensorFlow's; all of it after an error."""
    is_alone = threading.active_count() == 1 or bool(os.environ.get(HELD_IN_WORKERS))
    if not is_alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    with tempfile.TemporaryFile() as file:
        has_failed = True
        try:
            with _guarded(file.fileno()), _turned_to(file.fileno()):
                yield
            has_failed = False
        finally:
            file.seek(0)
            held, shown = parted(file.read().decode(errors="replace").splitlines(keepends=True))
            _held.extend(held)
            if sys.stderr is not None:
                sys.stderr.write("".join([*held, *shown] if has_failed else shown))


@contextmanager
def _turned_to(descriptor: int) -> Iterator[None]:
    """The standard error is another file, for C++ code too."""
    _flush()
    before = os.dup(STANDARD_ERROR)
    try:
        os.dup2(descriptor, STANDARD_ERROR)
        yield
    finally:
        _flush()
        os.dup2(before, STANDARD_ERROR)
        os.close(before)


@contextmanager
def _guarded(descriptor: int) -> Iterator[None]:
    """Lets a process of its own write what a file holds to the standard error if this one doesn't come to the end."""
    command = [sys.executable, "-I", "-S", "-c", f"import os; os.dup2({descriptor}, 3)\n{_GUARD}"]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[descriptor], start_new_session=True)
    try:
        yield
    finally:
        with suppress(OSError):
            guard.communicate(b"1")


def _flush() -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
