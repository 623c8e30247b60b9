"""Each trial is a run of MLflow: its parameters, the metrics of its epochs by MLflow's own callback, score and state.

Nothing leaves the machine: the runs are in a file beside the study. `mlflow ui --backend-store-uri sqlite:///PATH`
shows them. Needs `pip install "kerastune_lite[trackers]"`.
"""

import atexit
from pathlib import Path

from kerastune_lite import RandomSearch, TrialState  # isort: skip
from kerastune_lite.study.events import TrialEnded  # isort: skip

import keras
import mlflow
from sklearn.datasets import load_iris

STATUSES = {TrialState.FAILED: "FAILED", TrialState.INTERRUPTED: "KILLED"}


class RunsOfTrials:
    """Keeps a run for each trial; sent to the workers, which write to the same file."""

    def __init__(self, folder, experiment):
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        mlflow.set_tracking_uri(self.uri)
        known = mlflow.get_experiment_by_name(experiment)
        self.experiment = (
            mlflow.create_experiment(experiment, (folder / "artifacts").as_uri())
            if known is None
            else known.experiment_id
        )

    def callbacks(self, trial):
        """Begins the run of a trial, or goes on with it after a pause, where the trial is trained."""
        mlflow.set_tracking_uri(self.uri)
        # An error may have broken off the trial before this one, or may break off the last one of this process. MLflow
        # itself would end the run of that one as finished.
        mlflow.end_run("FAILED")
        atexit.register(mlflow.end_run, "FAILED")
        mlflow.start_run(run_id=self.run_of(trial.number))
        mlflow.log_params(trial.values)
        return [mlflow.keras.MlflowCallback(), EndOfRun()]

    def show(self, event, study):
        """The view: a trial has ended, and its score and state are known."""
        if not isinstance(event, TrialEnded):
            return
        trial, client = study.trial(event.trial), mlflow.MlflowClient(self.uri)
        run = self.run_of(trial.number)
        if trial.score is not None:
            client.log_metric(run, "score", trial.score)
        for name, told in {"state": trial.state.value, "stop_reason": trial.stop_reason, "error": trial.error}.items():
            client.set_tag(run, name, str(told or ""))
        mlflow.end_run("FAILED")  # The run of a trial that was broken off in this process.
        client.set_terminated(run, STATUSES.get(trial.state, "FINISHED"))

    def run_of(self, number):
        """The id of a trial's run, which is made where there is none yet."""
        client = mlflow.MlflowClient(self.uri)
        runs = client.search_runs([self.experiment], f"tags.trial = '{number}'")
        run = (
            runs[0] if runs else client.create_run(self.experiment, run_name=f"trial {number}", tags={"trial": number})
        )
        return run.info.run_id


class EndOfRun(keras.callbacks.Callback):
    """Writes what is still to be written, in the process that trains."""

    def on_train_end(self, logs=None):
        mlflow.end_run()


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


def main(directory="kerastune_runs/mlflow", max_trials=4, **settings):
    x, y = load_iris(return_X_y=True)
    runs = RunsOfTrials(directory, "iris")
    tuner = RandomSearch(
        build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0, views=[runs.show], **settings
    )
    study = tuner.search(
        x.astype("float32"), y, validation_data=(x[::3].astype("float32"), y[::3]), epochs=10, callbacks=runs.callbacks
    )
    best = mlflow.MlflowClient(runs.uri).search_runs([runs.experiment], order_by=["metrics.score DESC"])[0]
    print(f"the best run: {best.info.run_name}, {best.data.params}")
    return study


if __name__ == "__main__":
    main()
