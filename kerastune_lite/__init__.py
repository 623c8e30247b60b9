"""A hyperparameter tuner for Keras and TensorFlow.

    errors ← space ← study ← strategies, stopping ← belief, importances ← plots
                       ↑
                    running ← training ← execution ← search ← the public names below
                       ↑                               ↑
                     views ←───────────────────────────┘

A person writes `build_fn(hp)`; a tuner asks its strategy for settings, hands each to a worker, and appends what happens
to the study's journal. Strategies never see Keras; the training never sees a strategy; views see only events.
"""

from pathlib import Path
from typing import TYPE_CHECKING

# In a checkout the callbacks lie beside this folder and not inside it. They are found there also where a regular
# installation of the package is shadowed by the checkout.
if not (Path(__file__).parent / "callbacks").exists():
    __path__.append(str(Path(__file__).parent.parent))

from kerastune_lite._version import __version__
from kerastune_lite.errors import (
    BuildError,
    CallbackError,
    DataError,
    Diverged,
    FailedTrial,
    FatalError,
    JournalError,
    KerastuneError,
    NoResultError,
    NoScoreError,
    ObjectiveError,
    ProcessTerminated,
    RangeChangedError,
    SearchTerminated,
    SpaceError,
    StoppingError,
    StudyError,
    StudyLockedError,
    StudyMismatchError,
    TooManyFailuresError,
    UnknownNameError,
    WorkerError,
    WrongCallError,
)
from kerastune_lite.other_tuners.telling import told_package_name as _told_package_name
from kerastune_lite.search.tuner import Tuner
from kerastune_lite.search.tuners import (
    BayesianOptimization,
    FreezeThaw,
    GridSearch,
    Hyperband,
    PopulationBasedTraining,
    RandomSearch,
)
from kerastune_lite.space import HyperParameters
from kerastune_lite.strategies.strategy import GoOn, Pause, Suggestion
from kerastune_lite.study import Study
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.training.start_messages import hold_back as _hold_back

_hold_back()

if not TYPE_CHECKING:

    def __getattr__(name):
        _told_package_name(name)


__all__ = [
    "BayesianOptimization",
    "BuildError",
    "CallbackError",
    "DataError",
    "Diverged",
    "FailedTrial",
    "FatalError",
    "FreezeThaw",
    "GoOn",
    "GridSearch",
    "HyperParameters",
    "Hyperband",
    "JournalError",
    "KerastuneError",
    "NoResultError",
    "NoScoreError",
    "Objective",
    "ObjectiveError",
    "Pause",
    "PopulationBasedTraining",
    "ProcessTerminated",
    "RandomSearch",
    "RangeChangedError",
    "SearchTerminated",
    "SpaceError",
    "StoppingError",
    "Study",
    "StudyError",
    "StudyLockedError",
    "StudyMismatchError",
    "Suggestion",
    "TooManyFailuresError",
    "Trial",
    "TrialState",
    "Tuner",
    "UnknownNameError",
    "WorkerError",
    "WrongCallError",
    "__version__",
]
