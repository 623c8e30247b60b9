"""Resident memory over the trials of a small model in one process, against a bare loop with `clear_session`.

    python benchmarks/memory.py [--trials 200]

Two arms train layers of 30 sizes, so that as many programs are traced: one on arrays, one on a tf.data.Dataset, which
is made once and serves all trials. The last column is the growth after the 40th trial, when most sizes have been seen.
Each arm runs in a process of its own. TensorFlow itself keeps some megabytes of each traced model; a tuner should add
nothing to them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ARMS = (
    "bare loop + clear_session",
    "kerastune_lite",
    "kerastune_lite, 30 sizes",
    "kerastune_lite, tf.data, 30 sizes",
    "kerastune_lite, fit",
    "KerasTuner",
)
SIZES = 30


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(arm: str, trials: int) -> None:
    """Trains `trials` models and prints the resident memory at the beginning of each."""
    import keras
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)

    def build(rate, units=256):
        print(f"{resident_mb():.1f}", flush=True)
        model = keras.Sequential(
            [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(3, activation="softmax")]
        )
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        return model

    with tempfile.TemporaryDirectory() as directory:
        if arm.startswith("kerastune_lite"):
            from kerastune_lite import RandomSearch

            sizes = [256 - index for index in range(SIZES)] if arm.endswith("sizes") else [256]
            tuner = RandomSearch(
                lambda hp: build(hp.float("rate", 1e-4, 1e-2), hp.choice("units", sizes)),
                "loss",
                max_trials=trials,
                directory=directory,
                engine="fit" if arm.endswith("fit") else "auto",
                verbose=0,
            )
            if "tf.data" in arm:
                import tensorflow as tf

                dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0).batch(32)
                tuner.search(dataset, validation_data=dataset, epochs=1)
            else:
                tuner.search(x, y, epochs=1)
        elif arm == "KerasTuner":
            import keras_tuner

            tuner = keras_tuner.RandomSearch(
                lambda hp: build(hp.Float("rate", 1e-4, 1e-2)),
                objective=keras_tuner.Objective("loss", "min"),
                max_trials=trials,
                directory=directory,
            )
            tuner.search(x, y, epochs=1, verbose=0)
        else:
            for index in range(trials):
                keras.utils.clear_session()
                build(1e-3 + 1e-5 * index).fit(x, y, epochs=1, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--arm", choices=ARMS, help="run this one alone")
    options = parser.parse_args()
    if options.arm:
        run(options.arm, options.trials)
        return
    heads = f"{f'at trial {options.trials}':>14s}{'MB a trial':>12s}{'after the 40th':>16s}"
    print(f"{'':34s}{'MB at trial 10':>16s}{'at trial 40':>13s}{heads}")
    for arm in ARMS:
        command = [sys.executable, __file__, "--arm", arm, "--trials", str(options.trials)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        marks = [float(line) for line in done.stdout.splitlines() if line.replace(".", "", 1).isdigit()]
        if done.returncode:
            print(f"{arm:34s}  not run: {done.stderr.strip().splitlines()[-1]}")
            continue
        growth = (marks[-1] - marks[39]) / max(len(marks) - 40, 1)
        print(
            f"{arm:34s}{marks[9]:16.0f}{marks[39]:13.0f}{marks[-1]:14.0f}{growth:12.2f}{marks[-1] - marks[39]:16.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
