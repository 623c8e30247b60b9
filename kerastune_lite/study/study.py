"""A study: every trial of one search, folded from its journal.

`Study.after` is the one function from a study and an event to a study, and `Study.of_events` the same for many. Reading
a study, resuming it and showing it are all this fold (fold.py); objects of this class can be thrown away at any moment
and made again. A study never changes, and the one after an event shares with it all that the event didn't change.
"""

from __future__ import annotations

import dataclasses
import gc
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastune_lite.errors import NoResultError, StudyError
from kerastune_lite.other_tuners.of_studies import STUDY_NAMES
from kerastune_lite.other_tuners.telling import told_names
from kerastune_lite.space import OptionLabel, Space, Value
from kerastune_lite.space.seeds import run_seed
from kerastune_lite.study.best_so_far import BestSoFar
from kerastune_lite.study.event_lines import contradiction, event_of
from kerastune_lite.study.events import JournaledEvent, TrialBegun, TrialEnded
from kerastune_lite.study.files import expanded
from kerastune_lite.study.fold import Fold
from kerastune_lite.study.journal import JOURNAL_NAME, Reading, read_journal
from kerastune_lite.study.labels import resolved
from kerastune_lite.study.leaderboard import Leaderboard, score_text
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.series import Series
from kerastune_lite.study.sorted_map import SortedMap
from kerastune_lite.study.tables import Table, curves_table, trials_table
from kerastune_lite.study.tally import Counted, Tally
from kerastune_lite.study.texts import counted, end_of
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.study.trials import Trials

