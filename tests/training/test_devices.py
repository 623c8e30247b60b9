"""The GPUs that workers are given."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kerastune_lite.training.devices import visible_gpus


@pytest.mark.parametrize(
    ("set_by_user", "gpus", "expected"),
    [
        (None, 2, ["0", "1"]),
        ("3, GPU-7f", 2, ["3", "GPU-7f"]),
        ("3,4", 1, ["3"]),
        ("-1", 0, []),
        ("", 0, []),
    ],
)
def test_gpus_have_the_names_that_the_user_has_made_visible(monkeypatch, set_by_user, gpus, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if set_by_user is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", set_by_user)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * gpus)
    grown = []
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, growth: grown.append((gpu, growth)))

    assert visible_gpus() == expected
    assert grown == [("GPU", True)] * gpus
