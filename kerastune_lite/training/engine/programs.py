"""Traced programs, shared one after the other by the models that have the same fingerprint.

While a model trains, its Keras variables use the storage of the program's variables, so callbacks, checkpoints and
restored weights see the user's own model. Afterwards the model gets its own storage back, with the values that the
training reached, and shares nothing with the program.
"""

from __future__ import annotations

import itertools
import random
import time
import types
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.study.trial import Note, Trained
from kerastune_lite.training.engine import check
from kerastune_lite.training.engine.audit import Capture, NotShareableError, Traced, audit, captures_replaced
from kerastune_lite.training.engine.difference import first_difference
from kerastune_lite.training.engine.fingerprint import Fingerprint, fingerprint
from kerastune_lite.training.engine.lifted import Lifted, LiftedNumber, LiftError, Slot, replaced
from kerastune_lite.training.engine.made_while_traced import Made, Unmade
from kerastune_lite.training.engine.runner import ProgramError, Rehearsing
from kerastune_lite.training.engine.samples import Samples
from kerastune_lite.training.engine.streams import Stream
from kerastune_lite.training.keras_internals import (
    TRACING_DRAWS,
    builds_noted,
    complete_state,
    lent_storage,
    python_random_after_a_seed,
    state_of,
    storage_of,
)

MOST_KEPT, MOST_BYTES = 64, 1 << 29
"""How many programs are kept by default, and how many bytes their variables may take; the least recently used go first.

TensorFlow never frees some megabytes of a program (as after a plain `fit`), so dropping programs early saves little.
"""
LIFTABLE = frozenset(["float32", "int32", "int64", "uint32", "bool"])
"""The dtypes that a model's variables may have if its numbers are to be lifted."""

Trace = Callable[[], Traced]
MOST_LOOKS = 8
"""How many different looks of a step a program keeps functions for: a callback may change a step in every trial."""

DEEPEST_HELD, MOST_HELD = 3, 100
"""How deep a callback's attributes are looked through for models and functions, and how many items of each."""
CHANGES = "its step changes the model while it is traced"
DISTRUST = "its shared program gave other numbers than the model itself"
LONGEST_REASON = 120
"""Characters of an error's message in the reason why something isn't shared."""
MOST_ALARMS = 3
"""How many false alarms of the check end the sharing of a fingerprint: each of them costs the tracing of a program."""


class FailedBeforeError(ProgramError):
    """A program failed for an earlier model of the same fingerprint."""

    is_new = False


class OwnPrograms:
    """Functions that one model uses alone."""

    def __init__(self) -> None:
        self._functions: dict[Hashable, Traced] = {}

    def traced(self, key: Hashable, trace: Trace) -> Traced:
        """The function of a key, traced if it isn't there yet."""
        if key not in self._functions:
            self._functions[key] = trace()
        return self._functions[key]


