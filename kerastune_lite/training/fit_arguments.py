"""The arguments of one `fit`: those of the search, those that build_fn returned, and the epochs of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastune_lite.errors import BuildError, DataError
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import plain
from kerastune_lite.space.values import as_json_would, is_data
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.build import Built
from kerastune_lite.training.data import check_names, check_objective

LONGEST_VALUE = 500
"""Characters of a list or dict that a trial's record keeps whole; a longer one is data."""


def fit_arguments(
    built: Built,
    data: TrainingData,
    planned_epochs: int | None,
    objective: Objective,
    *,
    has_own_fit: bool = False,
) -> dict[str, Any]:
    """The arguments that a model is trained with; `callbacks` among them are those that build_fn returned.

    Data may come from either side: where build_fn returns `x`, it goes before that of the search, with its own targets
    and sample weights.

    Args:
        built: The model, and what build_fn decided of its training.
        data: The data and arguments that were given to `search`.
        planned_epochs: How long the strategy wants the whole training to be; None where `fit`'s arguments decide.
        objective: What is optimised.
        has_own_fit: Whether the user's own `fit` trains, which may have data of its own.

    Raises:
        DataError: There is no data.
        ObjectiveError: The objective needs validation data, and there is none.
        BuildError: build_fn decided what the search has to decide.
    """
    decided = dict(built.fit_arguments or {})
    if "validation_split" in decided:
        raise BuildError(
            "build_fn returned validation_split among fit's arguments. The split is made once, so that all trials "
            "see the same data: give it to search()."
        )
    arguments = data.arguments(brought=decided)
    if not has_own_fit:
        check_names(decided, by="build_fn returned fit's arguments, and model.fit takes")
        if "x" not in arguments:
            raise DataError(
                "search() was given no data, and build_fn returned a model that is to be trained. Call "
                "search(x, y, …), or let build_fn return the data with the model: (model, {'x': …, 'y': …})."
            )
        check_objective(objective, has_validation=arguments.get("validation_data") is not None)
    if planned_epochs is None:
        return arguments
    for name in ("epochs", "initial_epoch"):
        if name in decided:
            raise BuildError(
                f"build_fn returned {name}={decided[name]!r} among fit's arguments, and this search decides itself how "
                f"long a trial trains. Leave {name} out."
            )
    return {**arguments, "epochs": planned_epochs}


def recordable(decided: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that build_fn returned, as a trial's record keeps them: of arrays and objects their type's name."""
    return {name: _recordable(value) for name, value in decided.items()}


def _recordable(value: Any) -> Any:
    value = plain(value)
    return as_json_would(value) if is_data(value) and len(repr(value)) <= LONGEST_VALUE else type(value).__name__
