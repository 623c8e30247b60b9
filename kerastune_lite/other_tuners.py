"""The names that other tuners have, and how the same is written here: a table for each class that people use.

A person who brings code meets these first. An unknown name or argument that stands in a table is told with the line
to write instead, and with the guide for people who come from that tuner.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
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
    "get_dictionary": "values",
    "grid_search": "choice",
    "integer": "int",
    "items": "values",
    "keys": "values",
    "lograndint": "int",
    "name_scope": "scope",
    "params": "values",
    "pchoice": "choice",
    "qlograndint": "int",
    "qlognormal": "lognormal",
    "qloguniform": "loguniform",
    "qnormal": "normal",
    "qrandint": "int",
    "qrandn": "normal",
    "randn": "normal",
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
    "p": "weights",
    "prior": "log=True",
    "probabilities": "weights",
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


_OF_TRIAL = _of(
    "Optuna",
    report="Leave it out: every epoch of model.fit is reported; stopping='median' looks at them.",
    set_user_attr="Let build_fn return what is to be recorded: {'loss': loss, 'note': 'a text'}.",
    should_prune="Leave it out: give the tuner stopping='median', 'asha' or 'plateau'.",
)
"""What Optuna's trial has, which takes the place of hp and of the record."""

HP_WORDS: Words = {
    **_OF_TRIAL,
    **_of("Optuna", number="Write tuner.search(x, y, callbacks=lambda trial: […]): it is given trial.number."),
    **_of("Ray Tune", sample_from="Compute it in build_fn, by plain Python from the values that hp has answered."),
}
"""What other libraries' objects have in the place of hp, and no method of hp does."""

_HP_GUIDES = {
    "KerasTuner": ("Boolean", "Choice", "Fixed", "Float", "Int", "conditional_scope", "get", "name_scope"),
    "Hyperas": ("pchoice", "qlognormal", "qloguniform", "qnormal", "uniformint"),
}


def guide_of_hp(name: str) -> str:
    """The page for people of the library that calls a method of hp so; empty where no library is known to."""
    library = "Optuna" if name.startswith("suggest_") else ""
    library = library or next((library for library, names in _HP_GUIDES.items() if name in names), "")
    return GUIDES.get(library, "")


# Objective

OBJECTIVE_ARGUMENTS: Words = {
    **_of("Ray Tune", metric="Write Objective('val_loss', 'min').", mode="Write Objective('val_loss', 'min')."),
    **_of(
        "",
        goal="Write Objective('val_loss', 'min').",
        maximize="Write Objective('val_auc', 'max').",
        minimize="Write Objective('val_loss', 'min').",
        objective="Write Objective('val_loss', 'min').",
    ),
}

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
    class_weight="Write tuner.search(x, y, class_weight={0: 1.0, 1: 5.0}).",
    sample_weight="Write tuner.search(x, y, sample_weight=weights).",
    shuffle="Write tuner.search(x, y, shuffle=False).",
    x="Write tuner.search(x, y).",
    y="Write tuner.search(x, y).",
)
_FIRST = "It is the first argument: RandomSearch(build_fn, 'val_accuracy')."
_IN_BUILD_FN = "Ask for each value in build_fn: units = hp.choice('units', [32, 64])."

