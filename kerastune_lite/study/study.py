"""A study: every trial of one search, folded from its journal.

Owns the meaning of events: `Study.after` is the one function from a study and an event to a study. Reading a study,
resuming it and showing it are all this fold; objects of this class can be thrown away at any moment and made again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastune_lite.errors import NoResultError, StudyError
from kerastune_lite.space import (
    Choice,
    OptionLabel,
    Space,
    from_json,
    parameter_from_json,
    to_json,
)
from kerastune_lite.study.journal import JOURNAL_NAME, Event, read_journal
from kerastune_lite.study.leaderboard import Leaderboard
from kerastune_lite.study.metric_directions import direction_of_name
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState, best_first

if TYPE_CHECKING:
    import pandas

    from kerastune_lite.strategies.bayesian.predictions import Prediction, Prospect


@dataclass(frozen=True)
class Study:
    """All trials of one search, with its objective and space.

    Attributes:
        directory: Where it is kept.
        objective: What it optimises; None until it is known.
        seed: What every random choice of the search is drawn from.
        space: The parameters known so far.
        records: Every trial by its number.
        damages: What was wrong with the journal, a sentence each.
    """

    directory: Path
    objective: Objective | None = None
    seed: int | None = None
    space: Space = field(default_factory=Space)
    records: Mapping[int, Trial] = field(default_factory=dict)
    damages: Sequence[str] = ()
    _worked_out: dict[tuple[str, int], tuple[tuple[Any, ...], Trial]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """The study of a directory as its journal has it now: finished, running or crashed.

        Raises:
            StudyError: There is no journal.
            JournalError: The journal can't be read, or a newer version of this library wrote it.
        """
        directory = Path(directory)
        path = directory / JOURNAL_NAME
        if not path.is_file():
            raise StudyError(f"There is no study in {directory}: it holds no {JOURNAL_NAME}. Check the path.")
        return cls.of_events(directory, read_journal(path))

    @classmethod
    def of_events(cls, directory: Path, reading: Any) -> Study:
        """The study that a journal's reading tells."""
        study = cls(directory)
        damages = list(reading.damages)
        for number, event in enumerate(reading.events, start=1):
            try:
                study = study.after(event)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                damages.append(f"event {number} ({event['event']}) makes no sense and was skipped: {error!r}")
        return dataclasses.replace(study, damages=tuple(damages))

    def after(self, event: Event) -> Study:
        """The study as it stands after one more event."""
        match event["event"]:
            case "study":
                name, direction = event["objective"], event.get("direction")
                objective = None if name is None else Objective(name, direction)
                return dataclasses.replace(self, objective=objective, seed=event["seed"])
            case "parameter":
                return dataclasses.replace(self, space=self.space.with_parameter(parameter_from_json(event)))
            case "begin":
                trial = _begun(event, self.records.get(event.get("resumed_from", -1)))
                return dataclasses.replace(self, records={**self.records, trial.number: trial})
            case "epoch" | "end":
                trial = self.records.get(event["trial"]) or Trial(number=event["trial"])
                trial = _after_epoch(trial, event) if event["event"] == "epoch" else _after_end(trial, event)
                objective = self.objective
                if event.get("direction") and (objective is None or objective.direction is None):
                    # An end says again what a damaged study line may have said.
                    objective = Objective(event["objective"], event["direction"])
                return dataclasses.replace(self, objective=objective, records={**self.records, trial.number: trial})
            case "note":
                if "trial" not in event or event["trial"] not in self.records:
                    return self
                trial = _noted(self.records[event["trial"]], event)
                return dataclasses.replace(self, records={**self.records, trial.number: trial})
        raise ValueError(f"unknown event {event['event']!r}; a newer kerastune_lite may have written it")

    def with_space(self, space: Space) -> Study:
        """The study with parameters as build_fn gave them: options are objects where the journal has labels."""
        return dataclasses.replace(self, space=space)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, in the order of their numbers."""
        return tuple(self.trial(number) for number in sorted(self.records))

    def trial(self, number: int) -> Trial:
        """The trial of a number; options that are objects stand for their labels where the space has them."""
        trial = self.records[number]
        if not any(isinstance(value, OptionLabel) for value in trial.values.values()):
            return trial
        return self._kept(
            "resolved",
            (trial, self.space),
            lambda: dataclasses.replace(trial, values=_resolved(trial.values, self.space)),
        )

    def _kept(self, kind: str, source: tuple[Any, ...], make: Callable[[], Trial]) -> Trial:
        """A trial that is worked out anew only where what it comes from is another object than before.

        The study after an event keeps it: a search asks for all of its trials again and again.
        """
        key = (kind, source[0].number)
        known = self._worked_out.get(key)
        if known is None or any(old is not new for old, new in zip(known[0], source, strict=True)):
            known = self._worked_out[key] = source, make()
        return known[1]

    @property
    def best(self) -> Trial:
        """The trial with the best score; NoResultError where none has one."""
        best = self._ranked()[:1]
        if best:
            return best[0]
        states = [trial.state.value for trial in self.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no trials"
        failure = next((trial.error for trial in self.trials if trial.error), None)
        raise NoResultError(
            f"No trial of the study in {self.directory} has a score ({counts})."
            + (f" The first error was {failure}" if failure else "")
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
        """The first epoch, from 0, and the values of each stage of a trial's training: one, but for a population's."""
        stages: list[tuple[int, Mapping[str, Any]]] = []
        for trial in self.lineage(number):
            if not stages or stages[-1][1] != trial.values:
                stages.append((trial.first_epoch, trial.values))
        return tuple(stages)

    def to_minimise(self) -> tuple[Trial, ...]:
        """Every trial, with scores turned so that less is better: what a strategy is asked with."""
        return tuple(
            self._kept("minimised", (trial, self.objective), partial(self._minimised, trial)) for trial in self.trials
        )

    def _minimised(self, trial: Trial) -> Trial:
        return dataclasses.replace(
            trial,
            score=None if trial.score is None else self._sign * trial.score,
            scores=tuple(self._sign * score for score in trial.scores),
            best_so_far=self._best_so_far(trial),
        )

    def _best_so_far(self, trial: Trial) -> tuple[float, ...]:
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
        """One row a trial: its number, values, state, score and times; values of inactive parameters are NaN.

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

    # What the Gaussian process knows. It is imported where it is asked: half a second that showing a study needn't pay.

    def predict(self, values: Mapping[str, Any]) -> Prediction | None:
        """What the model of the trials expects of a setting: mean and deviation in the objective's units.

        The deviation is the model's doubt about the mean, without the noise of a single trial. None while no two
        trials ended differently.
        """
        from kerastune_lite.strategies.bayesian.predictions import predict

        prediction = predict(self.space, self.to_minimise(), values)
        return None if prediction is None else self._in_own_units(prediction)

    def suggestions(self, n: int = 5) -> list[Prospect]:
        """What a Bayesian search would try next, and what it expects of each: mean, deviation, improvement."""
        from kerastune_lite.strategies.bayesian.predictions import suggestions
        from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy

        prospects = suggestions(self.space, self.to_minimise(), n, BayesianStrategy(seed=self.seed or 0))
        return [
            dataclasses.replace(prospect, prediction=prospect.prediction and self._in_own_units(prospect.prediction))
            for prospect in prospects
        ]

    @property
    def recommended(self) -> Trial:
        """The trial to trust: the best by its confirmations, or else the one of which the model expects most.

        Under noise the best score is partly luck; the model has seen the neighbours too. NoResultError where no trial
        has a score.
        """
        confirmed = self.confirmed()
        return confirmed[0] if confirmed else self.finalists(1)[0]

    def finalists(self, n: int = 5) -> Leaderboard:
        """The `n` scored trials of which the model expects most, and with `n` above 1 the best-scored one in any case.

        Raises:
            NoResultError: No trial has a score.
        """
        from kerastune_lite.strategies.bayesian.predictions import best_expected_first

        best = self.best
        ranked = [self.trial(trial.number) for trial in best_expected_first(self.space, self.to_minimise())]
        chosen = ranked[:n]
        if n > 1 and all(trial.number != best.number for trial in chosen):
            chosen[-1] = best
        return Leaderboard(chosen, self.objective)

    def confirmed(self) -> Leaderboard:
        """The trials that `tuner.confirm` trained again, the best mean of those scores first."""
        again = [trial for trial in self._ranked() if trial.confirmations]
        return Leaderboard(sorted(again, key=lambda trial: self._sign * (trial.confirmed or 0.0)), self.objective)

    @property
    def _sign(self) -> int:
        return self.objective.sign if self.objective and self.objective.direction else 1

    def _in_own_units(self, prediction: Prediction) -> Prediction:
        return dataclasses.replace(prediction, mean=self._sign * prediction.mean)

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
        return best_first(self.trials, direction) if direction else []


