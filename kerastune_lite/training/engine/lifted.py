"""Numbers that may differ between the models that share a program, such as a dropout rate.

While a step is traced, a `Lifted` object replaces the plain number in the model. It answers comparisons with the value
of the model that is traced, and the answers are recorded. Arithmetic with plain numbers stays in Python's double
precision, as Keras does it, and is recorded too, to be repeated for each later model. Only where it meets a tensor does
the number become the read of a float32 variable. So a later model's numbers enter the program rounded exactly as if
the program had been traced with them.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NoReturn

import keras
import tensorflow as tf

Rule = Callable[[float], float]
"""The arithmetic by which a variable's value follows from a lifted number."""

LIFTED_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.layers.Dropout: ("rate",),
    keras.layers.SpatialDropout1D: ("rate",),
    keras.layers.SpatialDropout2D: ("rate",),
    keras.layers.SpatialDropout3D: ("rate",),
    keras.layers.GaussianNoise: ("stddev",),
    keras.layers.ActivityRegularization: ("l1", "l2"),  # beside the regularizer that it makes of them
    keras.regularizers.L1: ("l1",),
    keras.regularizers.L2: ("l2",),
    keras.regularizers.L1L2: ("l1", "l2"),
    keras.optimizers.Adam: ("weight_decay", "beta_1", "beta_2", "epsilon"),
    keras.optimizers.AdamW: ("weight_decay", "beta_1", "beta_2", "epsilon"),
    keras.optimizers.SGD: ("momentum", "weight_decay"),
    keras.optimizers.RMSprop: ("rho", "weight_decay"),
}
"""The attributes that are lifted if they are positive floats; at 0 the classes leave the computation out."""


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

    def variable(self, expression: str, rule: Rule, value: float) -> tf.Variable:
        """The variable for an expression of the number, made if it isn't there yet."""
        if expression not in self._variables:
            with tf.init_scope():  # outside of the program that is being traced
                self._variables[expression] = (tf.Variable(rule(value), trainable=False, dtype=tf.float32), rule)
        return self._variables[expression][0]


class Lifted:
    """The placeholder of a lifted number while a step is traced."""

    dtype = "float32"

    def __init__(self, slot: Slot, origin: float, rule: Rule = lambda value: value, expression: str = "v") -> None:
        self._slot = slot
        self._origin = origin
        self._rule = rule
        self._expression = expression

    def tensor(self, dtype: Any = tf.float32) -> tf.Tensor:
        """The read of its variable, a float32 scalar."""
        if dtype != tf.float32:
            raise LiftError(f"a lifted number meets {dtype}")
        return self._slot.variable(self._expression, self._rule, self._origin).read_value()

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
