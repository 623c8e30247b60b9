"""What a search is done with, as the journal keeps it, and how it differs from what the search before was done with."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from kerastune_lite._version import __version__
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Presets, label_of, plain
from kerastune_lite.space.values import is_scalar
from kerastune_lite.strategies.strategy import PlannedStrategy

NONE = "none"
LONGEST_TEXT = 80
"""Characters of an argument that only a text can describe."""


def description_of(tuner: str, plan: SearchPlan) -> dict[str, Any]:
    """What a search is done with, in what JSON can hold.

    Args:
        tuner: The name of the tuner's class.
        plan: What the search was asked to do, with the strategy itself.
    """
    from kerastune_lite.training.callback_copies import names_of
    from kerastune_lite.training.data_summary import keras_versions, summary_of

    strategy, shared = plan.strategy, plan.shared
    planned = strategy.plan if isinstance(strategy, PlannedStrategy) else {}
    arguments, folds = dict(shared.data.fit_arguments), shared.data.folds
    for name in ("verbose", "callbacks"):
        arguments.pop(name, None)
    return {
        "strategy": {"tuner": tuner, **_object(strategy), **planned},
        **({"stopping": _object(plan.stopping)} if plan.stopping is not None else {}),
        "training": {"executions_per_trial": plan.runs, **{name: _as_json(value) for name, value in arguments.items()}},
        "callbacks": [name[:LONGEST_TEXT] for name in names_of(shared.callbacks)],
        **_of_presets(shared.presets),
        **({"cv": {"splitter": folds.name, "folds": len(folds)}} if folds is not None else {}),
        "data": summary_of(shared.data),
        "versions": {"kerastune_lite": __version__, "python": platform.python_version(), **keras_versions()},
    }


def _of_presets(presets: Presets) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if presets.fixed:
        described["fixed"] = {name: _as_json(value) for name, value in presets.fixed.items()}
    if len(presets.ranges):
        described["space"] = [str(parameter)[:LONGEST_TEXT] for parameter in presets.ranges]
    if presets.others != "tune":
        described["others"] = presets.others
    return described


def arguments_in(description: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of `fit` that a description holds whole: numbers and texts, and the weights of classes."""
    training = dict((description or {}).get("training", {}))
    for name in ("executions_per_trial", "epochs"):
        training.pop(name, None)
    arguments = {name: value for name, value in training.items() if is_scalar(value)}
    if isinstance(training.get("class_weight"), Mapping):
        # JSON's keys are texts.
        arguments["class_weight"] = {int(key): weight for key, weight in training["class_weight"].items()}
    return arguments


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two descriptions as far as it changes what a score means, a few words each.

    Another strategy isn't among them: it chooses settings, and doesn't change their scores.
    """
    return [
        *_of_values(before.get("training", {}), now.get("training", {})),
        *_of_values(_splitter_in(before), _splitter_in(now)),
        *_of_data(before.get("data", {}), now.get("data", {})),
        *_of_values(*_versions_of_both(before.get("versions", {}), now.get("versions", {}))),
    ]


def _splitter_in(description: Mapping[str, Any]) -> dict[str, Any]:
    cv = description.get("cv")
    return {"cv": cv.get("splitter")} if isinstance(cv, Mapping) else {}


def remark_on(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """The one line that tells a person how a search differs from the one before it; none where it doesn't."""
    differing = [] if before is None else differences(before, now)
    return [f"since the last search of this study: {'; '.join(differing)}: scores may not compare"] if differing else []


def _versions_of_both(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The versions that scores may depend on, as far as both descriptions have them: earlier journals have fewer."""
    names = [name for name in now if name in before and name != "python"]
    return {name: before[name] for name in names}, {name: now[name] for name in names}


def _object(described: Any) -> dict[str, Any]:
    """The class of a strategy or of a stopping rule, and its settings as far as it shows them: those of dataclasses."""
    fields = dataclasses.fields(described) if dataclasses.is_dataclass(described) else ()
    settings = {field.name: _as_json(getattr(described, field.name)) for field in fields if field.init and field.repr}
    return {"class": type(described).__name__, "settings": settings}


def _of_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*now, *before]):
        old, new = before.get(name), now.get(name)
        if old != new:
            yield f"{name} {_text(new)}, before {_text(old)}"


def _of_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*now, *before]):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            yield f"{name} is new" if old is None else f"there is no {name} any more"
            continue
        told = list(_of_array(name, old, new))
        if not told and old.get("checksum") != new.get("checksum"):
            told = [f"{name} holds other values"]
        yield from told


def _of_array(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for what, words in _WORDS.items():
        if old.get(what) != new.get(what):
            yield f"{name} has {words.format(_text(new.get(what)), _text(old.get(what)))}"


_WORDS = {
    "samples": "{} samples, before {}",
    "shape": "samples of shape {}, before {}",
    "type": "the type {}, before {}",
    "elements": "elements {}, before {}",
    "length": "the length {}, before {}",
}


def _text(value: Any) -> str:
    return NONE if value is None else f"({', '.join(map(str, value))})" if isinstance(value, list) else str(value)


def _as_json(value: Any) -> Any:
    value = plain(value)
    if is_scalar(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    return label_of(os.fspath(value) if isinstance(value, os.PathLike) else value)[:LONGEST_TEXT]
