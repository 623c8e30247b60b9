"""One trial: what its trainings come to, and what fails it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastune_lite.errors import BuildError, FailedTrial, ObjectiveError
from kerastune_lite.running.task import Request, Shared
from kerastune_lite.space import Space
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trained, Trial, TrialPlan
from kerastune_lite.training.data import prepare
from kerastune_lite.training.engine.engine import Engine, ProgramError
from kerastune_lite.training.one_trial import LONGEST_NOTE, run_trial

X = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
ENGINE = Engine("fit")


class Recording:
    """A report that keeps what it is told, in order."""

    def __init__(self):
        self.told = []

    def asked(self, asked):
        self.told.append(dict(asked.values))

    def built(self, objective, epochs):
        self.told.append((objective.direction, epochs))

    def epoch(self, run, epoch, logs):
        self.told.append((run, epoch))


class FailingEngine:
    """An engine whose programs fail, as those of a device without memory do."""

    def fit(self, model, arguments, seed):
        raise ProgramError("no memory " * 100)


def build_model(hp):
    model = keras.Sequential([keras.layers.Dense(hp.int("units", 1, 4)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def request_of(*, number=0, plan=None, objective="loss", **settings):
    trial = Trial(number=number, values={"units": 3}, plan=plan or TrialPlan())
    return Request(trial=trial, space=Space(), objective=Objective(objective), study_seed=0, **settings)


def outcome_of(build_fn, request=None, report=None, engine=ENGINE, epochs=2):
    data = prepare(X, X[:, :1], None, 0.0, {"epochs": epochs})
    return run_trial(Shared(build_fn, data), request or request_of(), report or Recording(), engine)


def test_a_trial_reports_its_parameters_then_its_model_then_its_epochs():
    report = Recording()
    outcome_of(build_model, report=report)

    assert report.told == [{"units": 3}, ("min", 2), (0, 0), (0, 1), {"units": 3}]


def test_no_further_run_begins_when_the_time_of_the_search_is_over():
    outcome = outcome_of(build_model, request_of(runs=3, seconds_left=1e-6))

    assert len(outcome.scores) == 1
    assert outcome.error is None


def test_the_score_of_several_runs_is_their_mean_and_the_best_one_is_named():
    losses = iter([0.5, 0.25, 0.75])
    outcome = outcome_of(lambda hp: {"loss": next(losses)}, request_of(runs=3))

    assert outcome.scores == (0.5, 0.25, 0.75)
    assert outcome.score == 0.5
    assert outcome.best_run == 1
    assert outcome.trained is None


def test_all_runs_of_a_trial_have_the_same_values_and_seeds_of_their_own():
    draws = []

    def build_fn(hp):
        draws.append((hp.float("rate", 0.0, 1.0), np.random.randint(0, 1 << 30)))
        return 0.5

    outcome_of(build_fn, request_of(number=1, runs=2))
    outcome_of(build_fn, request_of(number=1, first_run=1))

    (rate, first), (again, second), (_, later) = draws
    assert rate == again
    assert first != second
    assert later == second


@pytest.mark.parametrize(("error", "is_rejected"), [(ValueError("no"), False), (FailedTrial("no"), True)])
def test_an_exception_of_the_users_code_fails_the_trial(error, is_rejected):
    def build_fn(hp):
        hp.int("units", 1, 4)
        raise error

    report = Recording()
    outcome = outcome_of(build_fn, report=report)

    assert str(outcome.error) == f"{type(error).__name__}: no"
    assert "in build_fn" in outcome.error.traceback
    assert outcome.is_rejected == is_rejected
    assert outcome.score is None
    assert report.told == [{"units": 3}]


@pytest.mark.parametrize(
    ("build_fn", "settings", "expected"),
    [
        (lambda hp: None, {}, BuildError),
        (build_model, {"objective": "f1"}, ObjectiveError),
        (lambda hp: 0.5, {"plan": TrialPlan(epochs=3)}, BuildError),
    ],
    ids=["nothing to train", "an unknown objective", "planned epochs without a model"],
)
def test_a_mistake_in_the_call_is_raised(build_fn, settings, expected):
    with pytest.raises(expected):
        outcome_of(build_fn, request_of(**settings))


def test_a_trial_whose_program_fails_is_trained_by_a_plain_fit_with_a_note():
    outcome = outcome_of(build_model, engine=FailingEngine())
    (note,) = outcome.notes

    assert outcome.score == outcome_of(build_model).score
    assert outcome.trained == Trained("fit", "its program failed")
    assert note.startswith("trained by a plain fit, since its program failed: no memory")
    assert note.kind == "engine"
    assert len(note) == LONGEST_NOTE


def test_a_model_that_cannot_be_saved_leaves_a_note_and_its_score(tmp_path):
    (tmp_path / "a file").touch()
    path = tmp_path / "a file" / "0000.keras"
    outcome = outcome_of(build_model, request_of(model_path=path, weights_path=path.with_suffix(".npz")))
    (note,) = outcome.notes

    assert note.startswith("the model could not be saved (")
    assert note.kind == "model"
    assert outcome.score is not None


@pytest.mark.parametrize(("score_to_beat", "is_kept"), [(None, True), (1e9, True), (0.0, False)])
def test_a_model_is_kept_where_it_is_good_enough(tmp_path, score_to_beat, is_kept):
    path = tmp_path / "0000.keras"
    outcome_of(
        build_model, request_of(model_path=path, weights_path=path.with_suffix(".npz"), score_to_beat=score_to_beat)
    )

    assert path.exists() == is_kept


def test_a_paused_trial_is_stopped_and_resumed_with_its_epochs_in_one_curve(tmp_path):
    path = tmp_path / "0000-1.npz"
    paused = outcome_of(build_model, request_of(plan=TrialPlan(epochs=3, pause_at=1), checkpoint_path=path))
    report = Recording()
    resumed = outcome_of(
        build_model,
        request_of(plan=TrialPlan(epochs=3, resumed_from=0, resumed_at=1), checkpoint=path),
        report,
    )
    straight = outcome_of(build_model, request_of(plan=TrialPlan(epochs=3)))

    assert (paused.is_stopped, paused.stop_reason) == (True, "paused after 1 of 3 epochs")
    assert [told for told in report.told if told in [(0, 0), (0, 1), (0, 2)]] == [(0, 1), (0, 2)]
    assert resumed.score == pytest.approx(straight.score, rel=1e-6)
