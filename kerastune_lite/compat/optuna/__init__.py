"""Optuna: studies are exchanged with it, and its samplers search here (`pip install "kerastune_lite[optuna]"`).

`study.to_optuna()` and `Study.from_optuna(study, directory)` exchange; `Tuner(build_fn, objective,
strategy=OptunaStrategy(TPESampler))` searches.
"""

try:
    from kerastune_lite.compat.optuna.strategy import OptunaStrategy
except ImportError as error:
    raise ImportError("This needs optuna: pip install 'kerastune_lite[optuna]'.") from error

__all__ = ["OptunaStrategy"]
