"""Every private name of Keras and TensorFlow that this library uses, guarded against versions that don't have it."""

from __future__ import annotations

import contextlib
import inspect
import random
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
    from keras.src.backend import compute_output_spec as _compute_output_spec
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer as _TensorFlowTrainer
    from keras.src.random import seed_generator as _seed_generator
    from keras.src.trainers import data_adapters as _data_adapters
    from keras.src.trainers.data_adapters import array_slicing as _array_slicing
    from keras.src.trainers.data_adapters import data_adapter_utils as _data_adapter_utils
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter as _ArrayDataAdapter
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter as DataAdapter
    from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter as _GeneratorDataAdapter
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter as _PyDatasetAdapter
    from tensorflow.python.eager import context as _tf_context
    from tensorflow.python.framework import config as _tf_config
    from tensorflow.python.framework import op_def_registry as _op_def_registry
    from tensorflow.python.ops.lookup_ops import LookupInterface as _LookupInterface

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


_FIRST_BATCHES = 2
"""From how many batches Keras tells the shapes of those that Python makes."""


def data_adapter_of(**arguments: Any) -> Any:
    """The adapter that Keras makes of the data of a `fit`, from x, y, sample_weight, batch_size and so on, by name."""
    return _data_adapters.get_data_adapter(**arguments)


def spec_of_python_batches(adapter: Any) -> Any:
    """The shapes and dtypes of the batches that an adapter takes from a PyDataset or a generator; None of another one.

    They are found as the adapter itself finds them when it makes a data set, from the first batches, and it keeps them.
    """
    if isinstance(adapter, _PyDatasetAdapter):
        number = adapter.num_batches
        first = range(_FIRST_BATCHES if number is None else min(_FIRST_BATCHES, number))
        batches = [adapter._standardize_batch(adapter.py_dataset[index]) for index in first]
    elif isinstance(adapter, _GeneratorDataAdapter):
        batches = adapter._first_batches
    else:
        return None
    if adapter._output_signature is None and batches:
        adapter._output_signature = _data_adapter_utils.get_tensor_spec(batches)
    return adapter._output_signature


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


_OF_DATASETS = "__inference_Dataset_"
"""How the names of functions of tf.data begin, such as that of a map: each iterator has a random state of its own."""


@contextlib.contextmanager
def kernels_kept() -> Iterator[None]:
    """Lets TensorFlow's seed be set without dropping its kernels (see training/seeding.py)."""
    context = _tf_context.context()

    def set_seed(seed: int | None) -> None:
        context._seed = seed
        context._rng = random.Random(seed)

    context._set_global_seed = set_seed
    try:
        yield
    finally:
        del context._set_global_seed


def functions_with_random_state(harmless: frozenset[str]) -> tuple[bool, frozenset[str]]:
    """Whether TensorFlow keeps a function with a random operation, whose state lasts as long as the function's kernel.

    Args:
        harmless: The names of functions that were found to hold none before.

    Returns:
        Whether there is one, or may be one, and the names of the functions that are kept and hold none.
    """
    context: Any = None if _MISSING is not None else _tf_context.context()
    if not all(hasattr(context, name) for name in ("_set_global_seed", "_seed", "_rng", "list_function_names")):
        return True, harmless
    names = frozenset(context.list_function_names())
    unknown = names - harmless
    random_ones = {
        name
        for name in unknown
        if not name.startswith(_OF_DATASETS) and any(map(_has_random_state, context.get_function_def(name).node_def))
    }
    return bool(random_ones), names - random_ones


def _has_random_state(node: Any) -> bool:
    definition = _op_def_registry.get(node.op)  # None of a call of another function, which is looked at by itself
    has_seed = definition is not None and any(attribute.name.startswith("seed") for attribute in definition.attr)
    return bool(has_seed and definition.is_stateful)


