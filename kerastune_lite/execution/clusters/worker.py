"""Running a trial in a worker of a cluster."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from kerastune_lite.execution.clusters.protocol import Result
from kerastune_lite.execution.messages import Finished, LastMessage, Mistake, RemoteReport, ReportMessage
from kerastune_lite.execution.packing import unpack_whole
from kerastune_lite.execution.quick_collection import quick_collection
from kerastune_lite.execution.worker_setup import WorkerContext
from kerastune_lite.running.task import Request


class SearchGone(BaseException):
    """Raised in a trial whose search doesn't answer any more. No `except Exception` of the user's catches it."""


_ONE_AT_A_TIME = threading.Lock()
_CONTEXTS: dict[str, WorkerContext] = {}


def run_trial_here(
    search: str,
    packed: bytes,
    request: Request,
    files: Mapping[str, bytes],
    send: Callable[[ReportMessage], None],
    answer: Callable[[], str | None],
    has_answer: Callable[[], bool] = lambda: False,
) -> Result:
    """Runs a trial in this process, which is a worker of any kind.

    Threads of one process wait for each other, since Keras can't train several models at a time.

    Args:
        search: A name of the search; what its trials share is unpacked once in a process.
        packed: What all trials share, as `pack_whole` packed it.
        request: The trial.
        files: The content of the files that it reads, by the names that the request gives them.
        send: Sends a message to the search.
        answer: Waits for the search's answer to an epoch.
        has_answer: Whether there is an answer that wasn't waited for: a person has stopped the search.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="kerastune_lite-") as folder, quick_collection():
        if search not in _CONTEXTS:
            _CONTEXTS.clear()
            _CONTEXTS[search] = WorkerContext.of(unpack_whole(packed))
        context = _CONTEXTS[search]
        context.settings.apply()  # Keras keeps some of them for each thread
        request = request.with_files_at(lambda path: Path(folder) / path.name)
        paths = request.paths()
        for name, content in files.items():
            paths[name].write_bytes(content)
        report = RemoteReport(send, answer, request.awaits_stop_decision, has_answer)
        try:
            message: LastMessage = Finished(context.run(request, report))
        except BaseException as error:
            message = Mistake.of(error)
        written = {name: path.read_bytes() for name, path in paths.items() if name not in files and path.exists()}
        return Result(message, written)
