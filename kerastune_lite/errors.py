"""The exceptions of this library, and what a search does when it meets each of them.

KerastuneError
├── SpaceError             a parameter is impossible; the search ends at once
│   ├── RangeChangedError  a name was asked for with two kinds or ranges
│   ├── UnknownNameError   hp has nothing of that name
│   └── WrongCallError     a method of hp was called with arguments that it doesn't take
├── ObjectiveError         the objective is unknown, or the model doesn't report it; the search ends at once
├── DataError              the data can't be trained on as given; raised before any training
├── CallbackError          a callback can't be used for several trials; raised before any training
├── StoppingError          a stopping rule doesn't suit the training; the search ends at once
├── BuildError             build_fn returned something that can't be trained; the search ends at once
├── StudyError             the study's directory can't be used; the search doesn't start, or ends
│   ├── StudyMismatchError it holds another study
│   ├── StudyLockedError   another process searches in it
│   └── JournalError       its journal can't be read or written; the search ends, the journal stays readable
├── WorkerError            workers can't be started, reached, or given what they need; the search ends
├── TooManyFailuresError   too many trials failed in a row; the search ends
├── NoResultError          there is no finished trial to give back
│   └── NoScoreError       a search has ended, and no trial of its study has a score (a TooManyFailuresError too)
├── FatalError             raised by the user to end the search, which raises it as it is
├── Diverged               the loss or the objective stopped being a finite number; fails its trial
└── FailedTrial            raised by the user to give up one setting; the search continues with others

SystemExit
└── SearchTerminated       raised by the user to end the search, which gives its study back and can be resumed
    └── ProcessTerminated  the process was told to end (SIGTERM); the search ends with it, and can be resumed

Any other exception out of build_fn or a fit fails its own trial, and the search continues.
"""


class KerastuneError(Exception):
    """Every error of this library."""


class SpaceError(KerastuneError, ValueError):
    """A parameter is impossible; the search ends at once."""


class RangeChangedError(SpaceError):
    """A name was asked for with two kinds or ranges; the search ends at once."""


class UnknownNameError(SpaceError, AttributeError):
    """hp has nothing of that name, such as `hp.Choice`; the search ends at once."""


class WrongCallError(SpaceError, TypeError):
    """A method of hp was called with arguments that it doesn't take; the search ends at once."""


class ObjectiveError(KerastuneError, ValueError):
    """The objective is unknown, or the model doesn't report it; the search ends at once."""


class DataError(KerastuneError, ValueError):
    """The data can't be trained on as given; raised before any training."""


class CallbackError(KerastuneError, TypeError):
    """A callback can't be used for several trials; raised before any training."""


class StoppingError(KerastuneError, ValueError):
    """A stopping rule doesn't suit the training, such as one that begins after its end; the search ends at once."""


class BuildError(KerastuneError, TypeError):
    """build_fn returned something that can't be trained; the search ends at once."""


class StudyError(KerastuneError):
    """The study's directory can't be used; the search doesn't start, or ends and can be resumed."""


class StudyMismatchError(StudyError):
    """The directory holds a study with another objective, other kinds of parameters, or another plan."""


class StudyLockedError(StudyError):
    """Another process is searching in the directory."""


class JournalError(StudyError):
    """The journal can't be read or written; what it held before stays readable."""


class WorkerError(KerastuneError):
    """Workers can't be started, reached, or given what they need; the search ends, and can be resumed."""


class TooManyFailuresError(KerastuneError):
    """Too many trials failed in a row; the search ends and shows the first failure."""


class NoResultError(KerastuneError, LookupError):
    """There is no finished trial to give back."""


class NoScoreError(TooManyFailuresError, NoResultError):
    """A search has ended and no trial of its study has a score; shows the first failure."""


class Diverged(KerastuneError):
    """The loss or the objective stopped being a finite number; fails its trial, and the search continues."""


class FatalError(KerastuneError):
    """Raise it, or an exception of a class derived from it, to end the search, which raises it as it is.

    It may come from build_fn, a fit or a callback, in a worker too. The trial that ran is interrupted, and is run again
    when the search is resumed. Other exceptions fail their own trial.
    """


class FailedTrial(KerastuneError):
    """Raise it in build_fn or a callback to give up one setting; the search continues with others.

    Unlike other exceptions it doesn't count towards `max_failures_in_a_row` nor `max_trials`, so that a search may
    reject as many settings as it has to (a model that is too large, a shape that can't be built). A search that finds
    no other settings any more ends.
    """


class SearchTerminated(SystemExit):
    """Raise it in build_fn, a callback or a view to end the search, which gives its study back.

    The trial that runs is interrupted, and is run again when the search is resumed. `tuner.stop()` lets it end with its
    epoch instead.
    """


class ProcessTerminated(SearchTerminated):
    """The process was told to end (SIGTERM). Left alone, it ends the process with status 143."""


MISTAKES_IN_THE_CALL = (
    SpaceError,
    ObjectiveError,
    DataError,
    CallbackError,
    StoppingError,
    BuildError,
    StudyError,
    FatalError,
)
"""Errors that no other setting would mend, and what is raised on purpose: they end the search, and fail no trial."""