@contextlib.contextmanager
def seeds_put_back() -> Iterator[None]:
    """Restores the global seeds of Keras and TensorFlow at the end, which `keras.utils.set_random_seed` sets.

    Without them, a user's own fit after a search would take the samples in one order in every epoch, as Keras does
    under a seed, and a shuffled data set that is made then would depend on the search.
    """
    names = ("global_random_seed", "global_seed_generator")
    is_known = hasattr(_global_state, "get_global_attribute")
    kept = {name: _global_state.get_global_attribute(name) for name in names} if is_known else {}
    # Before Keras 3.15 a new seed leaves the generator as it is, so that trials draw from it.
    generator = kept.get("global_seed_generator")
    state = None if generator is None else keras.ops.convert_to_numpy(generator.state)
    seed = tensorflow_seed() if _MISSING is None else None
    draws = getattr(_tf_context.context(), "_rng", None) if _MISSING is None else None
    try:
        yield
    finally:
        for name, value in kept.items():
            _global_state.set_global_attribute(name, value)
        if generator is not None:
            generator.state.assign(state)
        if _MISSING is None:
            _tf_context.set_global_seed(seed)
            if draws is not None:  # where the stream of the seeds that operations draw stood
                _tf_context.context()._rng = draws


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
    stop_evaluating _jit_compile _initial_seed _initial_epoch _parent_path _eval_epoch_iterator _distribute_strategy
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
        value.name.rpartition("/")[2],  # what stands before depends on where it was made
        variable.aggregation,
        getattr(variable, "_autocast", None),
        getattr(variable, "_overwrite_with_gradient", None),
    )


def is_functional(thing: object) -> bool:
    """Whether an object is a functional model: one made by calling layers on symbolic tensors."""
    return bool(getattr(thing, "_operations", None)) and not isinstance(thing, keras.Sequential)


def excludes_from_weight_decay(thing: object) -> bool:
    """Whether an object is an optimizer with variables that were excluded from its weight decay."""
    return isinstance(thing, keras.optimizers.Optimizer) and bool(getattr(thing, "_exclude_from_weight_decay", None))


def is_lookup_table(thing: object) -> bool:
    """Whether an object is a lookup table of TensorFlow that can tell what it holds."""
    return isinstance(thing, _LookupInterface) and hasattr(thing, "export")


def table_settings(table: Any) -> tuple[Any, ...]:
    """The types of a lookup table's keys and values, and what it gives for a key that it doesn't hold."""
    default = default_of_table(table).numpy()
    return (table.key_dtype.name, table.value_dtype.name, default.tolist())


def default_of_table(table: Any) -> tf.Tensor:
    """What a lookup table gives for a key that it doesn't hold."""
    default: tf.Tensor = table._default_value
    return default


def is_traced_function(thing: object) -> bool:
    """Whether `tf.function` made an object."""
    return hasattr(thing, "python_function") and hasattr(thing, "get_concrete_function")


def python_function_of(function: Any) -> Any:
    """The Python function that `tf.function` was given."""
    return function.python_function


def settings_of_function(function: Any) -> tuple[Any, ...]:
    """How `tf.function` was told to trace a function."""
    names = ("input_signature", "_autograph", "_reduce_retracing", "_jit_compile", "_attributes")
    return tuple(repr(getattr(function, name, None)) for name in names)


def forget_traces(function: Any) -> None:
    """Lets a `tf.function` be traced anew, since what it has traced reads the variables' storage of that time."""
    for bound in [function, *getattr(function, "_descriptor_cache", {}).values()]:
        bound._function_cache = type(bound._function_cache)()
        bound._function_captures = type(bound._function_captures)()
        bound._created_variables = bound._variable_creation_config = bound._no_variable_creation_config = None


def graph_of(functional: keras.Model) -> tuple[list[Any], list[tuple[tuple[int, int], int, Any]], Any]:
    """The graph of a functional model.

    Returns:
        operations: Its operations (layers), in order.
        calls: ((index of the operation, number of the call), number of the call in this model, (arguments, keyword
            arguments)) of each call.
        ends: The structures of its inputs and of its outputs.
    """
    operations = list(functional._operations)
    # A layer may be called by other models too.
    own = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}
    calls = []
    for place, operation in enumerate(operations):
        called = [(index, node) for index, node in enumerate(operation._inbound_nodes) if id(node) in own]
        for rank, (index, node) in enumerate(called):
            calls.append(((place, index), rank, (list(node.arguments.args), dict(node.arguments.kwargs))))
    return operations, calls, (functional._inputs_struct, functional._outputs_struct)


def tensor_origin(argument: object) -> tuple[Any, int, int] | None:
    """The (operation, number of its call, number of its output) that a symbolic tensor comes from, else None."""
    history = getattr(argument, "_keras_history", None)
    return None if history is None else (history.operation, history.node_index, history.tensor_index)


