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
from riverrun.graph.reducers import Overwrite, Remove, added, same
from riverrun.graph.shapes import Key, Reducer, Shape, read_shape
from riverrun.graph.writing import State, Writing, mistakable, settles

__all__ = ["Key", "Reducer", "Schema", "State", "read_schema", "settles"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Schema(Writing):
    """The keys of a state.

    Args:
        keys: By name; None when any key may be written (`StateGraph(dict)`).
        shapes: The classes that an input may be an instance of; the first one's defaults win.
        inputs: The keys that the input may have; None for all.
        outputs: The keys that a result has; None for all.
    """

    __slots__ = ("_defaults", "_inputs", "_outputs", "_shapes")

    def __init__(
        self,
        keys: Mapping[str, Key] | None,
        shapes: tuple[Shape, ...] = (),
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
    ) -> None:
        super().__init__(keys)
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
        made.open = self.open
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
        limited.open = made.open  # its own class
        return limited

    # What goes in and what comes out

    def check_input(self, value: object) -> State:
        """Take the input of a run from its user.

        Args:
            value: What the run is to be started with: a mapping, an instance of the state's or the input's class, or
                None, which is taken as nothing.

        Returns:
            It, as a state.

        Raises:
            InputError: E2010, it is not a mapping of keys that an input may have.
        """
        for shape in self._shapes:
            value = shape.unpack(value)
        if self._inputs is not None and isinstance(value, Mapping):
            for name in value:
                if name not in self._inputs:
                    what = f"the input has the key {name!r}; its keys are: {', '.join(sorted(self._inputs))}"
                    raise InputError("E2010", what, where=f"input key {name!r}")
        return self._take(value)

    def starting_values(self, given: Mapping[str, Any], base: Mapping[str, Any] = _NOTHING) -> State:
        """Make the starting values of the keys that an input leaves out.

        They are made once, and so come into the log: one that is made by a clock or at random is the same in every
        replay.

        Args:
            given: The input.
            base: The state that it will be written to.

        Returns:
            Values of keys that neither has.

        Raises:
            InputError: E2010, a default cannot be made.
        """
        return self._starting_values({**base, **given}) if self._defaults else {}

    def first(self, value: object, defaults: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[State, State]:
        """Take the input of a run as its first event has it, and make the first state.

        Args:
            value: What `check_input` gave.
            defaults: What `starting_values` gave.
            base: The state that it is written to.

        Returns:
            All that is written, and the state after it.

        Raises:
            InputError: E2010, it does not fit the state, or a reducer does not take it.
        """
        given = {**defaults, **self._take(value)}
        try:
            return given, self.write(base, (given,))
        except NodeError as error:
            raise InputError("E2010", error.message, where=f"input {error.where}") from error

    def enter(self, state: object) -> State:
        """Give what a sub graph of this schema begins with, of the state around it.

        Args:
            state: What its node was given: a state, or the input of a call.

        Returns:
            The keys that the sub graph takes, with the starting values of the others.

        Raises:
            InputError: E2010, it is no mapping, or a default cannot be made.
        """
        for shape in self._shapes:
            state = shape.unpack(state)
        if not isinstance(state, Mapping):
            raise InputError("E2010", f"a sub graph was given {type(state).__name__}, not a mapping")
        taken = self._inputs
        given = {
            name: value
            for name, value in state.items()
            if (self.open or name in self.keys) and (taken is None or name in taken)
        }
        return {**self._starting_values(given), **given} if self._defaults else given

    def changes(self, given: Mapping[str, Any], final: Mapping[str, Any], into: Schema) -> State:
        """Give what a sub graph of this schema writes to the graph around it.

        Only what changed is written. Where both have the same adding reducer for a key, that is what was added, so that
        nothing is added twice; otherwise it is the value.

        Args:
            given: What the sub graph began with.
            final: What it ended with.
            into: The schema of the graph around it.

        Returns:
            An update.
        """
        update: State = {}
        for name, value in final.items():
            if into.unknown((name,)) or (name in given and same(given[name], value)):
                continue
            adds = into.reducer(name) is not None and into.reducer(name) is self.reducer(name)
            update[name] = added(self.reducer(name), given.get(name), value) if adds else value
        return update

    def _take(self, value: object) -> State:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise InputError("E2010", f"the input is {type(value).__name__}, not a mapping")
        unknown = self.unknown(value)
        if unknown:
            raise InputError("E2010", f"the state has no key {unknown[0]!r}", where=f"input key {unknown[0]!r}")
        for name, one in value.items():
            if isinstance(one, Overwrite | Remove) or mistakable(one, reduced=self.reducer(name) is not None):
                what = f"the input of key {name!r} is, or looks like, an Overwrite or a Remove"
                raise InputError("E2010", what, where=f"input key {name!r}", mend="Give the value itself.")
        return dict(value)

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

    def check_update(self, value: object) -> State:
        """Take an update that a user writes from outside, as a node would write it.

        Args:
            value: A mapping, or None for nothing.

        Returns:
            It, as an update.

        Raises:
            InputError: E2010, it is not a mapping of keys of the state.
        """
        if not isinstance(value, Mapping | None):
            raise InputError("E2010", f"the update is {type(value).__name__}, not a mapping")
        unknown = self.unknown(value or {})
        if unknown:
            raise InputError("E2010", f"the state has no key {unknown[0]!r}", where=f"key {unknown[0]!r}")
        return dict(value or {})

    @property
    def private(self) -> frozenset[str]:
        """The keys that only nodes which ask for them see: those of none but their classes."""
        own = self._shapes[0].keys if self._shapes else None
        return frozenset() if self.open or own is None else frozenset(self.keys) - frozenset(own)

    def output(self, state: State) -> State:
        """Give what a result shows of a state."""
        if self._outputs is None:
            hidden = self.private
            return {name: value for name, value in state.items() if name not in hidden} if hidden else state
        return {name: value for name, value in state.items() if name in self._outputs}


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
