"""A hyperparameter tuner for Keras and TensorFlow."""
