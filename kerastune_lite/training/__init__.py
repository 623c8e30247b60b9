"""One trial from build to score: the only part of the package, beside the callbacks, that touches Keras."""
