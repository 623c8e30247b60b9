"""Studies are exchanged with Optuna, and nothing of a trial is lost on the way."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from kerastune_lite import (
    GridSearch,
    Objective,
    ObjectiveError,
    RandomSearch,
    SpaceError,
    Study,
    StudyError,
    TrialState,
)
from kerastune_lite.space import Choice, Fixed, Float, HyperParameters, Int, Normal, Rounded

optuna = pytest.importorskip("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

from kerastune_lite.compat.optuna.distributions import Translated, parameters_of  # noqa: E402


class Thing:
    def __repr__(self):
        return "a thing"


def varied(hp):
    """Trains by itself for three epochs: every kind of parameter, a condition, failures."""
    rate = hp.float("rate", 1e-4, 1.0, log=True)
    units = hp.int("units", 8, 64, step=8)
    kind = hp.choice("kind", ["sgd", None, (3, 4), Thing()])
    hp.boolean("bias")
    hp.fixed("classes", 10)
    hp.normal("shift", 0.0, 1.0)
    if kind == "sgd":
        hp.float("momentum", 0.5, 0.99)
    if units == 16:
        raise RuntimeError("no memory for 16 units")
    last = abs(math.log10(rate) + 2) + units / 100
    return {"loss": [last + 2, last, last + 1], "accuracy": [0.1, 0.2, 0.3], "note": "a remark"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    tuner = RandomSearch(
        varied,
        Objective("loss", "min"),
        max_trials=20,
        seed=1,
        directory=tmp_path_factory.mktemp("study"),
        max_failures_in_a_row=9,
        verbose=0,
    )
    return tuner.search()


@pytest.fixture(scope="module")
def exported(study):
    return study.to_optuna()


def test_optuna_has_every_trial_with_its_state_score_and_curve(study, exported):
    assert len(exported.trials) == 20
    assert exported.direction == optuna.study.StudyDirection.MINIMIZE
    assert {trial.state.name for trial in exported.trials} == {"COMPLETE", "FAIL"}
    for ours, theirs in zip(study.trials, exported.trials, strict=True):
        assert theirs.value == ours.score
        assert theirs.intermediate_values == {epoch: logs["loss"] for epoch, logs in enumerate(ours.curve)}
        assert set(theirs.params) == set(ours.values)
    assert exported.best_value == study.best.score
    assert exported.best_trial.number == study.best.number


def test_optuna_has_the_times_of_the_trials(study, exported):
    for ours, theirs in zip(study.trials, exported.trials, strict=True):
        assert theirs.datetime_start.astimezone() == ours.started
        assert theirs.datetime_complete.astimezone() == ours.ended
        assert timedelta(0) <= theirs.duration == ours.ended - ours.started


def test_optuna_has_the_distributions_of_the_parameters(exported):
    distributions = {name: d for trial in exported.trials for name, d in trial.distributions.items()}

    assert distributions["rate"] == FloatDistribution(1e-4, 1.0, log=True)
    assert distributions["units"] == IntDistribution(8, 64, step=8)
    assert distributions["kind"] == CategoricalDistribution(("0: sgd", "1: None", "2: (3, 4)", "3: a thing"))
    assert distributions["bias"] == CategoricalDistribution((False, True))
    assert distributions["classes"] == CategoricalDistribution((10,))
    assert distributions["momentum"] == FloatDistribution(0.5, 0.99)
    assert distributions["shift"].low < -3 < 3 < distributions["shift"].high


def test_a_parameter_that_was_not_asked_for_is_absent(study, exported):
    is_sgd = [trial.params["kind"] == "0: sgd" for trial in exported.trials]

    assert {True, False} == {*is_sgd}
    assert is_sgd == ["momentum" in trial.params for trial in exported.trials]


def test_a_failed_trial_says_why(exported):
    failed = [trial for trial in exported.trials if trial.state.name == "FAIL"]

    assert failed
    for trial in failed:
        assert trial.params["units"] == 16
        told = trial.user_attrs["kerastune_lite"]["error"]
        assert told == {"type": "RuntimeError", "message": "no memory for 16 units"}


def same_trial(one, other):
    names = ["number", "values", "state", "score", "best_epoch", "scores", "stop_reason", "seconds", "seed", "returned"]
    assert {name: getattr(one, name) for name in names} == {name: getattr(other, name) for name in names}
    assert one.started == other.started
    assert one.ended == other.ended
    assert (one.error is None) == (other.error is None)
    assert [logs.get("loss") for logs in one.curve] == [logs.get("loss") for logs in other.curve]


def test_a_round_trip_keeps_every_trial_and_the_space(study, exported, tmp_path):
    again = Study.from_optuna(exported, tmp_path / "again")

    assert not again.damages
    # A study that is read knows options by their labels, the original one by the objects.
    read = Study.open(study.directory)
    assert [p.describe() for p in again.space] == [p.describe() for p in read.space]
    assert again.objective == study.objective
    assert again.seed == study.seed
    assert len(again.trials) == len(read.trials)
    for one, other in zip(again.trials, read.trials, strict=True):
        same_trial(one, other)
    assert again.best.number == study.best.number


@pytest.mark.drill
def test_a_round_trip_by_a_database_is_the_same(study, tmp_path):
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    study.to_optuna(storage=storage, study_name="exported")

    again = Study.from_optuna(optuna.load_study(study_name="exported", storage=storage), tmp_path / "again")

    for one, other in zip(again.trials, Study.open(study.directory).trials, strict=True):
        assert (one.state, one.score, one.values) == (other.state, other.score, other.values)


FIGURES = [
    "plot_contour",
    "plot_edf",
    "plot_intermediate_values",
    "plot_optimization_history",
    "plot_parallel_coordinate",
    "plot_param_importances",
    "plot_rank",
    "plot_slice",
    "plot_timeline",
]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_figures_are_drawn_of_the_study(name, exported):
    arguments = {"params": ["rate", "units"]} if name in ("plot_contour", "plot_rank") else {}

    figure = getattr(optuna.visualization, name)(exported, **arguments)

    assert figure.data


def test_stopped_and_running_and_interrupted_trials_make_the_round_trip(tmp_path):
    from kerastune_lite.study.brought import Dated, write_brought
    from kerastune_lite.study.events import EpochEnded, TrialBegun, TrialEnded

    objective, x = Objective("val_loss", "min"), Float(name="x", low=0.0, high=1.0)
    ends = {
        0: TrialEnded(trial=0, state=TrialState.STOPPED, values={"x": 0.5}, score=0.7, scores=(0.7,), best_epoch=0),
        1: None,
        2: TrialEnded(trial=2, state=TrialState.INTERRUPTED, values={"x": 0.1}),
    }
    events = []
    for number, end in ends.items():
        events.append(Dated(TrialBegun(trial=number, values={"x": 0.5 if number < 2 else 0.1})))
        events.append(Dated(EpochEnded(trial=number, epoch=0, logs={"val_loss": 0.7})))
        events += [] if end is None else [Dated(end)]
    write_brought(tmp_path / "study", objective, 5, [x], events)
    study = Study.open(tmp_path / "study")

    exported = study.to_optuna()
    again = Study.from_optuna(exported, tmp_path / "again")

    assert [trial.state.name for trial in exported.trials] == ["PRUNED", "RUNNING", "FAIL"]
    assert [trial.state for trial in again.trials] == [trial.state for trial in study.trials]
    assert [trial.score for trial in again.trials] == [0.7, None, None]
    assert [len(trial.curve) for trial in again.trials] == [1, 1, 1]


def test_a_study_that_optuna_made_is_searched_on(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    brought = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial):
        x = trial.suggest_float("x", -1.0, 1.0)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        if kind == "b":
            trial.suggest_int("depth", 1, 9, step=2)
        for step in range(3):
            trial.report(-(x**2) - step, step)
        if x > 0.6:
            raise optuna.TrialPruned
        if x < -0.8:
            raise ValueError("too small")
        return -(x**2)

    brought.optimize(objective, n_trials=15, catch=ValueError)
    brought.enqueue_trial({"x": 0.0, "kind": "a"})

    study = Study.from_optuna(brought, tmp_path / "study", objective="score")

    assert study.objective == Objective("score", "max")
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.STOPPED) == sum(t.state.name == "PRUNED" for t in brought.trials) > 0
    assert states.count(TrialState.FAILED) == sum(t.state.name == "FAIL" for t in brought.trials)
    assert all(trial.score is not None for trial in study.trials if trial.state is TrialState.STOPPED)
    assert study.best.score == max(t.score for t in study.trials if t.score is not None)
    assert [study.space[name].kind for name in ("x", "kind", "depth")] == ["float", "choice", "int"]

    def build_fn(hp: HyperParameters) -> float:
        x = hp.float("x", -1.0, 1.0)
        if hp.choice("kind", ["a", "b"]) == "b":
            hp.int("depth", 1, 9, step=2)
        return -(x**2)

    tuner = RandomSearch(build_fn, Objective("score", "max"), directory=tmp_path / "study", max_trials=18, verbose=0)
    after = tuner.search()

    assert len(after.trials) == 18
    assert after.trials[15].values == {"x": 0.0, "kind": "a"}  # what Optuna waited to run is run first
    assert after.best.number == 15


def test_ranges_that_were_widened_are_joined():
    parameters = parameters_of(
        [
            {
                "x": FloatDistribution(0, 1),
                "n": IntDistribution(2, 8, step=2),
                "c": CategoricalDistribution(("a", "b")),
            },
            {
                "x": FloatDistribution(-1, 0.5),
                "n": IntDistribution(4, 12, step=2),
                "c": CategoricalDistribution(("c",)),
            },
        ]
    )

    assert parameters == [
        Float(name="x", low=-1.0, high=1.0),
        Int(name="n", low=2, high=12, step=2),
        Choice(name="c", options=("a", "b", "c")),
    ]


@pytest.mark.parametrize(
    "other",
    [IntDistribution(0, 1), FloatDistribution(0.1, 1, log=True), FloatDistribution(0, 1, step=0.5)],
)
def test_a_name_with_distributions_of_two_kinds_is_refused(other):
    with pytest.raises(SpaceError, match=r"The trials have 'x' as .* which are not one parameter"):
        parameters_of([{"x": FloatDistribution(0, 1)}, {"x": other}])


def test_several_objectives_are_refused(tmp_path):
    with pytest.raises(ObjectiveError, match="has 2 objectives, and one is searched here"):
        Study.from_optuna(optuna.create_study(directions=["minimize", "maximize"]), tmp_path)


def test_a_directory_that_holds_a_study_is_left_alone(study):
    before = (study.directory / "journal.jsonl").read_bytes()

    with pytest.raises(StudyError, match="holds a study already"):
        Study.from_optuna(optuna.create_study(), study.directory)
    assert (study.directory / "journal.jsonl").read_bytes() == before


def test_a_study_without_a_direction_is_not_exported():
    with pytest.raises(StudyError, match="has no direction yet"):
        Study(Path("a")).to_optuna()


PARAMETERS = [
    Choice(name="p", options=("a", 1, None)),
    Choice(name="p", options=(1, True)),
    Choice(name="p", options=((1, 2), "a")),
    Fixed(name="p", options=(3,)),
    Int(name="p", low=2, high=9),
    Int(name="p", low=2, high=9, step=3),
    Int(name="p", low=2, high=90, log=True),
    Int(name="p", low=16, high=256, step=2, log=True),
    Float(name="p", low=0.0, high=1.0),
    Float(name="p", low=0.0, high=1.0, step=0.3),
    Float(name="p", low=0.1, high=1.0, log=True),
    Float(name="p", low=1e-4, high=1e-1, step=10.0, log=True),
    Float(name="p", low=0.5, high=0.999, log=True, is_reversed=True),
    Rounded(name="p", low=1.0, high=10.0, step=4.0),
    Rounded(name="p", low=0.0, high=1.0, step=0.3),
    Normal(name="p", mean=1.0, sd=2.0),
    Normal(name="p", mean=1.0, sd=2.0, step=0.5),
    Normal(name="p", mean=0.0, sd=1.0, log=True),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_every_kind_of_parameter_has_a_distribution_that_holds_its_values(parameter):
    values = [parameter.decode((index + 0.5) / 20) for index in range(20)]
    translated = Translated.of(parameter, values)

    for value in values:
        theirs = translated.to_optuna(value)
        optuna.trial.create_trial(value=0.0, params={"p": theirs}, distributions={"p": translated.distribution})
        back = translated.from_optuna(theirs)
        assert parameter.contains(back)
        assert parameter.encode(back) == pytest.approx(parameter.encode(value))


def test_a_grid_of_objects_keeps_the_place_of_each(tmp_path):
    def build_fn(hp):
        things = [Thing(), (1, 2), "a"]
        return float([str(thing) for thing in things].index(str(hp.choice("thing", things))))

    study = GridSearch(build_fn, "loss", directory=tmp_path / "grid", verbose=0).search()

    assert [trial.params["thing"] for trial in study.to_optuna().trials] == ["0: a thing", "1: (1, 2)", "2: a"]
