"""Speed-up by several workers on this machine, how many workers one search can serve, and the memory that data take.

    python benchmarks/parallel.py [--models mlp,cnn] [--trials 24] [--rounds 3] [--parts speed,coordinator,memory]

Speed: every arm trains the same number of random settings, alone on the machine, in processes of its own; each trial
records when it ends, and the rate is that of the trials after the first four, in which processes start and programs are
traced. Printed is the rate with two workers divided by the rate with one, the median over the rounds. KerasTuner's two
workers are two processes and the chief process that it needs, Optuna's n_jobs=2 are two threads.

Coordinator: workers that only sleep, one second a trial in ten epochs; the share of the time between the first trial's
begin and the last one's end that they were busy. They are threads of the coordinator's own process, which they slow.

Memory: four workers train on 500 MB; the proportional set size (each page shared by n processes counts 1/n) of all
processes of the search, against the same search on a little data.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch
from kerastune_lite.execution.clusters import Future, Result
from kerastune_lite.execution.messages import EpochLogs, Finished, ModelBuilt, ReportMessage
from kerastune_lite.running.task import AskedParameters, Outcome, Request
from kerastune_lite.space import Float, Space
from kerastune_lite.study.journal import JOURNAL_NAME, read_journal
from kerastune_lite.study.objective import Objective

WARM_UP = 4
EPOCHS = {"mlp": 20, "cnn": 5}
ARMS = ["ours", "Optuna", "KerasTuner"]


def data_of(kind: str) -> dict[str, Any]:
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32")
    if kind == "cnn":
        x = np.repeat(np.repeat(x.reshape(-1, 8, 8), 4, 1), 4, 2)[:, 2:30, 2:30, None]
    return {"x": x[:1408], "y": y[:1408], "validation_data": (x[1408:1760], y[1408:1760]), "epochs": EPOCHS[kind]}


def model_of(kind: str, rate: float, dropout: float) -> keras.Model:
    if kind == "mlp":
        parts = [layers.Input((64,)), layers.Dense(128, activation="relu"), layers.Dropout(dropout)]
    else:
        parts = [layers.Input((28, 28, 1)), layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D()]
        parts += [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
        parts += [layers.Dropout(dropout)]
    model = keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class RecordsItsEnd(keras.callbacks.Callback):
    """Appends the time of its training's end to a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        with open(self.path, "a") as file:
            file.write(f"{time.time()}\n")


# The arms of the speed-up, each in a process of its own


def ours(kind: str, workers: int, trials: int, log: str) -> None:
    def build_fn(hp: Any) -> keras.Model:
        return model_of(kind, hp.float("rate", 1e-4, 1e-2, log=True), hp.float("dropout", 0.0, 0.5))

    with tempfile.TemporaryDirectory() as directory:
        tuner = RandomSearch(
            build_fn, "val_loss", max_trials=trials, seed=0, directory=directory, verbose=0, workers=workers
        )
        tuner.search(**data_of(kind), callbacks=[RecordsItsEnd(log)])


def optuna(kind: str, workers: int, trials: int, log: str) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = data_of(kind)

    def objective(trial: Any) -> float:
        rate, dropout = trial.suggest_float("rate", 1e-4, 1e-2, log=True), trial.suggest_float("dropout", 0.0, 0.5)
        if workers == 1:
            keras.backend.clear_session()  # threads would take each other's models away
        fit = model_of(kind, rate, dropout).fit(**data, verbose=0, callbacks=[RecordsItsEnd(log)])
        return float(min(fit.history["val_loss"]))

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials, n_jobs=workers)


