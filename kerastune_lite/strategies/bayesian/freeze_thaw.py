"""Freeze-thaw search: after every few epochs the paused trial goes on, or the new one begins, that promises most.

No trial is decided upon early: all of them pause after a few epochs, and each may go on at any later time. What may be
trained next are the arms: the paused trials, and new settings. A Gaussian process of learning curves
(curve_process.py) tells what to expect of an arm after more epochs. Its worth is the expected improvement per epoch, at
the number of epochs at which that is highest; it is then trained to its next step only, and everything is weighed
again.

Source: Swersky, Snoek & Adams 2014, arXiv:1406.3896, "Freeze-Thaw Bayesian Optimization"; they weigh by entropy, with a
fixed number of arms. An expected improvement per epoch, at the best of several horizons, needs no such number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.special import ndtr

from kerastune_lite.space import Space, Value
from kerastune_lite.strategies.bayesian.acquisition import log_expected_improvement
from kerastune_lite.strategies.bayesian.arrays import Flags, Floats, Integers
from kerastune_lite.strategies.bayesian.columns import features, perturbed
from kerastune_lite.strategies.bayesian.curve_process import CurvePoints, CurvePosterior, fit_map, posterior, predict
from kerastune_lite.strategies.bayesian.maximise import features_of, is_enumerable, random_candidates, unknown
from kerastune_lite.strategies.bayesian.output_warp import logarithmic
from kerastune_lite.strategies.bayesian.rows import Table, rows_of, setting_of, table_of
from kerastune_lite.strategies.bayesian.strategy import even_rows, known_keys
from kerastune_lite.strategies.bayesian.surrogate import best_and_spread
from kerastune_lite.strategies.bayesian.trial_curves import observed_points, running_points, tau_of
from kerastune_lite.strategies.choice_tree import ChoiceTree, TreeMemory
from kerastune_lite.strategies.random_search import tree_memory, untried
from kerastune_lite.strategies.strategy import Answer, GoOn, Pause, Suggestion
from kerastune_lite.study.trial import Trial, inside

STEP_RATIO = 1.5
"""A trial's next pause comes after so many times the epochs that it has trained."""
FIT_POINTS, MODEL_POINTS = 100, 1000
"""The largest number of points that hyperparameters are fitted to, and that a posterior holds."""
RANDOM, PERTURBED, SHORTLIST = 250, 250, 60
"""How many new settings are drawn uniformly, and near the best rows, and how many of them become arms."""
BASES = 5
"""How many rows, those of the lowest expected ends, settings are drawn near to."""
LEAST_CHANCE = 0.01
"""Where no new setting may begin, the search is over once no paused trial is more likely to improve on the best."""


def pause_steps(max_epochs: int) -> tuple[int, ...]:
    """The epochs at which a trial pauses, the last one at the end: 1, 2, 3, 5, 8, 12, 18 and 27 of 27."""
    steps = [1]
    while steps[-1] < max_epochs:
        steps.append(min(max(steps[-1] + 1, int(STEP_RATIO * steps[-1] + 0.5)), max_epochs))
    # A last step that is much shorter than the one before isn't worth a pause.
    if len(steps) > 2 and 2 * (steps[-1] - steps[-2]) < steps[-2] - steps[-3]:
        del steps[-2]
    return tuple(steps)


@dataclass(frozen=True, eq=False)
class Arms:
    """What may be trained next: paused trials, then new settings.

    Attributes:
        features: (a, f) the features of their settings.
        training: (a,) the paused trials' places in the table; -1 for a new setting.
        reached: (a,) how many epochs of their curves are known.
        kept: (a,) how many epochs they needn't train again: fewer than `reached` where the training state wasn't kept.
    """

    features: Floats
    training: Integers
    reached: Integers
    kept: Integers

    def __len__(self) -> int:
        return len(self.training)


