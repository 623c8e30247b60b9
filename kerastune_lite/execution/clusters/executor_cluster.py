"""Trials in the processes of a `concurrent.futures` executor on this machine; they report through a local socket."""

from __future__ import annotations

import queue
import secrets
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from kerastune_lite.execution.clusters.remote_workers import Result, SearchGone, Ticket, run_trial_here
from kerastune_lite.execution.messages import Order, Shared
from kerastune_lite.execution.packing import pack_whole
from kerastune_lite.execution.worker_setup import parts_of

Address = Any


class ExecutorCluster:
    """An executor, as `RemoteWorkers` uses it.

    Args:
        executor: Anything with `submit` of concurrent.futures.
        workers: How many trials it takes at a time.
        shared: What all trials share; it travels with each trial, and is unpacked once in a process.

    Raises:
        WorkerError: What is shared can't be sent.
    """

    def __init__(self, executor: Any, workers: int, shared: Shared) -> None:
        self._executor = executor
        self._places = [str(place) for place in range(workers)]
        self._search = uuid.uuid4().hex
        self._packed = pack_whole(parts_of(shared))
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._key)
        self._messages: queue.Queue[tuple[Ticket, Any]] = queue.Queue()
        self._connections: dict[Ticket, Connection] = {}
        self._sending = threading.Lock()
        self._is_over = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                connection: Any = self._listener.accept()
            except Exception:  # somebody else's knock, or the end
                continue
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: Connection) -> None:
        with suppress(EOFError, OSError):
            ticket = connection.recv()
            self._connections[ticket] = connection
            while True:
                message = connection.recv()
                self._messages.put((ticket, message))
                self._send(ticket, "receipt")

    def places(self) -> Collection[str]:
        """A number for each trial that the executor takes at a time."""
        return self._places

    def submit(self, place: str, ticket: Ticket, order: Order, files: Mapping[str, bytes]) -> Any:
        """Hands a trial to the executor."""
        address = self._listener.address
        return self._executor.submit(
            _run_in_executor, address, self._key, self._search, self._packed, ticket, order, files
        )

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, Any]]:
        """What came through the socket."""
        told = []
        with suppress(queue.Empty):
            told.append(self._messages.get(timeout=seconds) if seconds else self._messages.get_nowait())
            while True:
                told.append(self._messages.get_nowait())
        return told

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Answers through the socket."""
        self._send(ticket, "answer", text)

    def _send(self, ticket: Ticket, kind: str, text: str | None = None) -> None:
        with self._sending, suppress(OSError):
            self._connections[ticket].send((kind, text))

    def close(self) -> None:
        """Ends the connections, by which trials notice that nobody waits."""
        self._is_over = True
        self._listener.close()
        for connection in self._connections.values():
            connection.close()


def _run_in_executor(
    address: Address, key: bytes, search: str, packed: bytes, ticket: Ticket, order: Order, files: Mapping[str, bytes]
) -> Result:
    with Client(address, authkey=key) as connection:
        connection.send(ticket)

        received: dict[str, str | None] = {}

        def receive(kind: str) -> str | None:
            try:
                while kind not in received:
                    other, text = connection.recv()
                    received[other] = text
            except (EOFError, OSError) as error:
                raise SearchGone("the search has ended") from error
            return received.pop(kind)

        def send(message: Any) -> None:
            try:
                connection.send(message)
            except OSError as error:
                raise SearchGone("the search has ended") from error
            receive("receipt")  # it is there before the trial is done

        def answer() -> str | None:
            return receive("answer")

        return run_trial_here(search, packed, order, files, send, answer)
