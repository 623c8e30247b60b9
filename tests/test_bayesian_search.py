"""The public side of the Gaussian-process search: its tuner, what the model expects, and confirming finalists."""

from __future__ import annotations

import statistics

import keras
import numpy as np
import pytest

from kerastune_lite import BayesianOptimization, NoResultError, Objective, Pause, Study, StudyError, Tuner
from kerastune_lite.cli import main as show
from kerastune_lite.space.seeds import run_seed


def bowl(hp):
    """A function that trains by itself: its loss is least, 0.25, at x = 1 and y = 10."""
    x = hp.float("x", -2.0, 4.0)
    return 0.25 + (x - 1.0) ** 2 + (np.log10(hp.float("y", 0.1, 1000.0, log=True)) - 1.0) ** 2


class Noisy:
    """A bowl whose scores are noisy: as deep everywhere near its bottom as the noise is large."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def __call__(self, hp):
        return {"score": 1.0 - (hp.float("x", 0.0, 1.0) - 0.3) ** 2 + 0.2 * self.rng.standard_normal()}


def tuner(build_fn, directory, **arguments):
    return BayesianOptimization(build_fn, directory=directory, **({"seed": 0, "verbose": 0} | arguments))


@pytest.fixture(scope="module")
def noisy_tuner(tmp_path_factory):
    searched = tuner(
        Noisy(), tmp_path_factory.mktemp("noisy"), objective=Objective("score", "max"), max_trials=20, verbose=1
    )
    searched.search()
    return searched


def settings(study):
    return [dict(trial.values) for trial in study.trials]


def test_it_comes_nearer_to_the_optimum_of_a_bowl_than_any_of_a_thousand_random_settings(tmp_path):
    study = tuner(bowl, tmp_path, max_trials=25).search()
    rng = np.random.default_rng(0)
    by_chance = min(0.25 + (rng.uniform(-2, 4) - 1) ** 2 + (rng.uniform(-1, 3) - 1) ** 2 for _ in range(1000))

    assert study.best.score < by_chance


def test_a_resumed_search_goes_on_as_an_uninterrupted_one(tmp_path):
    for max_trials in (3, 8, 9, 13):
        resumed = tuner(bowl, tmp_path / "parts", max_trials=max_trials, seed=4).search()
    whole = tuner(bowl, tmp_path / "whole", max_trials=13, seed=4).search()

    assert settings(resumed) == settings(whole)


def test_a_search_without_a_seed_can_be_repeated_with_the_one_that_its_study_drew(tmp_path):
    study = tuner(bowl, tmp_path / "a", max_trials=10, seed=None).search()
    again = tuner(bowl, tmp_path / "b", max_trials=10, seed=study.seed).search()

    assert settings(study) == settings(again)


def test_a_strategy_may_be_a_function_of_the_studys_seed(tmp_path):
    given = []

    class Nothing:
        def suggest(self, space, trials, rng):
            return Pause.DONE

    study = Tuner(
        bowl, strategy=lambda seed: given.append(seed) or Nothing(), directory=tmp_path, seed=7, verbose=0
    ).search()

    assert given == [7]
    assert study.trials == ()


@pytest.mark.parametrize("count", [0, -1, 2.5, True, None])
def test_an_impossible_number_of_initial_trials_is_refused(count):
    with pytest.raises(ValueError, match="initial_trials has to be an integer of at least 1"):
        BayesianOptimization(bowl, initial_trials=count)


def test_a_prediction_is_in_the_objectives_units(noisy_tuner):
    study = noisy_tuner.study
    middle, border = study.predict({"x": 0.3}), study.predict({"x": 1.0})

    assert abs(middle.mean - 1.0) < 4.0 * middle.deviation
    assert abs(border.mean - 0.51) < 4.0 * border.deviation
    assert border.mean < middle.mean
    assert 0.0 < middle.deviation < 0.3


def test_a_prediction_of_a_smooth_objective_is_what_the_trial_gives(tmp_path):
    study = tuner(bowl, tmp_path, max_trials=25).search()
    prediction = study.predict({"x": 1.2, "y": 15.0})
    truth = 0.25 + 0.2**2 + np.log10(1.5) ** 2

    assert abs(prediction.mean - truth) < 3.0 * prediction.deviation + 0.01


def test_there_is_no_prediction_before_two_trials_ended_differently(tmp_path):
    study = tuner(bowl, tmp_path, max_trials=1).search()

    assert study.predict({"x": 0.0, "y": 1.0}) is None


def test_the_first_suggestion_is_what_the_search_tries_next(tmp_path):
    study = tuner(bowl, tmp_path, max_trials=12).search()
    first, second = study.suggestions(2)
    longer = tuner(bowl, tmp_path, max_trials=13).search()

    assert dict(longer.trials[12].values) == dict(first.values)
    assert dict(second.values) != dict(first.values)
    assert first.prediction.expected_improvement >= 0.0


def test_the_finalists_hold_the_best_scored_trial_and_those_of_the_best_expectation(noisy_tuner):
    study = noisy_tuner.study
    finalists = study.finalists(5)
    others = [trial for trial in study.trials if trial.number not in {finalist.number for finalist in finalists}]
    expected = {trial.number: study.predict(trial.values).mean for trial in study.trials}

    assert study.best in finalists
    assert len(finalists) == 5
    assert expected[study.recommended.number] == max(expected.values())
    # The best-scored one may have taken the last place.
    assert min(expected[trial.number] for trial in finalists[:-1]) >= max(expected[trial.number] for trial in others)


def test_a_search_without_a_score_recommends_nothing(tmp_path):
    def failing(hp):
        raise RuntimeError("no memory")

    searched = tuner(failing, tmp_path, max_trials=2, max_failures_in_a_row=5)
    with pytest.raises(NoResultError, match="no trial of the study has a score"):
        searched.search()

    with pytest.raises(NoResultError):
        _ = searched.study.recommended
    with pytest.raises(NoResultError):
        searched.confirm()


def test_the_end_of_a_search_tells_where_the_best_score_was_luck(tmp_path, capsys):
    searched = tuner(Noisy(2), tmp_path, objective=Objective("score", "max"), max_trials=16, verbose=1)
    study = searched.search()
    printed = capsys.readouterr().out

    assert study.recommended.number != study.best.number
    assert f"Trial {study.recommended.number} (" in printed
    assert "tuner.confirm()" in printed


def test_the_end_of_a_search_recommends_nothing_where_the_best_score_was_no_luck(tmp_path, capsys):
    study = tuner(bowl, tmp_path, max_trials=16, verbose=1).search()

    assert study.recommended.score == pytest.approx(study.best.score, abs=1e-3)
    assert "may be the better choice" not in capsys.readouterr().out


@pytest.mark.drill
def test_confirming_trains_finalists_with_new_seeds_and_leaves_their_scores(tmp_path, iris, build_iris):
    x, y = iris
    searched = tuner(build_iris, tmp_path, objective="val_loss", max_trials=4)
    before = searched.search(x, y, validation_split=0.3, epochs=2, shuffle=False)
    confirmed = searched.confirm(n=2, repeats=2)
    trial = confirmed[0]

    def trained(run):
        keras.utils.set_random_seed(run_seed(0, trial.number, run))
        model = searched.build(trial)
        history = model.fit(x[:105], y[:105], validation_data=(x[105:], y[105:]), epochs=2, shuffle=False, verbose=0)
        return min(history.history["val_loss"])

    assert trial.confirmations == pytest.approx([trained(1), trained(2)], rel=1e-5)
    assert searched.study.epochs_spent == before.epochs_spent + 2 * 2 * 2
    assert searched.study.seconds_spent > before.seconds_spent
    assert [t.score for t in searched.study.trials] == [t.score for t in before.trials]
    assert searched.study.recommended.number == trial.number


def test_confirmations_are_told_best_mean_first_with_their_spread(tmp_path):
    searched = tuner(Noisy(1), tmp_path, objective=Objective("score", "max"), max_trials=12)
    searched.search()
    confirmed = searched.confirm(n=3, repeats=4)
    means = [statistics.fmean(trial.confirmations) for trial in confirmed]

    assert means == sorted(means, reverse=True)
    assert [len(trial.confirmations) for trial in confirmed] == [4, 4, 4]
    assert confirmed[0].confirmed_spread == statistics.stdev(confirmed[0].confirmations)
    assert f"{means[0]:.5g} ± {confirmed[0].confirmed_spread:.2g} of 4" in str(confirmed)


def test_confirming_again_runs_only_what_is_missing(tmp_path):
    build_fn = Noisy(1)
    searched = tuner(build_fn, tmp_path, objective=Objective("score", "max"), max_trials=12)
    searched.search()
    first = {trial.number: trial.confirmations for trial in searched.confirm(n=3, repeats=2)}
    again = {trial.number: trial.confirmations for trial in searched.confirm(n=3, repeats=3)}

    assert first.keys() == again.keys()
    assert all(again[number][:2] == first[number] and len(again[number]) == 3 for number in first)


def test_confirmations_are_kept_and_shown(tmp_path, capsys):
    searched = tuner(Noisy(1), tmp_path, objective=Objective("score", "max"), max_trials=8)
    searched.search()
    confirmed = searched.confirm(n=2, repeats=2)
    show(["show", str(tmp_path)])

    assert Study.open(tmp_path).confirmed() == confirmed
    assert "confirmed" in capsys.readouterr().out


def test_a_confirmation_that_fails_is_told_and_the_others_go_on(tmp_path, capsys):
    runs = []

    def failing_later(hp):
        runs.append(hp.float("x", 0.0, 1.0))
        if len(runs) == 5:
            raise RuntimeError("no memory")
        return runs[-1]

    searched = tuner(failing_later, tmp_path, max_trials=4, verbose=1)
    searched.search()
    confirmed = searched.confirm(n=2, repeats=1)

    assert len(confirmed) == 1
    assert "again: failed: RuntimeError: no memory" in capsys.readouterr().out


def test_confirming_before_a_search_says_what_is_missing(tmp_path):
    with pytest.raises(StudyError, match="call search"):
        tuner(bowl, tmp_path).confirm()


def test_confirming_after_a_finished_study_was_searched_again_needs_no_new_trial(tmp_path):
    tuner(bowl, tmp_path, max_trials=6).search()
    searched = tuner(bowl, tmp_path, max_trials=6)
    searched.search()

    assert len(searched.confirm(n=2, repeats=1)) == 2
    assert len(searched.study.trials) == 6
