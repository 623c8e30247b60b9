"""Transfer learning in two stages: a head on a frozen base, then base and head together at a lower rate."""

import keras
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch

DATA = load_digits()
IMAGES, DIGITS = (DATA.data / 16.0).astype("float32"), DATA.target


def base():
    """A base without its weights."""
    return keras.Sequential([keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dense(16)], name="base")


def trained_weights():
    """The weights of a base that was trained on the digits below 5: it stands for one that others have trained."""
    is_known = DIGITS < 5
    trained = base()
    model = keras.Sequential([trained, layers.Dense(5, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES[is_known], DIGITS[is_known], epochs=5, verbose=0)
    return trained.get_weights()


class TwoStages:
    """Builds the model of the first stage; `fit` trains it in both."""

    def __init__(self, weights):
        self.weights = weights

    def build(self, hp):
        frozen = base()
        frozen.set_weights(self.weights)
        frozen.trainable = False
        head = layers.Dense(5, activation="softmax")
        model = keras.Sequential([frozen, layers.Dropout(hp.float("dropout", 0.0, 0.4)), head])
        self._compile(model, hp.float("head_rate", 1e-3, 1e-1, log=True))
        return model

    def fit(self, hp, model, x, y, epochs=1, **arguments):
        first = hp.int("head_epochs", 1, max(1, epochs - 1))
        model.fit(x, y, epochs=first, **arguments)
        model.layers[0].trainable = True
        self._compile(model, hp.float("low_rate", 1e-4, 1e-2, log=True))  # what is trained is settled by compile
        return model.fit(x, y, epochs=epochs, initial_epoch=first, **arguments)

    def _compile(self, model, rate):
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])


def main(directory=None, max_trials=6, epochs=5):
    is_new = DIGITS >= 5
    tuner = RandomSearch(
        TwoStages(trained_weights()), "val_accuracy", max_trials=max_trials, directory=directory, seed=0
    )
    study = tuner.search(IMAGES[is_new], DIGITS[is_new] - 5, validation_split=0.25, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
