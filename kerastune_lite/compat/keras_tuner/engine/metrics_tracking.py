"""KerasTuner's module of the metrics of trials."""

from kerastune_lite.compat.keras_tuner.trials import MetricObservation, MetricsTracker

__all__ = ["MetricObservation", "MetricsTracker"]