def keras_tuner(kind: str, workers: int, trials: int, log: str) -> None:
    """With two workers: starts the chief and both workers as this program, with a variable that says which it is."""
    if workers > 1 and "KERASTUNER_TUNER_ID" not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            shared = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "18767", "FOLDER": folder}
            processes = []
            for name in ("chief", *(f"tuner{number}" for number in range(workers))):
                environment = os.environ | shared | {"KERASTUNER_TUNER_ID": name}
                processes.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
            for process in processes[1:]:
                process.wait()
            processes[0].kill()
            processes[0].wait()
        return
    with contextlib.redirect_stderr(io.StringIO()):
        import keras_tuner

    def build(hp: Any) -> keras.Model:
        return model_of(kind, hp.Float("rate", 1e-4, 1e-2, sampling="log"), hp.Float("dropout", 0.0, 0.5))

    with contextlib.ExitStack() as stack:
        folder = os.environ.get("FOLDER") or stack.enter_context(tempfile.TemporaryDirectory())
        tuner = keras_tuner.RandomSearch(
            build, "val_loss", max_trials=trials, seed=0, directory=folder, project_name="search"
        )
        tuner.search(**data_of(kind), verbose=0, callbacks=[RecordsItsEnd(log)])


RUN = {"ours": ours, "Optuna": optuna, "KerasTuner": keras_tuner}


