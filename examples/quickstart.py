"""Searches a small network for scikit-learn's handwritten digits; takes a minute or less on two cores.

Run again, it resumes the study in its directory: a search that has finished ends at once with its result.
"""

from pathlib import Path

# Before Keras, so that TensorFlow's messages at its start are kept from the terminal.
from kerastune_lite import BayesianOptimization  # isort: skip
from kerastune_lite.callbacks import EarlyStopping, TimeLimit  # isort: skip

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build_fn(hp):
    model = keras.Sequential(
        [
            keras.layers.Dense(
                hp.choice("units", [32, 64, 128, 256]), activation=hp.choice("activation", ["relu", "gelu"])
            ),
            keras.layers.Dropout(hp.float("dropout", 0.0, 0.5)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(hp.float("learning_rate", 1e-4, 1e-1, log=True)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main(directory="kerastune_runs/quickstart", max_trials=25, epochs=20):
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.astype("float32") / 16.0, labels, test_size=0.2, random_state=0, stratify=labels
    )
    tuner = BayesianOptimization(build_fn, objective="val_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(
        x,
        y,
        validation_split=0.2,
        epochs=epochs,
        callbacks=[EarlyStopping("val_accuracy", patience=4), TimeLimit(minutes=2)],
    )

    model = tuner.best_model()
    accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    print(f"\ntest accuracy of the best model: {accuracy:.4f}")
    path = Path(study.directory) / "best.keras"
    model.save(path)
    print(f"the model is in {path}: keras.models.load_model({str(path)!r})")
    return accuracy


if __name__ == "__main__":
    main()
