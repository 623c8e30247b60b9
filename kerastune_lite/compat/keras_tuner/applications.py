"""KerasTuner's ready-made hypermodels, which aren't offered here; those of KerasTuner itself can be searched."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["HyperEfficientNet", "HyperImageAugment", "HyperResNet", "HyperXception"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"{name} isn't part of this layer. Take it from KerasTuner itself: any object with build(hp) can be searched, "
        f"as in kt.RandomSearch(keras_tuner.applications.{name}(…), …)."
    )


def HyperResNet(*args: Any, **kwargs: Any) -> NoReturn:
    """Isn't offered."""
    _refuse("HyperResNet")


def HyperXception(*args: Any, **kwargs: Any) -> NoReturn:
    """Isn't offered."""
    _refuse("HyperXception")


def HyperEfficientNet(*args: Any, **kwargs: Any) -> NoReturn:
    """Isn't offered."""
    _refuse("HyperEfficientNet")


def HyperImageAugment(*args: Any, **kwargs: Any) -> NoReturn:
    """Isn't offered."""
    _refuse("HyperImageAugment")
