"""`kerastune-lite`: looks at a study from a terminal, without loading TensorFlow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kerastune_lite.errors import KerastuneError
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.study.leaderboard import values_text
from kerastune_lite.study.trial import TrialState


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="kerastune-lite", description="Looks at the study in a directory.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="the leaderboard, failures and what is running")
    show.add_argument("directory", type=Path)
    show.add_argument("-n", type=int, default=10, help="how many of the best trials (default: 10)")
    options = parser.parse_args(arguments)
    try:
        print(overview(Study.open(options.directory), options.n, is_running=is_locked(options.directory)))
    except KerastuneError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def overview(study: Study, n: int, *, is_running: bool) -> str:
    """A study at a glance: what is known of it, its best trials, failures, and what is running or was cut."""
    trials = study.trials
    states = [trial.state for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state.value}" for state in TrialState if state in states)
    objective = study.objective
    told = f"{objective.name} ({objective.direction or 'direction not known yet'})" if objective else "unknown"
    lines = [
        f"study      {study.directory}",
        f"objective  {told}",
        f"trials     {len(trials)}" + (f": {counts}" if counts else ""),
        f"search     {'running now' if is_running else 'not running'}",
        *(f"damaged    {damage}" for damage in study.damages),
        "",
        str(study.leaderboard(n)),
    ]
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    if failed:
        lines += ["", "failures"]
        lines += [f"  trial {trial.number}  {values_text(trial.values)}\n    {trial.error}" for trial in failed]
    unfinished = [trial for trial in trials if not trial.state.ended]
    if unfinished:
        lines += ["", "running" if is_running else "cut, to be run again when the search is resumed"]
        lines += [
            f"  trial {trial.number}  epoch {len(trial.curve)}{f'/{trial.epochs}' if trial.epochs else ''}"
            f"  {values_text(trial.values)}"
            for trial in unfinished
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
