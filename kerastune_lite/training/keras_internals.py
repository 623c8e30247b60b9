"""Every private name of Keras and TensorFlow that this library uses, guarded against versions that don't have it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    import tensorflow as tf

try:
    from keras.src.backend.common import global_state as _global_state
except ImportError:  # pragma: no cover - a Keras that keeps its state elsewhere
    _global_state = None


def reset_layer_names() -> None:
    """Resets Keras's counters of names, so that the next model's layers are named as in a fresh process ("dense").

    `keras.utils.clear_session` does it too, but also resets the user's dtype policy and distribution. Where it is the
    only way, the policy is restored afterwards.
    """
    if hasattr(_global_state, "set_global_attribute"):
        _global_state.set_global_attribute("object_name_uids", None)
        return
    policy = keras.config.dtype_policy()  # pragma: no cover
    keras.utils.clear_session(free_memory=False)  # pragma: no cover
    keras.config.set_dtype_policy(policy)  # pragma: no cover


def metric_names(model: keras.Model) -> set[str]:
    """The names of all metrics that a model was compiled with, without the prefixes of its outputs."""
    return {_name(metric) for metric in _compiled_metrics(model)}


def metric_classes(model: keras.Model) -> dict[str, str]:
    """The class names of the metric objects that a model was compiled with, by the metrics' names.

    Metrics given as strings or functions have no class and are left out.
    """
    metrics = _compiled_metrics(model)
    return {metric.name: type(metric).__name__ for metric in metrics if isinstance(metric, keras.metrics.Metric)}


def reset_compiled_metrics(model: keras.Model) -> None:
    """Sets the metric objects that a model was compiled with back to their start.

    They may have been made once for the models of all trials. Keras's `fit` resets them when an epoch begins, but not
    before it has traced a step, so that a training would go on from where another one has left them.
    """
    for metric in _compiled_metrics(model):
        if isinstance(metric, keras.metrics.Metric) and metric.variables:
            metric.reset_state()


def _compiled_metrics(model: keras.Model) -> list[Any]:
    with contextlib.suppress(AttributeError):
        compiled = model._compile_metrics
        return list(keras.tree.flatten([compiled._user_metrics, compiled._user_weighted_metrics]))
    return []


def _name(metric: object) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))


# The compiled engine (training/engine)

try:
    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"the backend is {keras.backend.backend()}, not tensorflow")
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer as _TensorFlowTrainer
    from keras.src.trainers import data_adapters as _data_adapters
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
    """Why the engine can't work with the Keras that is installed; None if it can."""
    if _MISSING is None and not hasattr(_TensorFlowTrainer, "_make_function"):
        return f"the engine doesn't know how Keras {keras.__version__} makes its training functions"
    return _MISSING


def overridden_trainer_method(kind: type) -> str | None:
    """The first training method, such as "fit", that a model's class overrides; None if it overrides none."""
    for name in _TRAINER_METHODS:
        if getattr(kind, name, None) not in (getattr(keras.Model, name), getattr(_TensorFlowTrainer, name)):
            return name.removeprefix("_")
    return None


def converted_arrays(x: Any, y: Any, sample_weight: Any, class_weight: Any) -> tuple[Any, int]:
    """The arrays of a fit as Keras converts them, (x,), (x, y) or (x, y, sample_weight), and the number of samples.

    Raises:
        TypeError: They aren't data that Keras trains on as arrays.
    """
    try:
        adapter = _ArrayDataAdapter(x, y, sample_weight=sample_weight, class_weight=class_weight, batch_size=1)
        arrays = _array_slicing.convert_to_sliceable(adapter._inputs, target_backend="tensorflow")
    except ValueError as error:
        raise TypeError(f"x is a {type(x).__name__}, or other data that Keras doesn't take as arrays") from error
    return keras.tree.lists_to_tuples(arrays), adapter._num_samples


def data_adapter_of(**arguments: Any) -> Any:
    """The adapter that Keras makes of the data of a `fit`, from x, y, sample_weight, batch_size and so on, by name."""
    return _data_adapters.get_data_adapter(**arguments)


def split_by_keras(arrays: Any, validation_split: float) -> tuple[Any, Any]:
    """The training and the validation part of (x, y, sample_weight), as `fit` splits them."""
    training, validation = _array_slicing.train_validation_split(arrays, validation_split=validation_split)
    return training, validation


def unpacked(data: Any) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of the data that `fit` was given as `validation_data`."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return x, y, sample_weight


def made_by_keras(model: keras.Model, kind: str) -> Callable[[Iterator[Any]], Any]:
    """The train or test function that Keras would make for a model whose function the engine has replaced."""
    name = f"{kind}_function"
    ours = getattr(model, name)
    setattr(model, name, None)
    try:
        getattr(model, f"make_{name}")()
        theirs: Callable[[Iterator[Any]], Any] = getattr(model, name)
        return theirs
    finally:
        setattr(model, name, ours)


def tensorflow_seed() -> int | None:
    """TensorFlow's global seed; None if none is set."""
    seed = _tf_context.global_seed()
    return None if seed is None else int(seed)


def is_stateful_op(name: str) -> bool:
    """Whether the TensorFlow operation of this name has a state or a side effect, or isn't known."""
    definition = _op_def_registry.get(name)
    return definition is None or bool(definition.is_stateful)


# What the fingerprint of a model has to know of Keras's own attributes

