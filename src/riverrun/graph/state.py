"""The state of a graph: which keys there are, and how two writes to one key combine.

A state is a plain mapping that nobody changes in place: every execution gets a copy of its own, and what it writes
makes a new one. Reducers are pure functions (old, new) -> value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

from msgspec import Struct

from riverrun.base.errors import GraphError, InputError, NodeError

Reducer = Callable[[Any, Any], Any]
State = dict[str, Any]

# What a key with a reducer starts from when nothing was written yet, as `type()` gives it.
_EMPTY: dict[type, Callable[[], Any]] = {kind: kind for kind in (list, dict, set, tuple, str, int, float)}
_TWO = 2


class Key(Struct, frozen=True, kw_only=True):
    """One key of a state.

    Attributes:
        name: Its name.
        reducer: How two writes combine; None: the later one replaces, and concurrent ones are an error.
        kind: The class behind its annotation, `object` when it is none.
    """

    name: str
    reducer: Reducer | None = None
    kind: type = object


class Schema:
    """The keys of a state.

    Args:
        keys: By name; None when any key may be written (`StateGraph(dict)`).
    """

    __slots__ = ("_any", "keys")

    def __init__(self, keys: Mapping[str, Key] | None) -> None:
        self._any = keys is None
        self.keys: Mapping[str, Key] = MappingProxyType(dict(keys or {}))

    def reducer(self, key: str) -> Reducer | None:
        """Give the reducer of a key, None when writes replace."""
        found = self.keys.get(key)
        return found.reducer if found is not None else None

    def folds_to_list(self, key: str) -> bool:
        """Say whether a stream that gave nothing is stored as an empty list rather than an empty text."""
        found = self.keys.get(key)
        return found is not None and found.kind in (list, tuple, set)

    def check_input(self, value: object) -> State:
        """Take the input of a run.

        Args:
            value: What the run was started with; None is taken as nothing.

        Returns:
            It, as a state.

        Raises:
            InputError: E2010, it is not a mapping of known keys.
        """
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise InputError("E2010", f"the input is {type(value).__name__}, not a mapping")
        unknown = self.unknown(value)
        if unknown:
            raise InputError("E2010", f"the state has no key {unknown[0]!r}", where=f"input key {unknown[0]!r}")
        return dict(value)

    def unknown(self, names: Iterable[object]) -> list[str]:
        """Give those names that the state does not have."""
        return [] if self._any else [str(name) for name in names if name not in self.keys]

    def write(self, state: Mapping[str, Any], updates: Iterable[Mapping[str, Any]]) -> State:
        """Make the state that follows from writing updates one after another.

        Args:
            state: What was there; it stays as it is.
            updates: What is written.

        Returns:
            A new state.

        Raises:
            NodeError: E3007, a reducer raised.
        """
        after = dict(state)
        keys = self.keys
        for update in updates:
            for name, value in update.items():
                known = keys.get(name)
                if known is None or known.reducer is None:
                    after[name] = value
                else:
                    after[name] = self.reduce(known, after, value)
        return after

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
        if key.name in state:
            old = state[key.name]
        elif key.kind in _EMPTY:
            old = _EMPTY[key.kind]()
        else:
            return value  # nothing to combine with
        try:
            return key.reducer(old, value) if key.reducer is not None else value
        except Exception as error:  # user code: whatever it raises becomes one coded error
            what = f"the reducer of {key.name!r} raised {type(error).__name__}: {error}"
            raise NodeError("E3007", what, where=f"key {key.name!r}") from error


def read_schema(declared: object) -> Schema:
    """Read the keys off a class.

    Args:
        declared: A TypedDict class, or `dict` for a state that takes any key.

    Returns:
        The schema.

    Raises:
        GraphError: E1007, it is neither; E1008, the metadata of a key cannot be used as a reducer.
    """
    if declared is dict:
        return Schema(None)
    if not (isinstance(declared, type) and is_typeddict(declared)):
        raise GraphError("E1007", f"{declared!r} is not a TypedDict class")
    try:
        hints = get_type_hints(declared, include_extras=True)
    except NameError as error:
        raise GraphError("E1007", f"an annotation of {declared.__name__} cannot be evaluated: {error}") from None
    return Schema({name: _read_key(name, hint) for name, hint in hints.items()})


def _read_key(name: str, hint: object) -> Key:
    reducer = None
    while get_origin(hint) in (Annotated, Required, NotRequired):
        inner, *metadata = get_args(hint)
        found = [item for item in metadata if callable(item) and not isinstance(item, type)]
        if metadata and not found and any(callable(item) for item in metadata):
            raise GraphError("E1008", f"the metadata of key {name!r} is a class, not a function of two values")
        if found:
            reducer = _check_reducer(name, found[-1])
        hint = inner
    kind = get_origin(hint) or hint
    return Key(name=name, reducer=reducer, kind=kind if isinstance(kind, type) else object)


def _check_reducer(name: str, reducer: Reducer) -> Reducer:
    code = getattr(reducer, "__code__", None)
    if code is not None and code.co_argcount < _TWO and not code.co_flags & 0x04:  # 0x04: it takes *args
        raise GraphError("E1008", f"the reducer of key {name!r} takes {code.co_argcount} value(s), not two")
    return reducer
