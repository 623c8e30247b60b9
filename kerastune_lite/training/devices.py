"""The devices that models train on."""

from __future__ import annotations

import os

import tensorflow as tf


def visible_gpus() -> list[str]:
    """What CUDA calls the GPUs that this process may use; none of their memory is taken."""
    count = len(tf.config.list_physical_devices("GPU"))
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(place) for place in range(count)])[:count]