TUNER_ARGUMENTS: Words = {
    **_MISPLACED,
    **_of(
        "KerasTuner",
        allow_new_entries="Write others='refuse', with space= and fixed=.",
        alpha="Leave it out: the Gaussian process finds the noise in the scores.",
        beta="Leave it out: what is tried next is the setting with the greatest expected improvement.",
        distribution_strategy="Open its scope in build_fn; workers=4 trains trials side by side.",
        hyperband_iterations="Write Hyperband(build_fn, objective, max_epochs=30, iterations=1).",
        hypermodel=_FIRST,
        hyperparameters="Write space=, parameters or a function of hp; fixed={'units': 64} holds one at a value.",
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
        tune_new_entries="Write others='default', with space= and fixed=.",
        tuner_id="Write workers=4, and the tuner starts its workers.",
    ),
    **_of(
        "Optuna",
        direction="Write Objective('val_loss', 'min') as the objective; for Keras's own metrics the name is enough.",
        directions="A study has one objective: write Objective('val_loss', 'min').",
        load_if_exists="Leave it out: a directory that holds a study is resumed; overwrite=True begins anew.",
        n_jobs="Write workers=4.",
        n_startup_trials="Write BayesianOptimization(build_fn, objective, initial_trials=8).",
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
        build_model=_FIRST,
        error_score="Leave it out: a setting that fails is recorded, and max_failures_in_a_row=3 ends a search.",
        estimator="Write a function of hp that returns a compiled model, and pass it first: RandomSearch(build_fn, …).",
        fit_params="Pass them to tuner.search(x, y, …), or let build_fn return (model, {'batch_size': 64}).",
        model="Write a function of hp that returns a compiled model, and pass it first: RandomSearch(build_fn, …).",
        n_iter="Write max_trials=100.",
        param_distributions=_IN_BUILD_FN,
        param_grid=_IN_BUILD_FN,
        param_name=_IN_BUILD_FN,
        param_range=_IN_BUILD_FN,
        params=_IN_BUILD_FN,
        pre_dispatch="Leave it out: workers=4 sends each worker a trial when it is free.",
        random_state="Write seed=0.",
        refit="Call tuner.retrain(x, y) after the search; tuner.best_model() is the best trial's own.",
        return_train_score="Leave it out: trial.curve has the metrics of the training too.",
        scoring="Write the objective, a name out of the model's logs: RandomSearch(build_fn, 'val_accuracy').",
        search_spaces=_IN_BUILD_FN,
    ),
    **_of(
        "Ray Tune",
        config=_IN_BUILD_FN,
        fail_fast="Write max_failures_in_a_row=1.",
        hyperparam_bounds=_IN_BUILD_FN,
        hyperparam_mutations=_IN_BUILD_FN,
        local_dir="Write directory='runs/digits': a folder holds the study.",
        max_concurrent="Write workers=4.",
        max_concurrent_trials="Write workers=4.",
        max_failures="Write max_attempts=2, for trials whose process dies; retry_failed=True tries failed ones again.",
        max_t="Write Hyperband(build_fn, objective, max_epochs=30).",
        metric="It is the objective, after build_fn: RandomSearch(build_fn, 'val_accuracy').",
        mode="Write Objective('val_loss', 'min') as the objective; for Keras's own metrics the name is enough.",
        name="Write directory='runs/digits': a folder holds the study.",
        num_samples="Write max_trials=100.",
        param_space=_IN_BUILD_FN,
        perturbation_interval="Write PopulationBasedTraining(build_fn, objective, interval=1).",
        progress_reporter="Write views=[function], which is called with (event, study).",
        quantile_fraction="Leave it out: the worst quarter takes over from the best.",
        reduction_factor="Write Hyperband(build_fn, objective, max_epochs=30, factor=3).",
        resources_per_trial="Write workers=4, which share the cores and the GPUs; trials_per_gpu=2 shares one GPU.",
        resume="Leave it out: a directory that holds a study is resumed.",
        run_config="Write its parts as arguments: directory='runs/digits', views=[function].",
        scheduler="Write stopping='asha', or take the tuner of that name: Hyperband, PopulationBasedTraining.",
        search_alg="Take the tuner of that strategy: RandomSearch, or BayesianOptimization.",
        stop="Write tuner.search(x, y, callbacks=[EarlyStopping(), TimeLimit(minutes=2)]).",
        storage_path="Write directory='runs/digits': a folder holds the study.",
        time_budget_s="Write tuner.search(x, y, max_time='10m').",
        trainable=_FIRST,
        tune_config="Write its parts as arguments: the objective, max_trials=100, workers=4.",
    ),
    **_of(
        "scikit-optimize",
        acq_func="Leave it out: what is tried next is the setting with the greatest expected improvement.",
        n_calls="Write max_trials=100.",
        n_initial_points="Write BayesianOptimization(build_fn, objective, initial_trials=8).",
        n_random_starts="Write BayesianOptimization(build_fn, objective, initial_trials=8).",
    ),
    **_of(
        "",
        acquisition="Leave it out: what is tried next is the setting with the greatest expected improvement.",
        early_stopping="Write tuner.search(x, y, callbacks=[EarlyStopping(patience=3)]).",
        observers="Write views=[function], which is called with (event, study).",
        patience="Write tuner.search(x, y, callbacks=[EarlyStopping(patience=3)]).",
        population_size="Write PopulationBasedTraining(build_fn, objective, population=8).",
    ),
    **_of(
        "Hyperas",
        algo="Take the tuner of that strategy: RandomSearch, or BayesianOptimization.",
        max_evals="Write max_trials=100.",
        rseed="Write seed=0.",
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
        on_epoch_end="Write views=[function], which is called with (event, study), an EpochEnded among them.",
        on_trial_begin="Write views=[function], which is called with (event, study), a TrialBegun among them.",
        on_trial_end="Write views=[function], which is called with (event, study), a TrialEnded among them.",
        oracle="Write tuner.study, which has the trials and the space.",
        project_dir="Write tuner.directory.",
        project_name="Write tuner.directory.name.",
        reload="Leave it out: search() resumes the study in the tuner's directory.",
        remaining_trials="Write tuner.max_trials - len(tuner.study.trials).",
        results_summary="Write print(tuner.study.leaderboard(10)).",
        run_trial="Give build_fn a fit(hp, model, *args, **kwargs) of its own.",
        save_model="Write tuner.best_model().save('best.keras').",
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
        best_index_="Write tuner.study.best.number.",
        best_params_="Write tuner.study.best_params.",
        best_score_="Write tuner.study.best.score.",
        classes_="Take kerastune_lite.sklearn.TunedClassifier, which encodes labels.",
        cv_results_="Write tuner.study.to_dataframe().",
        fit="Write tuner.search(x, y, epochs=20).",
        predict="Write tuner.best_model().predict(x).",
        predict_proba="Write tuner.best_model().predict(x), or take kerastune_lite.sklearn.TunedClassifier.",
        score="Write tuner.best_model().evaluate(x, y).",
    ),
    **_of("Hyperas", minimize="Write tuner.search(x, y, epochs=20)."),
    **_of(
        "Ray Tune",
        best_config="Write tuner.study.best.values.",
        get_best_result="Write tuner.study.best.",
        get_results="Write tuner.study.",
        restore="Leave it out: search() resumes the study in the tuner's directory.",
        results="Write tuner.study.trials.",
        run="Write tuner.search(x, y, epochs=20).",
    ),
    **_of(
        "",
        best_hyperparameters="Write tuner.study.best.values.",
        best_score="Write tuner.study.best.score.",
        best_values="Write tuner.study.best.values.",
        evaluate="Write tuner.best_model().evaluate(x, y).",
        export_model="Write tuner.best_model().save('best.keras').",
        load="Write Study.open(directory) to read a study; search() resumes the one in the tuner's directory.",
        save="Leave it out: every event is in the journal. For the model write tuner.best_model().save('best.keras').",
        summary="Write print(tuner.study), or tuner.best_model().summary().",
    ),
}

