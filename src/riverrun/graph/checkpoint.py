"""A machine as bytes and back, so that a replay may begin behind any event and not only at the first.

A checkpoint is a copy of what a replay of the log up to an event gives, nothing else: whoever has the log can make it
again, and must, where the copy does not fit. So it is strict in both directions. What bytes cannot hold exactly (an
object of the user's) makes no checkpoint. One of another form, of another graph, or damaged makes no machine.

The walk over what a machine holds is generic, over a closed list of classes: an attribute that is new is kept without
a change here, and changes the form, so that older checkpoints are no longer taken. What belongs to the plan is kept as
its name. This file does not know where bytes are stored, nor when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum
from math import isfinite
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from riverrun.base.errors import StoreError
from riverrun.events.kinds import KINDS
from riverrun.graph.machine import Machine
from riverrun.graph.merge import Moment
from riverrun.graph.moves import RunState, StepState
from riverrun.graph.plan import Plan
from riverrun.graph.prints import ATOMS, OWN, STRUCTS, holds, print_of
from riverrun.graph.reducers import Overwrite, Remove
from riverrun.graph.state import State

_VERSION = 1
_ENUMS = (RunState, StepState)
_BY_NAME: dict[str, Any] = {each.__name__: each for each in (*OWN, *STRUCTS, *_ENUMS, *KINDS)}
# The attributes in which what users wrote stands: there only what comes back from JSON as it is, because that is what a
# replay of the log would find.
_WRITTEN = frozenset({"base", "seen", "reached", "updates", "pieces", "arg", "note", "_given", "_final"})
_ROWS_OF_WRITTEN = frozenset({"writes", "_writes", "answers"})
_REPLACED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, msgspec.DecodeError)


class _Form(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A checkpoint.

    Attributes:
        version: Of this file.
        print: Of the graph, and of what machines are made of.
        run: Id of the run.
        seq: The event behind which it stands.
        table: What the machine holds; references are places in it.
    """

    version: int
    print: bytes
    run: str
    seq: int
    table: list[Any]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form)


class _Unkept(Exception):
    """A machine holds what a checkpoint cannot; never leaves this file."""


def freeze(machine: Machine) -> bytes | None:
    """Make a checkpoint of a machine, behind the last event that it made.

    It is that of a log which holds all these events: whoever keeps it waits until they are committed.

    Args:
        machine: Of a run that goes on or is parked.

    Returns:
        The checkpoint; None where there can be none: the run is ending, a node has just given back and its log does
        not say so yet, or a value is of a class that bytes do not give back as it is.
    """
    if machine.state not in (RunState.RUNNING, RunState.PARKED) or machine.closing or not _is_told(machine):
        return None
    try:
        table = list(_Freezer(machine.plan, machine, _Where.MACHINE).entries())
        return _encoder.encode(_Form(_VERSION, print_of(machine.plan), machine.run, machine.seq, table))
    except (_Unkept, OverflowError, UnicodeError, RecursionError, AttributeError):
        return None


def freeze_state(plan: Plan, run: str, seq: int, state: State) -> bytes | None:
    """Make a checkpoint of what a run left when it had ended, for those that begin from it.

    Args:
        plan: The graph.
        run: Id of the run.
        seq: Of its last event.
        state: What its log folds to.

    Returns:
        The checkpoint; None where there can be none, as for `freeze`.
    """
    try:
        table = list(_Freezer(plan, state, _Where.WRITTEN).entries())
        return _encoder.encode(_Form(_VERSION, print_of(plan), run, seq, table))
    except (_Unkept, OverflowError, UnicodeError, RecursionError):
        return None


def thaw_state(plan: Plan, run: str, body: bytes) -> State:
    """Give the state that a checkpoint holds.

    Args:
        plan: The graph.
        run: Id of the run.
        body: What `freeze_state` gave.

    Returns:
        The state.

    Raises:
        StoreError: E4009, as for `thaw`, or it is a checkpoint of a run that had not ended.
    """
    try:
        state = _Thawer(plan, run, _form_of(plan, run, body).table).state()
    except _REPLACED as error:
        raise _useless(run, error) from None
    return state