@dataclass(frozen=True)
class FreezeThawStrategy:
    """Trains the paused trial further, or begins the new one, whose curve promises the most improvement per epoch.

    The first settings are spread evenly over the space, and `design` of them train their first step before the model
    decides anything. Asked any sooner it would follow what is good after one epoch; so until `spread` settings have
    begun it decides when one begins, but not which. A discrete space is searched without repeats.

    Where no new setting may begin, since all were tried or there are `max_trials`, the search is over once no paused
    trial is likely to improve on the best.

    Attributes:
        max_epochs: How many epochs a whole training has.
        seed: The seed of the evenly spread settings; pass the study's.
        design: How many settings train their first step before the model is used.
        spread: How many settings, the design among them, are spread evenly.
        factor: At least one trial in `factor` is trained past max_epochs / factor² epochs, and one in `factor` of these
            past max_epochs / factor, so that the model knows what becomes of slow beginners.
        max_trials: How many settings are tried at most; None for any number.
        keep_paused: The training states of how many paused trials are kept at most. Each step has an equal share, for
            those that were best after as many epochs among all trials that got there. Since most of the best go on,
            far fewer are really kept. A trial that isn't among them doesn't come back, for more trials
            can only push it further down; if it is trained further, it begins again.
    """

    pauses_anywhere: ClassVar[bool] = True

    max_epochs: int
    seed: int = 0
    design: int = 8
    spread: int = 16
    factor: int = 3
    max_trials: int | None = None
    keep_paused: int = 200
    _memory: TreeMemory = field(default_factory=tree_memory, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_epochs < 2 or self.design < 1 or self.factor < 2:
            raise ValueError(
                "Freeze-thaw search needs max_epochs of at least 2, a design of at least 1 and a factor of at least 2. "
                f"Received: max_epochs={self.max_epochs!r}, design={self.design!r}, factor={self.factor!r}."
            )
        pauses = len(self._steps) - 1
        if self.keep_paused < pauses:
            raise ValueError(
                f"A trial of {self.max_epochs} epochs pauses at {pauses} steps, and a paused trial has to be kept for "
                f"each of them: keep_paused has to be at least {pauses}. Received: {self.keep_paused!r}."
            )

    @property
    def ending(self) -> str:
        """Why the search has ended; shown to the user."""
        return "no paused trial is likely to improve on the best, and no new setting may begin"

    @property
    def plan(self) -> Mapping[str, int]:
        """The number that decides when trials pause."""
        return {"max_epochs": self.max_epochs}

    def has_place_for(self, trial: Trial) -> bool:
        """Whether a trial is to train max_epochs, and pauses at a step."""
        return trial.plan.epochs == self.max_epochs and trial.plan.pause_at in {*self._steps[:-1], None}

    def goes_on_from(self, trials: Sequence[Trial]) -> bool:
        """True: no trial depends on another one."""
        return True

    def resumable(self, trials: Sequence[Trial]) -> set[int]:
        """The numbers of the paused trials whose training state is kept: at each step those that were best there."""
        trials = inside(trials)
        share = self.keep_paused // (len(self._steps) - 1)
        numbers: set[int] = set()
        for step, after in itertools.pairwise(self._steps):
            ranked = sorted((t.best_so_far[step - 1], t.number) for t in trials if len(t.best_so_far) >= step)
            best = {number for _, number in ranked[:share]}
            here = (t for t in trials if t.is_paused and step <= len(t.best_so_far) < after)
            numbers |= {trial.number for trial in here if trial.number in best}
        return numbers

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The paused trial to train further, the new setting to begin, or the reason why there is nothing to do now."""
        question = self._question(space, inside(trials), rng)
        answer = None
        if len(question.trials) >= self.design or not question.may_begin:
            answer = self._by_model(question)
        return self._without_model(question) if answer is None else answer

    def _question(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> _Question:
        table = table_of(space, trials)
        running = any(not trial.state.ended for trial in trials)
        # Until a trial has ended, it is unknown whether build_fn asks for more than the known parameters. Those are
        # taken for all that there are, and running trials aren't in the tree.
        is_first_round = running and not table.tried and table.columns.count > 0
        tree = self._memory.tree(space, () if is_first_round else trials)
        return _Question(
            space=space,
            trials=trials,
            table=table,
            tree=tree,
            may_begin=not tree.is_exhausted and (self.max_trials is None or len(trials) < self.max_trials),
            is_first_round=is_first_round,
            pause=Pause.WAIT if running else Pause.DONE,
            resumable=self.resumable(trials),
            rng=rng,
        )

    def _without_model(self, question: _Question) -> Answer:
        """The next evenly spread setting, or a random one; where none may begin, the best paused trial goes on."""
        table = question.table
        if not question.may_begin:
            paused = [trial for trial in question.trials if trial.is_paused]
            best = min(paused, key=lambda trial: (trial.best_so_far[-1], trial.number), default=None)
            return question.pause if best is None else self._further(best, question)
        rows = self._even_row(question)
        if table.columns.count:
            rows = np.concatenate([rows, random_candidates(table.columns, question.rng)])
        for row in rows:
            if len(question.untried_rows(row[None])):
                return self._beginning(question.setting_of(row))
        if question.is_first_round:
            return Pause.WAIT
        return self._beginning(untried(question.space, question.tree, question.rng))

    def _by_model(self, question: _Question) -> Answer | None:
        """What the model decides; None while there is none."""
        table = question.table
        points, scores = observed_points(table, self._steps, self.max_epochs)
        t = logarithmic(scores) if table.columns.count else None
        if t is None:
            return None
        model, best = self._model(table, points, t), float(t.min())
        new = self._new_rows(question, model, best)
        arms = self._arms(question, new)
        worth, chance = self._worth(model, arms, best)
        may_go = self._may_go(arms, question.trials)
        if not may_go.any() or (not len(new) and chance[may_go].max() < LEAST_CHANCE):
            return question.pause
        chosen = int(np.argmax(np.where(may_go, worth, -np.inf)))
        place = int(arms.training[chosen])
        if place >= 0:
            return self._further(table.tried[place], question)
        even = question.untried_rows(self._even_row(question))
        row = even[0] if len(even) else new[chosen - (len(arms) - len(new))]
        return self._beginning(question.setting_of(row))

    def _model(self, table: Table, points: CurvePoints, t: Floats) -> CurvePosterior:
        """The process given outputs t, (n,), at points; what runs now is believed to turn out as predicted."""
        columns = table.columns
        few = best_and_spread(t, FIT_POINTS)
        p = fit_map(points.taken(few), t[few], columns.group, columns.count)
        kept = best_and_spread(t, MODEL_POINTS)
        points, t = points.taken(kept), t[kept]
        model = posterior(p, columns.group, points, t)
        ahead = running_points(table, self._steps[0], self.max_epochs)
        if not len(ahead):
            return model
        believed, _ = predict(model, ahead)
        return posterior(p, columns.group, points.with_others(ahead), np.concatenate([t, believed]))

    def _new_rows(self, question: _Question, model: CurvePosterior, best: float) -> Floats:
        """Rows of new settings, (k, d), from whose whole training most is expected; at least one if any may begin."""
        table, columns, rng = question.table, question.table.columns, question.rng
        if not question.may_begin:
            return np.empty((0, columns.count))
        z = random_candidates(columns, rng)
        if not is_enumerable(columns):
            ends, _ = predict(model, _ends(features(columns, table.z, table.on), np.arange(len(table.z))))
            base = table.z[np.argsort(ends, kind="stable")[:BASES]]
            z = np.concatenate([z[:RANDOM], perturbed(columns, base, PERTURBED, rng)])
        z = unknown(columns, z, known_keys(table))
        if len(z) > SHORTLIST:
            mean, deviation = predict(model, _ends(features_of(columns, z), np.full(len(z), -1)))
            worth, _, _ = log_expected_improvement(mean, deviation, best)
            z = z[np.argsort(-worth, kind="stable")[:SHORTLIST]]
        left = question.untried_rows(z)
        return left if len(left) else rows_of(table, [untried(question.space, question.tree, rng)])[0]

    def _arms(self, question: _Question, new: Floats) -> Arms:
        """The paused trials of the table, and new rows (k, d)."""
        table = question.table
        paused = [place for place, trial in enumerate(table.tried) if trial.is_paused]
        reached = np.array([len(table.tried[place].best_so_far) for place in paused], dtype=np.intp)
        is_kept = np.array([table.tried[place].number in question.resumable for place in paused], dtype=np.bool_)
        nothing = np.zeros(len(new), dtype=np.intp)
        places = np.array(paused, dtype=np.intp)
        x = features(table.columns, table.z, table.on)[places]
        return Arms(
            features=np.concatenate([x, features_of(table.columns, new)]),
            training=np.concatenate([places, nothing - 1]),
            reached=np.concatenate([reached, nothing]),
            kept=np.concatenate([np.where(is_kept, reached, 0), nothing]),
        )

    def _worth(self, model: CurvePosterior, arms: Arms, best: float) -> tuple[Floats, Floats]:
        """For each arm, (a,) each: the log of its worth, and the highest probability that it improves on the best."""
        steps = np.array(self._steps)
        arm, step = np.nonzero(steps > arms.reached[:, None])
        epochs = steps[step]
        points = CurvePoints(arms.features[arm], tau_of(epochs, self.max_epochs), arms.training[arm])
        mean, deviation = predict(model, points)
        worth, chance = np.full((2, len(arms), len(steps)), -np.inf)
        worth[arm, step] = log_expected_improvement(mean, deviation, best)[0] - np.log(epochs - arms.kept[arm])
        chance[arm, step] = ndtr((best - mean) / deviation)
        return worth.max(axis=1), chance.max(axis=1)

    def _may_go(self, arms: Arms, trials: Sequence[Trial]) -> Flags:
        """Which arms may be chosen, (a,).

        Only paused trials below a rung may be, while fewer than one trial in `factor` of those that have reached the
        rung before have got past it.
        """
        until = [
            len(trial.best_so_far) if trial.state.ended else (trial.plan.pause_at or self.max_epochs)
            for trial in trials
        ]
        below = 1
        for rung in (math.ceil(self.max_epochs / self.factor**2), math.ceil(self.max_epochs / self.factor)):
            entered, passed = sum(u >= below for u in until), sum(u >= rung for u in until)
            here = (arms.training >= 0) & (arms.reached >= below) & (arms.reached < rung)
            if entered >= self.factor * (passed + 1) and here.any():
                return np.asarray(here)
            below = rung
        return np.ones(len(arms), dtype=np.bool_)

    @property
    def _steps(self) -> tuple[int, ...]:
        return pause_steps(self.max_epochs)

    def _even_row(self, question: _Question) -> Floats:
        """The row, (1, d), that the next new trial has in the even spread; (0, d) where it has none."""
        columns, number, count = question.table.columns, len(question.trials), max(self.spread, self.design)
        if not columns.count or number >= count:
            return np.empty((0, columns.count))
        return even_rows(columns, count, self.seed)[number : number + 1]

    def _pause_after(self, epochs: int) -> int | None:
        """The step after that many epochs; None where that is the end."""
        return next((step for step in self._steps[:-1] if step > epochs), None)

    def _beginning(self, values: Mapping[str, Value]) -> Suggestion:
        return Suggestion(values, epochs=self.max_epochs, pause_at=self._pause_after(0))

    def _further(self, trial: Trial, question: _Question) -> GoOn:
        pause_at = self._pause_after(len(trial.best_so_far))
        return GoOn(trial.number, pause_at, begins_again=trial.number not in question.resumable)


@dataclass(frozen=True, eq=False)
class _Question:
    """What an answer is made from.

    Attributes:
        space: The space.
        trials: The trials in it.
        table: Both as arrays.
        tree: The settings that were tried.
        may_begin: Whether a new setting may begin.
        is_first_round: Whether no trial has shown yet what build_fn asks for.
        pause: The answer where nothing may be trained.
        resumable: The paused trials whose training state is kept.
        rng: The generator for the answer.
    """

    space: Space
    trials: Sequence[Trial]
    table: Table
    tree: ChoiceTree
    may_begin: bool
    is_first_round: bool
    pause: Pause
    resumable: set[int]
    rng: np.random.Generator

    def untried_rows(self, z: Floats) -> Floats:
        """Those of rows, (n, d), whose settings no trial has or had, without repeats."""
        rows = unknown(self.table.columns, z, known_keys(self.table))
        left = [not self.tree.holds(setting_of(self.table, row)) for row in rows]
        return rows[np.array(left, dtype=np.bool_)]

    def setting_of(self, row: Floats) -> dict[str, Value]:
        """The setting of an untried row, with the values that build_fn will ask for as far as that is known."""
        return self.tree.asked(setting_of(self.table, row))


def _ends(x: Floats, training: Integers) -> CurvePoints:
    """The last points, (n,), of trainings with features (n, f)."""
    return CurvePoints(x, np.ones(len(x)), training)
