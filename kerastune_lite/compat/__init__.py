"""Layers for code that was written for another tuner: it runs here with its imports changed."""
