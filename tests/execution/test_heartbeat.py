"""What a worker process says about itself."""

from __future__ import annotations

import sys

import pytest

from kerastune_lite.execution.processes.heartbeat import Heartbeat


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't tell a process's memory in a file")
def test_a_heartbeat_holds_the_memory_of_its_process():
    before = Heartbeat.now().resident
    block = bytearray(64 << 20)
    block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])

    assert Heartbeat.now().resident - before > len(block) // 2