# What sharing a program has to know of a model's state

TRACING_DRAWS = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
"""Whether tracing a step that uses Keras's global seed generator changes the numbers drawn later (seen in 3.10)."""


def global_seed_state() -> keras.Variable | None:
    """The state from which Keras draws random numbers where no seed is named; None while there is none."""
    if TRACING_DRAWS or _global_state is None:
        return None
    generator = _global_state.get_global_attribute(_seed_generator.GLOBAL_SEED_GENERATOR)
    return None if generator is None else generator.state


def make_global_seed_state() -> None:
    """Makes the state from which Keras draws where no seed is named, as the first draw does."""
    _seed_generator.global_seed_generator()


def python_random_after_a_seed(state: Any) -> Any:
    """The state of Python's random generator once Keras has drawn one seed from it."""
    generator = random.Random()
    generator.setstate(state)
    generator.randint(1, int(1e9))
    return generator.getstate()


def has_own_step(model: keras.Model) -> bool:
    """Whether a model trains by a step of the user's, of which it isn't known what it makes."""
    return any(
        getattr(type(model), name) is not getattr(keras.Model, name) or name in vars(model)
        for name in ("train_step", "compute_loss", "compute_metrics")
    )


def has_known_step(model: keras.Model) -> bool:
    """Whether it is known what a training step of a model does before it changes the weights: it is Keras's own."""
    names = ("_compute_loss", "_loss_tracker", "_call_has_training_arg")
    return not has_own_step(model) and all(hasattr(model, name) for name in names)


def logs_before_update(model: keras.Model, batch: Any) -> Any:
    """The logs of Keras's own `train_step` on a batch, without gradients and the update of the weights."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
    loss = model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
    count = keras.ops.shape(next(part for part in keras.tree.flatten(x) if part is not None))[0]
    model._loss_tracker.update_state(loss, sample_weight=count)
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def complete_state(model: keras.Model, symbols: Any) -> None:
    """Makes those variables of a model, its optimizer and its metrics that Keras's own step would make.

    Of a model with a `train_step` of its own only the layers are built, where calling the model builds them.

    Args:
        model: A compiled model.
        symbols: x, (x,), (x, y) or (x, y, sample_weight) as KerasTensors.
    """
    x, targets, _ = keras.utils.unpack_x_y_sample_weight(symbols)
    if has_own_step(model):
        if not model.built and type(model).call is not keras.Model.call:
            with contextlib.suppress(Exception):  # the step may call it with something else than the data
                _compute_output_spec(model, x, training=False)
        return
    if not model.built:
        model._symbolic_build(data_batch=symbols)
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    functional = getattr(model, "_functional", None) or model
    if not hasattr(functional, "_outputs_struct"):
        model._symbolic_build(data_batch=symbols)
        return
    outputs = keras.tree.map_structure(
        lambda symbol: keras.KerasTensor((None, *symbol.shape[1:]), symbol.dtype), functional._outputs_struct
    )
    is_nested = keras.tree.is_nested(targets) or keras.tree.is_nested(outputs)
    for compiled in (model._compile_metrics, model._compile_loss):
        if compiled is None or compiled.built:
            continue
        if is_nested:  # the loss itself finds out which target belongs to which output
            _compute_output_spec(_called(compiled), targets, outputs)
        else:
            compiled.build(targets, outputs)


def _called(compiled: Any) -> Any:
    return compiled if isinstance(compiled, keras.losses.Loss) else compiled.update_state


@contextlib.contextmanager
def builds_noted(model: keras.Model) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Notes with which targets and outputs, as KerasTensors, a model's compiled loss and metrics are built."""
    noted: dict[str, tuple[Any, Any]] = {}
    watched = [
        (name, part) for name in _COMPILED if (part := getattr(model, name, None)) is not None and not part.built
    ]

    def noting(name: str, build: Any) -> Any:
        def noted_build(targets: Any, outputs: Any) -> Any:
            noted[name] = (_as_symbols(targets), _as_symbols(outputs))
            return build(targets, outputs)

        return noted_build

    for name, part in watched:
        vars(part)["build"] = noting(name, part.build)
    try:
        yield noted
    finally:
        for _, part in watched:
            vars(part).pop("build", None)


