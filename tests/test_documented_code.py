"""The code that the documents show runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack

import pytest
from documented_code import BLOCK, PAGES, README, ROOT, code_of, run
from waiting import wait_until

QUICK = {"failures", "resuming"}
"""Pages whose code takes a few seconds. The others are drills."""
ELSEWHERE = {"extending", "parallel"}
"""Run by tests/testing/test_extending.py, which also runs the tests that the page shows, and below with a cluster."""

NEEDS = {"from_optuna": "optuna"}
"""The library that a page is about, which not everybody who runs the tests has."""

WITH_CODE = [page for page in (README, *PAGES) if code_of(page) and page.stem not in ELSEWHERE]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=() if page.stem in QUICK else pytest.mark.drill) for page in WITH_CODE],
)
def test_the_code_of_a_page_runs(page, tmp_path, capsys):
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    run(page, tmp_path)


@pytest.mark.drill
def test_the_code_about_workers_and_a_cluster_runs(dask_cluster, capfd):
    run(ROOT / "docs" / "parallel.md", dask_cluster)


@pytest.fixture
def dask_cluster(tmp_path):
    """A folder in which a scheduler and a worker have been started as the page says, with "cluster.json"."""
    scheduler = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    worker = ("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard")
    with ExitStack() as processes:
        for command in (scheduler, worker):
            arguments = [sys.executable, "-m", *command, "--scheduler-file", "cluster.json"]
            process = processes.enter_context(subprocess.Popen(arguments, cwd=tmp_path))
            processes.callback(process.terminate)
        wait_until((tmp_path / "cluster.json").exists)
        yield tmp_path


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_no_python_of_a_page_is_left_out(page):
    fences = re.findall(r"^[ \t]*```[ \t]*(?:py|python|pycon)\b", page.read_text(), flags=re.MULTILINE)

    assert len(fences) == len(BLOCK.findall(page.read_text()))


def test_every_page_that_is_quick_is_there():
    assert {page.stem for page in WITH_CODE} >= QUICK
    assert {page.stem for page in PAGES} >= ELSEWHERE
    assert (ROOT / "docs" / "index.md") in PAGES
