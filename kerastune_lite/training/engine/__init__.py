"""Keras's own `fit`, with the batches of an epoch run by one TensorFlow program that trials share.

    engine ──► conditions      may this fit be compiled, and how often must something look in between
           ──► samples         data on the device, a new order of the samples every epoch
           ──► programs        a model lends its variables the storage of a program that was traced before
                 ├── fingerprint   which models are the same computation
                 ├── lifted        numbers that may differ between them
                 └── audit         that a traced step touches nothing else
           ──► runner          what fit calls as `train_function`: the program of an epoch (epoch_program)

Keras stays in charge of callbacks, History, validation, epochs and schedules, so the numbers are those of a plain
`fit`. Every private name of Keras is in training/keras_internals.py.
"""
