"""The command `kerastune-lite`: shows a study in a terminal, without loading TensorFlow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kerastune_lite.errors import KerastuneError
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.views.overview import overview


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status: 1 where the study can't be opened."""
    parser = argparse.ArgumentParser(prog="kerastune-lite", description="Shows the study in a directory.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="the leaderboard, failures and what is running")
    show.add_argument("directory", type=Path)
    show.add_argument("-n", type=int, default=10, help="how many of the best trials (default: 10)")
    report = commands.add_parser("report", help="one HTML file with every figure (needs plotly)")
    report.add_argument("directory", type=Path)
    report.add_argument("-o", "--output", type=Path, help="where to (default: report.html in the study's directory)")
    options = parser.parse_args(arguments)
    try:
        study = Study.open(options.directory)
        if options.command == "report":
            print(study.report(options.output))
            return 0
        print(overview(study, options.n, is_running=is_locked(study.directory)))
    except (KerastuneError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
