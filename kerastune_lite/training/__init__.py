"""One trial from build to score: the only part of the package, besides the callbacks, that touches Keras."""
