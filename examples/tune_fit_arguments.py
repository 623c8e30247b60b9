"""Batch size, epochs and a callback's settings are tuned too: build_fn returns them with the model."""

import keras
from sklearn.datasets import load_iris

from kerastune_lite import GridSearch


def build_fn(hp):
    model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=hp.choice("plateau_factor", [0.2, 0.5]), patience=2
    )
    return model, {
        "batch_size": hp.choice("batch_size", [8, 32]),
        "epochs": hp.int("epochs", 5, 10, step=5),
        "callbacks": [plateau],
    }


def main(directory=None):
    x, y = load_iris(return_X_y=True)
    x, y = x[::2].astype("float32"), y[::2]  # the other half is for validation
    x_val, y_val = (array[1::2] for array in load_iris(return_X_y=True))
    tuner = GridSearch(build_fn, objective="val_loss", directory=directory, seed=0)
    study = tuner.search(x, y, validation_data=(x_val.astype("float32"), y_val))
    print(study.leaderboard())

    # Trains the best setting again, with its own batch size and for as many epochs as were best.
    model = tuner.retrain(x, y)
    print(f"retrained: {model.evaluate(x_val, y_val, verbose=0, return_dict=True)}")
    return study


if __name__ == "__main__":
    main()
