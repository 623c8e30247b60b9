"""Packing functions and data for workers: pickled once, with large arrays as files that all of them map."""

from __future__ import annotations

import functools
import threading

import numpy as np
import pytest

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.packing import pack, pack_whole, unpack, unpack_whole

LARGE = np.arange(100_000, dtype="float32").reshape(-1, 10)


def round_trip(folder, **parts):
    return unpack(pack(parts, folder))


def test_large_arrays_are_mapped_and_small_ones_pickled(tmp_path):
    given = round_trip(tmp_path, data={"x": LARGE, "y": np.arange(3)})["data"]

    assert isinstance(given["x"], np.memmap)
    assert not isinstance(given["y"], np.memmap)
    assert np.array_equal(given["x"], LARGE)
    assert given["x"].dtype == LARGE.dtype


def test_an_array_that_occurs_twice_is_written_and_mapped_once(tmp_path):
    given = round_trip(tmp_path, data=[LARGE, LARGE], callbacks=lambda: LARGE)

    assert len(list(tmp_path.glob("*.npy"))) == 1
    assert given["data"][0] is given["data"][1]
    assert given["callbacks"]() is given["data"][0]


def test_writing_to_a_mapped_array_changes_neither_the_file_nor_another_process(tmp_path):
    path = pack({"data": LARGE}, tmp_path)
    first, second = unpack(path)["data"], unpack(path)["data"]
    first[0] = -1.0

    assert np.array_equal(second, LARGE)


def test_an_array_that_is_a_mapped_file_already_is_not_copied(tmp_path):
    np.save(tmp_path / "mine.npy", LARGE)
    mine = np.load(tmp_path / "mine.npy", mmap_mode="r")
    given = round_trip(tmp_path / "search", data=mine)["data"]

    assert list((tmp_path / "search").glob("*.npy")) == []
    assert np.array_equal(given, LARGE)


@pytest.mark.parametrize(
    "array",
    [
        LARGE[:, ::2],
        np.asfortranarray(LARGE),
        LARGE[1:],
        np.array(["a", None] * 50_000, dtype=object),
        LARGE.astype("float64"),
        np.zeros((0, 3)),
    ],
    ids=["strided", "fortran", "part", "objects", "doubles", "empty"],
)
def test_arrays_of_any_layout_arrive_as_they_are(tmp_path, array):
    given = round_trip(tmp_path, data=array)["data"]

    assert np.array_equal(given, array)
    assert given.dtype == array.dtype


class Builder:
    """An object with a method that builds."""

    def build(self, x):
        return 3 * x


def times(factor, x):
    return factor * x


@pytest.mark.parametrize("scale", [3])
@pytest.mark.parametrize("kind", ["lambda and closure", "local function", "partial", "bound method", "object"])
def test_a_function_of_any_kind_travels(tmp_path, scale, kind):
    def local(x):
        return scale * x

    functions = {
        "lambda and closure": lambda x: scale * x,
        "local function": local,
        "partial": functools.partial(times, scale),
        "bound method": Builder().build,
        "object": Builder(),
    }
    given = round_trip(tmp_path, build_fn=functions[kind])["build_fn"]

    assert getattr(given, "build", given)(7) == 21


def test_all_parts_fit_into_one_piece_for_workers_without_a_common_disk():
    given = unpack_whole(pack_whole({"data": LARGE, "build_fn": lambda: 3}))

    assert np.array_equal(given["data"], LARGE)
    assert given["build_fn"]() == 3


@pytest.mark.parametrize(
    ("name", "way_out"), [("build_fn", "has to be made inside it"), ("callbacks", "callbacks=lambda trial")]
)
def test_what_cannot_travel_is_named_with_a_way_out(tmp_path, name, way_out):
    with pytest.raises(WorkerError, match=f"^{name} can't be sent to the workers.*{way_out}"):
        pack({"data": LARGE, name: threading.Lock()}, tmp_path)
