"""Packing functions and data for workers: pickled once, with large arrays in files of their own.

Workers on this machine map these files into memory: however many do, the system keeps the pages once.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle
import numpy as np

from kerastune_lite.errors import WorkerError

PACKED_NAME = "search.pickle"
LEAST_BYTES = 1 << 16
"""Arrays of fewer bytes are pickled: a mapped file takes whole pages and a file handle."""


@dataclass(frozen=True)
class Packed:
    """A file of packed objects, and what tells that it is still the one that was written.

    Attributes:
        path: The file.
        digest: The SHA-256 of its content, in hexadecimal.
    """

    path: Path
    digest: str


def pack(parts: Mapping[str, Any], folder: Path) -> Packed:
    """Writes objects into a folder.

    Args:
        parts: The objects, each by the name that an error message gives it.
        folder: A folder of this search's own.

    Returns:
        The file, which `unpack` reads.

    Raises:
        WorkerError: A part can't be pickled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PACKED_NAME
    with path.open("wb") as file:
        _dump(parts, _Pickler(file, folder))
    return Packed(path, hashlib.sha256(path.read_bytes()).hexdigest())


def pack_whole(parts: Mapping[str, Any]) -> bytes:
    """Packs objects into one piece, arrays included, for workers that share no disk; `unpack_whole` reads it.

    Raises:
        WorkerError: A part can't be pickled.
    """
    file = io.BytesIO()
    _dump(parts, cloudpickle.Pickler(file))
    return file.getvalue()


def _dump(parts: Mapping[str, Any], pickler: pickle.Pickler) -> None:
    for name, part in parts.items():
        try:
            pickler.dump((name, part))
        except OSError:
            raise
        except Exception as error:
            raise WorkerError(
                f"{name} can't be sent to the workers, which are other processes: {type(error).__name__}: {error}. "
                f"{_WAYS.get(name, 'Make what it holds inside build_fn.')}"
            ) from error


def unpack(packed: Packed) -> dict[str, Any]:
    """The objects that `pack` wrote; arrays are mapped, and writing to them changes nothing outside this process.

    Raises:
        WorkerError: The file, or one of its arrays, isn't the one that was written. Nothing of it is loaded then.
    """
    content = packed.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != packed.digest:
        raise WorkerError(_changed(packed.path))
    file = io.BytesIO(content)
    return _load(_Unpickler(file), file, len(content))


def unpack_whole(packed: bytes) -> dict[str, Any]:
    """The objects that `pack_whole` packed."""
    file = io.BytesIO(packed)
    return _load(pickle.Unpickler(file), file, len(packed))


def _load(unpickler: pickle.Unpickler, file: BinaryIO, size: int) -> dict[str, Any]:
    parts = {}
    while file.tell() < size:
        name, part = unpickler.load()
        parts[name] = part
    return parts


_WAYS = {
    "the data": (
        "Pass arrays, or a function that makes the data (x=lambda: my_dataset()), which each worker calls for itself."
    ),
    "callbacks": "Pass a function of the trial that makes them: callbacks=lambda trial: […].",
    "build_fn": "What it uses from outside (a file, a lock, a dataset, a client) has to be made inside it.",
}


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: BinaryIO, folder: Path) -> None:
        super().__init__(file)
        self._folder = folder
        self._count = 0
        self._written: dict[int, tuple[np.ndarray, tuple[Any, ...]]] = {}

    def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, np.ndarray) or value.dtype.hasobject or value.nbytes < LEAST_BYTES:
            return None
        if type(value) not in (np.ndarray, np.memmap) or value.dtype.kind == "V":  # V: nothing that NumPy's files know
            return None
        if id(value) not in self._written:
            # The array is kept too: another one at the same place would have the same id.
            self._written[id(value)] = value, self._place_of(value)
        return self._written[id(value)][1]

    def _place_of(self, array: np.ndarray) -> tuple[Any, ...]:
        base: Any = array.base
        if isinstance(array, np.memmap) and isinstance(base, mmap.mmap) and array.filename is not None:
            order = "C" if array.flags.c_contiguous else "F"
            return str(array.filename), array.dtype.str, array.shape, array.offset, order
        path = self._folder / f"array_{self._count}.npy"
        self._count += 1
        np.save(path, array, allow_pickle=False)
        return (str(path), _version_of(path))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._mapped: dict[tuple[Any, ...], np.ndarray] = {}

    def persistent_load(self, place: tuple[Any, ...]) -> np.ndarray:
        if place not in self._mapped:
            self._mapped[place] = _mapped(*place)
        return self._mapped[place]


def _mapped(name: str, version: Any, *memmap: Any) -> np.ndarray:
    """An array of a file of ours, which has to be of that version, or of a memory map of the user's own."""
    if not memmap:
        if _version_of(Path(name)) != version:
            raise WorkerError(_changed(Path(name)))
        array: np.ndarray = np.load(name, mmap_mode="c", allow_pickle=False)
        return array
    lengths, offset, order = memmap
    return np.memmap(name, dtype=version, mode="c", offset=offset, shape=lengths, order=order)


def _version_of(path: Path) -> tuple[int, int, int]:
    """The inode, size and time of a file, of which one changes whenever it does: arrays are too large to be read."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _changed(path: Path) -> str:
    return f"{path} isn't what the search wrote for its workers: something changed it since. Search again."
