"""Parameters that only some trials have: inside a plain `if` or `for`, or under a declared condition."""

import keras
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from kerastune_lite import RandomSearch


def build_fn(hp):
    layers = []
    # Plain Python is enough: a parameter that a trial doesn't ask for is not part of it.
    for index in range(hp.int("layers", 1, 3)):
        with hp.scope(f"layer{index}"):
            layers.append(keras.layers.Dense(hp.choice("units", [8, 16, 32]), activation="relu"))
            if hp.boolean("normalise"):
                layers.append(keras.layers.BatchNormalization())
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])

    # A declared condition means the same, and a search knows it before a trial has met it.
    name = hp.choice("optimizer", ["adam", "sgd"])
    rate = hp.float("learning_rate", 1e-3, 1e-1, log=True)
    with hp.when("optimizer", "sgd"):
        momentum = hp.float("momentum", 0.0, 0.9, step=0.3)
    optimizer = keras.optimizers.Adam(rate) if name == "adam" else keras.optimizers.SGD(rate, momentum=momentum)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(directory=None, max_trials=8):
    x, y = load_wine(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype("float32")
    tuner = RandomSearch(build_fn, objective="val_loss", max_trials=max_trials, directory=directory, seed=1)
    study = tuner.search(x[::2], y[::2], validation_data=(x[1::2], y[1::2]), epochs=5)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