if TYPE_CHECKING:
    import optuna
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
        bests: The best scores of the first run after each epoch; None where the objective's direction isn't known, or
            there is no epoch.
        over_runs: Those that the trial has: the same, or the mean over its runs.
        trial: The trial as a person sees it.
        minimised: The trial as a strategy sees it; None until one is asked.
    """

    record: Trial
    space: Space | None
    objective: Objective | None
    is_outside: bool
    bests: BestSoFar | None
    over_runs: BestSoFar | None
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
    records: SortedMap[int, Trial] = field(default_factory=SortedMap)
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
        with _without_collections():
            return cls.of_events(directory, read_journal(path))

    @classmethod
    def from_keras_tuner(
        cls,
        project: str | Path,
        directory: str | Path | None = None,
        objective: str | Objective | None = None,
    ) -> Study:
        """The study of a project that KerasTuner has written, with its settings, scores and metrics.

        KerasTuner keeps the metrics of each trial's best epoch alone: they stand at that epoch, and those before it
        are empty.

        Args:
            project: The project's folder, `directory/project_name`, which holds oracle.json.
            directory: Where to write the study down, so that a search in this directory goes on from its trials; None
                writes nothing.
            objective: What was optimised; None finds the metric that is the score of every trial.

        Raises:
            StudyError: There is no project, or it can't be read; its objective has to be given; or the directory holds
                a study already.
        """
        from kerastune_lite.compat.keras_tuner import projects

        return projects.imported(expanded(project), None if directory is None else expanded(directory), objective)

    @classmethod
    def of_events(cls, directory: Path, reading: Reading) -> Study:
        """The study that is folded from the lines of a journal."""
        with _without_collections():
            return cls._folded(directory, reading)

    @classmethod
    def _folded(cls, directory: Path, reading: Reading) -> Study:
        fold = Fold(cls(directory)._facts, {})
        damages = list(reading.damages)
        lines = len(reading.lines) + len(damages)
        for number, line in enumerate(reading.lines, start=1):
            try:
                event = event_of(line)
                if event is None:
                    continue
                known = fold.known(event.trial) if isinstance(event, (TrialBegun, TrialEnded)) else None
                wrong = contradiction(event, known, lines)
                if wrong is None:
                    fold.add(event)
                else:
                    damages.append(f"event {number} ({line['event']}) was skipped: {wrong}")
            except Exception as error:  # whatever a damaged line says, it costs that line alone
                damages.append(f"event {number} ({line['event']}) makes no sense and was skipped: {error!r}")
        fold.finish()
        return cls(directory, records=SortedMap(fold.changed), damages=tuple(damages), **_frozen(fold.facts))

    def __post_init__(self) -> None:
        directory: object = self.directory
        if isinstance(directory, str):
            raise StudyError(f"Study(…) doesn't read a directory. Write Study.open({directory!r}).")
        records: Mapping[int, Trial] = self.records
        if not isinstance(records, SortedMap):  # made by hand
            object.__setattr__(self, "records", SortedMap(records))

    if not TYPE_CHECKING:
        __getattr__ = told_names("study", STUDY_NAMES)

    def __repr__(self) -> str:
        states = Counter(record.state.value if record.state.ended else "unfinished" for record in self.records.values())
        counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
        name = self.objective.name if self.objective else "score"
        best = "".join(f", best {name} {score_text(trial)} (trial {trial.number})" for trial in self._ranked(1))
        trials = counted(len(self.records), "trial") + (f" ({counts})" if counts else "")
        return f"<Study {end_of(str(self.directory))!r}: {trials}{best}>"

    def _repr_html_(self) -> str:
        from kerastune_lite.study.as_html import study_html

        return study_html(self)

    def after(self, event: JournaledEvent) -> Study:
        """The study as it stands after one more event."""
        fold = Fold(self._facts, self.records)
        fold.add(event)
        fold.finish()
        records = self.records.updated(fold.changed) if fold.changed else self.records
        study = dataclasses.replace(self, records=records, **_frozen(fold.facts))
        study._keep_tally(self, fold.changed)
        return study

    @property
    def _facts(self) -> dict[str, Any]:
        """What events change besides the trials."""
        names = ("objective", "seed", "space", "differing", "outranged", "latest_search")
        return {name: getattr(self, name) for name in names}

    def with_space(self, space: Space) -> Study:
        """The study with parameters as build_fn gave them, whose options are objects where the journal has labels."""
        if space is self.space:
            return self
        study = dataclasses.replace(self, space=space)
        study._keep_tally(self, ())
        return study

    @property
    def next_number(self) -> int:
        """The number of the next trial that begins."""
        latest = self.records.last()
        return 0 if latest is None else latest + 1

    @cached_property
    def tally(self) -> Tally:
        """What a search asks of all trials at every step."""
        return Tally.of((self._counted(number, record) for number, record in self.records.items()), self._rank_sign)

    def _keep_tally(self, before: Study, changed: Iterable[int]) -> None:
        """Takes over the tally of the study before, brought up to date, where that one has been asked for it.

        Where other trials count than before, or another score is better, it is made anew when it is asked for.
        """
        known: Tally | None = before.__dict__.get("tally")
        if known is None or known.sign != self._rank_sign or self.differing is not before.differing:
            return
        if not (self.outranged ^ before.outranged).issubset(changed):
            return
        changes = [
            (
                before._counted(number, before.records[number]) if number in before.records else None,
                self._counted(number, self.records[number]),
            )
            for number in changed
        ]
        self.__dict__["tally"] = known.after(changes)

    def _counted(self, number: int, record: Trial) -> Counted:
        return Counted(record, number in self.outranged or number in self.differing)

    @property
    def _rank_sign(self) -> int:
        """The factor that turns scores so that less is better, guessed from the objective's name; 0 without one."""
        direction = self.objective and self.objective.known_direction
        return {"min": 1, "max": -1}.get(direction or "", 0)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, in the order of their numbers."""
        return tuple(self.trial(number) for number in self.records)

    @property
    def outside(self) -> tuple[Trial, ...]:
        """The trials that lie outside the space as build_fn asked for it last; they are in `trials` too.

        Their setting has a value that its parameter no longer takes, or other parameters than build_fn asks for with
        that setting now. They don't count: not for the best, nor for `max_trials`, nor for what is tried next.
        """
        numbers = sorted(number for number in self.differing | self.outranged if number in self.records)
        return tuple(self.trial(number) for number in numbers)

    def seed_of(self, number: int, run: int = 0) -> int:
        """What a training of a trial was seeded with: `keras.utils.set_random_seed(study.seed_of(7, run=2))`.

        Args:
            number: The trial's number.
            run: Which of its trainings, from 0: a fold, or a repeat.
        """
        if self.seed is None:
            raise StudyError(f"The journal of the study in {self.directory} doesn't tell its seed.")
        return run_seed(self.seed, number, run)

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
        bests = self._bests_of(record, None if known is None else known.bests)
        over_runs = _over_runs(record, bests)
        trial = record.changed(
            values=resolved(record.values, self.space) if has_labels else record.values,
            best_so_far=() if over_runs is None else _as_kept(record, over_runs.own),
            is_outside=is_outside,
        )
        space = self.space if has_labels else None
        known = self._derived[number] = _Derived(record, space, self.objective, is_outside, bests, over_runs, trial)
        return known

    def _bests_of(self, record: Trial, known: BestSoFar | None) -> BestSoFar | None:
        """The best scores after each epoch of a trial's first run."""
        if self.objective is None or self.objective.direction is None or not record.curves:
            return None
        if known is None or known.objective is not self.objective:
            known = BestSoFar(self.objective)
        return known.of(record.curves[0])

    @property
    def best(self) -> Trial:
        """The trial with the best score; NoResultError where none has one."""
        for best in self._ranked(1):
            return best
        states = ["outside the space" if trial.is_outside else trial.state.value for trial in self.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no trials"
        failure = next((trial.error for trial in self.trials if trial.error), None)
        raise NoResultError(
            f"No trial of the study in {self.directory} has a score ({counts})."
            + (f" The first error was {failure.summary}" if failure else "")
        )

    @property
    def best_trial(self) -> Trial:
        """The trial with the best score, under Optuna's name for `best`."""
        return self.best

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's values as a dict, under Optuna's name; NoResultError where no trial has a score."""
        return dict(self.best.values)

    @property
    def best_value(self) -> float:
        """The best trial's score, under Optuna's name; NoResultError where no trial has one."""
        score = self.best.score
        assert score is not None
        return score

    def leaderboard(self, n: int | None = None) -> Leaderboard:
        """The best `n` trials (all by default), best first; printed, it is a table."""
        return Leaderboard(self._ranked(n), self.objective)

    def lineage(self, number: int) -> tuple[Trial, ...]:
        """The trials whose weights a trial's are built upon, the first ancestor first and the trial itself last."""
        line = [self.trial(number)]
        while (parent := line[0].parent) is not None and parent in self.records:
            line.insert(0, self.trial(parent))
        return tuple(line)

    def schedule(self, number: int) -> tuple[tuple[int, Mapping[str, Any]], ...]:
        """The stages of a trial's training, each with its first epoch and its values; a population's have several."""
        stages: list[tuple[int, Mapping[str, Any]]] = []
        for trial in self.lineage(number):
            if not stages or stages[-1][1] != trial.values:
                stages.append((trial.first_epoch, trial.values))
        return tuple(stages)

    @property
    def in_space(self) -> Sequence[Trial]:
        """The trials that lie in the space, each made when it is looked at."""
        return Trials(self.tally.inside, self.trial, self._basis, self.tally.holders)

    def to_minimise(self) -> Sequence[Trial]:
        """All trials with their scores turned so that less is better, as a strategy that pauses trials is given them.

        Each is made when it is looked at.
        """
        return Trials(self.records, self._minimised, self._basis)

    def in_space_to_minimise(self) -> Sequence[Trial]:
        """The trials that lie in the space, as other strategies are given them: less is better in all scores."""
        return Trials(self.tally.inside, self._minimised, self._basis, self.tally.holders)

    @property
    def _basis(self) -> tuple[object, ...]:
        return self.space, self.objective, self.differing, self.outranged

    def _minimised(self, number: int) -> Trial:
        derived = self._derived_from(number)
        if derived.minimised is None:
            trial = derived.trial
            derived.minimised = trial.changed(
                score=None if trial.score is None else self._sign * trial.score,
                scores=tuple(self._sign * score for score in trial.scores),
                best_so_far=() if derived.over_runs is None else _as_kept(trial, derived.over_runs.minimised),
            )
        return derived.minimised

    @property
    def epochs_spent(self) -> int:
        """How many epochs were trained in all, those of confirmations included."""
        return self.tally.epochs_spent

    @property
    def seconds_spent(self) -> float:
        """How many seconds the trials and their confirmations took; several workers' seconds add up."""
        return round(sum(trial.seconds_spent for trial in self.records.values()), 3)

    @property
    def epochs_saved(self) -> int:
        """How many epochs were not trained because trials ended early."""
        return self.tally.epochs_saved

    def to_dataframe(self) -> pandas.DataFrame:
        """A table with a row for each trial, which needs pandas.

        Its columns are number, state and score; the parameters; every metric at the best epoch (of the best run); what
        build_fn returned besides, such as the batch size; then the score of each fold ("fold_0", …) where there are
        any, spread, confirmations, epochs and seconds (those spent count confirmations), times, and why the training
        ended. NaN or None stand for inactive parameters and whatever a trial doesn't have. A name that is another
        column's too is "values.<name>" for a parameter, "metrics.<name>" for a metric, and "returned.<name>" for what
        was returned.

        Raises:
            ImportError: pandas isn't installed.
        """
        return _dataframe(trials_table(self), method="to_dataframe")

    def curves(self) -> pandas.DataFrame:
        """The learning curves as a long table, which needs pandas: trial, run, epoch (from 0), metric and value.

        Of a trial that took over another one's weights it has the epochs that the trial trained itself.

        Raises:
            ImportError: pandas isn't installed.
        """
        return _dataframe(curves_table(self), method="curves")

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

    def to_optuna(self, storage: Any = None, study_name: str | None = None) -> optuna.Study:
        """The study as a new one of Optuna's, for its figures, importances and dashboard.

        Stopped trials are its pruned ones, and the objective after each epoch is its intermediate values.

        Args:
            storage: As in `optuna.create_study`; None keeps it in memory.
            study_name: As there; by default the name of the study's directory.

        Raises:
            ImportError: optuna isn't installed.
            StudyError: No trial has told the objective's direction yet.
        """
        from kerastune_lite.compat.optuna.exported import to_optuna

        return to_optuna(self, storage, study_name)

    @classmethod
    def from_optuna(cls, study: optuna.Study, directory: str | Path, objective: str | None = None) -> Study:
        """Writes a study of Optuna's into a directory, and gives it back as one of this library's.

        A search with that directory learns from its trials.

        Args:
            study: The study.
            directory: Where it is to be kept; it may not hold a study yet.
            objective: The objective's name, which Optuna doesn't know; by default the name of the study's metric where
                it has one, else "value". A search that goes on has to have the same.

        Raises:
            ImportError: optuna isn't installed.
            ObjectiveError: The study has several objectives.
            SpaceError: A name has distributions that can't be one parameter.
            StudyError: The directory holds a study already.
        """
        from kerastune_lite.compat.optuna.brought import from_optuna

        return from_optuna(study, expanded(directory), objective)

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

    def _ranked(self, n: int | None = None) -> list[Trial]:
        """The best `n` trials, or all, best first."""
        return [
            self.trial(number) for *_, number in itertools.islice(self.tally.ranked, None if n is None else max(n, 0))
        ]


@contextmanager
def _without_collections() -> Iterator[None]:
    """Puts off garbage collections, which would look again and again at what a journal's lines are made into."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _dataframe(table: Table, method: str) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"study.{method}() needs pandas: pip install 'kerastune_lite[pandas]'. "
            "Without it, study.trials holds the same records."
        ) from error
    return pandas.DataFrame(table.rows, columns=list(table.columns))


def _frozen(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts, "outranged": frozenset(facts["outranged"])}


def _over_runs(record: Trial, bests: BestSoFar | None) -> BestSoFar | None:
    """The best scores of a trial's first run; where a strategy pauses all of its runs, the mean over them."""
    curves = record.scored_curves if record.state.ended else record.curves
    if bests is None or record.plan.epochs is None or len(curves) == 1:
        return bests
    return bests.averaged([BestSoFar(bests.objective).of(curve) for curve in curves[1:]])


def _as_kept(record: Trial, scores: Series[float]) -> Sequence[float]:
    """The scores as a tuple, once no further one is to come."""
    return scores if record.state is TrialState.RUNNING else tuple(scores)
