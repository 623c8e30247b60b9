"""Files of arrays and of the plain data around them: NumPy archives with arrays and one JSON text, and no pickle.

A damaged file is recognised by the archive's own checksums.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class ArrayFileError(Exception):
    """A file is damaged, or isn't one of these."""


def checksum_of(array: Any, start: int = 0) -> int:
    """The CRC-32 of an array's bytes, which goes on from the checksum of what came before."""
    array = np.ascontiguousarray(array)
    return zlib.crc32(array.reshape(-1).view(np.uint8).data, start) if array.size else start


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a document of dicts, lists, tuples, arrays and JSON's scalars, and flushes it to the disk."""
    arrays: dict[str, np.ndarray] = {}

    def packed(value: Any) -> Any:
        """The value as JSON, with the names of its arrays, which are put into `arrays`."""
        if isinstance(value, (np.ndarray, np.generic)):
            name = f"array{len(arrays)}"
            array = np.asarray(value)
            # NumPy's format has no name for the types that it borrows (bfloat16).
            arrays[name] = array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array
            return {"array": name, "type": array.dtype.name, "is_number": isinstance(value, np.generic)}
        if isinstance(value, Mapping):
            return {"dict": [[packed(key), packed(item)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return {type(value).__name__: [packed(item) for item in value]}
        return value

    text = json.dumps({name: packed(value) for name, value in document.items()})
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, document=np.array(text), **arrays)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> dict[str, Any]:
    """The document of a file.

    Raises:
        FileNotFoundError: There is no file.
        ArrayFileError: It is damaged.
    """

    def unpacked(value: Any) -> Any:
        if isinstance(value, list):  # as earlier versions wrote some of them
            return [unpacked(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "array" in value:
            array = archive[value["array"]]
            array = array if array.dtype.name == value["type"] else array.view(value["type"])
            return array[()] if value["is_number"] else array
        if "dict" in value:
            return {unpacked(key): unpacked(item) for key, item in value["dict"]}
        kind, items = next(iter(value.items()))
        return {"list": list, "tuple": tuple}[kind](unpacked(item) for item in items)

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: unpacked(value) for name, value in json.loads(archive["document"].item()).items()}
    except FileNotFoundError:
        raise
    except Exception as error:
        # zipfile meets garbled headers with many types: BadZipFile, NotImplementedError (an unknown compression),
        # RuntimeError (an encrypted entry), zlib.error, MemoryError (an array of a senseless shape) and others.
        raise ArrayFileError(f"{type(error).__name__}: {error}") from error
