"""Tuned Keras models as estimators of scikit-learn, for pipelines, cross-validation and code around GridSearchCV."""

from kerastune_lite.sklearn.estimators import TunedClassifier, TunedRegressor

__all__ = ["TunedClassifier", "TunedRegressor"]
