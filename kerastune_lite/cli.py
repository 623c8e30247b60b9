"""The command `kerastune-lite`: shows and exports studies in a terminal, without loading TensorFlow.

Each command is a function of the parsed options that returns a text, or an iterator of texts to show one after the
other; `main` prints them. A person's mistakes are one line on the standard error and the exit status 2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from kerastune_lite._version import __version__
from kerastune_lite.errors import KerastuneError, NoResultError, StudyError
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.study.files import expanded
from kerastune_lite.study.journal import JOURNAL_NAME
from kerastune_lite.study.tables import curves_table, trials_table
from kerastune_lite.study.texts import printable
from kerastune_lite.study.trial import Trial
from kerastune_lite.views.details import best_code, best_text, details
from kerastune_lite.views.exports import as_csv, as_json, study_summary, trial_record
from kerastune_lite.views.glyphs import glyphs_for
from kerastune_lite.views.overview import overview
from kerastune_lite.views.study_list import directories_below, list_text, listed

NO_RESULT, MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit statuses: there is nothing to tell yet; a person's mistake, as argparse has it; Ctrl-C, as shells have it."""
WATCH_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[2J"

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command = Callable[[argparse.Namespace], str | Iterable[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status: 2 for a mistake, such as a directory without a study."""
    options = _parser().parse_args(arguments)
    command: Command = options.run
    try:
        answer = command(options)
        for text in [answer] if isinstance(answer, str) else answer:
            _print(text)
    except (KerastuneError, ImportError) as error:
        print(" ".join(map(printable, str(error).split("\n"))), file=sys.stderr)
        return NO_RESULT if isinstance(error, NoResultError) else MISTAKE
    except BrokenPipeError:
        # Whoever reads has seen enough. Python would complain at its end about what it could not write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(printable(f"kerastune-lite: {error}"), file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kerastune-lite", description="Shows and exports the studies of searches.")
    parser.add_argument("--version", action="version", version=f"kerastune_lite {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_add_show, _add_list, _add_best, _add_export, _add_report):
        add(commands)
    return parser


def _add_show(commands: Commands) -> None:
    show = commands.add_parser("show", help="the leaderboard, failures and what is running; or one trial")
    _add_directory(show)
    show.add_argument("-n", type=_count, default=10, help="how many of the best trials (default: 10)")
    show.add_argument("--trial", type=int, metavar="N", help="everything about the trial of this number")
    show.add_argument("--watch", action="store_true", help="show it again when it changes, while a search runs")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=_show)


def _add_list(commands: Commands) -> None:
    lists = commands.add_parser("list", help="the studies below a directory, the latest first")
    lists.add_argument("parent", type=expanded, nargs="?", default=Path(), help="where to look (default: here)")
    lists.add_argument("--json", action="store_true", help="as JSON")
    lists.set_defaults(run=_list)


def _add_best(commands: Commands) -> None:
    best = commands.add_parser("best", help="the best setting")
    _add_directory(best)
    form = best.add_mutually_exclusive_group()
    form.add_argument("--code", action="store_true", help="as Python code to paste")
    form.add_argument("--json", action="store_true", help="the values as JSON")
    best.set_defaults(run=_best)


def _add_export(commands: Commands) -> None:
    export = commands.add_parser("export", help="all trials, or all learning curves, for other programs")
    _add_directory(export)
    form = export.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as CSV, a line a trial (the default)")
    form.add_argument("--json", action="store_true", help="as JSON, an object a trial")
    export.add_argument("--curves", action="store_true", help="a line for each metric of each epoch instead")
    export.add_argument("-o", "--output", type=expanded, metavar="FILE", help="write to a file")
    export.set_defaults(run=_export)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser("report", help="one HTML file with every figure (needs plotly)")
    _add_directory(report)
    help_text = "where to (default: report.html in the study's directory)"
    report.add_argument("-o", "--output", type=expanded, metavar="FILE", help=help_text)
    report.set_defaults(run=_report)


def _add_directory(command: argparse.ArgumentParser) -> None:
    help_text = "the study's directory, or one that holds a single study (default: here)"
    command.add_argument("directory", type=expanded, nargs="?", default=Path(), help=help_text)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"has to be 0 or more; received {number}")
    return number


# The commands


def _show(options: argparse.Namespace) -> str | Iterator[str]:
    directories = _directories(options.directory)
    if len(directories) > 1 and options.trial is None and not options.watch:
        return as_json([each.record() for each in listed(directories)]) if options.json else _list_of(directories)
    directory = _only(directories, options.directory)
    return _watched(directory, options) if options.watch else _shown(directory, options)


def _shown(directory: Path, options: argparse.Namespace) -> str:
    is_running = is_locked(directory)  # asked first: a search that ends meanwhile has all its trials in the journal
    study = Study.open(directory)
    if options.trial is None:
        if options.json:
            return as_json(study_summary(study, options.n, is_running=is_running), indent=_indent(options))
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return overview(
            study, options.n, is_running=is_running, width=width, glyphs=glyphs_for(sys.stdout.encoding or "utf-8")
        )
    trial = _trial(study, options.trial)
    if options.json:
        return as_json(trial_record(trial, is_running=is_running, with_curves=True), indent=_indent(options))
    return details(study, trial, is_running=is_running)


def _watched(directory: Path, options: argparse.Namespace) -> Iterator[str]:
    """What `show` says, again whenever it has changed, until no search runs any more; a line each time with --json."""
    clear = CLEAR if sys.stdout.isatty() and not options.json else ""
    before = None
    while True:
        is_over = not is_locked(directory)
        text = _shown(directory, options)
        if text != before:
            yield clear + text
            before = text
        if is_over:
            return
        time.sleep(WATCH_SECONDS)


def _indent(options: argparse.Namespace) -> int | None:
    return None if options.watch else 2


def _list(options: argparse.Namespace) -> str:
    directories = _directories(options.parent)
    return as_json([each.record() for each in listed(directories)]) if options.json else _list_of(directories)


def _report(options: argparse.Namespace) -> str:
    study = Study.open(_only(_directories(options.directory), options.directory))
    return str(study.report(options.output))


def _list_of(directories: Sequence[Path]) -> str:
    return list_text(listed(directories))


def _best(options: argparse.Namespace) -> str:
    study = Study.open(_only(_directories(options.directory), options.directory))
    best = study.best
    if options.json:
        return as_json(best.values)
    return best_code(study, best) if options.code else best_text(study, best)


def _export(options: argparse.Namespace) -> str | Iterable[str]:
    directory = _only(_directories(options.directory), options.directory)
    is_running = is_locked(directory)
    study = Study.open(directory)
    table = curves_table(study) if options.curves else trials_table(study, is_running=is_running)
    text = as_json(list(table.records())) if options.json else as_csv(table)
    if options.output is None:
        return text
    options.output.write_text(f"{text}\n", encoding="utf-8", newline="")
    return ()


# What the commands share


def _directories(asked: Path) -> list[Path]:
    """The directory that was asked for, where it holds a study, or else those below it that do; StudyError if none."""
    if (asked / JOURNAL_NAME).is_file():
        return [asked]
    if not asked.is_dir():
        raise StudyError(f"There is no directory {asked}. Check the path.")
    directories = directories_below(asked)
    if not directories:
        raise StudyError(f"There is no study in {asked}: neither it nor a folder below holds a {JOURNAL_NAME}.")
    return directories


def _only(directories: Sequence[Path], asked: Path) -> Path:
    """The single directory among these; StudyError where there are several."""
    if len(directories) > 1:
        raise StudyError(
            f"{asked} holds {len(directories)} studies: name one of them, such as {directories[0]}. "
            f"`kerastune-lite list {asked}` lists them."
        )
    return directories[0]


def _trial(study: Study, number: int) -> Trial:
    if number in study.records:
        return study.trial(number)
    numbers = sorted(study.records)
    known = f"its trials have the numbers {numbers[0]} to {numbers[-1]}" if numbers else "it has no trials yet"
    raise StudyError(f"There is no trial {number} in {study.directory}: {known}.")


def _print(text: str) -> None:
    """Prints a text, with escapes for what the screen's encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


if __name__ == "__main__":
    sys.exit(main())