class SharedPrograms:
    """The programs of one search, by the fingerprints of the models that use them.

    Args:
        most_kept: Programs of at most this many fingerprints are kept.
        most_bytes: How many bytes the variables of all programs may take. The latest program is kept in any case.
    """

    def __init__(self, most_kept: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._most_kept = most_kept
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, Program] = OrderedDict()
        self._refused: dict[Hashable, str] = {}
        self._unliftable: set[Hashable] = set()
        self._failed: set[Hashable] = set()
        self._alarms: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def latest_key(self) -> Hashable:
        """The fingerprint of the model that was lent a program last; None where there is none."""
        return next(reversed(self._kept), None)

    @contextmanager
    def lent_to(
        self, model: keras.Model, samples: Samples | Stream, callbacks: Sequence[keras.callbacks.Callback] = ()
    ) -> Iterator[LentPrograms]:
        """Lends a model programs to train with, from its first batch on until the end of the `with`."""
        with ExitStack() as returned:
            yield LentPrograms(self, model, samples, callbacks, returned)

    def program_for(self, look: Fingerprint) -> tuple[Program, bool]:
        """The program of a model, with the model's values in it, and whether an earlier model has trained with it.

        Raises:
            FailedBeforeError: A program failed for an earlier model of the same fingerprint.
            NotShareableError: The model can't use it.
        """
        if look.key in self._failed:
            raise FailedBeforeError
        if look.key in self._refused:
            raise NotShareableError(self._refused[look.key])
        program = self._kept.get(look.key)
        is_known = program is not None
        if program is None:
            program = self._kept[look.key] = Program(look.variables)
        else:
            program.step("train", look)  # raises where it doesn't suit
            program.take_over(look.variables)
        self._kept.move_to_end(look.key)
        while len(self._kept) > 1 and self._is_full():
            self._kept.popitem(last=False)
        return program, is_known

    def _is_full(self) -> bool:
        return len(self._kept) > self._most_kept or sum(p.bytes for p in self._kept.values()) > self._most_bytes

    def look_at(self, model: keras.Model, samples: Samples | Stream) -> Fingerprint:
        """A model's fingerprint, its variables, and the numbers that the fingerprint leaves out.

        Raises:
            NotShareableError: It can't share programs.
        """
        try:
            complete_state(model, _symbols(samples))
            variables = state_of(model)
            can_lift = all(str(variable.dtype) in LIFTABLE for variable in variables)
            found = fingerprint(model, variables, lift=can_lift)
            if found.key in self._unliftable:
                found = fingerprint(model, variables, lift=False)
        except NotShareableError:
            raise
        except Exception as error:  # the model's own code may raise anything, and its step may do well nevertheless
            raise NotShareableError(f"it can't be compared with other models ({_in_a_line(error)})") from error
        return found

    def refuse(self, key: Hashable, reason: str) -> None:
        """Shares no more programs between models of a fingerprint."""
        self._kept.pop(key, None)
        self._refused[key] = reason

    def false_alarm(self, key: Hashable, problem: str) -> None:
        """Counts that a model differed from its shared program when it ran eagerly, but not when it was traced."""
        self._alarms[key] += 1
        if self._alarms[key] >= MOST_ALARMS:
            self.refuse(key, f"its steps can't be checked: {problem}")

    def give_up_lifting(self, key: Hashable) -> None:
        """Shares programs between models of a fingerprint only where all their numbers are equal."""
        self._kept.pop(key, None)
        self._unliftable.add(key)

    def mark_failed(self, key: Hashable) -> None:
        """Leaves models of a fingerprint to a plain fit."""
        self._kept.pop(key, None)
        self._unliftable.discard(key)
        self._failed.add(key)


