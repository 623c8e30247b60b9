"""The scores that the model is given of trials that were not trained to the end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerastune_lite.space import Float, Space
from kerastune_lite.strategies.bayesian.partial_trials import expected_ends
from kerastune_lite.strategies.bayesian.predictions import predict
from kerastune_lite.strategies.bayesian.rows import table_of
from kerastune_lite.study.trial import Trial, TrialState

COMPLETED, STOPPED, RUNNING, FAILED = TrialState.COMPLETED, TrialState.STOPPED, TrialState.RUNNING, TrialState.FAILED


def trial(number, best_so_far, state=COMPLETED, **values):
    score = best_so_far[-1] if best_so_far and state is not RUNNING else None
    return Trial(number=number, best_so_far=tuple(best_so_far), score=score, state=state, values=values)


def test_a_stopped_trial_ends_where_the_median_of_the_others_would_have_taken_it():
    trials = [
        trial(0, [5.0, 4.0, 3.0, 3.0]),  # gains 2 after one epoch, 1 after two
        trial(1, [6.0, 5.5, 5.0, 2.0]),  # 4 and 3.5
        trial(2, [4.0, 4.0, 4.0, 3.0]),  # 1 and 1
        trial(3, [7.0], STOPPED),
        trial(4, [9.0, 6.0], STOPPED),
        trial(5, [8.0], RUNNING),
    ]

    assert expected_ends(trials).tolist() == [3.0, 2.0, 3.0, 7.0 - 2.0, 6.0 - 1.0, 8.0 - 2.0]


def test_without_a_completed_trial_a_stopped_one_counts_as_far_as_it_got():
    assert expected_ends([trial(0, [5.0, 4.0], STOPPED), trial(1, [3.0], STOPPED)]).tolist() == [4.0, 3.0]


def test_completed_trials_that_were_shorter_say_nothing_about_later_epochs():
    trials = [trial(0, [5.0, 1.0]), trial(1, [5.0, 4.0, 4.0, 3.5]), trial(2, [6.0, 5.0, 4.0], STOPPED)]

    assert expected_ends(trials)[2] == 4.0 - 0.5


def test_what_is_not_finite_is_left_out():
    trials = [
        trial(0, [math.inf, 4.0, 3.0]),
        trial(1, [5.0, 4.5, 4.0]),
        trial(2, [math.inf] * 3, FAILED),
        trial(3, [5.0], FAILED),
        trial(4, [7.0], STOPPED),
        trial(5, [math.inf], RUNNING),
        trial(6, [], RUNNING),
    ]
    ends = expected_ends(trials)

    assert ends[:2].tolist() == [3.0, 4.0]
    assert ends[4] == 7.0 - 1.0
    assert np.isnan(ends[[2, 3, 5, 6]]).all()


def test_a_running_trial_that_has_shown_a_score_is_a_row_like_the_others():
    space = Space((Float(name="x", low=0.0, high=1.0),))
    trials = [trial(0, [1.0, 0.5], x=0.1), trial(1, [2.0], RUNNING, x=0.6), trial(2, [], RUNNING, x=0.9)]
    table = table_of(space, trials)

    assert [known.number for known in table.tried] == [0, 1]
    assert table.scores.tolist() == [0.5, 1.5]
    assert table.running_z.tolist() == [[0.9]]


def test_stopping_early_does_not_make_a_setting_look_bad():
    """Half of the settings are stopped after one epoch of three; without an estimate they would look worse."""
    space = Space((Float(name="x", low=0.0, high=1.0),))
    places = np.linspace(0.0, 1.0, 11)
    ends = (places - 0.6) ** 2
    whole = [trial(n, [end + 2.0, end + 1.0, end], x=x) for n, (x, end) in enumerate(zip(places, ends, strict=True))]
    partial = [t if t.number % 2 else trial(t.number, t.best_so_far[:1], STOPPED, **t.values) for t in whole]

    for x in (0.05, 0.4, 0.6, 0.85):
        expected = predict(space, whole, {"x": x}).mean
        assert predict(space, partial, {"x": x}).mean == pytest.approx(expected, abs=1e-6)