BOOKKEEPING = frozenset(
    """_tracker _lock _auto_config _tracked _inbound_nodes _outbound_nodes _path _called _loss_ids _call_signature
    _compile_config _compiled_trainable_state build quantize train_function test_function predict_function history
    _saved_model_inputs_spec _saved_model_arg_spec _distribution_strategy _trainable_variables_indices
    _exclude_from_weight_decay_cache _nodes _nodes_by_depth _operations _operations_by_depth stop_training
    stop_evaluating _initial_seed _initial_epoch _parent_path _eval_epoch_iterator _distribute_strategy
    _build_shapes_dict steps_per_execution _losses _dropout_mask _recurrent_dropout_mask""".split()
)
"""Attributes that Keras's classes set on their objects and that no step depends on, or that `graph_of` covers."""

SIGN_ONLY = {"MultiHeadAttention": ("_dropout",), "GroupedQueryAttention": ("_dropout",)}
"""Attributes by class that are only compared with 0; the number itself is in a Dropout layer inside the layer."""


def global_switches() -> tuple[Any, ...]:
    """The global settings of Keras and TensorFlow that change how a step is traced."""
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


def variable_identity(variable: keras.Variable) -> tuple[Any, ...]:
    """The properties of a variable that change how a step is traced."""
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


def is_unbuilt(thing: object) -> bool:
    """Whether an object is a Sequential model that doesn't know its inputs' shapes yet."""
    return isinstance(thing, keras.Sequential) and thing._functional is None


def is_functional(thing: object) -> bool:
    """Whether an object is a functional model: one made by calling layers on symbolic tensors."""
    return bool(getattr(thing, "_operations", None)) and not isinstance(thing, keras.Sequential)


def excludes_from_weight_decay(thing: object) -> bool:
    """Whether an object is an optimizer with variables that were excluded from its weight decay."""
    return isinstance(thing, keras.optimizers.Optimizer) and bool(getattr(thing, "_exclude_from_weight_decay", None))


def graph_of(functional: keras.Model) -> tuple[list[Any], list[tuple[tuple[int, int], Any]], Any]:
    """The graph of a functional model.

    Returns:
        operations: Its operations (layers), in order.
        calls: ((index of the operation, number of the call), (arguments, keyword arguments)) of each call.
        ends: The structures of its inputs and of its outputs.
    """
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


def tensor_origin(argument: object) -> tuple[Any, int, int] | None:
    """The (operation, number of its call, number of its output) that a symbolic tensor comes from, else None."""
    history = getattr(argument, "_keras_history", None)
    return None if history is None else (history.operation, history.node_index, history.tensor_index)


# What sharing a program has to know of a model's state

TRACING_DRAWS = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
"""Whether tracing a step that uses Keras's global seed generator changes the numbers drawn later (seen in 3.10)."""


def complete_state(model: keras.Model, symbols: Any) -> None:
    """Makes those variables of a model, its optimizer and its metrics that don't exist before training.

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


def trained_state_of(model: keras.Model) -> list[keras.Variable]:
    """Every variable of a model and its optimizer, without repeats; not the metrics', which every epoch resets."""
    return _each_once([*model.variables, *model.optimizer.variables])


def state_of(model: keras.Model) -> list[keras.Variable]:
    """Every variable of a model, its optimizer and its metrics, without repeats."""
    return _each_once([*trained_state_of(model), *model.metrics_variables])


def _each_once(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    return list({id(variable): variable for variable in variables}.values())


def compute_dtypes(model: keras.Model) -> set[str]:
    """The types of numbers that a model and its layers compute with."""
    return {layer.compute_dtype for layer in model._flatten_layers()}


def storage_of(variable: keras.Variable) -> tf.Variable:
    """The TensorFlow variable inside a Keras variable."""
    return variable._value


_FUNCTIONS = ("train_function", "test_function", "predict_function")


@contextlib.contextmanager
def lent_storage(
    model: keras.Model,
    variables: Sequence[keras.Variable],
    storages: Sequence[tf.Variable],
    others: Callable[[], Sequence[keras.Model]] = list,
) -> Iterator[None]:
    """Lets a model's variables use other TensorFlow variables, then gives them their own back with the values reached.

    A function that Keras has made for the model, for a model inside it or for one of `others`, which may use the same
    variables, reads the storage that it was made with, so it isn't used with any other.
    """
    own = [variable._value for variable in variables]
    optimizer = model.optimizer
    indices = dict(optimizer._trainable_variables_indices)
    # A cache by the variables' identities, which change with their storage.
    undecayed = getattr(optimizer, "_exclude_from_weight_decay_cache", {})
    for variable, storage in zip(variables, storages, strict=True):
        variable._value = storage
    try:
        borrowing = {id(variable) for variable in variables}

        def users() -> list[keras.Model]:
            return [
                part for part in (model, *others()) if any(id(variable) in borrowing for variable in part.variables)
            ]

        with _functions_set_aside(model, users):
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


@contextlib.contextmanager
def _functions_set_aside(model: keras.Model, users: Callable[[], Sequence[keras.Model]]) -> Iterator[None]:
    """Sets aside the functions that Keras has made of models, but those that train, and brings them back."""
    before = {place: getattr(*place) for place in _places_of_functions(model, users())}
    for place in before:
        setattr(*place, None)
    try:
        yield
    finally:
        for part, name in _places_of_functions(model, users()):
            setattr(part, name, before.get((part, name)))


def _places_of_functions(model: keras.Model, users: Sequence[keras.Model]) -> list[tuple[keras.Model, str]]:
    inside = [layer for part in users for layer in part._flatten_layers() if isinstance(layer, keras.Model)]
    return [(part, name) for part in inside for name in _FUNCTIONS if part is not model or name == "predict_function"]
