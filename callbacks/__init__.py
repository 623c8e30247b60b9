"""Callbacks that stop a training early, for a search and for a plain `model.fit`."""
