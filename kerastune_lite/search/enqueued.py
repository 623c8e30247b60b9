"""The settings that a person wants tried before the strategy's own: the defaults, and what was enqueued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastune_lite.errors import MISTAKES_IN_THE_CALL
from kerastune_lite.space import UNSET, Value, same_value
from kerastune_lite.space.hyperparameters import HyperParameters
from kerastune_lite.strategies.random_search import tried_settings, untried
from kerastune_lite.study.writer import StudyWriter
from kerastune_lite.training.build import builder_of
from kerastune_lite.training.keras_internals import reset_layer_names


class Enqueued:
    """Hands out a person's settings one after the other, those that the study has tried left out.

    Args:
        settings: As they were enqueued; each may be partial.
        writer: The study.
    """

    def __init__(self, settings: Sequence[Mapping[str, Value]], writer: StudyWriter) -> None:
        self._queue = list(settings)
        self._writer = writer

    def check(self, build_fn: Any) -> None:
        """Builds every new setting once without training, to refuse what build_fn doesn't ask for or take.

        Raises:
            KeyError: build_fn doesn't ask for a name.
            KerastuneError: It refuses a value.
        """
        self._queue = [given for given in self._queue if self._is_new(given)]
        for given in self._queue:
            self._look_at(given, build_fn)

    def next(self, number: int, rng: np.random.Generator) -> tuple[dict[str, Value], str] | None:
        """The setting to try as a trial of this number, filled up where it is partial, and a note that says so."""
        space = self._writer.study.space
        defaults = {parameter.name: parameter.default for parameter in space if parameter.default is not UNSET}
        if number == 0 and defaults:
            return defaults, "defaults"
        while self._queue:
            given = self._queue.pop(0)
            if self._is_new(given):
                tree = tried_settings(space, self._writer.study.trials)
                return untried(space, tree, rng, given), "enqueued"
        return None

    def _is_new(self, given: Mapping[str, Value]) -> bool:
        return not any(
            all(name in trial.values and same_value(trial.values[name], value) for name, value in given.items())
            for trial in self._writer.study.trials
        )

    def _look_at(self, given: Mapping[str, Value], build_fn: Any) -> None:
        hp = HyperParameters(given, self._writer.study.space)
        reset_layer_names()
        try:
            builder_of(build_fn)(hp)
        except MISTAKES_IN_THE_CALL:
            raise
        except Exception:
            return  # the trial itself will fail, and its record tell why
        for name in given:
            if name not in hp.asked:
                known = ", ".join(parameter.name for parameter in hp.asked)
                raise KeyError(f"enqueue({dict(given)!r}): build_fn doesn't ask for {name!r}. It asks for: {known}.")
        self._writer.learn(hp.space)
