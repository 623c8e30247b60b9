"""Models that are given back: whatever Keras can train has the recorded score again, here and in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import given_back_models
import keras
import numpy as np
import pytest
from given_back_models import AS_WEIGHTS, KINDS, VALIDATION, Net, compiled, loss_of, searched, sequential, tuner_of

from kerastune_lite import GridSearch
from kerastune_lite.errors import NoResultError

QUIET = {"verbose": 0, "seed": 0}
FEW_KINDS = ("sequential", "subclassed", "GAN", "a matrix and a function", "averaged weights")
"""A kind for each way in which a model is kept and given back; the others are drills."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in FEW_KINDS else pytest.mark.drill) for kind in KINDS]
)
def test_the_best_model_of_every_kind_has_the_recorded_score_in_a_folder_that_was_moved(tmp_path, capsys, kind):
    searched(kind, tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "moved")
    tuner = tuner_of(kind, tmp_path / "moved", verbose=1)

    assert loss_of(kind, tuner.best_model()) == pytest.approx(tuner.study.best.score, abs=1e-5)
    way = "built by build_fn, and given the weights of" if kind in AS_WEIGHTS else "read from"
    assert f"model {way} {tmp_path / 'moved' / 'models' / '0000.'}" in capsys.readouterr().out


def loaded_elsewhere(directory):
    """The loss of each kind's best model, as a new process finds it."""
    script = Path(given_back_models.__file__)
    done = subprocess.run([sys.executable, script, directory], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.drill
@pytest.mark.parametrize(
    ("kinds", "workers"),
    [(list(KINDS), 1), (["sequential", "subclassed", "averaged weights"], 2)],
    ids=["every kind", "two workers"],
)
def test_a_new_process_gives_back_what_this_one_or_its_workers_trained(tmp_path, kinds, workers):
    tuners = {kind: searched(kind, tmp_path / kind, workers=workers) for kind in kinds}
    losses = loaded_elsewhere(tmp_path)

    assert sorted(losses) == sorted(kinds)
    for kind, tuner in tuners.items():
        assert losses[kind] == pytest.approx(tuner.study.best.score, abs=1e-5), kind


@pytest.mark.drill
def test_a_new_process_builds_a_subclassed_model_and_gives_it_its_weights(tmp_path):
    tuner = searched("subclassed", tmp_path / "subclassed")

    assert loaded_elsewhere(tmp_path) == {"subclassed": pytest.approx(tuner.study.best.score, abs=1e-5)}


def test_a_model_kept_as_weights_says_why_in_its_record_and_can_be_trained_further(tmp_path):
    tuner = searched("own schedule", tmp_path)
    (note,) = tuner.study.best.notes

    assert note.startswith("kept as weights for the model that build_fn makes")
    assert "must override `get_config()`" in note
    model = tuner.best_model()
    before = model.evaluate(*VALIDATION, verbose=0)
    model.fit(*VALIDATION, epochs=20, verbose=0)
    assert model.evaluate(*VALIDATION, verbose=0) < before


def test_weights_that_fit_no_model_that_build_fn_makes_are_named_with_the_cause(tmp_path):
    tuner = searched("subclassed", tmp_path)
    other = GridSearch(lambda hp: compiled(Net(hp.choice("units", [8]) + 1)), "val_loss", directory=tmp_path, **QUIET)

    with pytest.raises(NoResultError, match=r"model of trial 0 can't be given back.*the same model whenever"):
        other.best_model()
    assert tuner.best_model().built


def test_a_build_fn_that_fails_now_is_told_as_the_cause(tmp_path):
    searched("subclassed", tmp_path)

    def build_fn(hp):
        raise RuntimeError("the file of words is gone")

    with pytest.raises(NoResultError, match=r"build_fn could not make its model: RuntimeError: the file of words"):
        GridSearch(build_fn, "val_loss", directory=tmp_path, **QUIET).best_model()


def test_fewer_models_than_asked_for_come_with_a_warning_that_names_the_others(tmp_path):
    def build_fn(hp):
        return sequential(units=hp.choice("units", [2, 4, 8]))

    tuner = GridSearch(build_fn, "val_loss", keep_models=2, directory=tmp_path, **QUIET)
    study = tuner.search(*given_back_models.TRAIN, validation_data=VALIDATION)
    third = study.leaderboard()[2].number

    with pytest.warns(UserWarning, match=rf"best_models\(3\) gives 2: no model of trial {third} was kept"):
        models = tuner.best_models(3)
    assert len(models) == 2
    assert len(tuner.best_models(2)) == 2


# Averaged weights


class OwnAverage(keras.callbacks.Callback):
    """Validates the mean of the weights of all epochs, and puts the others back afterwards."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_test_begin(self, logs=None):
        self.seen.append(self.model.get_weights())
        self.model.set_weights([np.mean(values, axis=0) for values in zip(*self.seen, strict=True)])

    def on_test_end(self, logs=None):
        self.model.set_weights(self.seen[-1])


class RoundedAfterwards(keras.callbacks.Callback):
    """Changes the weights at the end of an epoch, after it was validated."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([np.round(value, 1) for value in self.model.get_weights()])


@pytest.mark.parametrize(
    ("callback", "engine"),
    [
        (keras.callbacks.SwapEMAWeights(swap_on_epoch=False), "auto"),
        (RoundedAfterwards(), "fit"),
        pytest.param(keras.callbacks.SwapEMAWeights(swap_on_epoch=False), "fit", marks=pytest.mark.drill),
        pytest.param(keras.callbacks.SwapEMAWeights(swap_on_epoch=True), "auto", marks=pytest.mark.drill),
        pytest.param(OwnAverage(), "auto", marks=pytest.mark.drill),
    ],
    ids=["swapped for tests", "changed afterwards", "by a plain fit", "swapped for epochs", "own average"],
)
def test_the_weights_that_are_kept_are_those_that_were_validated(tmp_path, callback, engine):
    tuner = GridSearch(KINDS["averaged weights"], "val_loss", directory=tmp_path, engine=engine, **QUIET)
    train = given_back_models.TRAIN
    best = tuner.search(*train, validation_data=VALIDATION, epochs=3, batch_size=10, callbacks=[callback]).best

    assert tuner.best_model().evaluate(*VALIDATION, verbose=0) == pytest.approx(best.score, abs=1e-5)


# What is written, and whether it can be trusted


def test_a_file_from_which_keras_reads_another_model_is_not_trusted(tmp_path, monkeypatch):
    # Known by its name, the layer is read without an error, and without its factor.
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Forgetful", given_back_models.Forgetful)
    tuner = searched("forgetful get_config", tmp_path)
    (note,) = tuner.study.best.notes

    assert "gives other outputs: a get_config() is incomplete" in note
    assert loss_of("forgetful get_config", tuner.best_model()) == pytest.approx(tuner.study.best.score, abs=1e-5)


def test_a_note_quotes_keras_without_its_examples_and_configurations(tmp_path):
    kinds = ("a matrix and a function", "forgetful get_config")
    notes = {kind: searched(kind, tmp_path / kind).study.best.notes[0] for kind in kinds}

    assert notes["a matrix and a function"].endswith("Please implement `get_config()`.)")
    assert "Could not locate class 'Forgetful'" in notes["forgetful get_config"]
    assert "config={" not in notes["forgetful get_config"]


GARBLINGS = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "another file": lambda content: b"precious",
}


@pytest.mark.parametrize(
    "garbling", [pytest.param(each, marks=() if each == "cut" else pytest.mark.drill) for each in GARBLINGS]
)
def test_a_garbled_model_is_named_and_does_not_hide_the_others(tmp_path, garbling):
    def build_fn(hp):
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(hp.choice("units", [1, 2, 3]))])
        model.compile("sgd", loss="mse")
        return model

    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    tuner = GridSearch(build_fn, "loss", directory=tmp_path, keep_models=3, **QUIET)
    best, *others = tuner.search(x, x[:, :1]).leaderboard()
    path = tmp_path / "models" / f"{best.number:04d}.keras"
    path.write_bytes(GARBLINGS[garbling](path.read_bytes()))
    told = rf"The model of trial {best.number} can't be given back: .*{path.name}.*tuner.retrain\(x, y, trial=…\)"

    with pytest.raises(NoResultError, match=told):
        tuner.best_model()
    with pytest.warns(UserWarning, match=rf"best_models\(3\) gives 2: {told}"):
        models = tuner.best_models(3)
    assert [model.count_params() for model in models] == [4 * trial.values["units"] for trial in others]
