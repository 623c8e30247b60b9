"""What may be chosen: values, parameters, the space of them, and `hp`, which build_fn asks."""

from kerastune_lite.space.described import parameter_from_json
from kerastune_lite.space.hyperparameters import HyperParameters
from kerastune_lite.space.normal import Normal
from kerastune_lite.space.parameters import (
    Boolean,
    Choice,
    Condition,
    Fixed,
    Float,
    Int,
    Parameter,
    moved_label,
)
from kerastune_lite.space.presets import Others, Presets
from kerastune_lite.space.rounded import Rounded
from kerastune_lite.space.space import Space
from kerastune_lite.space.values import (
    UNSET,
    OptionLabel,
    Value,
    as_float,
    as_integer,
    from_json,
    is_number,
    label_of,
    plain,
    same_value,
    to_json,
)

__all__ = [
    "UNSET",
    "Boolean",
    "Choice",
    "Condition",
    "Fixed",
    "Float",
    "HyperParameters",
    "Int",
    "Normal",
    "OptionLabel",
    "Others",
    "Parameter",
    "Presets",
    "Rounded",
    "Space",
    "Value",
    "as_float",
    "as_integer",
    "from_json",
    "is_number",
    "label_of",
    "moved_label",
    "parameter_from_json",
    "plain",
    "same_value",
    "to_json",
]
