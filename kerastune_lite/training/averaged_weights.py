"""Callbacks that validate other weights than those that a model is trained with, such as averages of them."""

from __future__ import annotations

import keras

from kerastune_lite.training.engine.conditions import overrides

_WITH_USER_CODE = ("SwapEMAWeights", "LambdaCallback")
"""Keras's callbacks that change the model's weights, or that run functions of the user's, which may."""
_HOOKS = ("on_test_begin", "on_test_end", "on_epoch_begin", "on_epoch_end")
"""Where weights may be exchanged between an epoch's training, its validation and its end."""
_KEPT_BY_US = "kerastune_lite"


def may_change_weights(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback may change the weights between an epoch's validation and its end.

    `SwapEMAWeights` validates averaged weights and puts the others back; a callback of the user's own may do anything.
    """
    kind = type(callback)
    package = kind.__module__.partition(".")[0]
    if package == _KEPT_BY_US:
        return False
    if package == "keras":
        return kind.__name__ in _WITH_USER_CODE
    return overrides(callback, _HOOKS)
