"""The files of a study: only those that this library made are ever removed."""

from __future__ import annotations

import os

import pytest

from kerastune_lite import GridSearch, JournalError, RandomSearch, Study, StudyError
from kerastune_lite.study.directory_lock import LOCK_NAME, OWNER_NAME
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.trial import Trial, TrialPlan

OWN_FILES = (
    "models/mine.keras",
    "models/notes.txt",
    "models/12.keras",
    "models/00007.npz",
    "models/deep/0000.keras",
    "checkpoints/mine.npz",
    "checkpoints/0001.npz",
    "checkpoints/best-3.npz",
    "workers/source.py",
    "workers/search.pickle",
    "journal.txt",
)


def build_fn(hp):
    return {"loss": hp.choice("x", [1, 2, 3])}


def written(directory, *names):
    """Files of a person's own, each of which holds its name; gives back what tells whether they are as they were."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return lambda: [name for name in names if (directory / name).read_text() == name] == list(names)


@pytest.mark.parametrize("settings", [{}, {"overwrite": True}, {"keep_models": 0}], ids=str)
def test_a_persons_own_files_beside_a_study_stay_as_they_are(tmp_path, monkeypatch, settings):
    are_whole = written(tmp_path, *OWN_FILES)
    monkeypatch.chdir(tmp_path)

    for _ in range(2):
        GridSearch(build_fn, "loss", directory=".", verbose=0, **settings).search()

    assert len(Study.open(".").trials) == 3
    assert are_whole()


def test_overwriting_a_study_removes_what_its_trials_kept_and_nothing_else(tmp_path):
    are_whole = written(tmp_path, *OWN_FILES)
    GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()
    ours = [
        "models/0000.keras",
        "models/0002.npz",
        "models/.unfinished-0001.keras",
        "checkpoints/0001-9.npz",
        "journal.jsonl.cut-off",
    ]
    written(tmp_path, *ours)

    GridSearch(build_fn, "loss", directory=tmp_path, verbose=0, overwrite=True).search()

    assert are_whole()
    assert not any((tmp_path / name).exists() for name in ours)


@pytest.mark.parametrize("name", ["models/0000.keras", "models/0007.npz", "checkpoints/0001-3.npz"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_a_search_would_write_over_is_refused_and_kept(tmp_path, name, overwrite):
    are_whole = written(tmp_path, name)

    with pytest.raises(StudyError, match=r"has the name of a file that this search would write.*move it elsewhere"):
        RandomSearch(build_fn, "loss", directory=tmp_path, verbose=0, overwrite=overwrite).search()
    assert are_whole()


@pytest.mark.parametrize("text", ["my own notes", '{"event": "login", "user": 3}\n', '[1, 2]\n{"a": 1}', "\n\n"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path, text, overwrite):
    (tmp_path / "journal.jsonl").write_text(text)

    with pytest.raises(JournalError, match=r"is not a journal of this library.*move it elsewhere"):
        RandomSearch(build_fn, "loss", directory=tmp_path, verbose=0, overwrite=overwrite).search()
    assert (tmp_path / "journal.jsonl").read_text() == text


@pytest.mark.parametrize("begun", ["", '{"ev', '{"event": "study", "time": "2026'])
def test_a_journal_whose_first_line_was_torn_is_one_and_what_was_torn_is_kept(tmp_path, begun):
    (tmp_path / "journal.jsonl").write_text(begun)

    GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()

    assert len(Study.open(tmp_path).trials) == 3
    kept = tmp_path / "journal.jsonl.cut-off"
    assert (kept.read_text() if kept.exists() else "") == (begun + "\n" if begun else "")


def test_another_programs_lock_is_not_emptied(tmp_path):
    are_whole = written(tmp_path, LOCK_NAME)

    with pytest.raises(StudyError, match="is the lock of another program"):
        GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()
    assert are_whole()


def test_another_programs_file_that_is_named_like_the_locks_owner_stays(tmp_path):
    are_whole = written(tmp_path, OWNER_NAME)

    GridSearch(build_fn, "loss", directory=tmp_path, verbose=0).search()

    assert are_whole()


def test_a_build_that_changes_the_working_directory_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def wanders(hp):
        os.chdir(tmp_path / "elsewhere")
        return build_fn(hp)

    tuner = GridSearch(wanders, "loss", directory="study", verbose=0)
    unnamed = GridSearch(wanders, "loss", verbose=0)
    assert [trial.score for trial in tuner.search().trials] == [1.0, 2.0, 3.0]
    os.chdir(tmp_path)
    unnamed.search()

    assert tuner.study.best.score == unnamed.study.best.score == 1.0
    assert not list((tmp_path / "elsewhere").iterdir())


def test_only_checkpoints_of_pauses_that_the_journal_knows_are_removed(tmp_path):
    files = StudyFiles(tmp_path)
    names = ("0001-3.npz", "0001-9.npz", "0001-10.npz", "0002-3.npz", "0003-3.npz")
    written(tmp_path / "checkpoints", *names)
    paused = Trial(number=1, plan=TrialPlan(pause_at=9, resumed_from=1, resumed_at=3))

    files.keep_checkpoints([files.checkpoint(1, 9)], [], {1: paused, 2: Trial(number=2)})

    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "0001-10.npz",
        "0001-9.npz",
        "0002-3.npz",
        "0003-3.npz",
    ]
