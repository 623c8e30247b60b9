"""Three ways to stop settings early that will not win: a stopping rule, Hyperband, and a population."""

import keras
from sklearn.datasets import load_digits

from kerastune_lite import BayesianOptimization, Hyperband, PopulationBasedTraining


def build_fn(hp):
    layers = [
        keras.layers.Input((64,)),
        keras.layers.Dense(hp.choice("units", [16, 32, 64]), activation="relu"),
        keras.layers.Dropout(hp.float("dropout", 0.1, 0.5)),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.Adam(hp.float("learning_rate", 1e-4, 1e-1, log=True))
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(epochs=9, budget=60):
    x, y = load_digits(return_X_y=True)
    data = {"x": x.astype("float32") / 16.0, "y": y, "validation_split": 0.2}

    # The Gaussian process chooses settings, successive halving stops trials, and `budget` limits all their epochs.
    tuner = BayesianOptimization(build_fn, "val_accuracy", max_trials=None, stopping="asha", seed=0, verbose=0)
    halved = tuner.search(**data, epochs=epochs, max_epochs_total=budget)
    print(halved.leaderboard(3))
    print(f"{halved.epochs_spent} epochs spent, {halved.epochs_saved} saved\n")

    # Many settings train for a few epochs and the best of them for more, continuing from where they paused.
    hyperband = Hyperband(build_fn, "val_accuracy", max_epochs=epochs, strategy="bayesian", seed=0, verbose=0)
    print(hyperband.search(**data).leaderboard(3), "\n")

    # Settings change while they train; a callback replays those of the winner in a plain fit.
    population = PopulationBasedTraining(
        build_fn, "val_accuracy", population=4, interval=max(epochs // 3, 1), seed=0, verbose=0
    )
    print(population.search(**data, epochs=epochs).leaderboard(3))
    schedule = population.best_schedule()
    for epoch, values in schedule.schedule:
        print(f"from epoch {epoch + 1}: {values}")
    model = population.build(schedule.values_at(0))
    model.fit(**data, epochs=epochs, verbose=0, callbacks=[schedule])
    return halved, hyperband.study, population.study


if __name__ == "__main__":
    main()
