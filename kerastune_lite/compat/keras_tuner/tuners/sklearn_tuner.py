"""KerasTuner's module of the tuner of scikit-learn's estimators."""

from kerastune_lite.compat.keras_tuner.sklearn_tuner import SklearnTuner

__all__ = ["SklearnTuner"]
