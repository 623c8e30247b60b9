"""Search with a Gaussian process.

    strategy, predictions
    ├── rows ── seen_conditions, partial_trials    trials and spaces as arrays, and back
    ├── surrogate ── gaussian_process ── kernel    the model
    ├── maximise ── acquisition, columns           the best rows under the model
    └── output_warp                                scores as outputs of the model, and back

    freeze_thaw                                    the search that pauses trials and goes on with them
    ├── trial_curves ── rows                       learning curves as points
    └── curve_process ── gaussian_process          the model of learning curves

Only strategy.py, predictions.py, freeze_thaw.py, rows.py, trial_curves.py and partial_trials.py know trials and spaces;
all other files take and return arrays.
"""