def values_to_json(values: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """A setting as the journal keeps it: plain values as they are, other options by index and label."""
    return {
        name: parameter.value_to_json(value) if (parameter := space.get(name)) else to_json(value)
        for name, value in values.items()
    }


def _values_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_json(value) for name, value in data.items()}


def _resolved(values: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The values with labels replaced by the options they stand for, where the space knows them."""
    resolved = dict(values)
    for name, value in values.items():
        parameter = space.get(name)
        if isinstance(value, OptionLabel) and isinstance(parameter, Choice) and value.place < parameter.size:
            resolved[name] = parameter.options[value.place]
    return resolved


def _begun(event: Event, source: Trial | None) -> Trial:
    """A trial that begins, or goes on with the curve of `source`."""
    resumed_at = event.get("resumed_at", 0)
    trial = Trial(
        number=event["trial"],
        values=_values_from_json(event["values"]),
        started=datetime.fromisoformat(event["time"]),
        attempts=event.get("attempt", 1),
        seed=event.get("seed"),
        notes=tuple(event.get("notes", ())),
        unseen=event.get("unseen", "random"),
        epochs=event.get("epochs"),
        asked_epochs=event.get("epochs"),
        pause_at=event.get("pause_at"),
        is_turn=event.get("is_turn", False),
        resumed_from=event.get("resumed_from"),
        resumed_at=resumed_at,
        curves=tuple(curve[:resumed_at] for curve in source.curves) if source else (),
    )
    if source is None or source.number != trial.number:
        return trial
    kept = ("started", "seconds", "score", "scores", "best_epoch", "best_run")
    return dataclasses.replace(trial, **{name: getattr(source, name) for name in kept})


def _noted(trial: Trial, event: Event) -> Trial:
    if "values" in event:
        trial = dataclasses.replace(trial, values=_values_from_json(event["values"]))
    if "epochs" in event:
        trial = dataclasses.replace(trial, epochs=event["epochs"])
    if "confirmed" in event:
        trial = dataclasses.replace(trial, confirmations=tuple(event["confirmed"]))
    return trial


def _after_epoch(trial: Trial, event: Event) -> Trial:
    run, epoch, logs = event.get("run", 0), event["epoch"], dict(event["logs"])
    curves = [list(curve) for curve in trial.curves]
    curves += [[] for _ in range(len(curves), run + 1)]
    # A damaged line leaves a hole, so that every epoch keeps its own place.
    curves[run] += [{} for _ in range(len(curves[run]), epoch + 1)]
    curves[run][epoch] = logs
    return dataclasses.replace(trial, curves=tuple(tuple(curve) for curve in curves))


def _after_end(trial: Trial, event: Event) -> Trial:
    error = event.get("error")
    started = event.get("started")
    return dataclasses.replace(
        trial,
        state=TrialState(event["state"]),
        values=_values_from_json(event["values"]),
        score=event.get("score"),
        best_epoch=event.get("best_epoch"),
        best_run=event.get("best_run", 0),
        scores=tuple(event.get("scores", ())),
        seconds=event.get("seconds"),
        started=datetime.fromisoformat(started) if started else trial.started,
        ended=datetime.fromisoformat(event["time"]),
        stop_reason=event.get("stop_reason"),
        error=TrialFailure(**error) if error else None,
        engine=event.get("engine"),
        attempts=event.get("attempts", trial.attempts),
        seed=event.get("seed", trial.seed),
        notes=tuple(event.get("notes", trial.notes)),
    )
