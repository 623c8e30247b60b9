"""The devices that models train on."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf


def visible_gpus() -> list[str]:
    """What CUDA calls the GPUs that this process may use.

    This process takes no more of their memory from now on than it needs: its workers train there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # it holds them already
            tf.config.experimental.set_memory_growth(gpu, True)
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(place) for place in range(len(gpus))])[: len(gpus)]
