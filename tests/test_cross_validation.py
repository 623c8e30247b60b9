"""Cross-validation: what each fold is trained and scored on, what is recorded, and when folds aren't trained at all."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit

from kerastune_lite import (
    BuildError,
    DataError,
    FailedTrial,
    GridSearch,
    Hyperband,
    PopulationBasedTraining,
    RandomSearch,
    Study,
    TrialState,
)
from kerastune_lite.cli import main
from kerastune_lite.search.fold_view import FoldView
from kerastune_lite.stopping import MedianRule
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, best_first

QUIET = {"verbose": 0, "seed": 0}
_x, _y = load_iris(return_X_y=True)
_order = np.random.default_rng(0).permutation(len(_x))[:60]
X, Y = _x[_order].astype("float32"), _y[_order].astype("int32")
GROUPS = np.arange(60) % 6
SMALL = {"epochs": 2, "batch_size": 16}


def compiled(model, rate=0.05, **settings):
    # Eagerly: a few steps of a small model take less time than their tracing would.
    settings = {"loss": "sparse_categorical_crossentropy", "run_eagerly": True} | settings
    model.compile(keras.optimizers.Adam(rate), **settings)
    return model


def classifier(units=4, **settings):
    layers = [keras.Input((4,)), keras.layers.Dense(units, activation="relu")]
    return compiled(keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")]), **settings)


def build_fn(hp):
    return classifier(hp.choice("units", [4, 8]))


def build_one(hp):
    hp.fixed("units", 4)
    return classifier()


def searched(directory, build=build_one, cv=3, x=X, y=Y, *, settings=None, **arguments):
    tuner = GridSearch(build, directory=directory, **QUIET, **(settings or {}))
    return tuner, tuner.search(x, y, cv=cv, **SMALL | arguments)


# What a fold is trained and scored on


@pytest.mark.parametrize(
    ("cv", "groups"),
    [pytest.param(TimeSeriesSplit(4), None, marks=pytest.mark.drill), (GroupKFold(3), GROUPS)],
    ids=["time series", "groups"],
)
def test_the_scores_of_folds_are_those_of_a_loop_over_fit_with_the_same_seeds(tmp_path, cv, groups):
    _, study = searched(tmp_path, build_fn, cv, groups=groups, shuffle=False)
    trial = study.trials[1]

    scores = []
    for fold, (train, held_out) in enumerate(cv.split(X, Y, groups)):
        keras.utils.set_random_seed(study.seed_of(trial.number, run=fold))
        model = classifier(trial.values["units"])
        held_out = X[held_out], Y[held_out]
        history = model.fit(X[train], Y[train], validation_data=held_out, shuffle=False, verbose=0, **SMALL)
        scores.append(min(history.history["val_loss"]))

    assert trial.values == {"units": 8}
    assert trial.scores == pytest.approx(scores, rel=1e-6)
    assert trial.score == pytest.approx(np.mean(scores), rel=1e-6)
    assert trial.spread == pytest.approx(np.std(scores, ddof=1), rel=1e-5)


@pytest.mark.drill
def test_a_loop_over_epochs_gets_the_same_scores_of_shuffled_folds(tmp_path):
    _, study = searched(tmp_path, cv=TimeSeriesSplit(2))
    trial = study.best

    scores = []
    for fold, (train, held_out) in enumerate(TimeSeriesSplit(2).split(X)):
        seed = study.seed_of(trial.number, run=fold)
        keras.utils.set_random_seed(seed)
        model, losses = classifier(), []
        for epoch in range(2):
            order = train[np.random.default_rng([seed, epoch]).permutation(len(train))]
            losses += model.fit(
                X[order],
                Y[order],
                batch_size=16,
                shuffle=False,
                verbose=0,
                validation_data=(X[held_out], Y[held_out]),
                initial_epoch=epoch,
                epochs=epoch + 1,
            ).history["val_loss"]
        scores.append(min(losses))

    assert trial.scores == pytest.approx(scores, rel=1e-6)


def test_the_best_model_is_that_of_the_best_fold(tmp_path):
    tuner, study = searched(tmp_path, cv=KFold(3))
    trial = study.best
    _, held_out = list(KFold(3).split(X))[trial.best_run]

    assert trial.scores[trial.best_run] == min(trial.scores)
    assert tuner.best_model().evaluate(X[held_out], Y[held_out], verbose=0) == pytest.approx(min(trial.scores))


@pytest.fixture(scope="module")
def scores_of_arrays(tmp_path_factory):
    """The scores of the folds of data that are two arrays."""
    return searched(tmp_path_factory.mktemp("arrays"), cv=KFold(2), shuffle=False)[1].best.scores


@pytest.mark.parametrize(
    "form", ["dict", "table", *(pytest.param(form, marks=pytest.mark.drill) for form in ("list", "tensor"))]
)
def test_data_of_any_nesting_are_divided_by_sample(tmp_path, form, scores_of_arrays):
    def build(hp):
        hp.fixed("units", 4)
        if form in ("table", "tensor"):
            return classifier()
        given = {name: keras.Input((2,), name=name) for name in ("left", "right")}
        joined = keras.layers.Concatenate()([given["left"], given["right"]])
        hidden = keras.layers.Dense(4, activation="relu")(joined)
        outputs = keras.layers.Dense(3, activation="softmax")(hidden)
        return compiled(keras.Model(given if form == "dict" else list(given.values()), outputs))

    x = {
        "dict": {"left": X[:, :2], "right": X[:, 2:]},
        "list": [X[:, :2], X[:, 2:]],
        "table": pandas.DataFrame(X, index=np.arange(60)[::-1]),
        "tensor": keras.ops.convert_to_tensor(X),
    }[form]
    y = pandas.Series(Y, index=np.arange(60)[::-1]) if form == "table" else Y
    _, study = searched(tmp_path / form, build, KFold(2), x, y, shuffle=False)

    assert study.best.scores == pytest.approx(scores_of_arrays, rel=1e-5)


def test_sample_weights_go_with_their_samples_and_weigh_the_validation(tmp_path):
    weights = np.where(np.arange(60) < 20, 0.0, 1.0)
    _, study = searched(tmp_path, cv=KFold(3), sample_weight=weights, epochs=1)

    assert study.best.scores[0] == 0.0  # all samples of the first fold weigh nothing
    assert min(study.best.scores[1:]) > 0.0


def test_a_fit_of_ones_own_is_given_each_fold(tmp_path):
    sizes = []

    class Builder:
        def build(self, hp):
            return build_one(hp)

        def fit(self, hp, model, x, y, validation_data, **kwargs):
            sizes.append((len(x), len(validation_data[0])))
            return model.fit(x, y, validation_data=validation_data, **kwargs)

    _, study = searched(tmp_path, Builder(), TimeSeriesSplit(3))

    assert sizes[-3:] == [(15, 15), (30, 15), (45, 15)]
    assert len(study.best.scores) == 3


# What is recorded


def test_folds_are_in_the_record_the_table_and_the_frame(tmp_path, capsys):
    _, study = searched(tmp_path, build_fn, settings={"executions_per_trial": 2})
    read = Study.open(tmp_path)
    trial = read.best

    assert read.trials == study.trials
    assert (trial.folds, len(trial.scores), len(trial.best_epochs)) == (3, 6, 6)
    assert trial.fold_scores == pytest.approx(np.reshape(trial.scores, (2, 3)).mean(0))
    assert [len(curve) for curve in trial.curves] == [2] * 6
    frame = read.to_dataframe()
    assert list(frame.loc[trial.number, ["fold_0", "fold_1", "fold_2"]]) == pytest.approx(list(trial.fold_scores))
    assert frame["score"].tolist() == pytest.approx(frame[["fold_0", "fold_1", "fold_2"]].mean(axis=1).tolist())
    assert " 3/3 " in str(read.leaderboard())
    main(["show", str(tmp_path), "--trial", str(trial.number)])
    assert f"folds       3/3: {trial.fold_scores[0]:.5g}, " in capsys.readouterr().out


def test_a_journal_tells_how_the_samples_were_divided(tmp_path):
    searched(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    described = next(line["search"] for line in lines if "search" in line)

    assert described["cv"]["folds"] == 3
    assert described["cv"]["splitter"].startswith("StratifiedKFold(n_splits=3")
    assert described["data"]["folds"]["length"] == 3
    assert [line["folds"] for line in lines if line["event"] == "begin"] == [3]


@pytest.mark.drill
def test_a_search_that_goes_on_with_other_folds_says_so(tmp_path, capsys):
    searched(tmp_path, build_fn, settings={"max_trials": 1})
    tuner = GridSearch(build_fn, directory=tmp_path, seed=0)
    tuner.search(X, Y, cv=KFold(2), **SMALL)
    told = capsys.readouterr().out

    assert "cv KFold(n_splits=2, random_state=None, shuffle=False), before StratifiedKFold(n_splits=3" in told
    assert "folds has the length 2, before 3: scores may not compare" in told


@pytest.mark.drill
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path):
    _, expected = searched(tmp_path / "whole", build_fn)

    class Interrupts(keras.callbacks.Callback):
        begun = 0

        def on_train_begin(self, logs=None):
            Interrupts.begun += 1
            if Interrupts.begun == 5:  # the second fold of the second trial
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "cut", build_fn, callbacks=lambda trial: [Interrupts()])
    assert [trial.state for trial in Study.open(tmp_path / "cut").trials] == [
        TrialState.COMPLETED,
        TrialState.INTERRUPTED,
    ]
    _, study = searched(tmp_path / "cut", build_fn, callbacks=lambda trial: [Interrupts()])

    assert [trial.scores for trial in study.trials] == [trial.scores for trial in expected.trials]
    assert Interrupts.begun == 5 + 3  # the first trial isn't trained again


@pytest.mark.drill
def test_workers_train_the_same_folds(tmp_path):
    _, expected = searched(tmp_path / "here", build_fn)
    _, study = searched(tmp_path / "there", build_fn, settings={"workers": 2})

    for trial, other in zip(study.trials, expected.trials, strict=True):
        assert trial.scores == pytest.approx(other.scores)


# Trials that aren't trained on all folds


def made_up(number, *curves, state=TrialState.COMPLETED, **settings):
    curves = tuple(tuple({"val_loss": loss} for loss in curve) for curve in curves)
    scores = tuple(min(logs["val_loss"] for logs in curve) for curve in curves)
    return Trial(
        number=number, curves=curves, scores=scores, score=float(np.mean(scores)), folds=3, state=state, **settings
    )


def test_a_rule_is_shown_the_mean_over_as_many_folds_as_the_running_trial_has_begun():
    view = FoldView(Objective("val_loss", "min"))
    ended = made_up(0, [3.0, 1.0], [5.0, 4.0, 6.0], [0.0])
    running = made_up(1, [2.0, 2.0, 1.0], [4.0, 8.0], state=TrialState.RUNNING)

    shown, other = view.running(running, 1, 1), view.others([ended], 1)[0]

    assert shown.best_so_far == (3.0, 3.0)
    assert [logs["val_loss"] for logs in shown.curves[0]] == [3.0, 5.0]
    assert other.best_so_far == (4.0, 2.5, 2.5)
    assert view.others([ended], 0)[0].best_so_far == (3.0, 1.0)


def test_a_trial_whose_first_folds_are_hopeless_is_not_trained_on_the_others(tmp_path):
    def build(hp):
        return classifier(rate=hp.choice("rate", [0.05, 0.04, 1e-6]))

    _, study = searched(tmp_path, build, settings={"stopping": MedianRule(grace_epochs=1, min_trials=2)})
    hopeless = study.trials[2]

    assert [trial.state for trial in study.trials[:1]] == [TrialState.COMPLETED]
    assert hopeless.state is TrialState.STOPPED
    assert (len(hopeless.scores), len(hopeless.curves)) == (1, 1)
    assert hopeless.epochs_saved == 1 + 2 * 2
    assert hopeless.stop_reason.startswith("fold 1 of 3: MedianRule: after 1 epochs")


def test_a_fold_that_ends_a_trial_may_be_ended_at_its_last_epoch(tmp_path):
    class SecondFold:
        def should_stop(self, trial, trials, objective):
            asked.append(len(trial.best_so_far))
            return "enough" if len(asked) == 3 else None

    asked = []
    _, study = searched(tmp_path, settings={"stopping": SecondFold()}, epochs=1, cv=4)

    assert asked == [1, 1, 1]
    assert study.trials[0].stop_reason == "fold 3 of 4: enough"
    assert len(study.trials[0].scores) == 3


def test_a_trial_that_lacks_folds_is_behind_all_that_have_them():
    easy_fold = made_up(0, [0.1], state=TrialState.STOPPED)
    complete = [made_up(1, [0.2], [0.9], [0.8]), made_up(2, [0.3], [0.5], [0.4])]

    assert [trial.number for trial in best_first([easy_fold, *complete], "min")] == [2, 1, 0]


@pytest.mark.drill
def test_the_model_of_a_trial_that_lacks_folds_gives_way_to_a_worse_score_on_all(tmp_path):
    class FirstTrial:
        def should_stop(self, trial, trials, objective):
            return "enough" if trial.number == 0 else None

    def build(hp):
        return classifier(rate=hp.choice("rate", [0.05, 1e-6]))

    tuner, study = searched(tmp_path, build, settings={"stopping": FirstTrial()})

    assert study.trials[0].score < study.trials[1].score
    assert study.best.number == 1
    assert float(tuner.best_model().optimizer.learning_rate) == pytest.approx(1e-6)


def test_a_stopped_search_ends_between_folds(tmp_path):
    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tuner.stop()

    tuner = GridSearch(build_fn, directory=tmp_path, **QUIET)
    study = tuner.search(X, Y, cv=3, epochs=1, callbacks=lambda trial: [Stops()])

    assert [len(trial.scores) for trial in study.trials] == [1]
    assert study.trials[0].state is TrialState.STOPPED


def test_a_fold_that_fails_fails_its_trial_with_the_scores_before(tmp_path):
    def build(hp):
        hp.fixed("units", 4)
        builds.append(None)
        if len(builds) == 2:
            raise FailedTrial("not this one")
        return classifier()

    builds = []
    tuner = RandomSearch(build, directory=tmp_path, max_trials=1, **QUIET)
    with pytest.raises(Exception, match="not this one"):
        tuner.search(X, Y, cv=3, **SMALL)
    trial = tuner.study.trials[0]

    assert (trial.state, len(trial.scores), trial.score) == (TrialState.FAILED, 1, None)


# After the search


def test_refit_keeps_a_model_that_was_trained_on_all_samples(tmp_path):
    tuner, _ = searched(tmp_path, refit=True)
    expected = tuner.retrain(X, Y)

    for kept, trained in zip(tuner.best_model().get_weights(), expected.get_weights(), strict=True):
        assert np.allclose(kept, trained, atol=1e-6)


@pytest.mark.drill
def test_a_setting_is_retrained_for_as_long_as_its_median_fold_took_to_its_best_epoch(tmp_path):
    epochs = []

    class Counts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)

    tuner, study = searched(tmp_path)
    trial = study.best.changed(best_epochs=(5, 0, 2, None), best_epoch=5)
    tuner.retrain(X, Y, trial, callbacks=[Counts()])

    assert len(epochs) == 3


@pytest.mark.drill
def test_confirm_trains_the_finalists_on_all_folds_again(tmp_path):
    tuner, study = searched(tmp_path)
    confirmed = tuner.confirm(n=1, repeats=2)[0]

    assert len(confirmed.confirmations) == 2
    assert confirmed.confirmation_epochs == 2 * 3 * 2
    assert study.best.score not in confirmed.confirmations


# What is refused before any training


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"cv": 3, "validation_split": 0.2}, "Leave out validation_split, or cv"),
        ({"cv": 3, "validation_data": (X, Y)}, "Leave out validation_data, or cv"),
        ({"cv": 1}, "at least 2. Received: cv=1"),
        ({"cv": 61}, "cv=61 needs at least 61 samples, and there are 60"),
        ({"cv": 7, "groups": GROUPS}, "cv=7 needs at least 7 groups, and there are 6"),
        ({"cv": 3, "groups": GROUPS[:50]}, "there are 60, and groups has 50|60 samples, and groups 50"),
        ({"groups": GROUPS}, "there is no cv"),
        ({"cv": GroupKFold(3)}, r"Pass search\(…, groups=…\)"),
        ({"cv": [(np.arange(50), np.arange(50, 60)), (np.arange(60), [])]}, "no samples to validate on in fold 1"),
        ({"cv": [(np.arange(50), [60]), (np.arange(9), [9])]}, "out of bounds"),
        ({"cv": [np.arange(50), np.arange(9)]}, r"fold 0 \(from 0\) has to be a pair.* It is one of 50 items"),
        ({"cv": ShuffleSplit(1)}, "makes 1 fold of 60 samples; cross-validation takes at least 2. For a single split"),
        ({"refit": True}, "pass cv= too"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(tmp_path, arguments, told):
    tuner = GridSearch(build_one, directory=tmp_path / "study", **QUIET)
    with pytest.raises(DataError, match=told):
        tuner.search(X, Y, **arguments)

    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("cv", ["5", KFold, 2.5, True])
def test_what_divides_nothing_is_refused(tmp_path, cv):
    with pytest.raises(TypeError, match="cv has to be a number of folds, a splitter"):
        searched(tmp_path, cv=cv)


def test_data_that_are_no_arrays_are_refused(tmp_path):
    import tensorflow as tf

    with pytest.raises(DataError, match="cv= divides arrays and tables only"):
        searched(tmp_path, x=tf.data.Dataset.from_tensor_slices((X, Y)).batch(8), y=None)
    with pytest.raises(DataError, match="there is no x"):
        searched(tmp_path, x=None, y=None)


@pytest.mark.parametrize(
    "tuner", [lambda **s: Hyperband(build_one, max_epochs=4, **s), lambda **s: PopulationBasedTraining(build_one, **s)]
)
def test_strategies_that_pause_trials_are_refused_with_the_way_out(tmp_path, tuner):
    tuner = tuner(directory=tmp_path / "study", **QUIET)
    epochs = {} if isinstance(tuner, Hyperband) else {"epochs": 3}
    with pytest.raises(ValueError, match=r"takes no cv= of 3 folds. Use RandomSearch .* stopping='median'"):
        tuner.search(X, Y, cv=3, **epochs)

    assert not (tmp_path / "study").exists()


def test_data_and_results_of_build_fn_are_refused(tmp_path):
    with pytest.raises(BuildError, match="build_fn returned x and y among fit's arguments, and cv= divides"):
        searched(tmp_path / "data", lambda hp: (build_one(hp), {"x": X, "y": Y}))
    with pytest.raises(BuildError, match="build_fn trains by itself"):
        searched(tmp_path / "result", lambda hp: hp.float("rate", 0.0, 1.0), settings={"max_trials": 1})
