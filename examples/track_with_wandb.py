"""Each trial is a run of Weights & Biases: its parameters, and the metrics of its epochs by W&B's own callback.

Nothing leaves the machine: the runs are in files beside the study, and `wandb sync` uploads them. Needs
`pip install "kerastune_lite[trackers]"`.
"""

from pathlib import Path

from kerastune_lite import RandomSearch  # isort: skip
from kerastune_lite.study.events import SearchEnded, TrialEnded  # isort: skip

import keras
import wandb
from sklearn.datasets import load_iris
from wandb.integration.keras import WandbMetricsLogger


class RunsOfTrials:
    """Keeps a run for each trial, and one for the study; sent to the workers."""

    def __init__(self, folder, project):
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.project = project

    def callbacks(self, trial):
        """Begins the run of a trial, where the trial is trained; one that was paused gets a further run."""
        end_of_run(exit_code=1)  # An error may have broken off the trial before this one.
        self.begin_run(f"trial {trial.number}", {"trial": trial.number, **trial.values})
        return [WandbMetricsLogger(), EndOfRun()]

    def show(self, event, study):
        """The view: ends the run of a trial that failed in this process; a table of all trials at the end."""
        if isinstance(event, TrialEnded):
            end_of_run(exit_code=1)
        if isinstance(event, SearchEnded) and study.trials:
            rows = [[trial.number, trial.state.value, trial.score, str(dict(trial.values))] for trial in study.trials]
            self.begin_run("study", {"objective": study.objective.name})
            wandb.log({"trials": wandb.Table(["trial", "state", "score", "values"], rows)})
            end_of_run()

    def begin_run(self, name, config):
        wandb.init(
            project=self.project, group=self.folder.name, name=name, config=config, dir=self.folder, mode="offline"
        )


class EndOfRun(keras.callbacks.Callback):
    """Ends the run in the process that trains."""

    def on_train_end(self, logs=None):
        end_of_run()


def end_of_run(exit_code=0):
    if wandb.run is not None:
        wandb.finish(exit_code)


def build_fn(hp):
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.int("units", 4, 32, log=True), activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    rate = hp.float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(directory="kerastune_runs/wandb", max_trials=4, **settings):
    x, y = load_iris(return_X_y=True)
    runs = RunsOfTrials(directory, "iris")
    tuner = RandomSearch(
        build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0, views=[runs.show], **settings
    )
    return tuner.search(
        x.astype("float32"), y, validation_data=(x[::3].astype("float32"), y[::3]), epochs=10, callbacks=runs.callbacks
    )


if __name__ == "__main__":
    main()
