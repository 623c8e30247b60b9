"""The names that other tuners have, and how the same is written here: a table for each class that people use.

A person who brings code meets these first. An unknown name or argument that stands in a table is told with the line
to write instead, and with the guide for people who come from that tuner.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

GUIDES = {
    "Hyperas": "docs/from_hyperas.md",
    "KerasTuner": "docs/from_keras_tuner.md",
    "Optuna": "docs/from_optuna.md",
    "scikit-learn": "docs/from_scikit_learn.md",
}
"""The pages for people who come from another tuner."""


@dataclass(frozen=True)
class Word:
    """A name that isn't one here.

    Attributes:
        here: A sentence that tells what to write instead.
        of: The library that has the name; empty where it is one of this library's in the wrong place.
    """

    here: str
    of: str = ""

    def told(self, problem: str) -> str:
        """The problem, whose name the word is, with the way out."""
        origin = f", which {self.of} has" if self.of else ""
        guide = f" See {GUIDES[self.of]}." if self.of in GUIDES else ""
        return f"{problem}{origin}. {self.here}{guide}"


Words = Mapping[str, Word]


def _of(library: str, **here: str) -> dict[str, Word]:
    return {name: Word(sentence, library) for name, sentence in here.items()}


# hp

HP_NAMES = {
    "bool": "boolean",
    "categorical": "choice",
    "conditional_scope": "when",
    "constant": "fixed",
    "get": "values",
    "integer": "int",
    "name_scope": "scope",
    "pchoice": "choice",
    "qlognormal": "lognormal",
    "qloguniform": "loguniform",
    "qnormal": "normal",
    "real": "float",
    "suggest_categorical": "choice",
    "suggest_discrete_uniform": "quniform",
    "suggest_float": "float",
    "suggest_int": "int",
    "suggest_loguniform": "loguniform",
    "suggest_uniform": "uniform",
    "uniformint": "int",
}
"""What other libraries call a method of hp, in lower case, and what it is called here."""

HP_ARGUMENTS = {
    "choices": "values",
    "max": "high",
    "max_value": "high",
    "min": "low",
    "min_value": "low",
    "options": "values",
    "parent_name": "hp.when",
    "parent_values": "hp.when",
    "q": "step",
    "sampling": "log=True",
    "upper": "high",
    "lower": "low",
}
"""The same for arguments."""

HP_CALLS = {
    "boolean": "hp.boolean('batch_norm')",
    "choice": "hp.choice('activation', ['relu', 'gelu'])",
    "fixed": "hp.fixed('classes', 10)",
    "float": "hp.float('learning_rate', 1e-4, 1e-1, log=True)",
    "int": "hp.int('units', 32, 512, step=32)",
    "lognormal": "hp.lognormal('scale', 0.0, 1.0)",
    "loguniform": "hp.loguniform('learning_rate', 1e-4, 1e-1)",
    "normal": "hp.normal('shift', 0.0, 1.0)",
    "quniform": "hp.quniform('units', 32, 512, 32)",
    "scope": "with hp.scope('block1'): …",
    "uniform": "hp.uniform('dropout', 0.0, 0.5)",
    "values": "hp['units'], or hp.values, a dict",
    "when": "with hp.when('optimizer', 'sgd'): …",
}
"""How the methods of hp are written, by their names."""


_HP_GUIDES = {
    "KerasTuner": ("Boolean", "Choice", "Fixed", "Float", "Int", "conditional_scope", "get", "name_scope"),
    "Hyperas": ("pchoice", "qlognormal", "qloguniform", "qnormal", "uniformint"),
}


def guide_of_hp(name: str) -> str:
    """The page for people of the library that calls a method of hp so; empty where no library is known to."""
    library = "Optuna" if name.startswith("suggest_") else ""
    library = library or next((library for library, names in _HP_GUIDES.items() if name in names), "")
    return GUIDES.get(library, "")


# Tuners

_MISPLACED = _of(
    "",
    batch_size="Write tuner.search(x, y, batch_size=64), or let build_fn return (model, {'batch_size': 64}).",
    callbacks="Write tuner.search(x, y, callbacks=[…]).",
    cv="Write tuner.search(x, y, cv=5).",
    epochs="Write tuner.search(x, y, epochs=20).",
    max_time="Write tuner.search(x, y, max_time='90m').",
    validation_data="Write tuner.search(x, y, validation_data=(x_val, y_val)).",
    validation_split="Write tuner.search(x, y, validation_split=0.2).",
)
_IN_BUILD_FN = "Ask for each value in build_fn: units = hp.choice('units', [32, 64])."

TUNER_ARGUMENTS: Words = {
    **_MISPLACED,
    **_of(
        "KerasTuner",
        allow_new_entries="Leave it out: build_fn alone says what is asked for; fixed={'units': 64} holds a parameter.",
        alpha="Leave it out: the Gaussian process finds the noise in the scores.",
        beta="Leave it out: what is tried next is the setting with the greatest expected improvement.",
        distribution_strategy="Open its scope in build_fn; workers=4 trains trials side by side.",
        hyperband_iterations="Write Hyperband(build_fn, objective, max_epochs=30, iterations=1).",
        hypermodel="It is the first argument: RandomSearch(build_fn, 'val_accuracy').",
        hyperparameters="build_fn says what is searched; fixed={'units': 64} holds a parameter at a value.",
        logger="Write views=[function], which is called with (event, study).",
        loss="Pass it to model.compile(…) in build_fn.",
        max_consecutive_failed_trials="Write max_failures_in_a_row=3.",
        max_epochs="It is an argument of Hyperband; elsewhere write tuner.search(x, y, epochs=20).",
        max_model_size="Raise kerastune_lite.FailedTrial in build_fn where model.count_params() is too large.",
        max_retries_per_trial="Write retry_failed=True, which tries failed trials again when the study is resumed.",
        metrics="Pass them to model.compile(…) in build_fn.",
        num_initial_points="Write BayesianOptimization(build_fn, objective, initial_trials=8).",
        optimizer="Pass it to model.compile(…) in build_fn.",
        oracle="Write Tuner(build_fn, objective, strategy=…), or take the tuner with the strategy's name.",
        project_name="Write directory='runs/digits': one folder holds one study.",
        tune_new_entries="Leave it out: build_fn alone says what is asked for; fixed={'units': 64} holds a parameter.",
        tuner_id="Write workers=4, and the tuner starts its workers.",
    ),
    **_of(
        "Optuna",
        direction="Write Objective('val_loss', 'min') as the objective; for Keras's own metrics the name is enough.",
        directions="A study has one objective: write Objective('val_loss', 'min').",
        load_if_exists="Leave it out: a directory that holds a study is resumed; overwrite=True begins anew.",
        n_jobs="Write workers=4.",
        n_trials="Write max_trials=100.",
        pruner="Write stopping='median', 'asha' or 'plateau'.",
        sampler="Write Tuner(build_fn, objective, strategy=OptunaStrategy(TPESampler)), from "
        "kerastune_lite.compat.optuna, or take BayesianOptimization.",
        storage="Write directory='runs/digits': a folder holds the study.",
        study_name="Write directory='runs/digits': a folder holds the study.",
        timeout="Write tuner.search(x, y, max_time='10m').",
    ),
    **_of(
        "scikit-learn",
        build_model="It is the first argument: RandomSearch(build_fn, 'val_accuracy').",
        estimator="Write a function of hp that returns a compiled model, and pass it first: RandomSearch(build_fn, …).",
        n_iter="Write max_trials=100.",
        param_distributions=_IN_BUILD_FN,
        param_grid=_IN_BUILD_FN,
        random_state="Write seed=0.",
        refit="Call tuner.retrain(x, y) after the search; tuner.best_model() is the best trial's own.",
        scoring="Write the objective, a name out of the model's logs: RandomSearch(build_fn, 'val_accuracy').",
    ),
    **_of(
        "Hyperas",
        algo="Take the tuner of that strategy: RandomSearch, or BayesianOptimization.",
        max_evals="Write max_trials=100.",
        rseed="Write seed=0.",
        space=_IN_BUILD_FN,
        trials="Write directory='runs/digits', which holds all trials.",
    ),
}

TUNER_NAMES: Words = {
    **_of(
        "KerasTuner",
        get_best_hyperparameters="Write tuner.study.best.values, or trial.values of tuner.study.leaderboard(n).",
        get_best_models="Write tuner.best_models(n).",
        get_best_step="Write tuner.study.best.best_epoch.",
        hypermodel="Write tuner.build(tuner.study.best.values) for hypermodel.build(hp).",
        load_model="Write tuner.best_models(n).",
        oracle="Write tuner.study, which has the trials and the space.",
        project_dir="Write tuner.directory.",
        reload="Leave it out: search() resumes the study in the tuner's directory.",
        remaining_trials="Write tuner.max_trials - len(tuner.study.trials).",
        results_summary="Write print(tuner.study.leaderboard(10)).",
        run_trial="Give build_fn a fit(hp, model, *args, **kwargs) of its own.",
        search_space_summary="Write print(tuner.space()).",
    ),
    **_of(
        "Optuna",
        ask="Call tuner.search(x, y), which asks and trains; tuner.enqueue(values) tries a setting of yours.",
        best_params="Write tuner.study.best_params.",
        best_trial="Write tuner.study.best.",
        best_value="Write tuner.study.best.score.",
        enqueue_trial="Write tuner.enqueue({'units': 64}).",
        optimize="Write tuner.search(x, y, epochs=20).",
        tell="Let build_fn return the score, and call tuner.search().",
        trials="Write tuner.study.trials.",
        trials_dataframe="Write tuner.study.to_dataframe().",
    ),
    **_of(
        "scikit-learn",
        best_estimator_="Write tuner.best_model().",
        best_params_="Write tuner.study.best_params.",
        best_score_="Write tuner.study.best.score.",
        cv_results_="Write tuner.study.to_dataframe().",
        fit="Write tuner.search(x, y, epochs=20).",
        predict="Write tuner.best_model().predict(x).",
        score="Write tuner.best_model().evaluate(x, y).",
    ),
    **_of("Hyperas", minimize="Write tuner.search(x, y, epochs=20)."),
}

SEARCH_ARGUMENTS: Words = {
    **_of(
        "",
        directory="It belongs to the tuner: RandomSearch(build_fn, objective, directory='runs/digits').",
        max_trials="It belongs to the tuner: RandomSearch(build_fn, objective, max_trials=50).",
        objective="It belongs to the tuner: RandomSearch(build_fn, 'val_accuracy').",
        seed="It belongs to the tuner: RandomSearch(build_fn, objective, seed=0).",
        workers="It belongs to the tuner: RandomSearch(build_fn, objective, workers=4).",
    ),
    **_of(
        "Optuna",
        catch="Leave it out: an exception fails its own trial, and the search continues.",
        func="It is build_fn, which the tuner is given: RandomSearch(build_fn, objective).",
        gc_after_trial="Leave it out: a trial's model is freed when it has ended.",
        n_jobs="Write RandomSearch(build_fn, objective, workers=4).",
        n_trials="Write RandomSearch(build_fn, objective, max_trials=100).",
        show_progress_bar="Leave it out: a line tells of each trial; verbose=0 of the tuner silences it.",
        timeout="Write search(x, y, max_time='10m').",
    ),
    **_of("KerasTuner", project_name="Write RandomSearch(build_fn, objective, directory='runs/digits')."),
    **_of(
        "scikit-learn",
        n_iter="Write RandomSearch(build_fn, objective, max_trials=100).",
        param_distributions=_IN_BUILD_FN,
        param_grid=_IN_BUILD_FN,
        random_state="Write RandomSearch(build_fn, objective, seed=0).",
        scoring="Write RandomSearch(build_fn, 'val_accuracy').",
    ),
    **_of(
        "Hyperas",
        algo="Take the tuner of that strategy: RandomSearch, or BayesianOptimization.",
        max_evals="Write RandomSearch(build_fn, objective, max_trials=100).",
        trials="Write RandomSearch(build_fn, objective, directory='runs/digits').",
    ),
}

# What a search gives

STUDY_NAMES: Words = {
    **_of(
        "Optuna",
        add_trial="Write tuner.enqueue(values) to try a setting; Study.from_optuna(study, directory) brings a study.",
        ask="Call tuner.search(x, y), which asks and trains; tuner.enqueue(values) tries a setting of yours.",
        best_trials="Write study.leaderboard(n).",
        direction="Write study.objective.direction.",
        enqueue_trial="Write tuner.enqueue({'units': 64}).",
        get_trials="Write study.trials, or study.leaderboard() for those with a score, best first.",
        optimize="Write tuner.search(x, y, epochs=20).",
        set_user_attr="Let build_fn return what is to be recorded: {'loss': loss, 'note': 'a text'}.",
        stop="Write tuner.stop().",
        study_name="Write study.directory.name.",
        system_attrs="Write study.latest_search for what the search was done with.",
        tell="Let build_fn return the score, and call tuner.search().",
        trials_dataframe="Write study.to_dataframe().",
        user_attrs="Write trial.returned for what build_fn returned besides the score.",
    ),
    **_of(
        "KerasTuner",
        get_best_hyperparameters="Write study.best.values, or trial.values of study.leaderboard(n).",
        get_best_models="Write tuner.best_models(n).",
        get_best_trials="Write study.leaderboard(n).",
        get_space="Write study.space.",
        get_trial="Write study.trial(number).",
        hyperparameters="Write study.space.",
        results_summary="Write print(study.leaderboard(10)).",
    ),
    **_of(
        "scikit-learn",
        best_estimator_="Write tuner.best_model().",
        best_index_="Write study.best.number.",
        best_params_="Write study.best_params.",
        best_score_="Write study.best.score.",
        cv_results_="Write study.to_dataframe().",
    ),
    **_of(
        "Hyperas",
        argmin="Write study.best.values.",
        losses="Write [trial.score for trial in study.trials].",
        results="Write [trial.score for trial in study.trials].",
    ),
    **_of("", best_model="Write tuner.best_model()."),
}

TRIAL_NAMES: Words = {
    **_of(
        "Optuna",
        datetime_complete="Write trial.ended.",
        datetime_start="Write trial.started.",
        distributions="Write study.space.",
        duration="Write trial.seconds.",
        intermediate_values="Write trial.curve, which has all metrics of each epoch.",
        last_step="Write len(trial.curve) - 1.",
        params="Write trial.values.",
        report="Leave it out: every epoch of model.fit is reported; stopping='median' looks at them.",
        set_user_attr="Let build_fn return what is to be recorded: {'loss': loss, 'note': 'a text'}.",
        should_prune="Leave it out: give the tuner stopping='median', 'asha' or 'plateau'.",
        suggest_categorical="It is hp that is asked: hp.choice('activation', ['relu', 'gelu']).",
        suggest_float="It is hp that is asked: hp.float('dropout', 0.0, 0.5).",
        suggest_int="It is hp that is asked: hp.int('units', 32, 512).",
        user_attrs="Write trial.returned for what build_fn returned besides the score.",
        value="Write trial.score.",
    ),
    **_of(
        "KerasTuner",
        best_step="Write trial.best_epoch.",
        hyperparameters="Write trial.values.",
        message="Write trial.error.",
        metrics="Write trial.curve, which has all metrics of each epoch.",
        status="Write trial.state.",
        summary="Write print(trial.values, trial.score).",
        trial_id="Write trial.number.",
    ),
    **_of(
        "Hyperas",
        misc="Write trial.values.",
        result="Write trial.score, and trial.returned for the rest.",
        tid="Write trial.number.",
    ),
}


def told_names(owner: str, words: Words) -> Callable[[Any, str], NoReturn]:
    """A `__getattr__` for a class of which `owner` is the usual variable: tells what a name is called here.

    Python asks it for names that the object doesn't have. All that stand in no table are refused as Python does.
    """

    def __getattr__(self: Any, name: str) -> NoReturn:
        problem = f"There is no {owner}.{name}"
        if name in words:
            raise AttributeError(words[name].told(problem))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    return __getattr__


def told_arguments(words: Words) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a constructor that is called with arguments of another tuner tell what they are called here."""

    def decorate(init: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(init)
        def told(*arguments: P.args, **named: P.kwargs) -> T:
            try:
                return init(*arguments, **named)
            except TypeError as error:
                problems = _problems(init, named, words) if _is_refused(init, arguments, named) else []
                if not problems:
                    raise
                raise TypeError(f"{type(arguments[0]).__name__}(…): {' '.join(problems)}") from error

        return told

    return decorate


def _is_refused(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a call's arguments don't suit the function's signature."""
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return True
    return False


def _problems(function: Callable[..., Any], named: Mapping[str, Any], words: Words) -> list[str]:
    """A sentence for each argument that is another tuner's."""
    known = inspect.signature(function).parameters
    return [
        words[name].told(f"There is no argument {name}={value!r}")
        for name, value in named.items()
        if name not in known and name in words
    ]