def rate(arm: str, kind: str, workers: int, trials: int) -> float:
    """Trials a second after the warm-up."""
    with tempfile.NamedTemporaryFile() as log:
        command = [sys.executable, __file__, "--arm", json.dumps([arm, kind, workers, trials, log.name])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = sorted(float(line) for line in Path(log.name).read_text().split())
    return (len(ends) - WARM_UP) / (ends[-1] - ends[WARM_UP - 1])


def speed(kinds: Sequence[str], trials: int, rounds: int) -> None:
    print(f"\nSpeed-up of two workers, {trials} trials an arm, medians over {rounds} rounds")
    print(f"{'':12} {'':6} {'speed-up':>9} {'(each round)':>24} {'rate at 2, by ours at 1':>24}")
    for kind in kinds:
        base = []
        for arm in ARMS:
            pairs = [(rate(arm, kind, 1, trials), rate(arm, kind, 2, trials)) for _ in range(rounds)]
            base = base or [one for one, _ in pairs]
            ratios = [two / one for one, two in pairs]
            each = " ".join(f"{ratio:.2f}" for ratio in ratios)
            against = statistics.median(two for _, two in pairs) / statistics.median(base)
            print(f"{arm:12} {kind:6} {statistics.median(ratios):9.2f} {each:>24} {against:24.2f}", flush=True)


# The coordinator


class SleepingCluster:
    """Workers that sleep, a thread each, and count how long they do.

    Attributes:
        busy: Seconds that they were given to sleep in all.
    """

    SECONDS, EPOCHS = 1.0, 10

    def __init__(self, workers: int) -> None:
        self.busy = 0.0
        self._places = [str(place) for place in range(workers)]
        self._sent: list[tuple[str, ReportMessage]] = []
        self._lock = threading.Condition()

    def places(self) -> Sequence[str]:
        return self._places

    def submit(self, place: str, ticket: str, request: Request, files: Mapping[str, bytes]) -> Future:
        attempt = _Sleep(self, ticket, request)
        attempt.start()
        return attempt

    def send(self, ticket: str, message: ReportMessage) -> None:
        with self._lock:
            self._sent.append((ticket, message))
            self._lock.notify()

    def wake(self) -> None:
        """Lets `messages` return, so that the search notices the end of a trial at once."""
        with self._lock:
            self._lock.notify()

    def messages(self, seconds: float) -> Sequence[tuple[str, ReportMessage]]:
        with self._lock:
            if not self._sent and seconds:
                self._lock.wait(seconds)
            sent, self._sent = self._sent, []
            return sent

    def answer(self, ticket: str, text: str | None) -> None:
        pass

    def close(self) -> None:
        pass


class _Sleep(threading.Thread):
    def __init__(self, cluster: SleepingCluster, ticket: str, request: Request) -> None:
        super().__init__(daemon=True)
        self.cluster, self.ticket = cluster, ticket
        self.value = request.trial.values.get("rate", 0.5)

    def run(self) -> None:
        started = time.monotonic()
        space = Space([Float(name="rate", low=0.0, high=1.0)])
        self.cluster.send(self.ticket, AskedParameters(space, {"rate": self.value}))
        self.cluster.send(self.ticket, ModelBuilt(Objective("loss", "min"), self.cluster.EPOCHS))
        for epoch in range(self.cluster.EPOCHS):
            time.sleep(self.cluster.SECONDS / self.cluster.EPOCHS)
            self.cluster.send(self.ticket, EpochLogs(0, epoch, {"loss": self.value}))
        self.cluster.busy += time.monotonic() - started
        self.cluster.wake()

    def done(self) -> bool:
        return not self.is_alive()

    def result(self) -> Result:
        return Result(Finished(Outcome(scores=(self.value,), best_epoch=0)), {})

    def cancel(self) -> None:
        pass


def coordinator(rounds_of_trials: int) -> None:
    print("\nWorkers that sleep one second a trial, ten epochs; all trials of a random search")
    print(f"{'workers':>8} {'trials':>7} {'busy':>6} {'epochs in the journal':>22}")
    for workers in (16, 64, 256):
        cluster = SleepingCluster(workers)
        trials = rounds_of_trials * workers
        with tempfile.TemporaryDirectory() as directory:
            tuner = RandomSearch(
                lambda hp: None,
                "loss",
                max_trials=trials,
                seed=0,
                directory=directory,
                verbose=0,
                keep_models=0,
                executor=lambda shared, cluster=cluster: cluster,
            )
            tuner.search()
            events = read_journal(Path(directory) / JOURNAL_NAME).lines
        begun, ended = (datetime.fromisoformat(events[at]["time"]) for at in (1, -1))
        seconds = (ended - begun).total_seconds()
        epochs = sum(event["event"] == "epoch" for event in events)
        busy = cluster.busy / (workers * seconds)
        print(f"{workers:8} {trials:7} {busy:6.1%} {epochs:12} of {trials * cluster.EPOCHS}", flush=True)


# Memory


def memory() -> None:
    import psutil

    print("\nFour workers: memory of all processes of the search (proportional set sizes, MB)")
    print(f"{'data':>10} {'search':>8} {'workers':>8} {'in all':>8}")
    before = None
    for samples in (1_250, 125_000):
        x = np.random.default_rng(0).random((samples, 1000), dtype="float32")
        y = (x[:, :1] > 0.5).astype("float32")
        peaks = [0.0, 0.0]
        is_over = threading.Event()

        def watch(peaks: list[float] = peaks, is_over: threading.Event = is_over) -> None:
            while not is_over.wait(0.5):
                here = psutil.Process()
                with contextlib.suppress(psutil.Error):
                    sizes = [p.memory_full_info().pss / 1e6 for p in (here, *here.children(recursive=True))]
                    if sum(sizes) > sum(peaks):
                        peaks[:] = sizes[0], sum(sizes[1:])

        def build_fn(hp: Any) -> keras.Model:
            model = keras.Sequential([layers.Dense(4), layers.Dense(1)])
            model.compile(keras.optimizers.SGD(hp.float("rate", 1e-4, 1e-2, log=True)), "mse")
            return model

        watcher = threading.Thread(target=watch)
        watcher.start()
        with tempfile.TemporaryDirectory() as directory:
            tuner = RandomSearch(
                build_fn, "loss", max_trials=8, seed=0, directory=directory, verbose=0, workers=4, keep_models=0
            )
            tuner.search(x, y, epochs=1, batch_size=1000)
        is_over.set()
        watcher.join()
        print(f"{x.nbytes / 1e6:10.0f} {peaks[0]:8.0f} {peaks[1]:8.0f} {sum(peaks):8.0f}", flush=True)
        before = before or peaks
        data = x.nbytes / 1e6
    if before is not None:
        print(f"The workers took {(peaks[1] - before[1]) / data:.2f} times the data's size more.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mlp,cnn")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default="speed,coordinator,memory")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.arm:
        arm, *rest = json.loads(arguments.arm)
        RUN[arm](*rest)
        return
    parts = arguments.parts.split(",")
    if "speed" in parts:
        speed(arguments.models.split(","), arguments.trials, arguments.rounds)
    if "coordinator" in parts:
        coordinator(20)
    if "memory" in parts:
        memory()


if __name__ == "__main__":
    main()
