"""What a search has to know of all trials of a study at every step, brought up to date trial by trial.

Everything here could be counted from the trials; `Tally.of` does so. `Tally.after` gives the same for a study of which
some trials have changed, and looks at these only: the last of 10,000 trials costs no more than the first.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kerastune_lite.study.sorted_map import SortedMap
from kerastune_lite.study.trial import Rank, Trial, TrialState, rank_of


@dataclass(frozen=True)
class Counted:
    """A trial's record, and whether its setting lies outside the space, so that it doesn't count."""

    record: Trial
    is_outside: bool


@dataclass(frozen=True)
class Tally:
    """The trials of a study, sorted by what a search asks of them.

    Attributes:
        sign: The factor that turns scores so that less is better; 0 where that isn't known, and no trial is ranked.
        inside: The records of the trials in the space, by their numbers.
        ranked: The ranks of the trials in the space that have a score, so that the best is first.
        counted: The numbers of the trials in the space whose settings the user's code didn't give up.
        accepted: The numbers of the trials that have ended, outside the space too, whose settings it didn't give up.
        rejected: The numbers of those whose settings it gave up.
        unfinished: The numbers of the trials that haven't ended, outside the space too.
        running: How many of these run, as far as is known.
        paused: How many trials have paused.
        holders: How many trials in the space have each parameter.
        epochs_spent: How many epochs were trained in all.
        epochs_saved: How many weren't because trials ended early.
    """

    sign: int
    inside: SortedMap[int, Trial] = field(default_factory=SortedMap)
    ranked: SortedMap[Rank, None] = field(default_factory=SortedMap)
    counted: SortedMap[int, None] = field(default_factory=SortedMap)
    accepted: SortedMap[int, None] = field(default_factory=SortedMap)
    rejected: SortedMap[int, None] = field(default_factory=SortedMap)
    unfinished: frozenset[int] = frozenset()
    running: int = 0
    paused: int = 0
    holders: Mapping[str, int] = field(default_factory=dict)
    epochs_spent: int = 0
    epochs_saved: int = 0

    @classmethod
    def of(cls, trials: Iterable[Counted], sign: int) -> Tally:
        """The tally of all trials of a study."""
        trials = list(trials)
        inside = [each.record for each in trials if not each.is_outside]
        sorted_by: dict[str, Any] = {
            name: SortedMap((key, None) for each in trials if (key := key_of(each, sign)) is not None)
            for name, key_of in _KEYS.items()
        }
        records = [each.record for each in trials]
        numbers: dict[str, Any] = {name: sum(map(number_of, records)) for name, number_of in _NUMBERS.items()}
        return cls(
            sign=sign,
            inside=SortedMap((record.number, record) for record in inside),
            unfinished=frozenset(record.number for record in records if not record.state.ended),
            holders=Counter(name for record in inside for name in record.values),
            **sorted_by,
            **numbers,
        )

    def after(self, changes: Iterable[tuple[Counted | None, Counted]]) -> Tally:
        """The tally once trials have changed: each as it was, None where there was none, and as it is now."""
        changed = self
        for before, now in changes:
            changed = changed._after_one(before, now)
        return changed

    def _after_one(self, before: Counted | None, now: Counted) -> Tally:
        number = now.record.number
        changes: dict[str, Any] = {}
        for name, key_of in _KEYS.items():
            old, new = None if before is None else key_of(before, self.sign), key_of(now, self.sign)
            if old != new:
                changes[name] = _moved(getattr(self, name), old, new)
        for name, number_of in _NUMBERS.items():
            grown = number_of(now.record) - (0 if before is None else number_of(before.record))
            if grown:
                changes[name] = getattr(self, name) + grown
        if now.record.state.ended == (number in self.unfinished):
            changes["unfinished"] = self.unfinished ^ {number}
        inside = self.inside.without(number) if now.is_outside else self.inside.with_item(number, now.record)
        return dataclasses.replace(self, inside=inside, holders=self._holders_after(before, now), **changes)

    def _holders_after(self, before: Counted | None, now: Counted) -> Mapping[str, int]:
        old = () if before is None or before.is_outside else before.record.values
        new = () if now.is_outside else now.record.values
        if old is new or list(old) == list(new):
            return self.holders
        holders = dict(self.holders)
        for names, change in ((old, -1), (new, 1)):
            for name in names:
                holders[name] = holders.get(name, 0) + change
        return {name: count for name, count in holders.items() if count}

    def rejected_in_a_row(self, since: int) -> int:
        """How many of the latest ended trials, from a number on, had settings that the user's code gave up."""
        accepted = self.accepted.last()
        first = since if accepted is None else max(accepted + 1, since)
        return len(self.rejected) - self.rejected.position_of(first)

    def ask_for_the_same(self, leaving_out: Iterable[Trial]) -> bool:
        """Whether there are trials in the space besides some of them, and all of those have the same parameters."""
        left_out = [trial for trial in leaving_out if trial.number in self.inside]
        missing = Counter(name for trial in left_out for name in trial.values)
        count = len(self.inside) - len(left_out)
        return count > 0 and all(held - missing[name] in (0, count) for name, held in self.holders.items())


def _moved(keys: SortedMap[Any, None], before: Any, now: Any) -> SortedMap[Any, None]:
    keys = keys if before is None else keys.without(before)
    return keys if now is None else keys.with_item(now, None)


def _rank(each: Counted, sign: int) -> Rank | None:
    return rank_of(each.record, sign) if sign and not each.is_outside else None


def _counts(each: Counted, sign: int) -> int | None:
    return None if each.is_outside or each.record.is_rejected else each.record.number


def _accepted(each: Counted, sign: int) -> int | None:
    return each.record.number if each.record.state.ended and not each.record.is_rejected else None


def _rejected(each: Counted, sign: int) -> int | None:
    return each.record.number if each.record.state.ended and each.record.is_rejected else None


_KEYS: Mapping[str, Callable[[Counted, int], Any]] = {
    "ranked": _rank,
    "counted": _counts,
    "accepted": _accepted,
    "rejected": _rejected,
}
"""The place of a trial in each sorted attribute of a tally; None where it has none."""
_NUMBERS: Mapping[str, Callable[[Trial], int]] = {
    "running": lambda trial: int(trial.state is TrialState.RUNNING),
    "paused": lambda trial: int(trial.is_paused),
    "epochs_spent": lambda trial: trial.epochs_spent,
    "epochs_saved": lambda trial: trial.epochs_saved,
}
"""What a trial adds to each number of a tally."""
