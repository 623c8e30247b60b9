"""A study: every trial of one search, folded from its journal.

`Study.after` is the one function from a study and an event to a study. Reading a study, resuming it and showing it are
all this fold; objects of this class can be thrown away at any moment and made again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastune_lite.errors import NoResultError, StudyError
from kerastune_lite.space import OptionLabel, Parameter, Space, Value
from kerastune_lite.study.events import (
    Confirmed,
    EpochEnded,
    EpochsKnown,
    JournaledEvent,
    ParameterLearned,
    ParametersKnown,
    SearchDescribed,
    SpaceReviewed,
    StudyBegun,
    TrialBegun,
    TrialEnded,
    event_of,
)
from kerastune_lite.study.files import expanded
from kerastune_lite.study.journal import JOURNAL_NAME, Reading, read_journal
from kerastune_lite.study.labels import moved, resolved
from kerastune_lite.study.leaderboard import Leaderboard
from kerastune_lite.study.metric_directions import direction_of_name
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, best_first, inside

if TYPE_CHECKING:
    import pandas

    from kerastune_lite.importances import Importances
    from kerastune_lite.plots.figures import Plots
    from kerastune_lite.strategies.bayesian.predictions import Prediction, Prospect


@dataclass(eq=False)
class _Derived:
    """What was derived from a trial's record, and from what else.

    Attributes:
        record: The record.
        space: The space whose options took the place of labels; None where there were no labels.
        objective: The objective that its epochs were scored by.
        is_outside: Whether it lies outside the space.
        trial: The trial as a person sees it.
        minimised: The trial as a strategy sees it; None until one is asked.
    """

    record: Trial
    space: Space | None
    objective: Objective | None
    is_outside: bool
    trial: Trial
    minimised: Trial | None = None

    def is_of(self, record: Trial, space: Space, objective: Objective | None, *, is_outside: bool) -> bool:
        """Whether it was derived from these."""
        has_same_space = self.space is None or self.space is space
        is_same = self.record is record and self.objective is objective and self.is_outside == is_outside
        return is_same and has_same_space


@dataclass(frozen=True)
class Study:
    """The trials of one search, with its objective and its space, as they stand after the events so far.

    Attributes:
        directory: Where it is kept.
        objective: What it optimises; None until it is known.
        seed: What every random choice of the search is drawn from.
        space: The parameters known so far.
        records: Every trial by its number.
        damages: What was wrong with the journal, a sentence each.
        differing: The numbers of the trials of which build_fn, asked again, no longer asks for the same parameters.
        outranged: The numbers of the trials with a value that its parameter no longer takes.
        latest_search: What the latest search was done with, as its journal line has it.
    """

    directory: Path
    objective: Objective | None = None
    seed: int | None = None
    space: Space = field(default_factory=Space)
    records: Mapping[int, Trial] = field(default_factory=dict)
    damages: Sequence[str] = ()
    differing: frozenset[int] = frozenset()
    outranged: frozenset[int] = frozenset()
    latest_search: Mapping[str, Any] | None = None
    _derived: dict[int, _Derived] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """The study of a directory as its journal has it now: finished, running or crashed.

        Args:
            directory: Where it is kept; "~" and environment variables are looked up.

        Raises:
            StudyError: There is no journal.
            JournalError: The journal can't be read, or a newer version of this library wrote it.
        """
        directory = expanded(directory)
        path = directory / JOURNAL_NAME
        if not path.is_file():
            raise StudyError(f"There is no study in {directory}: it holds no {JOURNAL_NAME}. Check the path.")
        return cls.of_events(directory, read_journal(path))

    @classmethod
    def of_events(cls, directory: Path, reading: Reading) -> Study:
        """The study that is folded from the lines of a journal."""
        study = cls(directory)
        damages = list(reading.damages)
        for number, line in enumerate(reading.lines, start=1):
            try:
                event = event_of(line)
                study = study if event is None else study.after(event)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                damages.append(f"event {number} ({line['event']}) makes no sense and was skipped: {error!r}")
        return dataclasses.replace(study, damages=tuple(damages))

    def after(self, event: JournaledEvent) -> Study:
        """The study as it stands after one more event."""
        match event:
            case StudyBegun():
                return dataclasses.replace(self, objective=event.objective, seed=event.seed)
            case ParameterLearned():
                return self._learning(event.parameter)
            case SpaceReviewed():
                space = self.space.without(event.dropped)
                return dataclasses.replace(self, space=space, differing=frozenset(event.differing))
            case SearchDescribed():
                return dataclasses.replace(self, latest_search=event.description)
            case TrialBegun():
                source = None if event.plan.resumed_from is None else self.records.get(event.plan.resumed_from)
                return self._with(_begun(event, source))
            case EpochEnded():
                return self._with(_after_epoch(self._record(event.trial), event))
            case TrialEnded():
                study = self._with(_after_end(self._record(event.trial), event))
                if event.objective is not None and (self.objective is None or self.objective.direction is None):
                    # A trial's end says again what a damaged line of the study may have said.
                    return dataclasses.replace(study, objective=event.objective)
                return study
        known = self.records.get(event.trial)
        if known is None:
            return self
        match event:
            case ParametersKnown():
                return self._with(dataclasses.replace(known, values=event.values))
            case EpochsKnown():
                return self._with(dataclasses.replace(known, epochs=event.epochs))
            case Confirmed():
                return self._with(dataclasses.replace(known, confirmations=event.scores))
        return self

    def _record(self, number: int) -> Trial:
        return self.records.get(number) or Trial(number=number)

    def _with(self, trial: Trial) -> Study:
        outranged, known = self.outranged, self.records.get(trial.number)
        has_other_values = known is None or known.values is not trial.values
        if has_other_values and self.space.contains(trial.values) == (trial.number in outranged):
            outranged = outranged ^ {trial.number}
        return dataclasses.replace(self, records={**self.records, trial.number: trial}, outranged=outranged)

    def _learning(self, parameter: Parameter) -> Study:
        """The study once a parameter is known, or known with another range: some trials may have values outside it."""
        before, space = self.space.get(parameter.name), self.space.replacing(parameter)
        if before is not None and before.range() == parameter.range() and before.kind == parameter.kind:
            return self.with_space(space)
        records = dict(self.records)
        for number, record in self.records.items():
            values = record.values if before is None else moved(record.values, before, parameter)
            if values is not record.values:
                records[number] = dataclasses.replace(record, values=values)
        outranged = frozenset(number for number, record in records.items() if not space.contains(record.values))
        return dataclasses.replace(self, space=space, records=records, outranged=outranged)

    def with_space(self, space: Space) -> Study:
        """The study with parameters as build_fn gave them, whose options are objects where the journal has labels."""
        return dataclasses.replace(self, space=space)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, in the order of their numbers."""
        return tuple(self.trial(number) for number in sorted(self.records))

    @property
    def outside(self) -> tuple[Trial, ...]:
        """The trials that lie outside the space as build_fn asked for it last; they are in `trials` too.

        Their setting has a value that its parameter no longer takes, or other parameters than build_fn asks for with
        that setting now. They don't count: not for the best, nor for `max_trials`, nor for what is tried next.
        """
        return tuple(trial for trial in self.trials if trial.is_outside)

    def trial(self, number: int) -> Trial:
        """The trial of a number, with the options themselves in place of their labels where the space has them."""
        return self._derived_from(number).trial

    def _derived_from(self, number: int) -> _Derived:
        """What a record looks like from outside; it is derived anew only where one of its sources is another object.

        The study after an event keeps it: a search asks for all of its trials again and again.
        """
        record, known = self.records[number], self._derived.get(number)
        is_outside = number in self.outranged or number in self.differing
        if known is not None and known.is_of(record, self.space, self.objective, is_outside=is_outside):
            return known
        has_labels = any(isinstance(value, OptionLabel) for value in record.values.values())
        trial = dataclasses.replace(
            record,
            values=resolved(record.values, self.space) if has_labels else record.values,
            best_so_far=tuple(self._sign * score for score in self._best_so_far(record)),
            is_outside=is_outside,
        )
        space = self.space if has_labels else None
        known = self._derived[number] = _Derived(record, space, self.objective, is_outside, trial)
        return known

    @property
    def best(self) -> Trial:
        """The trial with the best score; NoResultError where none has one."""
        best = self._ranked()[:1]
        if best:
            return best[0]
        states = ["outside the space" if trial.is_outside else trial.state.value for trial in self.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no trials"
        failure = next((trial.error for trial in self.trials if trial.error), None)
        raise NoResultError(
            f"No trial of the study in {self.directory} has a score ({counts})."
            + (f" The first error was {failure.summary}" if failure else "")
        )

    def leaderboard(self, n: int | None = None) -> Leaderboard:
        """The best `n` trials (all by default), best first; printed, it is a table."""
        return Leaderboard(self._ranked()[:n], self.objective)

    def lineage(self, number: int) -> tuple[Trial, ...]:
        """The trials whose weights a trial's are built upon, the first ancestor first and the trial itself last."""
        line = [self.trial(number)]
        while line[0].parent is not None:
            line.insert(0, self.trial(line[0].parent))
        return tuple(line)

    def schedule(self, number: int) -> tuple[tuple[int, Mapping[str, Any]], ...]:
        """The stages of a trial's training, each with its first epoch and its values; a population's have several."""
        stages: list[tuple[int, Mapping[str, Any]]] = []
        for trial in self.lineage(number):
            if not stages or stages[-1][1] != trial.values:
                stages.append((trial.first_epoch, trial.values))
        return tuple(stages)

    def to_minimise(self) -> tuple[Trial, ...]:
        """All trials with their scores turned so that less is better, as a strategy that pauses trials is given them.

        Other strategies are given those that lie in the space.
        """
        return tuple(self._minimised(self._derived_from(number)) for number in sorted(self.records))

    def _minimised(self, derived: _Derived) -> Trial:
        if derived.minimised is None:
            trial = derived.trial
            derived.minimised = dataclasses.replace(
                trial,
                score=None if trial.score is None else self._sign * trial.score,
                scores=tuple(self._sign * score for score in trial.scores),
                best_so_far=tuple(self._sign * score for score in trial.best_so_far),
            )
        return derived.minimised

    def _best_so_far(self, trial: Trial) -> tuple[float, ...]:
        """The best score after each epoch of the first run, turned so that less is better."""
        if self.objective is None or self.objective.direction is None or not trial.curves:
            return ()
        return self.objective.best_so_far(trial.curves[0])

    @property
    def epochs_spent(self) -> int:
        """How many epochs were trained in all."""
        return sum(trial.epochs_spent for trial in self.records.values())

    @property
    def epochs_saved(self) -> int:
        """How many epochs were not trained because trials ended early."""
        return sum(trial.epochs_saved for trial in self.records.values())

    def to_dataframe(self) -> pandas.DataFrame:
        """A table with a row for each trial: number, values, state, score and times; NaN for inactive parameters.

        Parameters have columns of their own names; one that is named like another column is "values.<name>".

        Raises:
            ImportError: pandas isn't installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "study.to_dataframe() needs pandas: pip install 'kerastune_lite[pandas]'. "
                "Without it, study.trials holds the same records."
            ) from error
        return pandas.DataFrame([self._row(trial) for trial in self.trials], columns=self._columns())

    # What the Gaussian process believes stands in belief.py, which takes half a second to import: too much for
    # a command that only shows a study.

    def predict(self, values: Mapping[str, Value]) -> Prediction | None:
        """What the model of the trials expects of a setting: mean and deviation in the objective's units.

        The deviation is the model's doubt about the mean, without the noise of a single trial. None while no two
        trials ended differently.
        """
        from kerastune_lite import belief

        return belief.predict(self, values)

    def suggestions(self, n: int = 5) -> list[Prospect]:
        """The settings that a Bayesian search would try next, each with what it expects of them."""
        from kerastune_lite import belief

        return belief.suggestions(self, n)

    @property
    def recommended(self) -> Trial:
        """The trial to trust: the best by its confirmations, or else the one of which the model expects most.

        Under noise the best score is partly luck; the model has seen the neighbours too. NoResultError where no trial
        has a score.
        """
        from kerastune_lite import belief

        return belief.recommended(self)

    def finalists(self, n: int = 5) -> Leaderboard:
        """The `n` scored trials of which the model expects most, and with `n` above 1 the best-scored one in any case.

        Raises:
            NoResultError: No trial has a score.
        """
        from kerastune_lite import belief

        return belief.finalists(self, n)

    def importances(self) -> Importances:
        """How much of the score's variance each parameter explains, with an interval; printed, a bar chart.

        Raises:
            NoResultError: Too few trials ended with a score.
        """
        from kerastune_lite.importances import importances

        return importances(self)

    @property
    def plot(self) -> Plots:
        """The study's figures: `history()`, `curves()`, `parallel()`, `slices()`, `contour()` and others.

        They are drawn with plotly (`pip install "kerastune_lite[plot]"`).
        """
        from kerastune_lite.plots.figures import Plots

        return Plots(self)

    def report(self, path: str | Path | None = None) -> Path:
        """Writes a report, one HTML file that needs nothing else, and gives its path back.

        It holds the best setting as code, the figures of `study.plot`, failures by their causes, where the time went,
        and what the engine did.

        Args:
            path: Where to; `report.html` in the study's directory by default.

        Raises:
            ImportError: plotly isn't installed.
        """
        from kerastune_lite.plots.report import write_report

        return write_report(self, self.directory / "report.html" if path is None else expanded(path))

    def confirmed(self) -> Leaderboard:
        """The trials that `tuner.confirm` trained again, the best mean of those scores first."""
        again = [trial for trial in self._ranked() if trial.confirmations]
        return Leaderboard(sorted(again, key=lambda trial: self._sign * (trial.confirmed or 0.0)), self.objective)

    @property
    def _sign(self) -> int:
        return self.objective.sign if self.objective and self.objective.direction else 1

    _RECORD = ("number", "state", "score", "spread", "best_epoch", "epochs", "seconds", "started", "ended")
    _REMARKS = ("stop_reason", "error", "engine", "attempts", "seed")

    def _columns(self) -> list[str]:
        names = dict.fromkeys(name for trial in self.trials for name in trial.values)
        names = dict.fromkeys([*(p.name for p in self.space if p.name in names), *names])
        return [*self._RECORD, *map(self._column, names), *self._REMARKS]

    def _column(self, name: str) -> str:
        return f"values.{name}" if name in self._RECORD + self._REMARKS else name

    def _row(self, trial: Trial) -> dict[str, Any]:
        row = {name: getattr(trial, name) for name in self._RECORD + self._REMARKS}
        row |= {"state": trial.state.value, "epochs": len(trial.curve), "error": trial.error and str(trial.error)}
        return row | {self._column(name): value for name, value in trial.values.items()}

    def _ranked(self) -> list[Trial]:
        if self.objective is None:
            return []
        direction = self.objective.direction or direction_of_name(self.objective.name)
        return best_first(inside(self.trials), direction) if direction else []


def _begun(event: TrialBegun, source: Trial | None) -> Trial:
    """The trial that an event begins, or continues with the curve of `source`."""
    plan = event.plan
    trial = Trial(
        number=event.trial,
        values=event.values,
        started=event.time,
        attempts=event.attempt,
        seed=event.seed,
        notes=event.notes,
        epochs=plan.epochs,
        plan=plan,
        curves=tuple(curve[: plan.resumed_at] for curve in source.curves) if source else (),
    )
    if source is None or source.number != trial.number:
        return trial
    kept = ("started", "seconds", "score", "scores", "best_epoch", "best_run")
    return dataclasses.replace(trial, **{name: getattr(source, name) for name in kept})


def _after_epoch(trial: Trial, event: EpochEnded) -> Trial:
    curves = [list(curve) for curve in trial.curves]
    curves += [[] for _ in range(len(curves), event.run + 1)]
    curve = curves[event.run]
    # A damaged line leaves a hole, so that every epoch keeps its own place.
    curve += [{} for _ in range(len(curve), event.epoch + 1)]
    curve[event.epoch] = event.logs
    return dataclasses.replace(trial, curves=tuple(tuple(curve) for curve in curves))


def _after_end(trial: Trial, event: TrialEnded) -> Trial:
    return dataclasses.replace(
        trial,
        state=event.state,
        values=event.values,
        score=event.score,
        best_epoch=event.best_epoch,
        best_run=event.best_run,
        scores=event.scores,
        seconds=event.seconds,
        started=event.started or trial.started,
        ended=event.time,
        stop_reason=event.stop_reason,
        error=event.error,
        is_rejected=event.is_rejected,
        trained=event.trained,
        attempts=trial.attempts if event.attempts is None else event.attempts,
        seed=trial.seed if event.seed is None else event.seed,
        notes=trial.notes if event.notes is None else event.notes,
    )
