"""The examples of docs/extending.md run, and satisfy the contracts that they are shown with."""

from __future__ import annotations

import pytest
from documented_code import ROOT, run


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's examples as one module, run in their order in a folder of its own."""
    return run(ROOT / "docs" / "extending.md", tmp_path_factory.mktemp("page"))


CONTRACTS = ["TestLocalSearch", "TestWorseThanAll", "TestThreadCluster"]


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_example_satisfies_its_contract(page, name):
    contract = getattr(page, name)
    tests = [test for test in dir(contract) if test.startswith("test_")]

    assert len(tests) >= 8
    for test in tests:
        getattr(contract(), test)()


def test_every_contract_of_the_page_is_run(page):
    assert sorted(name for name in vars(page) if name.startswith("Test")) == sorted(CONTRACTS)


def test_the_test_of_the_page_passes(page):
    page.test_it_finds_the_bottom_of_a_bowl()


def test_the_searches_of_the_page_have_found_something(page):
    assert len(page.study.trials) == 8
    assert page.study.best.score > 0.8
    assert [number for number, _ in page.tracked] == [0, 1, 2]
    assert [trial.state.value for trial in page.tuner.study.trials] == ["completed"] * 3
