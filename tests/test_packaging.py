"""What a wheel holds, and what an installation sees."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kerastune_lite.callbacks

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("kerastune_lite", "callbacks", "pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_a_wheel_holds_the_callbacks_and_the_types(wheel):
    names = set(wheel.namelist())

    assert {
        "kerastune_lite/callbacks/time_limit.py",
        "kerastune_lite/py.typed",
        "kerastune_lite/search/tuner.py",
    } <= names
    assert not [name for name in names if name.startswith(("callbacks/", "tests/", "examples/"))]


def test_a_wheel_holds_every_package(wheel):
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "kerastune_lite").rglob("__init__.py")}

    assert {f"{folder}/__init__.py" for folder in folders} <= set(wheel.namelist())


def test_a_wheel_brings_the_command_line(wheel):
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))

    assert b"kerastune-lite = kerastune_lite.cli:main" in wheel.read(entry_points)


def test_an_installation_sees_the_callbacks_inside_the_package():
    assert kerastune_lite.callbacks.__name__ == "kerastune_lite.callbacks"
    assert kerastune_lite.callbacks.TimeLimit.__module__ == "kerastune_lite.callbacks.time_limit"