class LentPrograms:
    """What one model trains with: a program that is lent to it, or functions of its own where it can't share.

    The model is looked at when a step is needed for the first time: by then every callback has had its say, and a plain
    fit traces the step then too.

    Attributes:
        trained: How the model's training runs: shared if the program was traced for an earlier model, else compiled.
        seconds_saved: How many seconds the reused functions had taken to trace.
        notes: Remarks for the trial's record.
    """

    def __init__(
        self,
        shared: SharedPrograms,
        model: keras.Model,
        samples: Samples | Stream,
        callbacks: Sequence[keras.callbacks.Callback],
        returned: ExitStack,
    ) -> None:
        self._shared = shared
        self._model = model
        self._samples = samples
        self._callbacks = callbacks
        self._returned = returned
        self._program: Program | None = None
        self._key: Hashable = None
        self._looks: dict[str, Fingerprint] = {}
        self._steps: dict[str, Step] = {}
        self._lent: set[int] = set()
        self._alone: dict[str, OwnPrograms] = {}
        self._used: set[Hashable] = set()
        self.trained = Trained("compiled")
        self.seconds_saved = 0.0
        self.notes: tuple[Note, ...] = ()

    def begin(self, kind: str) -> None:
        """Looks at the model before its first step of a kind ("train" or "test"); lends it a program before the first.

        Raises:
            FailedBeforeError: A program failed for an earlier model of the same fingerprint.
        """
        if kind in self._looks or kind in self._alone:
            return
        try:
            if kind != "train" and self._program is None:
                raise NotShareableError("it shares nothing")
            look = self._look()
            if self._program is None:
                self._borrow(look)
            elif not self._lent <= set(map(id, look.variables)):
                raise NotShareableError("it has other variables than at its first batch")
            assert self._program is not None
            step = self._program.step(kind, look)
            look = self._completed(look, step)
            step.set(look)
            self._looks[kind], self._steps[kind] = look, step
        except NotShareableError as reason:
            self._alone[kind] = OwnPrograms()
            if kind == "train":
                self.trained = Trained("compiled", str(reason))

    def _look(self) -> Fingerprint:
        return self._shared.look_at(self._model, self._samples)

    def _completed(self, look: Fingerprint, step: Step) -> Fingerprint:
        """How the model looks once it has been given what an earlier model's step made while it was traced."""
        if not step.made:
            return look
        with suppress(Exception):  # the model's own code may raise anything, and its step may do well nevertheless
            after = step.made.make(self._model, look, self._look)
            if after.key == step.key_after:
                return after
        self._shared.refuse(self._key, CHANGES)
        raise NotShareableError(CHANGES)

    @property
    def is_lent(self) -> bool:
        """Whether the model's variables use the storage of a program."""
        return self._program is not None

    def _borrow(self, look: Fingerprint) -> None:
        if any(isinstance(thing, tf.types.experimental.PolymorphicFunction) for thing in held_by(self._callbacks)):
            # Once traced, it reads the storage that the variables had then.
            raise NotShareableError("a callback has a tf.function")
        latest = self._shared.latest_key
        self._program, is_known = self._shared.program_for(look)
        if not is_known and latest is not None:
            text = f"compiled anew, since it differs from the trial before: {first_difference(look.key, latest)}"
            self.notes = (*self.notes, Note(text, "engine"))
        self.trained = Trained("shared" if is_known else "compiled")
        self._key = look.key
        self._lent = set(map(id, look.variables))
        self._returned.enter_context(
            lent_storage(
                self._model,
                look.variables,
                self._program.storages,
                lambda: [*self._models(), *(layer for layer in look.layers if isinstance(layer, keras.Model))],
                look.optimizers,
                look.functions,
            )
        )

    def _models(self) -> list[keras.Model]:
        """The models of the callbacks, which may use the layers of the one that is trained."""
        return [thing for thing in held_by(self._callbacks) if isinstance(thing, keras.Model)]

    def check(self, kind: str, key: Hashable, rehearsal: Rehearsing) -> None:
        """Compares a shared function with the model itself before it is used, where the model holds code of the user's.

        Where they differ, the model trains with functions of its own, and no other model shares its program.
        """
        if kind in self._alone or (kind, key) in self._used or not check.IS_ON:
            return
        assert self._program is not None
        look = self._looks[kind]
        function = self._steps[kind].functions.get(key)
        if self.trained.how != "shared" or not look.has_own_code or function is None:
            return
        dtypes = check.dtypes_of(self._model)
        state = look.variables, [thing for thing in look.resources if isinstance(thing, tf.Variable)]
        rehearsal.begin()
        with check.state_kept(*state):
            found = rehearsal.by(function)
        problem = "they give other numbers when they are run eagerly"
        for steps in check.ways_to_step(self._model, kind):
            with check.state_kept(*state):
                try:
                    if not check.difference(found, rehearsal.by_itself(steps), dtypes):
                        return
                except Exception as error:  # code that can't be run eagerly may raise anything
                    problem = f"run eagerly they raise {_in_a_line(error)}"
        # Perhaps it only differs when it runs eagerly, as random numbers of XLA do.
        own = rehearsal.traced()
        with check.state_kept(*state):
            difference = check.difference(found, rehearsal.by(own), dtypes, strictness=10.0)
        if difference:
            self._distrust(kind, key, own, difference)
        else:
            self._shared.false_alarm(self._key, problem)

    def _distrust(self, kind: str, key: Hashable, own: Traced, difference: str) -> None:
        """Lets the model train with its own function in place of a shared one, and says so."""
        self._shared.refuse(self._key, DISTRUST)
        for name in ("train", "test"):
            if name == kind or name not in self._looks:
                self._alone[name] = OwnPrograms()
        self._alone[kind].traced(key, lambda: own)
        self.trained = Trained("compiled", DISTRUST)
        text = f"{DISTRUST}: it gave {difference}. The trial began again with a program of its own"
        self.notes = (*self.notes, Note(text, "engine"))
        warnings.warn(
            f"The program that a trial was about to share gave {difference}. The trial and all others like it are "
            f"trained by programs of their own.",
            RuntimeWarning,
            stacklevel=2,
        )

    def traced(self, kind: str, key: Hashable, trace: Trace) -> Traced:
        """The function of a kind of step and a key, traced if it isn't there yet."""
        if kind in self._alone:
            return self._alone[kind].traced(key, trace)
        assert self._program is not None
        look = self._looks[kind]
        step = self._steps[kind]
        found = step.functions.get(key)
        if found is None:
            started = time.perf_counter()
            draws, unmade = random_states(), Unmade.of(look)
            try:
                with step.lifting(look.lifted), builds_noted(self._model) as builds:
                    found = trace()
            except Exception as error:
                # For this model alone, its numbers can be constants. If the model itself is at fault, this fails again.
                self._refuse(kind, error)
                return self._alone[kind].traced(key, trace)
            try:
                uses, look = self._judged(found, step, look, draws, unmade, builds)
            except NotShareableError as reason:
                # For this model the function is right. Tracing it again could change what the step leaves in Python.
                self._refuse(kind, reason)
                if TRACING_DRAWS:
                    raise
                traced = found
                return self._alone[kind].traced(key, lambda: traced)
            step.functions[key], step.uses[key] = found, uses
            self._looks[kind] = look
            step.seconds[key] = time.perf_counter() - started
        elif (kind, key) not in self._used and self.trained.how == "shared":
            self.seconds_saved += step.seconds[key]
        self._used.add((kind, key))
        return found

    def _judged(
        self,
        function: Traced,
        step: Step,
        look: Fingerprint,
        draws: tuple[Any, Any],
        unmade: Unmade,
        builds: dict[str, Any],
    ) -> tuple[dict[Capture, Hashable], Fingerprint]:
        """Refuses a function that uses, or whose tracing has done, what isn't the same for other models.

        Returns:
            What of the model's own it uses, by the number of the capture, and how the model looks by now.

        Raises:
            NotShareableError: It is right for this model only.
        """
        assert self._program is not None
        after = self._look()
        made = Made.noted(look, after, unmade, builds)
        is_changed = after.key != look.key
        if is_changed and not (made and step.suits_after(made, after) and places_of(after) == places_of(look)):
            raise NotShareableError(CHANGES)
        uses = audit(function, [*self._program.storages, *step.variables], handles_of(after))
        seed_drawn = python_random_after_a_seed(draws[0]) if made and made.has_seeds else draws[0]
        if random_states() != (seed_drawn, draws[1]):
            raise NotShareableError("its step draws random numbers of Python or NumPy while it is traced")
        if is_changed:
            step.made, step.key_after = made, after.key
        return uses, after

    def _refuse(self, kind: str, error: Exception) -> None:
        """Leaves the model to functions of its own, and tells what later models of its fingerprint can share."""
        key = self._key
        has_slots = any(look.lifted for look in self._looks.values())
        if isinstance(error, NotShareableError):
            reason = str(error)
        elif isinstance(error, LiftError):
            reason = "one of its numbers has to be known while its step is traced"
        else:
            reason = f"its step can't be traced for several models ({_in_a_line(error)})"
        if isinstance(error, NotShareableError) or not has_slots or key in self._shared._unliftable:
            self._shared.refuse(key, reason)
        else:
            self._shared.give_up_lifting(key)
        self._alone[kind] = OwnPrograms()
        self.trained = Trained("compiled", reason)

    def mark_failed(self) -> None:
        """Leaves later models of the same fingerprint to a plain fit."""
        if "train" in self._looks:
            self._shared.mark_failed(self._key)


