"""Models in the manner of Keras's public examples train by shared programs as by a plain fit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from example_models import EXAMPLES
from example_models.comparison import Outcome, differences, searched

# What the engine has to master is decided by what a model does besides its layers. So one example stands for each kind
# of data, step, loss, metric, optimizer and callback, and of layers that draw or keep something; of several that show
# the same it is one that is traced soon. Kinds that test_kinds_of_models.py trains (an encoder that draws its codes,
# diffusion, a base that is given, forms of targets, half precision, classes made in a function) have none here, and
# neither have large stacks of plain layers. All examples that are not shared are added.
# benchmarks/engine_coverage.py trains every example.
CHOSEN = {
    "convnet": "an image classifier with a validation",
    "augmentation_in_the_model": "layers that change their inputs at random",
    "siamese": "two inputs in a list, a network that is called twice, a loss in a closure",
    "distillation": "a second model inside of compute_loss",
    "mixup": "zipped data sets, mixed by what TensorFlow draws while they are read",
    "super_resolution": "a callback of the batches that are validated",
    "scan_classifier": "convolutions in three dimensions, and a schedule of rates",
    "strings_to_the_model": "strings as inputs",
    "masked_gru": "a mask, and dropout inside a recurrent layer",
    "switch_transformer": "attention, layers in lists, and a router that draws",
    "gpt_that_writes": "two outputs with one loss, and a callback that predicts",
    "masked_language_model": "a loss and a metric outside of the model, and weights of samples",
    "tagger": "a subclassed model, a loss of its own, and batches of unequal lengths",
    "sentence_similarity": "a PyDataset that shuffles itself",
    "columns_in_the_model": "lookups and normalisations of a dict of columns",
    "weighed_regression": "weighted samples and metrics",
    "two_towers": "batches without targets for a step inside of compute_loss",
    "weather_forecast": "windows over a series by Keras's utility",
    "citation_network": "a graph as a constant of the model",
    "message_passing": "a generator of nested inputs, and a metric that keeps curves",
    "adversarial_network": "two networks with an optimizer each",
    "quantized_autoencoder": "gradients that are copied through",
    "gradient_centralization": "an optimizer of its own",
    "endpoint_layer": "a loss that is added by a layer, and data in dicts",
    "trainer_pattern": "a step around another model",
    "sharpness_aware": "two gradients a step",
    "endless_generator": "a generator without an end",
    "several_inputs_and_outputs": "dicts of inputs and targets, and weights of losses",
    "own_loss_and_metric": "a loss and a metric of its own",
    "layers_in_layers": "a running count in a weight that isn't trained",
    "own_callbacks": "callbacks that keep weights and set rates",
    "own_recurrent_cell": "a recurrent cell of its own",
}
"""The examples that are trained here, and what each shows."""
TRAINED = [name for name, example in EXAMPLES.items() if name in CHOSEN or not example.shares]


def all_differences(trials, others):
    """What differs between two searches in any trial, and by how much."""
    return {name: size for pair in zip(trials, others, strict=True) for name, size in differences(*pair).items()}


def are_equal_but_for_rounded_logs(trials, others):
    """Whether weights and optimizers are equal bit by bit, and logs to a float32's last bits.

    The order in which TensorFlow adds up a loss depends on where its array happens to lie in memory, so that the logs
    of two plain fits of the same weights can differ in their last bits.
    """
    return all(
        list(one.history) == list(other.history)
        and np.allclose(list(one.history.values()), list(other.history.values()), rtol=1e-6, atol=0, equal_nan=True)
        and differences(one, replace(other, history=one.history)) == {}
        for one, other in zip(trials, others, strict=True)
    )


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras's advice on layers; a distrusted program is a RuntimeWarning
@pytest.mark.parametrize("name", TRAINED)
def test_a_public_example_trains_by_shared_programs_as_by_a_plain_fit(name):
    example = EXAMPLES[name]
    by_programs, by_fit = (searched(example, engine, trials=2) for engine in ("auto", "fit"))

    if not are_equal_but_for_rounded_logs(by_programs, by_fit):
        # TensorFlow may add up in several threads, in whichever order they end: then a plain fit differs from itself.
        fits = [by_fit, *(searched(example, "fit", trials=2) for _ in range(3))]
        noise = {name for one, other in itertools.combinations(fits, 2) for name in all_differences(one, other)}
        assert any(all_differences(by_programs, fit).keys() <= noise for fit in fits)
    if example.shares:
        assert by_programs[-1].engine == "shared"


def test_the_examples_are_of_every_field_and_each_has_its_page():
    fields = {example.field for example in EXAMPLES.values()}

    assert fields == {"vision", "text", "tabular", "series", "generative", "recipes", "guides"}
    assert len(EXAMPLES) >= 45
    assert all(example.after for example in EXAMPLES.values())
    assert all(bool(example.why_not) != example.shares for example in EXAMPLES.values())


def test_the_examples_that_are_trained_here_are_of_every_field():
    assert set(CHOSEN) <= set(EXAMPLES)
    assert {EXAMPLES[name].field for name in TRAINED} == {example.field for example in EXAMPLES.values()}


OUTCOME = Outcome(
    values={"learning_rate": 0.1},
    history={"loss": [0.5, float("nan")]},
    weights=[np.zeros(3)],
    optimizer=[np.ones((), "int64")],
    engine="shared",
    notes=(),
    seconds=1.0,
)


def test_equal_outcomes_differ_in_nothing():
    assert differences(OUTCOME, replace(OUTCOME, engine="fit", seconds=2.0)) == {}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"history": {"loss": [0.75, float("nan")]}}, {"history[loss]": 0.25}),
        ({"history": {"loss": [0.5, 1.0]}}, {"history[loss]": float("inf")}),
        ({"history": {"loss": [0.5]}}, {"history[loss]": float("inf")}),
        ({"weights": [np.array([0.0, 0.5, 0.0])]}, {"weights": 0.5}),
        ({"optimizer": []}, {"number of variables of optimizer": 1.0}),
        ({"values": {"learning_rate": 0.2}}, {"settings or logs": float("inf")}),
    ],
)
def test_a_difference_is_told_with_its_size(changed, told):
    assert differences(OUTCOME, replace(OUTCOME, **changed)) == told


@pytest.mark.parametrize(
    ("changed", "equal"),
    [
        ({"history": {"loss": [0.5 + 2**-24, float("nan")]}}, True),
        ({"history": {"loss": [0.50001, float("nan")]}}, False),
        ({"history": {"val_loss": [0.5, float("nan")]}}, False),
        ({"weights": [np.full(3, 1e-30)]}, False),
    ],
)
def test_only_the_last_bits_of_a_log_may_differ(changed, equal):
    assert are_equal_but_for_rounded_logs([OUTCOME], [replace(OUTCOME, **changed)]) is equal
