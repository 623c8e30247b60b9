"""Tuned Keras models as estimators of scikit-learn, for pipelines, cross-validation and code around GridSearchCV.

Needs scikit-learn 1.6 or later: `pip install "kerastune_lite[sklearn]"`.
"""

from kerastune_lite.sklearn.estimators import TunedClassifier, TunedRegressor

__all__ = ["TunedClassifier", "TunedRegressor"]