def thaw(plan: Plan, run: str, body: bytes) -> Machine:
    """Make a machine of a checkpoint.

    Args:
        plan: The graph.
        run: Id of the run.
        body: What `freeze` gave.

    Returns:
        A machine that stands behind event `seq` of its log, with nothing to say and nothing ordered.

    Raises:
        StoreError: E4009, it is damaged, or of another run, graph or version: the log itself has to be folded.
    """
    try:
        form = _form_of(plan, run, body)
        machine = _Thawer(plan, run, form.table).machine()
        if machine.seq != form.seq or machine.state not in (RunState.RUNNING, RunState.PARKED):
            raise ValueError("it does not stand where it says")
        for step in machine.steps.values():
            if step.state is StepState.RUNNING and step.inside is None and not step.given:
                step.updates = []  # of its log they are no part until it ends, and then all of them
    except _REPLACED as error:
        raise _useless(run, error) from None
    return machine


def _form_of(plan: Plan, run: str, body: bytes) -> _Form:
    form = _decoder.decode(body)
    if form.version != _VERSION or form.print != print_of(plan) or form.run != run:
        raise ValueError("it is of another run, graph or version")
    return form


def _useless(run: str, error: Exception) -> StoreError:
    return StoreError("E4009", f"a checkpoint of run {run} is of no use: {error}")


def _is_told(machine: Machine) -> bool:
    """Say whether the log tells of all that the machine knows; that a node gave back it tells after its routers."""
    return all(
        step.state is not StepState.ROUTING or step.node is None or step.node.manner == "graph"
        for step in machine.steps.values()
    )


class _Place(NamedTuple):
    """What belongs to a plan, by its way through the sub graphs."""

    path: tuple[str, ...]
    what: str
    value: Any


def _places(plan: Plan, path: tuple[str, ...] = ()) -> Iterator[_Place]:
    yield _Place(path, "plan", plan)
    yield _Place(path, "nest", plan.nest)
    yield _Place(path, "joins", plan.joins)
    for name, node in plan.nodes.items():
        yield _Place(path, f"node {name}", node)
    for name, inner in plan.inner.items():
        yield from _places(inner, (*path, name))


# From a machine to bytes


class _Where(Enum):
    """What something is a part of: the machine itself, what users wrote, or a row of such."""

    MACHINE = 0
    WRITTEN = 1
    ROW = 2


_LIST, _TUPLE, _DICT, _SET, _FROZEN, _ENUM, _STRUCT, _OBJECT, _PLACE, _CLASS, _PLAIN_LIST, _PLAIN_DICT = range(12)


class _Freezer:
    """Write down what a machine holds: each thing once, however often it is referred to.

    Args:
        plan: The graph.
        root: The machine, or a state.
        where: Which of the two.
    """

    def __init__(self, plan: Plan, root: Any, where: _Where) -> None:
        self._known: dict[int, int] = {}
        self._todo: deque[tuple[Any, _Where]] = deque()
        self._places = {id(place.value): place for place in _places(plan)}
        self._refer(root, where)

    def entries(self) -> Iterator[list[Any]]:
        """Give one thing after another, the root first; references are lists of one place.

        Raises:
            _Unkept: Something is of a class that is not on the list.
        """
        while self._todo:
            value, where = self._todo.popleft()
            yield self._written(value) if where is _Where.WRITTEN else self._entry(value, where)

    def _refer(self, value: Any, where: _Where) -> Any:
        if type(value) in ATOMS:
            if type(value) is float and not isfinite(value):  # JSON has no such number
                raise _Unkept
            return value
        place = self._known.get(id(value))
        if place is None:
            place = self._known[id(value)] = len(self._known)
            self._todo.append((value, where))
        return [place]

    def _entry(self, value: Any, where: _Where) -> list[Any]:
        """Write down a part of the machine."""
        own = self._places.get(id(value))
        if own is not None:
            return [_PLACE, own.path, own.what]
        kind = type(value)
        if kind in OWN:
            held = holds(value)
            parts = [self._refer(one, _where(kind, name)) for name, one in held.items()]
            return [_OBJECT, kind.__name__, list(held), parts]
        below = _Where.WRITTEN if where is _Where.ROW else _Where.MACHINE
        if kind in _MANY:
            return [_MANY[kind], [self._refer(one, below) for one in value]]
        if kind is dict:
            return [_DICT, [self._refer(one, below) for pair in value.items() for one in pair]]
        if kind in _ENUMS:
            return [_ENUM, kind.__name__, value.value]
        if kind in STRUCTS:
            return self._struct(value)
        if value in KINDS:
            return [_CLASS, value.__name__]
        raise _Unkept

    def _written(self, value: Any) -> list[Any]:
        """Write down what users wrote: as JSON has it, `Overwrite` and `Remove` aside."""
        kind = type(value)
        if kind is list:
            if _EXACT.issuperset(map(type, value)):
                return [_PLAIN_LIST, value]  # 100,000 pieces of a text in 2 ms instead of 30
            return [_LIST, [self._refer(one, _Where.WRITTEN) for one in value]]
        if kind is dict and _NAMES.issuperset(map(type, value)):
            if _EXACT.issuperset(map(type, value.values())):
                return [_PLAIN_DICT, value]
            return [_DICT, [self._refer(one, _Where.WRITTEN) for pair in value.items() for one in pair]]
        if kind in (Overwrite, Remove):
            return self._struct(value)
        raise _Unkept

    def _struct(self, value: Any) -> list[Any]:
        fields = [self._refer(getattr(value, name), _Where.WRITTEN) for name in type(value).__struct_fields__]
        return [_STRUCT, type(value).__name__, fields]


