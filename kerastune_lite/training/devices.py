"""The GPUs that models train on."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf


def visible_gpus() -> list[str]:
    """The names, as CUDA has them, of the GPUs that this process may use.

    From now on this process takes only as much of their memory as it needs, since its workers train there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # this process uses them already
            tf.config.experimental.set_memory_growth(gpu, True)
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(place) for place in range(len(gpus))])[: len(gpus)]