class Step:
    """The functions of one kind of step, and the slots of the lifted numbers that they were traced with."""

    def __init__(self, lifted: Sequence[LiftedNumber]) -> None:
        self.slots = [Slot() for _ in lifted]
        self.functions: dict[Hashable, Traced] = {}
        self.uses: dict[Hashable, dict[Capture, Hashable]] = {}
        self.seconds: dict[Hashable, float] = {}
        self.made: Made | None = None
        self.key_after: Hashable = None

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables of its slots."""
        return [variable for slot in self.slots for variable in slot.variables]

    def suits(self, lifted: Sequence[LiftedNumber]) -> bool:
        """Whether its functions would be traced in the same way with other numbers."""
        return all(slot.suits(number.value) for slot, number in zip(self.slots, lifted, strict=True))

    def suits_after(self, made: Made, after: Fingerprint) -> bool:
        """Whether the tracing of a further function has made the same as that of an earlier one, if there was one."""
        return self.made is None or (self.made == made and self.key_after == after.key)

    def set(self, look: Fingerprint) -> None:
        """Takes the numbers of a model, and what it has of its own that is lent to no other."""
        for slot, number in zip(self.slots, look.lifted, strict=True):
            slot.set(number.value)
        if any(self.uses.values()):
            tensors = dict(own_tensors(look))
            for key, uses in self.uses.items():
                captures_replaced(self.functions[key], {number: tensors[name] for number, name in uses.items()})

    @contextmanager
    def lifting(self, lifted: Sequence[LiftedNumber]) -> Iterator[None]:
        """Replaces the lifted numbers of a model by their slots while it is traced."""
        placeholders = [Lifted(slot, number.value) for number, slot in zip(lifted, self.slots, strict=True)]
        with replaced(lifted, placeholders):
            yield


class Program:
    """The variables of a program, and the steps that were traced with them."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.storages = [_copy_of(storage_of(variable)) for variable in variables]
        self.bytes = sum(storage.shape.num_elements() * storage.dtype.size for storage in self.storages)
        self._steps: OrderedDict[Hashable, Step] = OrderedDict()

    def step(self, kind: str, look: Fingerprint) -> Step:
        """The functions of a kind of step of a model that looks like this.

        Raises:
            NotShareableError: They would be traced in another way with the model's numbers.
        """
        step = self._steps.setdefault((kind, look.key), Step(look.lifted))
        if not step.suits(look.lifted):
            raise NotShareableError("one of its numbers changes what is computed")
        self._steps.move_to_end((kind, look.key))
        while len(self._steps) > MOST_LOOKS:
            self._steps.popitem(last=False)
        return step

    def take_over(self, variables: Sequence[keras.Variable]) -> None:
        """Takes the values of a model's variables."""
        for storage, variable in zip(self.storages, variables, strict=True):
            storage.assign(storage_of(variable))


