"""Hyperas's words: model functions with `{{choice([…])}}` in their source run on Keras 3 with their imports changed.

    from kerastune_lite.compat.hyperas import STATUS_OK, Trials, optim, tpe
    from kerastune_lite.compat.hyperas.distributions import choice, uniform

hyperopt needn't be installed: what programs import from it is here too. docs/from_hyperas.md tells what differs.
"""

from kerastune_lite.compat.hyperas import distributions, optim
from kerastune_lite.compat.hyperas.hyperopt_words import Trials, anneal, rand, space_eval, tpe
from kerastune_lite.compat.hyperas.model_function import STATUS_FAIL, STATUS_OK

__all__ = ["STATUS_FAIL", "STATUS_OK", "Trials", "anneal", "distributions", "optim", "rand", "space_eval", "tpe"]
