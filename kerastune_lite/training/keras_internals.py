"""Every private name of Keras that this library touches, each behind a guard, with a public way where it is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

try:
    from keras.src.backend.common import global_state as _global_state
except ImportError:  # pragma: no cover - a Keras that keeps its state elsewhere
    _global_state = None


def reset_layer_names() -> None:
    """Makes the next model's layers and metrics be named as in a fresh process ("dense", not "dense_7").

    `keras.utils.clear_session` does it too, but also forgets the user's dtype policy and distribution; where it is
    the only way, the policy is put back.
    """
    if hasattr(_global_state, "set_global_attribute"):
        _global_state.set_global_attribute("object_name_uids", None)
        return
    policy = keras.config.dtype_policy()  # pragma: no cover
    keras.utils.clear_session(free_memory=False)  # pragma: no cover
    keras.config.set_dtype_policy(policy)  # pragma: no cover


def metric_names(model: Any) -> set[str]:
    """The names of everything that a model was compiled to measure, heads' prefixes not counted."""
    return {_name(metric) for metric in _compiled_metrics(model)}


def metric_classes(model: Any) -> dict[str, str]:
    """Class names of the metric objects that a model was compiled with, by the metrics' names.

    Metrics given as strings and functions are not among them: their names are all there is to know.
    """
    metrics = _compiled_metrics(model)
    return {metric.name: type(metric).__name__ for metric in metrics if isinstance(metric, keras.metrics.Metric)}


def _compiled_metrics(model: Any) -> list[Any]:
    with contextlib.suppress(AttributeError):
        compiled = model._compile_metrics
        return list(keras.tree.flatten([compiled._user_metrics, compiled._user_weighted_metrics]))
    return []


def _name(metric: Any) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))


# The compiled engine (training/engine)

try:
    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"the backend is {keras.backend.backend()}, not tensorflow")
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer as _TensorFlowTrainer
    from keras.src.trainers.data_adapters import array_slicing as _array_slicing
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter as _ArrayDataAdapter
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter as DataAdapter
    from tensorflow.python.eager import context as _tf_context
    from tensorflow.python.framework import config as _tf_config
    from tensorflow.python.framework import op_def_registry as _op_def_registry

    _MISSING: str | None = None
except ImportError as _error:  # pragma: no cover - another backend, or a Keras that has moved its parts
    DataAdapter = object
    _MISSING = f"the engine can't be used with this Keras: {_error}"

_TRAINER_METHODS = ("fit", "evaluate", "make_train_function", "make_test_function", "_make_function")


def engine_missing() -> str | None:
    """What keeps the engine from working with this Keras; None where nothing does."""
    if _MISSING is None and not hasattr(_TensorFlowTrainer, "_make_function"):
        return f"Keras {keras.__version__} makes its training functions in another way"
    return _MISSING


def overridden_trainer_method(kind: type) -> str | None:
    """The first of the methods that run a training which a model's class has as its own; None where it has none."""
    for name in _TRAINER_METHODS:
        if getattr(kind, name, None) not in (getattr(keras.Model, name), getattr(_TensorFlowTrainer, name)):
            return name.removeprefix("_")
    return None


def converted_arrays(x: Any, y: Any, sample_weight: Any, class_weight: Any) -> tuple[Any, int]:
    """The arrays of a fit as Keras converts them, (x,), (x, y) or (x, y, sample_weight), and the number of samples.

    Raises:
        TypeError: Keras doesn't take them as arrays.
    """
    try:
        adapter = _ArrayDataAdapter(x, y, sample_weight=sample_weight, class_weight=class_weight, batch_size=1)
        arrays = _array_slicing.convert_to_sliceable(adapter._inputs, target_backend="tensorflow")
    except ValueError as error:
        raise TypeError(f"x is a {type(x).__name__}, or other data that Keras doesn't take as arrays") from error
    return keras.tree.lists_to_tuples(arrays), adapter._num_samples


def made_by_keras(model: Any, kind: str) -> Any:
    """The function by which Keras itself would train or test a model whose own one is replaced."""
    name = f"{kind}_function"
    ours = getattr(model, name)
    setattr(model, name, None)
    try:
        getattr(model, f"make_{name}")()
        return getattr(model, name)
    finally:
        setattr(model, name, ours)


def tensorflow_seed() -> int | None:
    """TensorFlow's global seed; None where none is set."""
    seed = _tf_context.global_seed()
    return None if seed is None else int(seed)


def is_stateful_op(name: str) -> bool:
    """Whether TensorFlow's operation of a name has a state or a side effect."""
    definition = _op_def_registry.get(name)
    return definition is None or bool(definition.is_stateful)


# What the fingerprint of a model has to know of Keras's own attributes

BOOKKEEPING = frozenset(
    """_tracker _lock _auto_config _tracked _inbound_nodes _outbound_nodes _path _called _loss_ids _call_signature
    _compile_config _compiled_trainable_state build quantize train_function test_function predict_function history
    _saved_model_inputs_spec _saved_model_arg_spec _distribution_strategy _trainable_variables_indices
    _exclude_from_weight_decay_cache _nodes _nodes_by_depth _operations _operations_by_depth stop_training
    stop_evaluating _initial_seed _initial_epoch _parent_path _eval_epoch_iterator _distribute_strategy
    _build_shapes_dict steps_per_execution""".split()
)
"""Attributes of Keras's objects that no step looks at, or that `graph_of` tells."""