_COMPILED = ("_compile_metrics", "_compile_loss")


def build_as_noted(model: keras.Model, noted: dict[str, tuple[Any, Any]]) -> None:
    """Builds the compiled loss and metrics of a model as `builds_noted` has noted of another one."""
    for name, (targets, outputs) in noted.items():
        part = getattr(model, name, None)
        if part is not None and not part.built:
            _compute_output_spec(part.build, targets, outputs)


def _as_symbols(tensors: Any) -> Any:
    return keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype.name) if hasattr(leaf, "dtype") else leaf, tensors
    )


def how_built(layer: keras.layers.Layer) -> tuple[Any, str | None]:
    """The configuration and the scope of names from which `build_layers` builds another layer as one was built."""
    return layer.get_build_config(), layer._parent_path


def build_layers(layers: Sequence[tuple[keras.layers.Layer, tuple[Any, str | None]]]) -> None:
    """Builds layers by what `how_built` has told; each stands before those inside it."""
    for layer, (config, scope) in layers:
        # One with a `build` of its own may build those inside it.
        if not layer.built and not _builds_by_its_call(layer):
            with contextlib.ExitStack() as scopes:
                for name in filter(None, (scope or "").split("/")):
                    scopes.enter_context(keras.name_scope(name))
                layer.build_from_config(config or {})
    for layer, (config, _) in reversed(layers):
        if not layer.built and _builds_by_its_call(layer):
            shapes = config or {}
            layer._build_shapes_dict = shapes.get("shapes_dict", shapes or None)
            layer.built = True
            layer._post_build()
            layer._lock_state()


def _builds_by_its_call(layer: keras.layers.Layer) -> bool:
    """Whether a layer makes no weights itself, and lets those inside it make theirs when it calls them."""
    build = inspect.unwrap(type(layer).build)
    return bool(getattr(build, "_is_default", False)) or build is inspect.unwrap(keras.Model.build)


def variables_built_for(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The variables that an optimizer was built to train."""
    return list(optimizer._trainable_variables)


def build_optimizer(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
    """Builds an optimizer as its first call does."""
    with keras.name_scope(optimizer.name, caller=optimizer):
        optimizer.build(variables)


def trained_state_of(model: keras.Model) -> list[keras.Variable]:
    """Every variable of a model and its optimizer, without repeats; not the metrics', which every epoch resets."""
    return _each_once([*model.variables, *(model.optimizer.variables if model.optimizer is not None else ())])


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
    optimizers: Sequence[keras.optimizers.Optimizer] = (),
    functions: Sequence[Any] = (),
) -> Iterator[None]:
    """Lets a model's variables use other TensorFlow variables, then gives them their own back with the values reached.

    A function that Keras has made for the model, for a model inside it or for one of `others`, which may use the same
    variables, reads the storage that it was made with, so it isn't used with any other.

    Args:
        model: The model.
        variables: The variables that are lent storage.
        storages: What they are lent.
        others: Returns other models that may use the variables.
        optimizers: The optimizers that may train the variables.
        functions: What `tf.function` made and the model may call.
    """
    own = [variable._value for variable in variables]
    for variable, storage in zip(variables, storages, strict=True):
        variable._value = storage
    try:
        borrowing = {id(variable) for variable in variables}

        def users() -> list[keras.Model]:
            return [
                part for part in (model, *others()) if any(id(variable) in borrowing for variable in part.variables)
            ]

        with _functions_set_aside(model, users):
            _identities_renewed(optimizers, functions)
            yield
    finally:
        for variable, storage, before in zip(variables, storages, own, strict=True):
            before.assign(storage)
            variable._value = before
        _identities_renewed(optimizers, functions)


def _identities_renewed(optimizers: Sequence[keras.optimizers.Optimizer], functions: Sequence[Any]) -> None:
    """Renews what optimizers and functions keep by the identities of variables, which change with their storage."""
    for optimizer in optimizers:
        indices = optimizer._trainable_variables_indices
        if optimizer.built:
            indices.clear()
            for index, variable in enumerate(optimizer._trainable_variables):
                indices[optimizer._var_key(variable)] = index
        getattr(optimizer, "_exclude_from_weight_decay_cache", {}).clear()
    for function in functions:
        forget_traces(function)


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
