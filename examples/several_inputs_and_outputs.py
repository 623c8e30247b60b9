"""Two inputs and two outputs, by name: the halves of a digit tell which digit it is and how dark it is."""

import keras
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch


def build_fn(hp):
    upper, lower = keras.Input((32,), name="upper"), keras.Input((32,), name="lower")
    units = hp.choice("units", [16, 32, 64])
    halves = [layers.Dense(units, activation="relu")(half) for half in (upper, lower)]
    hidden = layers.Dropout(hp.float("dropout", 0.0, 0.4))(layers.concatenate(halves))
    outputs = {
        "digit": layers.Dense(10, activation="softmax", name="digit")(hidden),
        "darkness": layers.Dense(1, name="darkness")(hidden),
    }
    model = keras.Model({"upper": upper, "lower": lower}, outputs)
    model.compile(
        keras.optimizers.Adam(hp.float("learning_rate", 1e-3, 3e-2, log=True)),
        loss={"digit": "sparse_categorical_crossentropy", "darkness": "mse"},
        loss_weights={"digit": 1.0, "darkness": 0.5},
        metrics={"digit": ["accuracy"]},
    )
    return model


def main(directory=None, max_trials=6, epochs=5):
    images, digits = load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32")
    x, y = {"upper": images[:, :32], "lower": images[:, 32:]}, {"digit": digits, "darkness": images.mean(1)}
    # The metric of one output has the output's name in front of it.
    tuner = RandomSearch(build_fn, "val_digit_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(x, y, validation_split=0.2, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
