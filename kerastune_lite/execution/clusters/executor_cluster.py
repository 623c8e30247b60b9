"""The processes of a `concurrent.futures` executor on this machine; they report through a local socket."""

from __future__ import annotations

import concurrent.futures
import queue
import secrets
import socket
import struct
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any

from kerastune_lite.execution.clusters.protocol import Future, Result, Ticket
from kerastune_lite.execution.clusters.worker import SearchGone, run_trial_here
from kerastune_lite.execution.messages import ReportMessage
from kerastune_lite.execution.packing import pack_whole
from kerastune_lite.execution.worker_setup import parts_of
from kerastune_lite.running.task import Request, Shared

PATIENCE = 10
"""Seconds in which a connection has to show that it knows the key."""
Address = Any
"""What `Listener` calls the place where it listens; its type depends on the system."""


class ExecutorCluster:
    """An executor, as `RemoteWorkers` uses it. `listening` makes one.

    Args:
        executor: An executor of concurrent.futures, or anything that has its `submit`.
        workers: How many trials it takes at a time.
        packed: What all trials share, packed. It travels with each trial, and is unpacked once in a process.
        key: The secret by which trials show that they belong to this search.
        listener: The socket.
    """

    def __init__(
        self, executor: concurrent.futures.Executor, workers: int, packed: bytes, key: bytes, listener: Listener
    ) -> None:
        self._executor = executor
        self._places = [str(place) for place in range(workers)]
        self._packed = packed
        self._key = key
        self._listener = listener
        self._search = uuid.uuid4().hex
        self._messages: queue.Queue[tuple[Ticket, ReportMessage]] = queue.Queue()
        self._connections: dict[Ticket, Connection] = {}
        self._sending = threading.Lock()
        self._is_over = False

    @classmethod
    def listening(cls, executor: concurrent.futures.Executor, workers: int, shared: Shared) -> ExecutorCluster:
        """Packs what all trials share, and opens the socket.

        Raises:
            WorkerError: What is shared can't be pickled.
        """
        packed, key = pack_whole(parts_of(shared)), secrets.token_bytes(32)
        cluster = cls(executor, workers, packed, key, Listener(("127.0.0.1", 0)))
        threading.Thread(target=cluster._accept, daemon=True).start()
        return cluster

    def _accept(self) -> None:
        while not self._is_over:
            try:
                connection: Any = self._listener.accept()
            except Exception:  # the end
                continue
            # In a thread of its own: one that says nothing keeps nobody else waiting.
            threading.Thread(target=self._receive, args=(connection,), daemon=True).start()

    def _receive(self, connection: Connection) -> None:
        with suppress(EOFError, OSError, AuthenticationError), connection:
            _set_patience(connection, PATIENCE)
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            _set_patience(connection, 0)
            ticket = connection.recv()
            self._connections[ticket] = connection
            while True:
                message = connection.recv()
                self._messages.put((ticket, message))
                self._send(ticket, "receipt")

    def places(self) -> Collection[str]:
        """A number for each trial that the executor takes at a time."""
        return self._places

    def submit(self, place: str, ticket: Ticket, request: Request, files: Mapping[str, bytes]) -> Future:
        """Gives a trial to the executor."""
        address = self._listener.address
        return self._executor.submit(
            _run_in_executor, address, self._key, self._search, self._packed, ticket, request, files
        )

    def messages(self, seconds: float) -> Sequence[tuple[Ticket, ReportMessage]]:
        """What has come through the socket."""
        received = []
        with suppress(queue.Empty):
            received.append(self._messages.get(timeout=seconds) if seconds else self._messages.get_nowait())
            while True:
                received.append(self._messages.get_nowait())
        return received

    def answer(self, ticket: Ticket, text: str | None) -> None:
        """Answers through the socket."""
        self._send(ticket, "answer", text)

    def _send(self, ticket: Ticket, kind: str, text: str | None = None) -> None:
        with self._sending, suppress(OSError):
            self._connections[ticket].send((kind, text))

    def close(self) -> None:
        """Shuts all connections down, by which trials notice that the search has ended."""
        self._is_over = True
        with suppress(OSError):  # a thread that waits for connections wakes up by one, and not when its socket closes
            socket.create_connection(self._listener.address, timeout=1.0).close()
        self._listener.close()
        for connection in list(self._connections.values()):
            _shut_down(connection)


def _set_patience(connection: Connection, seconds: int) -> None:
    """How long to wait for the other side before it counts as gone; 0 for ever."""
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, 0))


def _shut_down(connection: Connection) -> None:
    """Ends a connection for both sides. The thread that reads from it closes it."""
    with suppress(OSError), socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.shutdown(socket.SHUT_RDWR)


def _run_in_executor(
    address: Address,
    key: bytes,
    search: str,
    packed: bytes,
    ticket: Ticket,
    request: Request,
    files: Mapping[str, bytes],
) -> Result:
    """The task that the executor runs, in one of its processes."""
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

        def send(message: ReportMessage) -> None:
            try:
                connection.send(message)
            except OSError as error:
                raise SearchGone("the search has ended") from error
            receive("receipt")  # so that all messages are there before the trial is done

        def answer() -> str | None:
            return receive("answer")

        def has_answer() -> bool:
            # It may have come before the last receipt.
            return "answer" in received

        return run_trial_here(search, packed, request, files, send, answer, has_answer)
