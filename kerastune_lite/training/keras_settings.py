"""Keras's global settings, to be the same in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras


@dataclass(frozen=True)
class KerasSettings:
    """What a program may have set once for all models.

    Attributes:
        floatx: The type of floats.
        epsilon: The smallest float that is added.
        image_data_format: Where the channels are.
        dtype_policy: The default policy, described.
        custom_objects: Classes and functions registered for saving, by "package>name".
    """

    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: Mapping[str, Any]
    custom_objects: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def here(cls) -> KerasSettings:
        """Those of this process."""
        return cls(
            keras.config.floatx(),
            keras.config.epsilon(),
            keras.config.image_data_format(),
            keras.dtype_policies.serialize(keras.config.dtype_policy()),
            dict(keras.saving.get_custom_objects()),
        )

    def apply(self) -> None:
        """Makes them this process's."""
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
