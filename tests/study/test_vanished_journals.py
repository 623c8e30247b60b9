"""A study's directory or journal that vanishes or moves while a search runs: no finished trial is lost."""

from __future__ import annotations

import shutil

import pytest

from kerastune_lite import JournalError, RandomSearch, Study
from kerastune_lite.study.events import TrialEnded
from kerastune_lite.study.journal import JOURNAL_NAME


def search(directory, act, **settings):
    """A search of ten trials, in which something happens to its directory when the fourth has ended."""

    def view(event, study):
        if isinstance(event, TrialEnded) and event.trial == 3:
            act(directory)

    def build_fn(hp):
        return {"loss": hp.float("a", 0.0, 1.0)}

    settings = {"verbose": 0, "seed": 0, "max_trials": 10, "views": [view]} | settings
    return RandomSearch(build_fn, "loss", directory=directory, **settings).search()


def moved(directory):
    directory.rename(directory.with_name("moved"))


def replaced(directory):
    (directory / JOURNAL_NAME).unlink()
    (directory / JOURNAL_NAME).write_text("precious")


HAPPENINGS = {
    "the directory is deleted": shutil.rmtree,
    "the directory is moved": moved,
    "the journal is deleted": lambda directory: (directory / JOURNAL_NAME).unlink(),
    "the journal is moved": lambda directory: (directory / JOURNAL_NAME).rename(directory / "old.jsonl"),
    "the journal is replaced": replaced,
    "the directory is emptied": lambda directory: [path.unlink() for path in directory.iterdir()],
}


@pytest.mark.parametrize("act", HAPPENINGS.values(), ids=HAPPENINGS)
def test_a_search_writes_its_journal_anew_and_goes_on(tmp_path, capsys, act):
    undisturbed = search(tmp_path / "other", lambda directory: None)

    study = search(tmp_path / "study", act, verbose=1)

    assert [trial.values for trial in study.trials] == [trial.values for trial in undisturbed.trials]
    assert {trial.state.value for trial in Study.open(tmp_path / "study").trials} == {"completed"}
    assert not study.damages
    assert "the journal had vanished while the search ran, and was written anew" in capsys.readouterr().out


def test_what_has_taken_the_journals_place_is_kept(tmp_path):
    search(tmp_path / "study", replaced)

    assert (tmp_path / "study" / f"{JOURNAL_NAME}.replaced-1").read_text() == "precious"


def test_a_search_in_a_directory_that_has_come_back_can_be_resumed(tmp_path):
    search(tmp_path / "study", shutil.rmtree, max_trials=6)

    assert len(search(tmp_path / "study", lambda directory: None).trials) == 10


@pytest.mark.parametrize("act", [moved, shutil.rmtree], ids=["moved", "deleted"])
def test_where_the_directory_cannot_be_made_the_error_says_where_the_trials_are(tmp_path, act):
    def blocks(directory):
        act(directory)
        directory.write_text("a file")

    told = r"has vanished while the search ran.*All trials so far are in .*: move"
    with pytest.raises(JournalError, match=told) as caught:
        search(tmp_path / "study", blocks)

    place = str(caught.value).split("All trials so far are in ")[1].split(": move")[0]
    (tmp_path / "back").mkdir()
    shutil.copy(place, tmp_path / "back" / JOURNAL_NAME)
    assert sum(trial.state.ended for trial in Study.open(tmp_path / "back").trials) == 4
