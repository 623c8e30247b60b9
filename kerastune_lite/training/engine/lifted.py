"""Numbers that may differ between the models that share a program, such as a dropout rate.

While a step is traced, a `Lifted` object replaces the plain number in the model. It answers comparisons with the value
of the model that is traced, and the answers are recorded. Arithmetic with plain numbers stays in Python's double
precision, as Keras does it, and is recorded too, to be repeated for each later model. Only where it meets a tensor does
the number become the read of a variable of the tensor's type. So a later model's numbers enter the program rounded
exactly as if the program had been traced with them.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import keras
import tensorflow as tf

Rule = Callable[[float], float]
"""The arithmetic by which a variable's value follows from a lifted number."""

_OF_EVERY_OPTIMIZER = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
_SCHEDULES = keras.optimizers.schedules
LIFTED_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.layers.Dropout: ("rate",),
    keras.layers.SpatialDropout1D: ("rate",),
    keras.layers.SpatialDropout2D: ("rate",),
    keras.layers.SpatialDropout3D: ("rate",),
    keras.layers.AlphaDropout: ("rate",),
    keras.layers.GaussianNoise: ("stddev",),
    keras.layers.ActivityRegularization: ("l1", "l2"),  # beside the regularizer that it makes of them
    keras.layers.SimpleRNNCell: ("dropout", "recurrent_dropout"),
    keras.layers.LSTMCell: ("dropout", "recurrent_dropout"),
    keras.layers.GRUCell: ("dropout", "recurrent_dropout"),
    keras.regularizers.L1: ("l1",),
    keras.regularizers.L2: ("l2",),
    keras.regularizers.L1L2: ("l1", "l2"),
    keras.optimizers.Adam: ("beta_1", "beta_2", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.AdamW: ("beta_1", "beta_2", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Adamax: ("beta_1", "beta_2", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Nadam: ("beta_1", "beta_2", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Lamb: ("beta_1", "beta_2", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Lion: ("beta_1", "beta_2", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Adagrad: ("epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.Adadelta: ("rho", "epsilon", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.SGD: ("momentum", *_OF_EVERY_OPTIMIZER),
    keras.optimizers.RMSprop: ("rho", "momentum", "epsilon", *_OF_EVERY_OPTIMIZER),
    _SCHEDULES.ExponentialDecay: ("initial_learning_rate", "decay_rate"),
    _SCHEDULES.InverseTimeDecay: ("initial_learning_rate", "decay_rate"),
    _SCHEDULES.PolynomialDecay: ("initial_learning_rate", "end_learning_rate", "power"),
    _SCHEDULES.CosineDecay: ("initial_learning_rate", "alpha", "warmup_target"),
    _SCHEDULES.PiecewiseConstantDecay: ("values",),
    keras.losses.BinaryCrossentropy: ("_fn_kwargs", "label_smoothing"),
    keras.losses.Huber: ("_fn_kwargs",),
}
"""The attributes that are lifted if they are positive floats; at 0 the classes leave the computation out.

Of a list, a tuple or a dict the positive floats in it are lifted. Left out are numbers that TensorFlow computes with
before a program runs where they are constants, and not to the last bit as the program would: those of
restarted cosines, the smoothing of categorical labels, focal losses.
"""


@dataclass(frozen=True)
class LiftedNumber:
    """A number that a fingerprint leaves out, and where it is held.

    Attributes:
        owner: The object that holds it.
        attribute: The name of the object's attribute.
        value: The number.
        index: Its place in the attribute, where that is a list, a tuple or a dict.
    """

    owner: Any
    attribute: str
    value: float
    index: Any = None


def liftable(owner: Any, attribute: str, value: Any) -> list[LiftedNumber]:
    """The numbers to lift of an attribute of an object; none where they are part of the computation."""
    if type(value) is dict:
        return [LiftedNumber(owner, attribute, item, key) for key, item in value.items() if _is_positive(item)]
    if isinstance(value, tf.Tensor) and value.dtype == tf.float32 and value.shape.rank == 0 and hasattr(value, "numpy"):
        value = float(value.numpy())  # as L1 keeps its factor
    if type(value) is float:
        return [LiftedNumber(owner, attribute, value)] if _is_positive(value) else []
    if type(value) in (list, tuple) and all(map(_is_positive, value)):
        return [LiftedNumber(owner, attribute, item, place) for place, item in enumerate(value)]
    return []


def _is_positive(value: Any) -> bool:
    return type(value) is float and value > 0.0


@contextmanager
def replaced(numbers: Sequence[LiftedNumber], by: Sequence[Any]) -> Iterator[None]:
    """Replaces numbers where they are held."""
    before = {(id(number.owner), number.attribute): vars(number.owner)[number.attribute] for number in numbers}
    owners = {(id(number.owner), number.attribute): number.owner for number in numbers}
    try:
        for number, other in zip(numbers, by, strict=True):
            held = vars(number.owner)
            if number.index is None:
                held[number.attribute] = other
            else:
                items = held[number.attribute]
                mutable: Any = dict(items) if isinstance(items, dict) else list(items)
                mutable[number.index] = other
                held[number.attribute] = type(items)(mutable)
        yield
    finally:
        for (place, attribute), value in before.items():
            vars(owners[place, attribute])[attribute] = value


ROUNDED_TO = (tf.float32, tf.float16, tf.bfloat16)
"""The types of tensors that a lifted number may meet: it is rounded to them from double precision, as a constant is."""


class LiftError(TypeError):
    """A lifted number was used in a way that needs its value while a step is traced."""


class Slot:
    """The variables that hold one lifted number in a program, and the comparisons that the program depends on."""

    def __init__(self) -> None:
        self._variables: dict[str, tuple[tf.Variable, Rule]] = {}
        self._decisions: list[tuple[Callable[[float], bool], bool]] = []

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that were made so far."""
        return [variable for variable, _ in self._variables.values()]

    def set(self, value: float) -> None:
        """Sets the variables to the values that follow from a number."""
        for variable, rule in self._variables.values():
            variable.assign(rule(value))

    def decide(self, question: Callable[[float], bool], value: float) -> bool:
        """Answers a comparison with the number and records it, since the program holds only for the same answers."""
        answer = question(value)
        self._decisions.append((question, answer))
        return answer

    def suits(self, value: float) -> bool:
        """Whether a step with another number would be traced to the same program."""
        try:
            for _, rule in self._variables.values():
                rule(value)
            return all(question(value) == answer for question, answer in self._decisions)
        except ArithmeticError:
            return False

    def variable(self, expression: str, rule: Rule, value: float, dtype: Any = tf.float32) -> tf.Variable:
        """The variable of a type for an expression of the number, made if it isn't there yet."""
        place = f"{tf.as_dtype(dtype).name} {expression}"
        if place not in self._variables:
            with tf.init_scope():  # outside of the program that is being traced
                self._variables[place] = (tf.Variable(rule(value), trainable=False, dtype=dtype), rule)
        return self._variables[place][0]


class Lifted:
    """The placeholder of a lifted number while a step is traced."""

    dtype = "float32"

    def __init__(self, slot: Slot, origin: float, rule: Rule = lambda value: value, expression: str = "v") -> None:
        self._slot = slot
        self._origin = origin
        self._rule = rule
        self._expression = expression

    def tensor(self, dtype: Any = tf.float32) -> tf.Tensor:
        """The read of its variable, a scalar."""
        if dtype not in ROUNDED_TO:
            raise LiftError(f"a lifted number meets {dtype}")
        return self._slot.variable(self._expression, self._rule, self._origin, dtype).read_value()

    def then(self, rule: Rule, expression: str) -> Lifted:
        """The number after one more operation with a plain number."""
        before = self._rule
        return Lifted(self._slot, self._origin, lambda value: rule(before(value)), expression)

    def __neg__(self) -> Lifted:
        return self.then(lambda value: -value, f"-({self._expression})")

    def __bool__(self) -> bool:
        rule = self._rule
        return self._slot.decide(lambda value: bool(rule(value)), self._origin)

    def __hash__(self) -> int:
        return id(self)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise LiftError("a lifted number was turned into a plain one")

    __float__ = __int__ = __index__ = __array__ = _refuse


def _arithmetic(name: str) -> Callable[[Lifted, Any], Any]:
    of_float = getattr(float, name)

    def operator(self: Lifted, other: Any) -> Any:
        if isinstance(other, (int, float)):
            operand = float(other)
            expression = f"{name}({self._expression},{operand.hex()})"
            return self.then(lambda value: of_float(value, operand), expression)
        if isinstance(other, Lifted) and other._slot is self._slot:
            one, two = self._rule, other._rule
            expression = f"{name}({self._expression},{other._expression})"
            return Lifted(self._slot, self._origin, lambda value: of_float(one(value), two(value)), expression)
        if tf.is_tensor(other):
            return getattr(self.tensor(other.dtype), name)(other)
        return NotImplemented

    return operator


def _comparison(name: str) -> Callable[[Lifted, Any], Any]:
    of_float = getattr(float, name)

    def operator(self: Lifted, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        rule, operand = self._rule, float(other)
        return self._slot.decide(lambda value: of_float(rule(value), operand), self._origin)

    return operator


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow"):
    setattr(Lifted, f"__{_name}__", _arithmetic(f"__{_name}__"))
for _name in ("gt", "lt", "ge", "le", "eq", "ne"):
    setattr(Lifted, f"__{_name}__", _comparison(f"__{_name}__"))

# Keras and TensorFlow have to accept it where they accept a number.
numbers.Real.register(Lifted)
tf.register_tensor_conversion_function(
    Lifted, lambda number, dtype=None, name=None, as_ref=False: number.tensor(dtype or tf.float32), priority=1
)
