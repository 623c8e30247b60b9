"""The arguments of one `fit`: those of the search, those that build_fn returned, and the epochs of the plan."""

from __future__ import annotations

from typing import Any

from kerastune_lite.errors import BuildError, DataError
from kerastune_lite.training.build import Built
from kerastune_lite.training.data import TrainingData


def fit_arguments(built: Built, data: TrainingData | None, planned_epochs: int | None) -> dict[str, Any]:
    """The arguments that a model is trained with; `callbacks` among them are those that build_fn returned.

    Args:
        built: The model, and what build_fn decided of its training.
        data: The data and arguments that were given to `search`.
        planned_epochs: How long the strategy wants the whole training to be; None where `fit`'s arguments decide.

    Raises:
        DataError: There is no data.
        BuildError: build_fn decided what the search has to decide.
    """
    if data is None:
        raise DataError(
            "search() was given no data, but build_fn returned a model that is to be trained. Call search(x, y, …)."
        )
    decided = dict(built.fit_arguments or {})
    if "validation_split" in decided:
        raise BuildError(
            "build_fn returned validation_split among fit's arguments. The split is made once, so that all trials "
            "see the same data: give it to search()."
        )
    if planned_epochs is None:
        return {**data.arguments(), **decided}
    for name in ("epochs", "initial_epoch"):
        if name in decided:
            raise BuildError(
                f"build_fn returned {name}={decided[name]!r} among fit's arguments, and this search decides itself how "
                f"long a trial trains. Leave {name} out."
            )
    return {**data.arguments(), **decided, "epochs": planned_epochs}
