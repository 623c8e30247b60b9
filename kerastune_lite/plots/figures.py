"""`study.plot`: the figures of a study by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerastune_lite.plots import over_space, over_time
from kerastune_lite.study.study import Study

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Plots:
    """The figures of a study. Each is a plotly figure: `.show()` opens it, `.write_html(path)` keeps it.

    Attributes:
        study: The study.
    """

    study: Study

    def history(self) -> Figure:
        """The score of each trial, and the best so far as a step line; trials without a score are marks below."""
        return over_time.history(self.study)

    def curves(self) -> Figure:
        """The objective over the epochs of each trial, coloured by its score; marks show where one was stopped."""
        return over_time.curves(self.study)

    def parallel(self) -> Figure:
        """A line for each trial across one axis a parameter; an axis can be brushed with the mouse."""
        return over_space.parallel(self.study)

    def slices(self, names: Sequence[str] | None = None) -> Figure:
        """A panel for each parameter: the scores over its values, and what the Gaussian process expects.

        Args:
            names: The parameters; all that have more than one value by default.

        Raises:
            SpaceError: The study has no parameter of a name.
        """
        return over_space.slices(self.study, names)

    def contour(self, one: str | None = None, other: str | None = None) -> Figure:
        """The score that the Gaussian process expects over two parameters, and its doubt, with the trials.

        Args:
            one: The parameter across; by default the one that matters most.
            other: The parameter upwards; by default the one that matters most besides.

        Raises:
            SpaceError: The study has no parameter of a name, or the two are the same.
        """
        return over_space.contour(self.study, one, other)

    def importances(self) -> Figure:
        """How much of the score's variance each parameter explains, as bars with intervals."""
        return over_space.importances(self.study, over_space.known_importances(self.study))

    def timeline(self) -> Figure:
        """A bar for each trial from when it began to when it ended, coloured by its state."""
        return over_time.timeline(self.study)

    def edf(self) -> Figure:
        """Which share of the trials has at most each score."""
        return over_time.edf(self.study)
