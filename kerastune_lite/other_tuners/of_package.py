"""What is imported from other tuners."""

from __future__ import annotations

from kerastune_lite.other_tuners.words import Words, of

PACKAGE_NAMES: Words = {
    **of(
        "KerasTuner",
        FailedTrialError="Write FailedTrial.",
        HyperModel="Any object with build(hp), and perhaps fit(hp, model, …), will do; no base class is needed.",
        Oracle="A strategy is an object with suggest(space, trials, rng): see docs/extending.md.",
        SklearnTuner="Let build_fn return the cross-validated score of the estimator.",
        oracles="Write Tuner(build_fn, objective, strategy=…), or take the tuner with the strategy's name.",
        tuners="Write from kerastune_lite import RandomSearch.",
    ),
    **of(
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
    **of(
        "scikit-learn",
        BayesSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='bayesian'.",
        GridSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='grid' and cv=5.",
        KerasClassifier="Write from kerastune_lite.sklearn import TunedClassifier.",
        KerasRegressor="Write from kerastune_lite.sklearn import TunedRegressor.",
        RandomizedSearchCV="Write from kerastune_lite.sklearn import TunedClassifier, with tuner='random' and cv=5.",
    ),
    **of(
        "Hyperas",
        distributions="Write from kerastune_lite.compat.hyperas import distributions, or ask hp in build_fn.",
        minimize="Write RandomSearch(build_fn, objective).search(x, y).",
        optim="Write from kerastune_lite.compat.hyperas import optim.",
    ),
    **of("Ray Tune", tune="Write RandomSearch(build_fn, objective).search(x, y)."),
    **of(
        "",
        EarlyStopping="Write from kerastune_lite.callbacks import EarlyStopping.",
        TimeLimit="Write from kerastune_lite.callbacks import TimeLimit.",
        TunedClassifier="Write from kerastune_lite.sklearn import TunedClassifier.",
        TunedRegressor="Write from kerastune_lite.sklearn import TunedRegressor.",
        hp="It is the argument of build_fn: def build_fn(hp): units = hp.int('units', 32, 512).",
    ),
}
