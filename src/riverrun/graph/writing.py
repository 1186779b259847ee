"""How two writes to one key combine, and what a log makes of a write.

Reducers are pure functions (old, new) -> value; one that is not known to be pure is given copies of the lists, mappings
and sets it combines, so that changing them reaches no other branch (what lies deeper is shared). This file does not
know which classes the keys come from (`riverrun.graph.state`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from riverrun.base.errors import NodeError
from riverrun.graph.reducers import Overwrite, Remove, looks_like_control, read_control
from riverrun.graph.shapes import Key, Reducer

State = dict[str, Any]

# Values of these classes are never an Overwrite, a Remove, or data that looks like one.
_ORDINARY = frozenset({str, int, float, bool, type(None), list, tuple, bytes})
_ABSENT: Any = object()


class Writing:
    """Write to a state.

    Args:
        keys: By name; None when any key may be written (`StateGraph(dict)`).

    Attributes:
        keys: By name.
        open: Whether any key may be written.
    """

    __slots__ = ("_empties", "_trusted", "keys", "open")

    def __init__(self, keys: Mapping[str, Key] | None) -> None:
        self.open = keys is None
        self.keys: Mapping[str, Key] = MappingProxyType(dict(keys or {}))
        self._empties = [(name, key.empty) for name, key in self.keys.items() if key.reducer and key.empty]
        self._trusted = frozenset(name for name, key in self.keys.items() if key.trusted)

    def reducer(self, key: str) -> Reducer | None:
        """Give the reducer of a key, None when writes replace."""
        found = self.keys.get(key)
        return found.reducer if found is not None else None

    def folds_to_list(self, key: str) -> bool:
        """Say whether a stream that gave nothing is stored as an empty list rather than an empty text."""
        found = self.keys.get(key)
        return found is not None and found.kind in (list, tuple, set)

    def unknown(self, names: Iterable[object]) -> list[str]:
        """Give those names that the state does not have."""
        return [] if self.open else [str(name) for name in names if name not in self.keys]

    def empty(self) -> State:
        """Give the state before anything was written: what the reducers start from, where their keys' types tell."""
        return {name: make() for name, make in self._empties}

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
                # Most writes are ordinary values: of plain keys, as one look-up says (30 ns), or for a reducer.
                if type(value) in _ORDINARY and (known is None or known.reducer is None):
                    after[name] = value
                elif known is not None and type(value) is list and not mistakable(value, reduced=True):
                    after[name] = self.reduce(known, after, value)
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
        if mistakable(value, reduced=known is not None and known.reducer is not None):
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


def mistakable(value: object, *, reduced: bool) -> bool:
    """Say whether `read_update` would take plain data for something else.

    Args:
        value: What is written.
        reduced: Whether its key has a reducer.
    """
    if not isinstance(value, (list, tuple)):
        return looks_like_control(value)
    if reduced:
        for item in value:  # a loop, for it is three times as fast as any() over the one item of most writes
            if type(item) not in _ORDINARY and looks_like_control(item):
                return True
    return False


def settles(value: object) -> bool:
    """Say whether a write says what a key is, past its reducer: an `Overwrite`, or a `Remove` of the key itself."""
    return isinstance(value, Overwrite) or (isinstance(value, Remove) and value.name is None)


def _copy(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict, set) else value
