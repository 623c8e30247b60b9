"""Search by a Gaussian process.

    strategy ─┬─ rows ─ seen_conditions     trials and spaces as arrays, and back
    predictions  └─ surrogate ─ gaussian_process ─ kernel
                 └─ maximise ─ acquisition, columns
                 └─ output_warp

Only strategy.py, predictions.py and rows.py know trials and spaces; all other files take and give arrays.
"""
