"""Who knows whom: the picture in the package's docstring, kept true."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kerastune_lite

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kerastune_lite"


def imports_of(path):
    """Every module that a file imports, at its top or in a function, TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text())
    typing_only = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    skipped = {id(child) for node in typing_only for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def files(*folders):
    return [path for folder in folders for path in sorted((PACKAGE / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    "module", ["kerastune_lite", "kerastune_lite.space", "kerastune_lite.study", "kerastune_lite.cli"]
)
def test_looking_at_a_study_loads_no_heavy_library(module):
    heavy = "{'keras', 'tensorflow', 'scipy', 'sklearn', 'pandas'}"
    program = f"import sys, {module}; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_keras_is_touched_in_the_training_and_the_callbacks_only():
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] in ("keras", "tensorflow") for name in imports_of(path))
    }

    # tuner.retrain sets Keras's seed before it builds.
    assert {user for user in users if not user.startswith("training/")} <= {"tuner.py"}


def test_private_names_of_keras_stand_in_one_file():
    users = [path.name for path in PACKAGE.rglob("*.py") if "keras.src" in path.read_text()]

    assert users == ["keras_internals.py"]


@pytest.mark.parametrize("path", files("strategies", "stopping"), ids=lambda path: path.name)
def test_strategies_and_stopping_rules_know_spaces_and_trials_only(path):
    names = ("strategies", "stopping", "space", "trial", "objective", "errors", "seeds")
    allowed = tuple(f"kerastune_lite.{name}" for name in names)
    ours = [name for name in imports_of(path) if name.startswith("kerastune_lite")]

    assert all(name.startswith(allowed) for name in ours)


@pytest.mark.parametrize("path", files("views", "training", "execution"), ids=lambda path: path.name)
def test_views_and_training_know_neither_the_loop_nor_a_strategy(path):
    forbidden = tuple(f"kerastune_lite.{name}" for name in ("tuner", "search", "enqueued", "strategies"))

    assert not [name for name in imports_of(path) if name.startswith(forbidden)]


def test_only_the_searches_and_the_package_itself_know_the_tuner():
    users = {path.name for path in PACKAGE.rglob("*.py") if "kerastune_lite.search.tuner" in set(imports_of(path))}

    assert users == {"__init__.py", "searches.py"}


def test_every_promised_name_is_there():
    assert sorted(kerastune_lite.__all__) == kerastune_lite.__all__
    assert all(hasattr(kerastune_lite, name) for name in kerastune_lite.__all__)


def test_nobody_imports_a_second_copy_of_the_callbacks():
    for folder in ("kerastune_lite", "callbacks", "tests", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not [name for name in imports_of(path) if name and name.split(".")[0] == "callbacks"]
