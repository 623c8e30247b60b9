"""Seeds every source of random numbers before a trial is built, without the cost that TensorFlow adds to it."""

from __future__ import annotations

import keras

from kerastune_lite.training.keras_internals import functions_with_random_state, kernels_kept

MOST_SEEDS = 50
"""After how many seeds TensorFlow may drop its kernels all the same, so that kernels of old seeds don't pile up."""


class Seeding:
    """Sets seeds as `keras.utils.set_random_seed` does, and lets TensorFlow keep its kernels where it safely can.

    TensorFlow drops the kernels of all operations and functions whenever its seed is set, because random operations
    keep their state there. To make those of a shared program again takes longer than a short training. A kernel's
    state belongs to the seed that it was made with, so none has to go where the seed is new, unless a function that
    was traced under an older seed holds a random operation.
    """

    def __init__(self) -> None:
        self._seeds: set[int] = set()
        self._harmless: frozenset[str] = frozenset()

    def seed(self, seed: int) -> None:
        """Seeds Python, NumPy, Keras and TensorFlow."""
        if seed not in self._seeds and len(self._seeds) < MOST_SEEDS and not self._has_random_functions():
            self._seeds.add(seed)
            with kernels_kept():
                keras.utils.set_random_seed(seed)
        else:
            self._seeds = {seed}
            keras.utils.set_random_seed(seed)

    def _has_random_functions(self) -> bool:
        found, self._harmless = functions_with_random_state(self._harmless)
        return found


_SEEDING = Seeding()


def set_random_seed(seed: int) -> None:
    """Seeds Python, NumPy, Keras and TensorFlow: the same numbers follow as after `keras.utils.set_random_seed`."""
    _SEEDING.seed(seed)