def own_tensors(look: Fingerprint) -> Iterator[tuple[Hashable, Any]]:
    """What a model has of its own that a program may capture: the handles of variables and tables, and tensors.

    Each has a name, which is that of another model's where the models look the same.
    """
    for place, variable in enumerate(look.variables):
        yield ("variable", place), storage_of(variable).handle
    for place, thing in enumerate(look.resources):
        if isinstance(thing, tf.Variable):
            yield ("resource", place), thing.handle
        else:
            yield ("resource", place), getattr(thing, "resource_handle", thing)


def places_of(look: Fingerprint) -> list[tuple[int, str, Any]]:
    """Where a model holds the numbers that its fingerprint leaves out."""
    return [(id(number.owner), number.attribute, number.index) for number in look.lifted]


def handles_of(look: Fingerprint) -> dict[int, Hashable]:
    """The names of what a model has of its own, by the identities of the tensors."""
    return {id(tensor): name for name, tensor in own_tensors(look)}


def _in_a_line(error: Exception) -> str:
    """An exception's type and the first line of its message."""
    first = (str(error).strip().splitlines() or [""])[0]
    text = f"{type(error).__name__}: {first}"
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


def held_by(callbacks: Iterable[keras.callbacks.Callback]) -> Iterator[Any]:
    """What callbacks hold: their attributes, those of their classes, and what stands in lists, dicts and closures."""
    pending: list[tuple[Any, int]] = [(callback, 0) for callback in callbacks]
    while pending:
        thing, depth = pending.pop()
        yield thing
        if depth > DEEPEST_HELD:
            continue
        inside: list[Any] = []
        if isinstance(thing, keras.callbacks.Callback):
            inside = [value for part in (thing, *type(thing).__mro__[:-1]) for value in vars(part).values()]
        elif isinstance(thing, dict):
            inside = list(itertools.islice(thing.values(), MOST_HELD))
        elif isinstance(thing, (list, tuple)):
            inside = list(thing[:MOST_HELD])
        elif isinstance(thing, types.FunctionType):
            inside = [cell.cell_contents for cell in thing.__closure__ or () if cell != types.CellType()]
        pending += [(value, depth + 1) for value in inside]


def random_states() -> tuple[Any, Any]:
    """The states of Python's and NumPy's global random generators."""
    algorithm, words, *rest = np.random.get_state(legacy=True)
    return random.getstate(), (algorithm, np.asarray(words).tobytes(), *rest)


def _copy_of(storage: tf.Variable) -> tf.Variable:
    name = storage.name.partition(":")[0]
    return tf.Variable(storage, trainable=storage.trainable, dtype=storage.dtype, name=name)


def _symbols(samples: Samples | Stream) -> Any:
    return keras.tree.map_structure(lambda spec: None if spec is None else _symbol_of(spec), samples.tensors)


def _symbol_of(spec: Any) -> keras.KerasTensor:
    """The KerasTensor of a batch with the shape and dtype of a tensor or of a TensorFlow specification.

    Raises:
        TypeError: This Keras has no symbols of ragged tensors.
    """
    kind: dict[str, Any] = {}
    if isinstance(spec, tf.RaggedTensorSpec):
        kind = {"ragged": True, "ragged_rank": spec.ragged_rank, "row_splits_dtype": spec.row_splits_dtype}
    elif isinstance(spec, tf.SparseTensorSpec):
        kind = {"sparse": True}
    return keras.KerasTensor((None, *spec.shape[1:]), spec.dtype.name, **kind)
