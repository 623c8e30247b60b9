"""The examples run, and do what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_quickstart_leaves_a_model_that_loads_and_is_as_good(tmp_path, capsys):
    accuracy = example("quickstart").main(directory=tmp_path, max_trials=2, epochs=10)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    _, x_test, _, y_test = train_test_split(x / 16.0, y, test_size=0.2, random_state=0, stratify=y)
    model = keras.models.load_model(tmp_path / "best.keras")

    assert accuracy > 0.9
    assert model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"] == pytest.approx(accuracy)
    assert "best: trial" in capsys.readouterr().out


@pytest.mark.drill
def test_the_quickstart_run_again_ends_at_once_with_its_result(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main = example("quickstart").main
    accuracy = main(max_trials=2, epochs=1)
    journal = (tmp_path / "kerastune_runs" / "quickstart" / "journal.jsonl").read_bytes()
    capsys.readouterr()

    assert main(max_trials=2, epochs=1) == accuracy
    told = capsys.readouterr().out.lower()
    assert "resuming the study" in told
    assert "search ended: 2 trials are done" in told
    assert (tmp_path / "kerastune_runs" / "quickstart" / "journal.jsonl").read_bytes() == journal


@pytest.mark.drill
def test_arguments_of_fit_are_tuned(tmp_path):
    study = example("tune_fit_arguments").main(directory=tmp_path)

    assert len(study.trials) == 8
    assert {trial.values["batch_size"] for trial in study.trials} == {8, 32}


@pytest.mark.drill
def test_callbacks_stop_a_plain_fit():
    assert any(callback.stop_reason for callback in example("callbacks_with_plain_fit").main(epochs=60))


@pytest.mark.drill
def test_a_conditional_space_is_searched(tmp_path):
    study = example("conditional_space").main(directory=tmp_path, max_trials=4)

    for trial in study.trials:
        assert ("momentum" in trial.values) == (trial.values["optimizer"] == "sgd")
        assert sum(name.endswith("units") for name in trial.values) == trial.values["layers"]


# More than a guess would get, which is 0.1 for digits, 0.2 for half of them, 0.4 for lines and wines.
BETTER_THAN_A_GUESS = {
    "tabular_preprocessing": 0.6,
    "image_augmentation": 0.5,
    "text_embeddings": 0.5,
    "several_inputs_and_outputs": 0.5,
    "transfer_learning": 0.5,
    "own_train_step": 0.5,
    "from_a_generator": 0.5,
}


QUICK = "tabular_preprocessing"
KINDS = [pytest.param(name, marks=() if name == QUICK else pytest.mark.drill) for name in BETTER_THAN_A_GUESS]


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_model_and_data_is_tuned(name, tmp_path, capsys):
    study = example(name).main(directory=tmp_path, max_trials=2)

    assert len(study.trials) == 2
    assert study.best.score > BETTER_THAN_A_GUESS[name]
    assert "learning_rate" in study.best.values or "low_rate" in study.best.values


@pytest.mark.drill
def test_a_forecast_is_closer_than_the_mean(tmp_path, capsys):
    study = example("time_series").main(directory=tmp_path, max_trials=2)

    assert study.best.score < 0.8


@pytest.mark.drill
def test_the_three_ways_to_stop_early_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    halved, hyperband, population = example("stop_early").main(epochs=3, budget=6)

    assert halved.epochs_spent == 6
    assert max(len(trial.curve) for trial in hyperband.trials) == 3
    assert population is not None
    assert "from epoch 1" in capsys.readouterr().out


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, by which MLflow keeps its runs
def test_each_trial_is_a_run_of_mlflow(tmp_path, capsys):
    mlflow = pytest.importorskip("mlflow")
    study = example("track_with_mlflow").main(directory=tmp_path, max_trials=2)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("iris").experiment_id])

    assert sorted(run.data.tags["trial"] for run in runs) == ["0", "1"]
    for run in runs:
        trial = study.trial(int(run.data.tags["trial"]))
        history = client.get_metric_history(run.info.run_id, "val_loss")
        assert run.info.status == "FINISHED"
        assert run.data.metrics["score"] == trial.score
        assert run.data.params["units"] == str(trial.values["units"])
        assert [each.value for each in sorted(history, key=lambda each: each.step)] == [
            pytest.approx(logs["val_loss"]) for logs in trial.curve
        ]


@pytest.mark.drill
def test_each_trial_is_a_run_of_weights_and_biases(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    example("track_with_wandb").main(directory=tmp_path, max_trials=2)

    assert len(list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))) == 3  # of two trials and the study
