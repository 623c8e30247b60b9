"""The callbacks in a plain `model.fit`, without a search."""

import keras
from sklearn.datasets import load_digits

from kerastune_lite.callbacks import EarlyStopping, StopOnNaN, TargetReached, TimeLimit


def main(epochs=200):
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32")
    model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        EarlyStopping("val_loss", patience=5, min_epochs=5),
        TargetReached("val_accuracy", 0.93),
        TimeLimit(seconds=20),
        StopOnNaN(),
    ]
    history = model.fit(x, y, validation_split=0.2, epochs=epochs, callbacks=callbacks, verbose=0)
    for callback in callbacks:
        if callback.stop_reason:
            print(f"stopped after {len(history.epoch)} epochs: {callback.stop_reason}")
    return callbacks


if __name__ == "__main__":
    main()