SIGN_ONLY = {"MultiHeadAttention": ("_dropout",), "GroupedQueryAttention": ("_dropout",)}
"""Attributes that a class only compares with 0: the number itself is in a Dropout layer inside it."""


def global_switches() -> tuple[Any, ...]:
    """The settings of Keras and TensorFlow that a step may be traced differently by."""
    return (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        _tf_config.is_op_determinism_enabled(),
        _tf_config.tensor_float_32_execution_enabled(),
        _tf_config.get_optimizer_jit(),
        repr(sorted(_tf_config.get_optimizer_experimental_options().items())),
    )


def variable_identity(variable: Any) -> tuple[Any, ...]:
    """What of a variable a step may be traced differently by."""
    value = variable._value
    return (
        tuple(variable.shape),
        str(variable.dtype),
        variable.trainable,
        value.trainable,
        variable.name,
        value.name,
        variable.aggregation,
        getattr(variable, "_autocast", None),
        getattr(variable, "_overwrite_with_gradient", None),
    )


def is_unbuilt(thing: Any) -> bool:
    """Whether it is a Sequential that doesn't know its inputs yet."""
    return isinstance(thing, keras.Sequential) and thing._functional is None


def is_functional(thing: Any) -> bool:
    """Whether it is a model, or a part of one, that was made by calling layers on symbols."""
    return bool(getattr(thing, "_operations", None)) and not isinstance(thing, keras.Sequential)


def excludes_from_weight_decay(thing: Any) -> bool:
    """Whether it is an optimizer that was told which variables not to decay."""
    return isinstance(thing, keras.optimizers.Optimizer) and bool(getattr(thing, "_exclude_from_weight_decay", None))


def graph_of(functional: Any) -> tuple[list[Any], list[tuple[tuple[int, int], Any]], Any]:
    """The operations of a functional model, their calls by (operation, call) with the arguments, and its ends."""
    operations = list(functional._operations)
    # A layer may be called by other models too.
    own = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}
    calls = [
        ((place, index), (list(node.arguments.args), dict(node.arguments.kwargs)))
        for place, operation in enumerate(operations)
        for index, node in enumerate(operation._inbound_nodes)
        if id(node) in own
    ]
    return operations, calls, (functional._inputs_struct, functional._outputs_struct)


def tensor_origin(argument: Any) -> tuple[Any, int, int] | None:
    """The operation, its call and its output that a symbol comes from; None of anything else."""
    history = getattr(argument, "_keras_history", None)
    return None if history is None else (history.operation, history.node_index, history.tensor_index)


# What sharing a program has to know of a model's state


TRACING_DRAWS = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
"""Whether a step that draws from Keras's global generator gives other numbers once it was traced (seen in 3.10)."""


def complete_state(model: Any, symbols: Any) -> None:
    """Makes every variable of a model, its optimizer and its metrics.

    Args:
        model: A compiled model.
        symbols: (x,), (x, y) or (x, y, sample_weight) as KerasTensors.
    """
    if not model.built:
        model._symbolic_build(data_batch=symbols)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    functional = getattr(model, "_functional", None) or model
    if not hasattr(functional, "_outputs_struct"):
        model._symbolic_build(data_batch=symbols)
        return
    outputs = keras.tree.map_structure(
        lambda symbol: keras.KerasTensor((None, *symbol.shape[1:]), symbol.dtype), functional._outputs_struct
    )
    targets = symbols[1] if len(symbols) > 1 else None
    for compiled in (model._compile_metrics, model._compile_loss):
        if compiled is not None and not compiled.built:
            compiled.build(targets, outputs)


def trained_state_of(model: Any) -> list[Any]:
    """Every variable of a model and its optimizer, each once; the metrics', which every epoch resets, left out."""
    return _each_once([*model.variables, *model.optimizer.variables])


def state_of(model: Any) -> list[Any]:
    """Every variable of a model, its optimizer and its metrics, each once."""
    return _each_once([*trained_state_of(model), *model.metrics_variables])


def _each_once(variables: Sequence[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def storage_of(variable: Any) -> Any:
    """TensorFlow's variable inside one of Keras's."""
    return variable._value


@contextlib.contextmanager
def lent_storage(variables: Sequence[Any], storages: Sequence[Any], optimizer: Any) -> Iterator[None]:
    """Lets Keras's variables use other storages, and gives them their own back with the values that they have then."""
    own = [variable._value for variable in variables]
    indices = dict(optimizer._trainable_variables_indices)
    # A cache of variables' identities, which change with their storage.
    undecayed = getattr(optimizer, "_exclude_from_weight_decay_cache", {})
    for variable, storage in zip(variables, storages, strict=True):
        variable._value = storage
    try:
        optimizer._trainable_variables_indices.clear()
        optimizer._trainable_variables_indices.update(
            {optimizer._var_key(variable): index for index, variable in enumerate(optimizer._trainable_variables)}
        )
        undecayed.clear()
        yield
    finally:
        for variable, storage, before in zip(variables, storages, own, strict=True):
            before.assign(storage)
            variable._value = before
        optimizer._trainable_variables_indices.clear()
        optimizer._trainable_variables_indices.update(indices)
        undecayed.clear()
