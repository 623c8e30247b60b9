"""How many trials the quickstart's search needs on the handwritten digits: Bayesian against random.

    python benchmarks/digits_search.py [--seeds 10] [--random 50] [--bayesian 25] [--directory benchmarks/out/digits]

Every search is a study under the directory, so that the benchmark can be stopped and resumed at any point. Printed is
the median over seeds of the best validation accuracy after so many trials.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from kerastune_lite import BayesianOptimization, RandomSearch, Study, Tuner
from kerastune_lite.callbacks import EarlyStopping

EXAMPLE = Path(__file__).parent.parent / "examples" / "quickstart.py"
MARKS = (5, 10, 15, 20, 25, 50)


def quickstart_build_fn():
    spec = importlib.util.spec_from_file_location("quickstart", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_fn


def search(tuner: type[Tuner], directory: Path, seed: int, trials: int) -> Study:
    images, labels = load_digits(return_X_y=True)
    x, _, y, _ = train_test_split(
        images.astype("float32") / 16.0, labels, test_size=0.2, random_state=0, stratify=labels
    )
    searching = tuner(
        quickstart_build_fn(),
        "val_accuracy",
        max_trials=trials,
        directory=directory,
        seed=seed,
        keep_models=0,
        verbose=0,
    )
    return searching.search(
        x, y, validation_split=0.2, epochs=20, callbacks=[EarlyStopping("val_accuracy", patience=4)]
    )


def best_after(study: Study, count: int) -> float:
    return max(trial.score for trial in study.trials[:count] if trial.score is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--random", type=int, default=50)
    parser.add_argument("--bayesian", type=int, default=25)
    parser.add_argument("--directory", type=Path, default=Path(__file__).parent / "out" / "digits")
    arguments = parser.parse_args()
    arms = {"random": (RandomSearch, arguments.random), "bayesian": (BayesianOptimization, arguments.bayesian)}
    studies: dict[str, list[Study]] = {name: [] for name in arms}
    for seed in range(arguments.seeds):
        for name, (tuner, trials) in arms.items():
            studies[name].append(search(tuner, arguments.directory / f"{name}_{seed}", seed, trials))
            print(f"{name}, seed {seed}: {best_after(studies[name][-1], trials):.4f}", flush=True)
    print(f"\nMedian best validation accuracy over {arguments.seeds} seeds")
    print("trials    " + "".join(f"{mark:>8}" for mark in MARKS))
    for name, (_, trials) in arms.items():
        cells = [
            f"{statistics.median(best_after(study, mark) for study in studies[name]):>8.4f}" if mark <= trials else ""
            for mark in MARKS
        ]
        print(f"{name:<10}" + "".join(cells))


if __name__ == "__main__":
    main()
