"""Hyperas's `utils`, as far as people use it."""

from kerastune_lite.compat.hyperas.hyperopt_words import space_eval as eval_hyperopt_space

__all__ = ["eval_hyperopt_space"]
