"""The files in which benchmarks keep their finished runs."""

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def result_lines():
    spec = importlib.util.spec_from_file_location("result_lines", BENCHMARKS / "result_lines.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_that_is_not_there_holds_no_results(result_lines, tmp_path):
    assert result_lines.read_results(tmp_path / "none.jsonl", key=("seed",)) == {}


def test_the_last_line_of_a_run_counts_and_keeps_its_place(result_lines, tmp_path):
    path = tmp_path / "new folder" / "results.jsonl"
    for seed, best in ((1, 0.5), (2, 0.25), (1, 0.125)):
        result_lines.append_result(path, {"seed": seed, "best": best})

    results = result_lines.read_results(path, key=("seed",))

    assert list(results.items()) == [((1,), {"seed": 1, "best": 0.125}), ((2,), {"seed": 2, "best": 0.25})]


def test_a_line_that_a_kill_cut_short_costs_that_run_only(result_lines, tmp_path):
    path = tmp_path / "results.jsonl"
    result_lines.append_result(path, {"seed": 1})
    with path.open("a") as file:
        file.write('{"seed": 2, "best": 0.')

    result_lines.append_result(path, {"seed": 3})

    assert list(result_lines.read_results(path, key=("seed",))) == [(1,), (3,)]


def test_lines_of_several_writers_stay_whole(result_lines, tmp_path):
    path = tmp_path / "results.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: result_lines.append_result(path, {"seed": seed, "curve": [0.1] * 9999}), range(40)))

    assert len(result_lines.read_results(path, key=("seed",))) == 40
    assert len(path.read_bytes().splitlines()) == 40


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("results/*/*")), ids=lambda path: path.name)
def test_the_kept_results_are_whole(path):
    assert path.suffix == ".jsonl"
    assert all(json.loads(line)["seed"] >= 100 for line in path.read_text().splitlines())
