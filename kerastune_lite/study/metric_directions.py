"""Whether less or more of a metric is better, by its class or its name.

Knows nothing of Keras's objects but the names of their classes.
"""

from __future__ import annotations

import re
from typing import Literal

Direction = Literal["min", "max"]

_UP_CLASSES = """
    Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy
    SparseTopKCategoricalAccuracy AUC Precision Recall PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity
    SpecificityAtSensitivity TruePositives TrueNegatives F1Score FBetaScore IoU BinaryIoU MeanIoU OneHotIoU
    OneHotMeanIoU R2Score CosineSimilarity ConcordanceCorrelation PearsonCorrelation
""".split()
_DOWN_CLASSES = """
    MeanSquaredError RootMeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError
    Hinge SquaredHinge CategoricalHinge LogCoshError KLDivergence Poisson BinaryCrossentropy CategoricalCrossentropy
    SparseCategoricalCrossentropy FalsePositives FalseNegatives
""".split()
_UP_NAMES = """
    accuracy acc auc roc_auc pr_auc precision recall f1 f1_score fbeta_score r2 r2_score iou mean_iou binary_io_u
    one_hot_io_u one_hot_mean_io_u mean_io_u io_u dice dice_coefficient balanced_accuracy top_5_accuracy mcc
""".split()
_DOWN_NAMES = """
    mse mae mape msle rmse rmsle logloss log_loss nll perplexity hinge squared_hinge categorical_hinge log_cosh
    kl_divergence poisson brier_score
""".split()


def _snake_case(name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


_CLASS_DIRECTIONS: dict[str, Direction] = {
    **dict.fromkeys(_UP_CLASSES, "max"),
    **dict.fromkeys(_DOWN_CLASSES, "min"),
}
_NAME_DIRECTIONS: dict[str, Direction] = {
    **{_snake_case(name): direction for name, direction in _CLASS_DIRECTIONS.items() if name != "CosineSimilarity"},
    **dict.fromkeys(_UP_NAMES, "max"),
    **dict.fromkeys(_DOWN_NAMES, "min"),
}


def direction_of_class(name: str) -> Direction | None:
    """The direction of one of Keras's metric classes, or None for a class that is not Keras's."""
    return _CLASS_DIRECTIONS.get(name)


def direction_of_name(name: str) -> Direction | None:
    """The direction that follows from the name of a log, or None where it doesn't.

    Only whole names count ("val_f1" is known, "val_f1_custom" is not): a wrong guess would turn a search around.
    Keras's own suffix (`auc_1`) and the prefix of an output (`head_accuracy`) are looked through.
    """
    bare = re.sub(r"_\d+$", "", name.removeprefix("val_"))
    if re.search(r"(^|_)(loss|error)$", bare):
        return "min"
    parts = bare.split("_")
    for start in range(len(parts)):
        direction = _NAME_DIRECTIONS.get("_".join(parts[start:]))
        if direction is not None:
            return direction
    return None
