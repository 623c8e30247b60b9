"""The argument `executor=` of a tuner: what it may be, and the cluster behind it."""

from __future__ import annotations

import concurrent.futures
from typing import Any

from kerastune_lite.execution.clusters.dask_cluster import DaskCluster, is_dask_client
from kerastune_lite.execution.clusters.executor_cluster import ExecutorCluster
from kerastune_lite.execution.clusters.protocol import Cluster
from kerastune_lite.running.task import Shared


def cluster_of(executor: Any, workers: int, shared: Shared) -> Cluster:
    """The cluster behind an executor, connected and given what all trials share.

    Args:
        executor: A Dask client, an executor of concurrent.futures, or a function of `shared` that makes a `Cluster`.
        workers: How many trials an executor takes at a time.
        shared: What all trials share.

    Raises:
        TypeError: It is none of these.
        WorkerError: What is shared can't be sent, or the cluster can't be reached.
    """
    if is_dask_client(executor):
        return DaskCluster.connected(executor, shared)
    if isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        raise TypeError(
            "executor= got a ThreadPoolExecutor, and Keras can't train several models in the threads of one process. "
            "Use workers=, a Dask client, or an executor of processes."
        )
    if hasattr(executor, "submit") and not isinstance(executor, type):
        return ExecutorCluster.listening(executor, workers, shared)
    if callable(executor):
        cluster: Cluster = executor(shared)
        return cluster
    raise TypeError(
        "executor= takes a dask.distributed.Client, an executor of concurrent.futures, or a function of what trials "
        f"share that makes a kerastune_lite.execution.clusters.Cluster. Received: {executor!r}."
    )
