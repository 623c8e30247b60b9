"""A search on a Dask cluster, with a scheduler and two workers that run as processes of this machine.

    pip install "kerastune_lite[dask]" && python examples/dask_cluster.py

On a real cluster the two commands below run on its machines, and the search needs only the scheduler's address. On a
machine with several GPUs, start one worker for each (CUDA_VISIBLE_DEVICES=0 dask worker …, or the package dask-cuda).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import keras
from distributed import Client
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch


@contextmanager
def running(*command: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *command])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def build_fn(hp):
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.choice("units", [16, 32, 64]), activation="relu"),
            keras.layers.Dropout(hp.float("dropout", 0.0, 0.5)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.float("learning_rate", 1e-4, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    x, y = load_digits(return_X_y=True)
    folder = Path(tempfile.mkdtemp())
    address = str(folder / "scheduler.json")
    with ExitStack() as cluster:
        # dask scheduler --scheduler-file …          on one machine
        scheduler = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        cluster.enter_context(running(*scheduler, "--scheduler-file", address))
        # dask worker --scheduler-file … --nthreads 1    on each machine, or with the scheduler's address
        worker = ("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
        for _ in range(2):
            cluster.enter_context(running(*worker, "--scheduler-file", address))

        with Client(scheduler_file=address) as client:
            client.wait_for_workers(2)
            tuner = RandomSearch(
                build_fn, "val_accuracy", max_trials=8, seed=0, directory=folder / "study", executor=client
            )
            study = tuner.search(x / 16.0, y, validation_split=0.2, epochs=5)
            print(study.leaderboard(3))
            print("the best model has", tuner.best_model().count_params(), "weights")


if __name__ == "__main__":
    main()
