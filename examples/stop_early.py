"""Three ways not to train a losing setting to the end: a stopping rule, Hyperband, and a population."""

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

    # The Gaussian process chooses, successive halving stops, and the search ends when its epochs are spent.
    tuner = BayesianOptimization(build_fn, "val_accuracy", max_trials=None, stopping="asha", seed=0, verbose=0)
    halved = tuner.search(**data, epochs=epochs, max_epochs_total=budget)
    print(halved.leaderboard(3))
    print(f"{halved.epochs_spent} epochs spent, {halved.epochs_saved} saved\n")

    # Brackets of many short and few long trainings; promoted trials go on from where they paused.
    hyperband = Hyperband(build_fn, "val_accuracy", max_epochs=epochs, strategy="bayesian", seed=0, verbose=0)
    print(hyperband.search(**data).leaderboard(3), "\n")

    # Settings that change while they train; the winner's can be replayed in a plain fit.
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
