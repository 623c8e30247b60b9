"""Strategies: what to try next, as pure functions of a space and its trials, without Keras."""
