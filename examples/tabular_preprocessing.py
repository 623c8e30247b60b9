"""A table with columns of numbers and of words: normalised and looked up by layers of the model."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_wine

from kerastune_lite import RandomSearch


def wines():
    """Measurements of wines, of which one is turned into words, and their growers."""
    data = load_wine()
    order = np.random.default_rng(0).permutation(len(data.target))
    measured, grower = data.data[order].astype("float32"), data.target[order]
    hue = np.array(["pale", "medium", "deep"])[np.digitize(measured[:, 9], [4.0, 6.0])]
    return {"measured": measured[:, :9], "hue": hue[:, None].astype(object)}, grower


def main(directory=None, max_trials=8, epochs=15):
    x, y = wines()
    normalization, lookup = layers.Normalization(), layers.StringLookup(output_mode="one_hot")
    normalization.adapt(x["measured"])
    lookup.adapt(x["hue"].astype(str))
    # The words become numbers once, before the search, so that its trials only see arrays of numbers.
    x = {"measured": x["measured"], "hue": np.asarray(lookup(x["hue"].astype(str)))}

    def build_fn(hp):
        measured, hue = keras.Input((9,), name="measured"), keras.Input((x["hue"].shape[1],), name="hue")
        hidden = layers.concatenate([normalization(measured), hue])
        hidden = layers.Dense(hp.choice("units", [8, 16, 32]), activation="relu")(hidden)
        hidden = layers.Dropout(hp.float("dropout", 0.0, 0.5))(hidden)
        model = keras.Model({"measured": measured, "hue": hue}, layers.Dense(3, activation="softmax")(hidden))
        rate = hp.float("learning_rate", 1e-3, 1e-1, log=True)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = RandomSearch(build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(x, y, validation_split=0.25, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
