"""Search with a Gaussian process.

    strategy, predictions
    ├── rows ── seen_conditions, partial_trials    trials and spaces as arrays, and back
    ├── surrogate ── gaussian_process ── kernel    the model
    ├── maximise ── acquisition, columns           the best rows under the model
    └── output_warp                                scores as outputs of the model, and back

Only strategy.py, predictions.py, rows.py and partial_trials.py know trials and spaces; all other files take and return
arrays.
"""
