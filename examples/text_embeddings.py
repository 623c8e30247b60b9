"""Text: which of scikit-learn's data sets does a line of its descriptions describe?"""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from kerastune_lite import RandomSearch


def lines():
    """Lines of descriptions, shuffled, and which description each is from."""
    sources = [load().DESCR for load in (load_iris, load_wine, load_diabetes, load_breast_cancer)]
    found = [(line, label) for label, text in enumerate(sources) for line in text.splitlines() if len(line) > 20]
    order = np.random.default_rng(0).permutation(len(found))
    return np.array([found[place][0] for place in order]), np.array([found[place][1] for place in order])


def main(directory=None, max_trials=6, epochs=10):
    texts, labels = lines()
    vectorization = layers.TextVectorization(max_tokens=400, output_sequence_length=12)
    vectorization.adapt(texts)
    # The words become numbers once, before the search, so that its trials only see arrays of numbers.
    x = np.asarray(vectorization(texts))

    def build_fn(hp):
        model = keras.Sequential(
            [
                layers.Embedding(400, hp.choice("width", [8, 16, 32])),
                layers.Dropout(hp.float("dropout", 0.0, 0.5)),
                layers.GlobalAveragePooling1D(),
                layers.Dense(4, activation="softmax"),
            ]
        )
        rate = hp.float("learning_rate", 3e-3, 1e-1, log=True)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = RandomSearch(build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(x, labels, validation_split=0.25, epochs=epochs, batch_size=16)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
