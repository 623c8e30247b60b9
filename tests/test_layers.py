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
    heavy = "{'keras', 'tensorflow', 'scipy', 'sklearn', 'pandas', 'plotly'}"
    program = f"import sys, {module}; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


MAY_KNOW = {
    "errors": (),
    "other_tuners": (),
    "markup": (),
    "space": ("errors", "markup", "other_tuners"),
    "study": ("errors", "markup", "other_tuners", "space"),
    "strategies": ("errors", "markup", "space", "study"),
    "stopping": ("errors", "space", "study"),
    "belief": ("errors", "space", "study", "strategies"),
    "importances": ("errors", "space", "study", "strategies"),
    "plots": ("errors", "space", "study", "strategies", "belief", "importances"),
    "views": ("errors", "markup", "space", "study"),
    "running": ("errors", "space", "study"),
    "training": ("errors", "other_tuners", "space", "study", "running", "callbacks"),
    "execution": ("errors", "space", "study", "running", "training"),
    "search": (
        "errors",
        "other_tuners",
        "markup",
        "space",
        "study",
        "strategies",
        "stopping",
        "views",
        "running",
        "training",
        "execution",
        "callbacks",
    ),
    "testing": ("errors", "space", "study", "strategies", "stopping", "running", "training", "execution"),
    "cli": ("errors", "study", "views"),
    "compat": (
        "errors",
        "space",
        "study",
        "strategies",
        "running",
        "training",
        "search",
    ),
    "sklearn": ("errors", "other_tuners", "space", "study", "search", "execution"),
}
"""The rooms, each with those that it may know, as CONTRIBUTING.md draws them."""
ASKED_BY_A_STUDY = {(room, "study/study.py") for room in ("belief", "compat", "importances", "plots")}
"""`study.predict`, `study.plot`, `study.to_optuna` and their like are the study's by name, and ask these rooms."""


def room_of(name):
    """The room of a module of ours by its full name; None of one that is somebody else's."""
    parts = name.split(".")
    return parts[1] if parts[0] == "kerastune_lite" and len(parts) > 1 else None


def rooms_known_by(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "kerastune_lite":
            yield from (alias.name for alias in node.names)
    yield from filter(None, map(room_of, filter(None, imports_of(path))))


@pytest.mark.parametrize("room", MAY_KNOW)
def test_a_room_knows_those_below_it_and_no_others(room):
    paths = files(room) or [PACKAGE / f"{room}.py"]
    known = {
        (other, path.relative_to(PACKAGE).as_posix())
        for path in paths
        for other in rooms_known_by(path)
        if other not in (room, *MAY_KNOW[room], "_version")
    }

    assert known <= ASKED_BY_A_STUDY


def test_every_room_is_in_the_picture():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert rooms - {"__init__", "__main__", "_version"} == set(MAY_KNOW)


def test_no_two_rooms_know_each_other_in_a_circle():
    above = dict(MAY_KNOW)
    while above:
        floor = [room for room, known in above.items() if not set(known) & set(above)]
        assert floor, f"a circle among {', '.join(above)}"
        above = {room: known for room, known in above.items() if room not in floor}


def test_keras_is_touched_in_the_training_and_the_callbacks_only():
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] in ("keras", "tensorflow") for name in filter(None, imports_of(path)))
    }

    # The contract of a cluster trains a model of two weights. TensorFlow writes TensorBoard's files. What code for
    # KerasTuner hands over and gets back are models, callbacks and histories of Keras. What predicts for scikit-learn
    # are models of Keras.
    others = {user for user in users if not user.startswith(("training/", "compat/keras_tuner/", "sklearn/"))}
    assert others <= {"testing/clusters.py", "views/tensorboard.py"}


def test_private_names_of_keras_stand_in_one_file():
    users = [path.name for path in PACKAGE.rglob("*.py") if "keras.src" in path.read_text()]

    assert users == ["keras_internals.py"]


@pytest.mark.parametrize(
    "module",
    [
        "strategies",
        "stopping",
        "belief",
        "importances",
        "plots",
        "search.loop",
        "views.progress",
        "views.tensorboard",
        "running.task",
    ],
)
def test_what_decides_and_what_shows_loads_without_keras(module):
    program = f"import sys, kerastune_lite.{module}; sys.exit(bool({{'keras', 'tensorflow'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_only_the_searches_and_the_package_itself_know_the_tuner():
    users = {path for path in PACKAGE.rglob("*.py") if "kerastune_lite.search.tuner" in set(imports_of(path))}

    assert {path.name for path in users if not {"compat", "sklearn"} & {*path.parts}} == {"__init__.py", "tuners.py"}


def test_every_promised_name_is_there():
    assert sorted(kerastune_lite.__all__) == kerastune_lite.__all__
    assert all(hasattr(kerastune_lite, name) for name in kerastune_lite.__all__)


def test_nobody_imports_a_second_copy_of_the_callbacks():
    for folder in ("kerastune_lite", "callbacks", "tests", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not [name for name in imports_of(path) if name and name.split(".")[0] == "callbacks"]
