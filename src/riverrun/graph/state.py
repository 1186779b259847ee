"""The state of a graph: which keys there are, and how two writes to one key combine.

A state is a plain mapping that nobody changes in place: every execution gets a copy of its own, and what it writes
makes a new one. Reducers are pure functions (old, new) -> value; one that is not known to be pure is given copies of
the lists, mappings and sets it combines, so that changing them reaches no other branch (what lies deeper is shared).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from riverrun.base.errors import GraphError, InputError, NodeError
from riverrun.graph.reducers import Overwrite, Remove, looks_like_control, read_control
from riverrun.graph.shapes import Key, Reducer, Shape, read_shape

__all__ = ["Key", "Reducer", "Schema", "State", "read_schema", "settles"]

State = dict[str, Any]

# Values of these classes are never an Overwrite, a Remove, or data that looks like one.
_ORDINARY = frozenset({str, int, float, bool, type(None), list, tuple, bytes})
_ABSENT: Any = object()


class Schema:
    """The keys of a state.

    Args:
        keys: By name; None when any key may be written (`StateGraph(dict)`).
        shapes: The classes that an input may be an instance of; the first one's defaults win.
        inputs: The keys that the input may have; None for all.
        outputs: The keys that a result has; None for all.
    """

    __slots__ = ("_any", "_defaults", "_inputs", "_outputs", "_shapes", "_trusted", "keys")

    def __init__(
        self,
        keys: Mapping[str, Key] | None,
        shapes: tuple[Shape, ...] = (),
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
    ) -> None:
        self._any = keys is None
        self.keys: Mapping[str, Key] = MappingProxyType(dict(keys or {}))
        self._trusted = frozenset(name for name, key in self.keys.items() if key.trusted)
        self._shapes = shapes
        self._inputs = None if inputs is None else frozenset(inputs)
        self._outputs = None if outputs is None else frozenset(outputs)
        self._defaults = {name: make for shape in reversed(shapes) for name, make in shape.defaults.items()}

    def joined(self, shape: Shape) -> Schema:
        """Give this schema with the keys of one more class.

        Args:
            shape: The class: of an input, an output, or what a node sees.

        Returns:
            A new schema. A key that is there already stays as it is declared.

        Raises:
            GraphError: E1008, the class names another reducer for a key.
        """
        keys = dict(self.keys)
        for name, key in (shape.keys or {}).items():
            known = keys.setdefault(name, key)
            if key.reducer is not None and key.reducer is not known.reducer:
                what = f"{shape.declared.__name__} names another reducer for key {name!r} than the state"
                raise GraphError("E1008", what, mend="Name the reducer once, in the class of the state.")
        made = Schema(keys, self._shapes, self._inputs, self._outputs)
        made._any = self._any
        return made

    def limited(self, inputs: Shape | None, outputs: Shape | None) -> Schema:
        """Give this schema with limits on what goes in and comes out.

        Args:
            inputs: The class whose keys the input may have; None for all.
            outputs: The class whose keys a result has; None for all.

        Returns:
            A new schema.

        Raises:
            GraphError: E1008, as `joined`.
        """
        made = self
        for shape in (inputs, outputs):
            made = made if shape is None else made.joined(shape)
        shapes = made._shapes if inputs is None else (*made._shapes, inputs)  # noqa: SLF001  # its own class
        keys_in, keys_out = (None if shape is None else shape.keys for shape in (inputs, outputs))
        limited = Schema(made.keys, shapes, keys_in, keys_out)
        limited._any = made._any  # noqa: SLF001  # its own class
        return limited

    def reducer(self, key: str) -> Reducer | None:
        """Give the reducer of a key, None when writes replace."""
        found = self.keys.get(key)
        return found.reducer if found is not None else None

    def folds_to_list(self, key: str) -> bool:
        """Say whether a stream that gave nothing is stored as an empty list rather than an empty text."""
        found = self.keys.get(key)
        return found is not None and found.kind in (list, tuple, set)

    # What goes in and what comes out

    def check_input(self, value: object) -> State:
        """Take the input of a run from its user.

        Starting values are made here, once, and so come into the log: one that is made by a clock or at random is the
        same in every replay.

        Args:
            value: What the run is to be started with: a mapping, an instance of the state's or the input's class, or
                None, which is taken as nothing.

        Returns:
            It, as a state, with the starting values of the keys that it leaves out.

        Raises:
            InputError: E2010, it is not a mapping of keys that an input may have, or a default cannot be made.
        """
        for shape in self._shapes:
            value = shape.unpack(value)
        if self._inputs is not None and isinstance(value, Mapping):
            for name in value:
                if name not in self._inputs:
                    what = f"the input has the key {name!r}; its keys are: {', '.join(sorted(self._inputs))}"
                    raise InputError("E2010", what, where=f"input key {name!r}")
        return self._take(value)

    def first(self, value: object) -> tuple[State, State]:
        """Take the input of a run as its first event has it, and make the first state.

        Args:
            value: What `check_input` gave.

        Returns:
            The input, and the state after it was written.

        Raises:
            InputError: E2010, it does not fit the state, or a reducer does not take it.
        """
        given = self._take(value)
        try:
            return given, self.write({}, (given,))
        except NodeError as error:
            raise InputError("E2010", error.message, where=f"input {error.where}") from error

    def _take(self, value: object) -> State:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise InputError("E2010", f"the input is {type(value).__name__}, not a mapping")
        unknown = self.unknown(value)
        if unknown:
            raise InputError("E2010", f"the state has no key {unknown[0]!r}", where=f"input key {unknown[0]!r}")
        for name, one in value.items():
            if isinstance(one, Overwrite | Remove) or self._mistakable(name, one):
                what = f"the input of key {name!r} is, or looks like, an Overwrite or a Remove"
                raise InputError("E2010", what, where=f"input key {name!r}", mend="Give the value itself.")
        return {**self._starting_values(value), **value} if self._defaults else dict(value)

    def _starting_values(self, given: Mapping[str, Any]) -> State:
        values: State = {}
        for name, make in self._defaults.items():
            if name in given:
                continue
            try:
                value = make()
            except Exception as error:  # user code: whatever it raises becomes one coded error
                what = f"the default of key {name!r} raised {type(error).__name__}: {error}"
                raise InputError("E2010", what, where=f"key {name!r}", mend="Give the key in the input.") from error
            if value is not None or self.reducer(name) is None:  # None is nothing that a reducer could start from
                values[name] = value
        return values

    def output(self, state: State) -> State:
        """Give what a result shows of a state."""
        if self._outputs is None:
            return state
        return {name: value for name, value in state.items() if name in self._outputs}

    def unknown(self, names: Iterable[object]) -> list[str]:
        """Give those names that the state does not have."""
        return [] if self._any else [str(name) for name in names if name not in self.keys]

    # Writes

    def write(self, state: Mapping[str, Any], updates: Iterable[Mapping[str, Any]]) -> State:
        """Make the state that follows from writing updates one after another.

        Args:
            state: What was there; it stays as it is.
            updates: What is written.

        Returns:
            A new state.

        Raises:
            NodeError: E3007, a reducer raised; E3008, a value cannot be written.
        """
        after = dict(state)
        keys = self.keys
        for update in updates:
            for name, value in update.items():
                known = keys.get(name)
                # Most writes are ordinary values of plain keys: one look-up says so (30 ns).
                if type(value) in _ORDINARY and (known is None or known.reducer is None):
                    after[name] = value
                else:
                    self.put(after, name, value)
        return after

    def put(self, state: State, name: str, value: object) -> None:
        """Write one value into a state of one's own.

        Args:
            state: The state; it is changed.
            name: The key.
            value: What is written: a value, an `Overwrite` or a `Remove`.

        Raises:
            NodeError: E3007, the reducer raised; E3008, the value cannot be written.
        """
        if type(value) is Overwrite:
            state[name] = value.value
            return
        if type(value) is Remove and value.name is None:
            state.pop(name, None)
            return
        known = self.keys.get(name)
        if self._mistakable(name, value):
            what = f"what was written to {name!r} looks like an Overwrite or a Remove, but is plain data"
            mend = "Write Overwrite(value) to store such data; what begins with $ has a meaning in a log."
            raise NodeError("E3008", what, where=f"key {name!r}", mend=mend)
        if known is not None and known.reducer is not None:
            state[name] = self.reduce(known, state, value)
        elif isinstance(value, Remove):
            what = f"{value!r} was written to key {name!r}, which has no reducer that could know what it names"
            mend = f"Write Remove() to delete the key {name!r} itself."
            raise NodeError("E3008", what, where=f"key {name!r}", mend=mend)
        else:
            state[name] = value

    def reduce(self, key: Key, state: Mapping[str, Any], value: object) -> object:
        """Combine a write with what is there.

        Args:
            key: A key with a reducer.
            state: What is there.
            value: What is written.

        Returns:
            What the key holds afterwards.

        Raises:
            NodeError: E3007, the reducer raised.
        """
        old = state.get(key.name, _ABSENT)
        if old is _ABSENT:
            empty = key.empty
            if empty is None:
                return value  # nothing to combine with
            old = empty()
        try:
            if key.reducer is None:
                return value
            if key.name not in self._trusted:
                old, value = _copy(old), _copy(value)
            return key.reducer(old, value)
        except Exception as error:  # user code: whatever it raises becomes one coded error
            what = f"the reducer of {key.name!r} raised {type(error).__name__}: {error}"
            raise NodeError("E3007", what, where=f"key {key.name!r}") from error

    # What a log says

    def read_update(self, update: Mapping[str, Any]) -> State:
        """Give an update as it was written, from what a log made of it (PROTOCOL.md §2, "Writes")."""
        return {name: self._read(name, value) for name, value in update.items()}

    def read_chunk(self, key: str | None, value: object) -> object:
        """Give a chunk as it was put out: it is an item of what its key's reducer will be given."""
        return value if key is None or self.reducer(key) is None else read_control(value)

    def _read(self, name: str, value: object) -> object:
        if isinstance(value, list) and self.reducer(name) is not None:
            return [read_control(item) for item in value]
        return read_control(value)

    def _mistakable(self, name: str, value: object) -> bool:
        """Say whether `read_update` would take plain data for something else."""
        if not isinstance(value, (list, tuple)):
            return looks_like_control(value)
        if self.reducer(name) is not None:
            for item in value:  # a loop, for it is three times as fast as any() over the one item of most writes
                if type(item) not in _ORDINARY and looks_like_control(item):
                    return True
        return False


def settles(value: object) -> bool:
    """Say whether a write says what a key is, past its reducer: an `Overwrite`, or a `Remove` of the key itself."""
    return isinstance(value, Overwrite) or (isinstance(value, Remove) and value.name is None)


def read_schema(declared: object) -> Schema:
    """Read the keys off a class.

    Args:
        declared: A TypedDict, dataclass, Struct or pydantic class, or `dict` for a state that takes any key.

    Returns:
        The schema.

    Raises:
        GraphError: E1007, it is none of these; E1008, the metadata of a key cannot be used as a reducer.
    """
    shape = read_shape(declared)
    return Schema(shape.keys, (shape,))


def _copy(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict, set) else value
