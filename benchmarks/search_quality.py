"""How good a setting each search has found after 10, 25, 50 and 100 trials.

    python benchmarks/search_quality.py [--problems a,b] [--peers a,b] [--seeds 10] [--trials 100]
                                        [--reference gp.py] [--tuning] [--table]

Eleven problems: closed forms with a known optimum (their value is what is missing to it) and small learning problems in
NumPy, trained anew with other noise for every trial. The peers are those that are installed. Every finished run is
appended to benchmarks/results/search_quality/, one file for each problem and one line for each run, and is not run
again; so the benchmark can be stopped and resumed at any point, and several processes can share it by taking different
`--problems` or `--peers`. `--table` prints the stored results without running anything. `--reference` loads a file that
holds `Proto(space, seed, trials)` with `ask` and `tell` as one more peer.

What counts is the value of the setting with the best score so far, free of noise: that of the closed form, or the mean
of ten or forty trainings with seeds of their own. A last table is about what a search hands over at its end. For ours
that is the setting that `recommended` has, whose expected value is the best; the peers hand over the one with the best
score, be it luck.

Settings of the strategy are chosen on the tuning seeds 0, 1, … (`--tuning`) and reported on the seeds 100, 101, …
(the default); the two are kept in different files.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from result_lines import append_result, read_results
from scipy.stats import rankdata
from search_peers import CHECKPOINTS, FOUR, Run, Search, installed
from search_problems import PROBLEMS

RESULTS = Path(__file__).parent / "results" / "search_quality"
UNRANKED = (FOUR, "reference")
"""Those that hand over nothing that a user could have: a search with four trials running, and the prototype."""
FIRST_SEED = {"tuning": 0, "reporting": 100}

Record = dict[str, Any]
"""One run: "peer", "seed", "trials" (how many were run), "ask" (seconds a trial), "steps" ([[trial, value], …])."""


def file_of(problem: str, which: str) -> Path:
    return RESULTS / f"{problem.replace(' ', '_')}-{which}.jsonl"


def load(problem: str, which: str) -> dict[str, dict[str, Record]]:
    """Records by peer and seed."""
    records: dict[str, dict[str, Record]] = {}
    for (peer, seed), record in read_results(file_of(problem, which), key=("peer", "seed")).items():
        records.setdefault(peer, {})[str(seed)] = record
    return records


def run_missing(problem: str, peers: Mapping[str, Search], seeds: Sequence[int], trials: int, which: str) -> None:
    for seed in seeds:
        for peer, search in peers.items():
            if load(problem, which).get(peer, {}).get(str(seed), {}).get("trials", 0) >= trials:
                continue
            run = Run(PROBLEMS[problem], seed)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search(PROBLEMS[problem].space, run, trials, seed)
            ask = (time.perf_counter() - start - run.seconds) / max(len(run.scores), 1)
            steps = run.steps()
            record: Record = {"peer": peer, "seed": seed, "steps": steps, "trials": trials, "ask": round(ask, 5)}
            if run.recommended:
                record["recommended"] = run.recommended
            append_result(file_of(problem, which), record)
            print(f"{problem}, {peer}, seed {seed}: {steps[-1:]} after {time.perf_counter() - start:.1f} s", flush=True)


def curve(record: Record, trials: int) -> np.ndarray:
    """The value of the best setting after each trial, (trials,); infinity before the first that didn't fail."""
    best = np.full(trials, np.inf)
    for trial, value in record["steps"]:
        best[trial - 1 :] = value
    return best


def curves(records: Mapping[str, Mapping[str, Record]], seeds: Sequence[int], trials: int) -> dict[str, np.ndarray]:
    """The curves of each peer that has run all seeds for that many trials, (seeds, trials)."""
    return {
        peer: np.array([curve(runs[str(seed)], trials) for seed in seeds])
        for peer, runs in records.items()
        if all(runs.get(str(seed), {}).get("trials", 0) >= trials for seed in seeds)
    }


def first_at(medians: np.ndarray, level: float) -> str:
    reached = np.flatnonzero(medians <= level)
    return str(reached[0] + 1) if len(reached) else f">{len(medians)}"


def print_tables(problems: Sequence[str], seeds: Sequence[int], trials: int, which: str) -> None:
    marks = [mark for mark in CHECKPOINTS if mark <= trials]
    ranks: dict[str, list[list[float]]] = {}
    asks: dict[str, list[float]] = {}
    matches = 0
    print(f"\nMedian value of the best setting over the {which} seeds {seeds[0]} to {seeds[-1]}; less is better.")
    shown = 0
    for problem in problems:
        records = load(problem, which)
        found = curves(records, seeds, trials)
        four = found.pop(FOUR, None)
        if not found:
            continue
        shown += 1
        print(f"\n{problem:<18}" + "".join(f"{mark:>11}" for mark in marks) + f"{'mean rank':>11}{'ask ms':>9}")
        of_seed = np.array([rankdata([found[p][:, m - 1] for p in found], axis=0).T for m in marks])
        order = sorted(found, key=lambda peer: float(of_seed[..., list(found).index(peer)].mean()))
        for peer in order:
            medians = np.median(found[peer], axis=0)
            rank = of_seed[..., list(found).index(peer)]
            ask = statistics.median(records[peer][str(seed)]["ask"] for seed in seeds)
            ranks.setdefault(peer, []).append([*rank.mean(axis=1).tolist(), float(rank.mean())])
            asks.setdefault(peer, []).append(ask)
            row = "".join(f"{medians[mark - 1]:>11.4g}" for mark in marks)
            print(f"{peer:<18}{row}{rank.mean():>11.2f}{1e3 * ask:>9.1f}")
        matches += compare(found, trials)
        if "ours" in found:
            print_unranked(four, [records["ours"][str(seed)] for seed in seeds], marks)
    print(f"\nMean rank over {shown} problems" + "".join(f"{mark:>7}" for mark in marks) + f"{'all':>7}{'ask ms':>9}")
    for peer in sorted(ranks, key=lambda peer: float(np.mean([row[-1] for row in ranks[peer]]))):
        if len(ranks[peer]) < shown:
            print(f"{peer:<29}has not run all problems")
            continue
        row = "".join(f"{mean:>7.2f}" for mean in np.mean(ranks[peer], axis=0))
        print(f"{peer:<29}{row}{1e3 * statistics.median(asks[peer]):>9.1f}")
    if trials >= 50:
        print(f"Ours reaches by trial 25 what the best peer holds at 50 on {matches} of {shown} problems.")
    print_handed_over(problems, seeds, marks, which)


