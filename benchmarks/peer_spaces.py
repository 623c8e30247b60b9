"""A space in the words of the peers, for the benchmarks that search one space by several tuners."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from kerastune_lite.space import Choice, Int, Parameter


def suggested_by_optuna(trial: Any, space: Iterable[Parameter]) -> dict[str, Any]:
    """The setting that an Optuna trial suggests."""
    values: dict[str, Any] = {}
    for p in space:
        if not all(condition.holds(values) for condition in p.conditions):
            continue
        if isinstance(p, Choice) or p.step is not None:
            values[p.name] = trial.suggest_categorical(p.name, list(p.grid(2)))
        elif isinstance(p, Int):
            values[p.name] = trial.suggest_int(p.name, p.low, p.high, log=p.log)
        else:
            values[p.name] = trial.suggest_float(p.name, p.low, p.high, log=p.log)
    return values


def declared_to_keras_tuner(space: Iterable[Parameter]) -> Any:
    """KerasTuner's hyperparameters of a space."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    for p in space:
        with contextlib.ExitStack() as scopes:
            for c in p.conditions:
                scopes.enter_context(hp.conditional_scope(c.parent, list(c.values)))
            if isinstance(p, Choice) or p.step is not None:
                hp.Choice(p.name, list(p.grid(2)))
            else:
                kind = hp.Int if isinstance(p, Int) else hp.Float
                kind(p.name, p.low, p.high, sampling="log" if p.log else "linear")
    return hp
