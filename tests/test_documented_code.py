"""The code that the documents show runs as it stands there."""

from __future__ import annotations

import re

import pytest
from documented_code import BLOCK, PAGES, README, ROOT, code_of, run

QUICK = {"belief", "callbacks", "stopping"}
"""Pages whose code takes a few seconds. The others are drills."""
ELSEWHERE = {"extending"}
"""Run by tests/testing/test_extending.py, which also runs the tests that the page shows."""

WITH_CODE = [page for page in (README, *PAGES) if code_of(page) and page.stem not in ELSEWHERE]


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=() if page.stem in QUICK else pytest.mark.drill) for page in WITH_CODE],
)
def test_the_code_of_a_page_runs(page, tmp_path, capsys):
    run(page, tmp_path)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_no_python_of_a_page_is_left_out(page):
    fences = re.findall(r"^\s*```\s*(?:py|python|pycon)\b", page.read_text(), flags=re.MULTILINE)

    assert len(fences) == len(BLOCK.findall(page.read_text()))


def test_every_page_that_is_quick_is_there():
    assert {page.stem for page in WITH_CODE} >= QUICK
    assert {page.stem for page in PAGES} >= ELSEWHERE
    assert (ROOT / "docs" / "index.md") in PAGES
