"""The command `kerastune-lite`: shows a study in a terminal, without loading TensorFlow."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kerastune_lite.errors import KerastuneError
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.study.texts import printable
from kerastune_lite.views.overview import overview


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status: 1 where the study can't be opened."""
    parser = argparse.ArgumentParser(prog="kerastune-lite", description="Shows the study in a directory.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="the leaderboard, failures and what is running")
    show.add_argument("directory", type=Path)
    show.add_argument("-n", type=int, default=10, help="how many of the best trials (default: 10)")
    options = parser.parse_args(arguments)
    try:
        study = Study.open(options.directory)
        text = overview(study, options.n, is_running=is_locked(study.directory))
    except KerastuneError as error:
        print("\n".join(map(printable, str(error).splitlines())), file=sys.stderr)
        return 1
    return _printed(text)


def _printed(text: str) -> int:
    """Prints a text, with escapes for what the screen's encoding lacks; returns the exit status."""
    try:
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough. Python would complain at its end about what it could not write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"The study can't be shown: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
