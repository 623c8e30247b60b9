"""Small models in the manner of Keras's public examples and guides, each with its data and a number or two to tune.

The code is our own: a page is followed in its form of data, its layers, losses, metrics, steps and callbacks, at sizes
that train in about a second. Nothing is downloaded; data are scikit-learn's digits, or random. `EXAMPLES` holds all of
them by name.
"""

from . import generative, guides, recipes, series, tabular, text, vision
from .registry import EXAMPLES, Example

__all__ = ["EXAMPLES", "Example", "generative", "guides", "recipes", "series", "tabular", "text", "vision"]