_MANY: dict[type, int] = {list: _LIST, tuple: _TUPLE, set: _SET, frozenset: _FROZEN}
_EXACT = ATOMS - {float}
_NAMES = frozenset({str})


def _where(kind: type, name: str) -> _Where:
    """Say what stands in an attribute."""
    if name in _ROWS_OF_WRITTEN:
        return _Where.ROW
    return _Where.WRITTEN if name in _WRITTEN or (kind is Moment and name == "state") else _Where.MACHINE


# From bytes to a machine


class _Thawer:
    """Build again what was written down. What is in the way of that raises one of `_REPLACED`.

    Args:
        plan: The graph.
        run: Id of the run.
        table: The entries.
    """

    def __init__(self, plan: Plan, run: str, table: list[Any]) -> None:
        self._table = table
        self._places = {(place.path, place.what): place.value for place in _places(plan)}
        self._machine = Machine(plan, run)
        self._made: dict[int, Any] = {}

    def machine(self) -> Machine:
        """Give the machine.

        Raises:
            ValueError: What was written down is no machine.
        """
        self._build()
        if not isinstance(self._made.get(0), Machine):
            raise ValueError("it does not begin with a machine")  # noqa: TRY004  # no argument is wrong: what it holds is
        return self._machine

    def state(self) -> State:
        """Give the state.

        Raises:
            TypeError: What was written down is no state.
        """
        self._build()
        state = self._made.get(0)
        if type(state) is not dict:
            raise TypeError("it is no state")
        return state

    def _build(self) -> None:
        # First what may be part of itself, empty; what cannot is made when it is asked for.
        for place, entry in enumerate(self._table):
            made = self._empty(entry)
            if made is not None:
                self._made[place] = made
        for place, made in list(self._made.items()):
            self._fill(made, self._table[place])

    def _empty(self, entry: list[Any]) -> Any:
        tag = entry[0]
        if tag in (_LIST, _DICT, _SET):
            return ([], None, {}, set())[tag]
        if tag in (_PLAIN_LIST, _PLAIN_DICT):
            return entry[1]
        if tag == _OBJECT:
            kind = _BY_NAME[entry[1]]
            if kind is Machine:
                return self._machine
            return kind(*[None] * len(kind.__struct_fields__)) if issubclass(kind, Struct) else kind.__new__(kind)
        return None

    def _fill(self, made: Any, entry: list[Any]) -> None:
        tag = entry[0]
        if tag == _LIST:
            made.extend(map(self._value, entry[1]))
        elif tag == _SET:
            made.update(map(self._value, entry[1]))
        elif tag == _DICT:
            values = list(map(self._value, entry[1]))
            made.update(zip(values[::2], values[1::2], strict=True))
        elif tag == _OBJECT:
            for name, value in zip(entry[2], entry[3], strict=True):
                setattr(made, name, self._value(value))

    def _value(self, value: Any) -> Any:
        if type(value) is not list:
            return value
        (place,) = value
        if place not in self._made:
            self._made[place] = self._whole(self._table[place])
        return self._made[place]

    def _whole(self, entry: list[Any]) -> Any:
        """Make something that cannot be part of itself."""
        tag, what = entry[:2]
        if tag in (_TUPLE, _FROZEN):
            return (tuple if tag == _TUPLE else frozenset)(map(self._value, what))
        if tag == _PLACE:
            return self._places[tuple(what), entry[2]]
        kind = _BY_NAME[what]
        if tag == _ENUM and issubclass(kind, Enum):
            return kind(entry[2])
        if tag == _STRUCT and kind in STRUCTS:
            return kind(**dict(zip(kind.__struct_fields__, map(self._value, entry[2]), strict=True)))
        if tag == _CLASS:
            return kind
        raise ValueError("an entry of an unknown kind")