_EXAMPLES = {
    "directory": "'runs/digits'",
    "executions_per_trial": "2",
    "executor": "client",
    "fixed": "{'units': 64}",
    "keep_models": "3",
    "max_failures_in_a_row": "3",
    "max_trials": "50",
    "overwrite": "True",
    "retry_failed": "True",
    "seed": "0",
    "stopping": "'median'",
    "tensorboard": "True",
    "trial_timeout": "'30m'",
    "views": "[function]",
    "workers": "4",
}
"""Arguments of a tuner that people give to `search`, each with a value."""

SEARCH_ARGUMENTS: Words = {
    **{
        name: Word(f"It belongs to the tuner: RandomSearch(build_fn, objective, {name}={value}).")
        for name, value in _EXAMPLES.items()
    },
    **_of(
        "",
        X="Write search(x, y): arrays and the like go first.",
        build_fn="It belongs to the tuner: RandomSearch(build_fn, 'val_accuracy').",
        early_stopping_rounds="Write search(x, y, callbacks=[EarlyStopping(patience=3)]).",
        eval_set="Write search(x, y, validation_data=(x_val, y_val)).",
        generator="Write search(dataset), a tf.data.Dataset or a PyDataset, or a function that makes one.",
        metric="It belongs to the tuner: RandomSearch(build_fn, 'val_accuracy').",
        metrics="Pass them to model.compile(…) in build_fn.",
        objective="It belongs to the tuner: RandomSearch(build_fn, 'val_accuracy').",
        patience="Write search(x, y, callbacks=[EarlyStopping(patience=3)]).",
        x_val="Write search(x, y, validation_data=(x_val, y_val)).",
        y_val="Write search(x, y, validation_data=(x_val, y_val)).",
    ),
    **_of(
        "Ray Tune",
        config=_IN_BUILD_FN,
        num_samples="Write RandomSearch(build_fn, objective, max_trials=100).",
        time_budget_s="Write search(x, y, max_time='10m').",
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
        fit_params="Write its parts as arguments: search(x, y, batch_size=64).",
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
        add_trials="Write tuner.enqueue(values) to try a setting; Study.from_optuna(study, directory) brings a study.",
        best_trials="Write study.leaderboard(n).",
        direction="Write study.objective.direction.",
        directions="Write study.objective.direction.",
        enqueue_trial="Write tuner.enqueue({'units': 64}).",
        get_trials="Write study.trials, or study.leaderboard() for those with a score, best first.",
        metric_names="Write study.objective.name.",
        optimize="Write tuner.search(x, y, epochs=20).",
        pruner="Write tuner.stopping.",
        sampler="Write tuner.strategy.",
        set_user_attr=_OF_TRIAL["set_user_attr"].here,
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
        get_best_step="Write study.best.best_epoch.",
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
    **_of(
        "Ray Tune",
        best_checkpoint="Write tuner.best_model().",
        best_config="Write study.best.values.",
        best_result="Write study.best.",
        dataframe="Write study.to_dataframe().",
        get_all_configs="Write [trial.values for trial in study.trials].",
        get_best_config="Write study.best.values.",
        get_best_result="Write study.best.",
        get_best_trial="Write study.best.",
        get_dataframe="Write study.to_dataframe().",
        num_errors="Write len([trial for trial in study.trials if trial.error]).",
        results_df="Write study.to_dataframe().",
    ),
    **_of(
        "",
        best_hyperparameters="Write study.best.values.",
        best_model="Write tuner.best_model().",
        best_score="Write study.best.score.",
        best_values="Write study.best.values.",
        df="Write study.to_dataframe().",
        errors="Write [trial.error for trial in study.trials if trial.error].",
        get_best_model="Write tuner.best_model().",
        load="Write Study.open(directory).",
        save="Leave it out: every event is in the journal, and Study.open(directory) reads it.",
        search_space="Write study.space.",
    ),
}

TRIAL_NAMES: Words = {
    **_OF_TRIAL,
    **_of(
        "Optuna",
        datetime_complete="Write trial.ended.",
        datetime_start="Write trial.started.",
        distributions="Write study.space.",
        duration="Write trial.seconds.",
        intermediate_values="Write trial.curve, which has all metrics of each epoch.",
        last_step="Write len(trial.curve) - 1.",
        params="Write trial.values.",
        suggest_categorical="It is hp that is asked: hp.choice('activation', ['relu', 'gelu']).",
        suggest_float="It is hp that is asked: hp.float('dropout', 0.0, 0.5).",
        suggest_int="It is hp that is asked: hp.int('units', 32, 512).",
        suggest_loguniform="It is hp that is asked: hp.loguniform('learning_rate', 1e-4, 1e-1).",
        suggest_uniform="It is hp that is asked: hp.uniform('dropout', 0.0, 0.5).",
        system_attrs="Write trial.memory, which has what a strategy noted.",
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
    **_of(
        "Ray Tune",
        checkpoint="Write tuner.best_models(n).",
        config="Write trial.values.",
        last_result="Write trial.curve[-1].",
        metrics_dataframe="Write pandas.DataFrame(trial.curve).",
    ),
    **_of(
        "",
        best_score="Write trial.score.",
        best_value="Write trial.score.",
        history="Write trial.curve, which has all metrics of each epoch.",
        id="Write trial.number.",
        loss="Write trial.score, or trial.curve[trial.best_epoch] for all metrics of the best epoch.",
        model="Write tuner.best_models(n), or tuner.build(trial) for its model with new weights.",
    ),
}

# The estimators

ESTIMATOR_ARGUMENTS: Words = {
    **_of(
        "scikit-learn",
        estimator="It is build_fn, a function that returns a compiled model.",
        model="It is build_fn, a function that returns a compiled model.",
    ),
    **_of(
        "",
        hyperparameters="Write param_grid= or param_distributions=, or ask hp in build_fn.",
        loss="Pass it to model.compile(…) in build_fn.",
        max_trials="Write n_iter=100.",
        metrics="Pass them to model.compile(…) in build_fn.",
        objective="Write scoring='accuracy', or the name of a Keras metric.",
        optimizer="Pass it to model.compile(…) in build_fn; its settings can be asked of hp there.",
        seed="Write random_state=0.",
        workers="Write n_jobs=4.",
    ),
    **_of("Optuna", n_trials="Write n_iter=100."),
}

# The package

PACKAGE_NAMES: Words = {
    **_of(
        "KerasTuner",
        FailedTrialError="Write FailedTrial.",
        HyperModel="Any object with build(hp), and perhaps fit(hp, model, …), will do; no base class is needed.",
        Oracle="A strategy is an object with suggest(space, trials, rng): see docs/extending.md.",
        SklearnTuner="Let build_fn return the cross-validated score of the estimator.",
        oracles="Write Tuner(build_fn, objective, strategy=…), or take the tuner with the strategy's name.",
        tuners="Write from kerastune_lite import RandomSearch.",
    ),
    **_of(
        "Optuna",
        TPESampler="Write Tuner(build_fn, objective, strategy=OptunaStrategy(TPESampler)), from "
        "kerastune_lite.compat.optuna, or take BayesianOptimization.",
        TrialPruned="Give the tuner stopping='median', 'asha' or 'plateau'; FailedTrial gives a setting up.",
        create_study="Write tuner = RandomSearch(build_fn, objective), and study = tuner.search(x, y).",
        load_study="Write Study.open(directory).",
        pruners="Write stopping='median', 'asha' or 'plateau'.",
        samplers="Take the tuner of that strategy: RandomSearch, or BayesianOptimization.",
        visualization="Take a study's own pictures, study.report() and study.plot, or study.to_optuna().",
    ),
    **_of(
        "scikit-learn",
        BayesSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='bayesian'.",
        GridSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='grid' and cv=5.",
        KerasClassifier="Write from kerastune_lite.sklearn import TunedClassifier.",
        KerasRegressor="Write from kerastune_lite.sklearn import TunedRegressor.",
        RandomizedSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='random' and cv=5.",
    ),
    **_of(
        "Hyperas",
        distributions="Write from kerastune_lite.compat.hyperas import distributions, or ask hp in build_fn.",
        minimize="Write RandomSearch(build_fn, objective).search(x, y).",
        optim="Write from kerastune_lite.compat.hyperas import optim.",
    ),
    **_of("Ray Tune", tune="Write RandomSearch(build_fn, objective).search(x, y)."),
    **_of(
        "",
        EarlyStopping="Write from kerastune_lite.callbacks import EarlyStopping.",
        TimeLimit="Write from kerastune_lite.callbacks import TimeLimit.",
        TunedClassifier="Write from kerastune_lite.sklearn import TunedClassifier.",
        TunedRegressor="Write from kerastune_lite.sklearn import TunedRegressor.",
        hp="It is the argument of build_fn: def build_fn(hp): units = hp.int('units', 32, 512).",
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


def told_package_name(name: str) -> NoReturn:
    """The `__getattr__` of the package, for its attributes and for what is imported from it.

    Raises:
        ImportError: Another tuner has the name, and it is imported (`from kerastune_lite import GridSearchCV`): Python
            would hide the message of an AttributeError.
        AttributeError: There is no such name.
    """
    problem = f"There is no kerastune_lite.{name}"
    if name not in PACKAGE_NAMES:
        raise AttributeError(f"module 'kerastune_lite' has no attribute {name!r}", name=name)
    is_imported = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    raise (ImportError if is_imported else AttributeError)(PACKAGE_NAMES[name].told(problem))


def told_arguments(words: Words) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a constructor that is called with arguments it doesn't have tell what they are called here."""

    def decorate(init: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(init)
        def told(*arguments: P.args, **named: P.kwargs) -> T:
            try:
                return init(*arguments, **named)
            except TypeError as error:
                made = type(arguments[0])
                problems = _problems(made, named, words) if _is_refused(init, arguments, named) else []
                if twice := _GIVEN_TWICE.search(str(error)):
                    own = twice["name"]
                    problems.append(f"It has a {own} of its own. Tuner(build_fn, objective, {own}=…) takes yours.")
                if not problems:
                    raise
                raise TypeError(f"{made.__name__}(…): {' '.join(problems)}") from error

        return told

    return decorate


_GIVEN_TWICE = re.compile(r"multiple values for keyword argument '(?P<name>\w+)'")
"""What Python says where a class passes on an argument that its caller has given as well."""


def class_with_told_arguments(words: Words) -> Callable[[type[T]], type[T]]:
    """The same for a class whose constructor is generated, as that of a dataclass is."""

    def decorate(made: type[T]) -> type[T]:
        setattr(made, "__init__", told_arguments(words)(vars(made)["__init__"]))  # noqa: B010 (mypy refuses a method)
        return made

    return decorate


def _is_refused(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a call's arguments don't suit the function's signature."""
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return True
    return False


def _problems(made: type, named: Mapping[str, Any], words: Words) -> list[str]:
    """A sentence for each argument that the constructor of a class doesn't have."""
    known = _arguments_of(made)
    return [
        words[name].told(f"There is no argument {name}={value!r}") if name in words else _unknown(name, known)
        for name, value in named.items()
        if name not in known
    ]


def _arguments_of(made: type) -> list[str]:
    """What a class's constructor takes, with what it passes on to those of its bases."""
    constructors = [vars(base)["__init__"] for base in made.__mro__[:-1] if "__init__" in vars(base)]
    parameters = [each for init in constructors for each in inspect.signature(init).parameters.values()]
    return list(
        dict.fromkeys(each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD)
    )


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"There is no argument {name}. " + (
        f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    )
