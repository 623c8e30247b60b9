"""Keras's global settings, read in one process and applied in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras


@dataclass(frozen=True)
class KerasSettings:
    """The settings of Keras that hold for all models of a process.

    Attributes:
        floatx: The type of floats.
        epsilon: The small number that Keras adds to keep divisions finite.
        image_data_format: Whether an image's channels come first or last.
        dtype_policy: The default policy of layers, serialized.
        custom_objects: Classes and functions registered for saving, by "package>name".
    """

    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: Mapping[str, Any]
    custom_objects: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def here(cls) -> KerasSettings:
        """The settings of this process."""
        return cls(
            keras.config.floatx(),
            keras.config.epsilon(),
            keras.config.image_data_format(),
            keras.dtype_policies.serialize(keras.config.dtype_policy()),
            dict(keras.saving.get_custom_objects()),
        )

    def apply(self) -> None:
        """Sets Keras in this process so."""
        keras.config.set_floatx(self.floatx)
        keras.config.set_epsilon(self.epsilon)
        keras.config.set_image_data_format(self.image_data_format)
        keras.config.set_dtype_policy(keras.dtype_policies.deserialize(dict(self.dtype_policy)))
        for full_name, thing in self.custom_objects.items():
            package, _, name = full_name.rpartition(">")
            if package:
                keras.saving.register_keras_serializable(package, name)(thing)
            else:
                keras.saving.get_custom_objects()[name] = thing
