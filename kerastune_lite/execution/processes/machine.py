"""What a machine has, and how its cores and GPUs are divided among workers."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of a container."""


def cores() -> int:
    """How many cores this process may use, by its affinity and the limit of its container."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        quota, period = (CGROUP / "cpu.max").read_text().split()
        count = min(count, math.ceil(int(quota) / int(period)))
    return max(count, 1)


def available_memory() -> int | None:
    """How many bytes new processes can take, by the machine and the limit of its container; None where unknown."""
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")))
    with suppress(OSError, ValueError):
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        found.append(max(limit - used, 0))
    return min(found, default=None)


def environments(
    workers: int,
    *,
    cores: int,
    gpus: Sequence[str] = (),
    trials_per_gpu: int = 1,
    given: Mapping[str, str] = os.environ,
) -> list[Mapping[str, str]]:
    """The environment variables of each worker, which give it its share of the machine.

    Args:
        workers: How many workers there are.
        cores: How many cores they have together; each worker has threads of TensorFlow and BLAS for an equal share.
        gpus: The names of the GPUs, as CUDA has them; each worker sees one.
        trials_per_gpu: How many workers share a GPU; if several do, they take its memory as they need it.
        given: The user's environment. Numbers of threads that it sets are left as they are.

    Raises:
        ValueError: There are more workers than the GPUs take.
    """
    if gpus and workers > len(gpus) * trials_per_gpu:
        raise ValueError(
            f"workers={workers} are more than {len(gpus)} GPUs take with trials_per_gpu={trials_per_gpu}. Lower "
            "workers, raise trials_per_gpu, or hide the GPUs (CUDA_VISIBLE_DEVICES=-1) to train on the cores."
        )
    threads = str(max(cores // workers, 1))
    shares: list[Mapping[str, str]] = []
    for place in range(workers):
        share = {name: given.get(name, threads) for name in THREADS}
        if gpus:
            share["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
        if gpus and trials_per_gpu > 1:
            share |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        shares.append(share)
    return shares
