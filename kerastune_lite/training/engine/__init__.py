"""Keras's own `fit`, where one TensorFlow program runs the batches of an epoch and trials share that program.

    engine ──► conditions      whether a fit can be compiled, and which callbacks need to see every batch
           ──► samples         the data on the device, and the order of the samples in each epoch
           ──► programs        lends a model the variables of a program that an earlier model was traced for
                 ├── fingerprint   which models are the same computation
                 │     ├── code_walk   functions, classes, modules (bytecode: what code names; libraries: whose it is)
                 │     ├── values      contents of arrays, tensors and lookup tables
                 │     └── difference  in what two models differ, in words
                 ├── lifted        numbers that may differ between such models
                 ├── made_while_traced   what a step makes when it is traced, and how later models are given it
                 ├── audit         checks that a traced step uses nothing but what is lent or known to be the model's
                 └── check         compares a shared program with the model itself before it is used
           ──► runner          what fit calls as `train_function`: it runs the program of an epoch (epoch_program)
           ──► streams         data that Keras iterates over, and how many of its batches one call takes
                 └── stream_runner  runs a program over Keras's own iterator (stream_program)
           ──► self_check      compares a training by programs with a plain fit, once per installed version

Keras stays in charge of callbacks, History, validation, epochs and schedules, so the numbers are those of a plain
`fit`. Every private name of Keras is in training/keras_internals.py.
"""
