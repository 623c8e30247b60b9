"""Strategies choose the next setting from the space and the trials so far. No Keras, no files."""
