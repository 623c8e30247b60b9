"""A hyperparameter tuner for Keras and TensorFlow.

    errors ← space ← trial ← journal ← study ← tuner ← searches
                       ↑                  ↑
                   strategies          training, execution, views

A person writes `build_fn(hp)`; a tuner asks its strategy for settings, hands each to the training, and appends what
happens to the study's journal. Strategies never see Keras; the training never sees a strategy; views see only events.
"""

from kerastune_lite.errors import (
    BuildError,
    CallbackError,
    DataError,
    FailedTrial,
    JournalError,
    KerastuneError,
    NoResultError,
    ObjectiveError,
    SpaceError,
    StudyError,
    StudyLockedError,
    StudyMismatchError,
    TooManyFailuresError,
)
from kerastune_lite.search.interrupts import SearchTerminated
from kerastune_lite.search.tuner import Tuner
from kerastune_lite.search.tuners import (
    BayesianOptimization,
    GridSearch,
    Hyperband,
    PopulationBasedTraining,
    RandomSearch,
)
from kerastune_lite.space.hyperparameters import HyperParameters
from kerastune_lite.strategies.strategy import Pause, Suggestion
from kerastune_lite.study import Study
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState

__all__ = [
    "BayesianOptimization",
    "BuildError",
    "CallbackError",
    "DataError",
    "FailedTrial",
    "GridSearch",
    "HyperParameters",
    "Hyperband",
    "JournalError",
    "KerastuneError",
    "NoResultError",
    "Objective",
    "ObjectiveError",
    "Pause",
    "PopulationBasedTraining",
    "RandomSearch",
    "SearchTerminated",
    "SpaceError",
    "Study",
    "StudyError",
    "StudyLockedError",
    "StudyMismatchError",
    "Suggestion",
    "TooManyFailuresError",
    "Trial",
    "TrialState",
    "Tuner",
]
