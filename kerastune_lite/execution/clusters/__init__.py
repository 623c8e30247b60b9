"""Workers that somebody else has started: those of a Dask cluster, of an executor, or of a `Cluster` of your own."""

from kerastune_lite.execution.clusters.executor_argument import cluster_of
from kerastune_lite.execution.clusters.protocol import Cluster, Future, Result, Ticket
from kerastune_lite.execution.clusters.remote_workers import RemoteWorkers
from kerastune_lite.execution.clusters.worker import SearchGone, run_trial_here

__all__ = ["Cluster", "Future", "RemoteWorkers", "Result", "SearchGone", "Ticket", "cluster_of", "run_trial_here"]
