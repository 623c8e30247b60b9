"""Which models in the manner of Keras's public examples are shared, with a plain fit's numbers, and how fast.

    python benchmarks/engine_coverage.py [--models convnet,text] [--trials 3] [--repeats 1] [--no-times] [--json PATH]

Each model of `example_models` is searched twice, with engine="auto" and engine="fit", over the same settings: the same
architecture, other numbers. History, weights and the optimizer's state of every trial are compared, bit by bit. A model
counts as shared where its last trial was. The ratio is that of the seconds of the last trials, fit to auto: above 1 the
engine was faster; with several repeats it is the ratio of medians. --models takes names of models and of fields.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from example_models import EXAMPLES, Example
from example_models.comparison import Outcome, differences, searched

ENGINES = ("auto", "fit")


def measured(example: Example, trials: int, repeats: int) -> dict[str, Any]:
    """What one model came to by both engines, as a row."""
    runs: dict[str, list[list[Outcome]]] = {engine: [] for engine in ENGINES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(repeats):
            for engine in ENGINES:
                runs[engine].append(searched(example, engine, trials))
    different: dict[str, float] = {}
    for auto, fit in zip(*runs.values(), strict=True):
        for one, other in zip(auto, fit, strict=True):
            for what, distance in differences(one, other).items():
                different[what] = max(distance, different.get(what, 0.0))
    last = runs["auto"][0][-1]
    auto, fit = (statistics.median(run[-1].seconds for run in runs[engine]) for engine in ENGINES)
    return {
        "field": example.field,
        "name": example.name,
        "after": example.after,
        "engine": last.engine,
        "is_shared": last.is_shared,
        "is_as_expected": last.is_shared == example.shares,
        "differences": different,
        "notes": list(last.notes),
        "ratio": fit / auto,
    }


def told(row: dict[str, Any], with_times: bool) -> str:
    ratio = f"{row['ratio']:6.2f}" if with_times else ""
    worst = max(row["differences"].items(), key=lambda item: item[1], default=None)
    equal = "equal" if worst is None else f"DIFFERS: {worst[0]} by {worst[1]:.2g}"
    return f"{row['field']:11s}{row['name']:31s}{ratio:8s}{equal:8s}{row['engine']}"


def summary(rows: Sequence[dict[str, Any]], with_times: bool) -> str:
    """The share of models that are shared, why the others aren't, and the ratios."""
    shared = [row for row in rows if row["is_shared"]]
    different = [row["name"] for row in rows if row["differences"]]
    lines = [
        "",
        f"{len(shared)} of {len(rows)} models are shared: {100 * len(shared) / len(rows):.0f} %",
        f"numbers that differ: {', '.join(different) or 'none'}",
    ]
    reasons = defaultdict(list)
    for row in rows:
        if not row["is_shared"]:
            reasons[row["engine"]].append(row["name"])
    lines += [f"  {reason}: {', '.join(names)}" for reason, names in sorted(reasons.items())]
    if with_times:
        ratios = [row["ratio"] for row in rows]
        lines.append(f"ratios: smallest {min(ratios):.2f}, median {statistics.median(ratios):.2f}")
        if shared:
            ratios = [row["ratio"] for row in shared]
            lines.append(f"of those shared: smallest {min(ratios):.2f}, median {statistics.median(ratios):.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which models the engine shares, and whether its numbers are right.")
    parser.add_argument("--models", default=",".join(EXAMPLES), help="names, or fields as vision, by commas")
    parser.add_argument("--trials", type=int, default=3, help="trials a search; the last one is timed")
    parser.add_argument("--repeats", type=int, default=1, help="how often each search is repeated")
    parser.add_argument("--no-times", action="store_true", help="print no ratios")
    parser.add_argument("--json", type=Path, help="a file for all results, one JSON object a line")
    options = parser.parse_args()
    wanted = options.models.split(",")
    unknown = set(wanted) - set(EXAMPLES) - {example.field for example in EXAMPLES.values()}
    if unknown:
        parser.error(f"no such models or fields: {', '.join(sorted(unknown))}")
    versions = f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Python {platform.python_version()}"
    print(f"{time.strftime('%Y-%m-%d')}, {versions}, {os.cpu_count()} cores, {platform.machine()}")
    rows = []
    for example in EXAMPLES.values():
        if not {example.name, example.field} & set(wanted):
            continue
        rows.append(measured(example, options.trials, options.repeats))
        print(told(rows[-1], not options.no_times), flush=True)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(summary(rows, not options.no_times))


if __name__ == "__main__":
    main()