def print_unranked(four: np.ndarray | None, records: Sequence[Record], marks: Sequence[int]) -> None:
    """Prints medians of what isn't ranked: with four trials running, and of the recommended instead of the best."""
    rows = {} if four is None else {"  (4 running)": np.median(four, axis=0)[np.array(marks) - 1]}
    if all("recommended" in record for record in records):
        table = [[record["recommended"].get(str(mark), math.nan) for mark in marks] for record in records]
        rows["  (recommended)"] = np.median(np.array(table), axis=0)
    for name, medians in rows.items():
        print(f"{name:<18}" + "".join(f"{median:>11.4g}" for median in medians))


def print_handed_over(problems: Sequence[str], seeds: Sequence[int], marks: Sequence[int], which: str) -> None:
    """Prints the mean rank and, for each problem, the mean value of what a search of so many trials hands over."""
    for mark in marks:
        values = {problem: handed_over(load(problem, which), seeds, mark) for problem in problems}
        values = {problem: of_peers for problem, of_peers in values.items() if "ours" in of_peers}
        peers = sorted(set.intersection(*map(set, values.values()))) if values else []
        if not peers:
            continue
        ranks = {problem: rankdata([values[problem][peer] for peer in peers], axis=0) for problem in values}
        print(f"\nHanded over after {mark} trials: mean rank over {len(values)} problems, and the mean value in each")
        print(f"{'':<14}{'rank':>6}" + "".join(f"{problem[:11]:>12}" for problem in values))
        mean_rank = {peer: np.mean([of[place] for of in ranks.values()]) for place, peer in enumerate(peers)}
        for peer in sorted(peers, key=mean_rank.__getitem__):
            row = "".join(f"{values[problem][peer].mean():>12.4g}" for problem in values)
            print(f"{peer:<14}{mean_rank[peer]:>6.2f}{row}")


def handed_over(records: Mapping[str, Mapping[str, Record]], seeds: Sequence[int], mark: int) -> dict[str, np.ndarray]:
    """For each peer that has run all seeds for that many trials, the true value of what it hands over, (seeds,)."""
    found = {peer: runs[:, -1] for peer, runs in curves(records, seeds, mark).items() if peer not in UNRANKED}
    if "ours" in found:
        found["ours"] = np.array([records["ours"][str(seed)]["recommended"][str(mark)] for seed in seeds])
    return found


def compare(found: Mapping[str, np.ndarray], trials: int) -> bool:
    """Prints how many trials the best peer needs to match ours at 25, and whether ours at 25 matches its 50."""
    peers = {peer: np.median(runs, axis=0) for peer, runs in found.items() if peer not in ("ours", "reference")}
    if "ours" not in found or not peers or trials < 25:
        return False
    ours = np.median(found["ours"], axis=0)
    needed = {peer: first_at(medians, ours[24]) for peer, medians in peers.items()}
    quickest = min(needed, key=lambda peer: int(needed[peer].lstrip(">")) + (needed[peer][0] == ">"))
    print(f"  the quickest peer, {quickest}, needs {needed[quickest]} trials to match ours at 25", end="")
    if trials < 50:
        print()
        return False
    best = min(peers, key=lambda peer: peers[peer][49])
    print(f"; ours needs {first_at(ours, peers[best][49])} to match {best} at 50")
    return bool(ours[24] <= peers[best][49])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="", help="names, by commas; all by default")
    parser.add_argument("--peers", default="", help="names, by commas; all that are installed by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--reference", help="a file with one more peer")
    parser.add_argument("--tuning", action="store_true", help="the seeds on which settings are chosen")
    parser.add_argument("--table", action="store_true", help="print the stored results, run nothing")
    arguments = parser.parse_args()
    which = "tuning" if arguments.tuning else "reporting"
    seeds = range(FIRST_SEED[which], FIRST_SEED[which] + arguments.seeds)
    problems = arguments.problems.split(",") if arguments.problems else list(PROBLEMS)
    unknown = [problem for problem in problems if problem not in PROBLEMS]
    if unknown:
        sys.exit(f"There is no problem {', '.join(unknown)}. There are: {', '.join(PROBLEMS)}.")
    if not arguments.table:
        names = arguments.peers.split(",") if arguments.peers else []
        peers = installed(names, arguments.reference)
        for problem in problems:
            run_missing(problem, peers, seeds, arguments.trials, which)
    print_tables(problems, seeds, arguments.trials, which)


if __name__ == "__main__":
    main()
