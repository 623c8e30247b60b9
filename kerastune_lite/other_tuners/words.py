"""A name of another tuner, with what is written here instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GUIDES = {
    "Hyperas": "docs/from_hyperas.md",
    "KerasTuner": "docs/from_keras_tuner.md",
    "Optuna": "docs/from_optuna.md",
    "scikit-learn": "docs/from_scikit_learn.md",
}
"""The pages for people who come from another tuner."""


@dataclass(frozen=True)
class Word:
    """A name that isn't one here.

    Attributes:
        here: A sentence that tells what to write instead.
        of: The library that has the name; empty where it is one of this library's in the wrong place.
    """

    here: str
    of: str = ""

    def told(self, problem: str) -> str:
        """The problem, whose name the word is, with the way out."""
        origin = f", which {self.of} has" if self.of else ""
        guide = f" See {GUIDES[self.of]}." if self.of in GUIDES else ""
        return f"{problem}{origin}. {self.here}{guide}"


Words = Mapping[str, Word]


def of(library: str, **here: str) -> dict[str, Word]:
    """Words of a library, by their names."""
    return {name: Word(sentence, library) for name, sentence in here.items()}
