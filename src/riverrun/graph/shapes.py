"""What a class says about a state: its keys, their starting values, and as what a node sees the state.

TypedDict, dataclass, `msgspec.Struct` and pydantic classes are read; pydantic is known by what its classes carry and is
never imported. A node of a TypedDict sees a plain dict, of any other class an instance, made anew for every execution.
This file does not know how writes combine, only which function a key names for that.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import operator
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, NotRequired, Required, cast, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
from msgspec import NODEFAULT, Struct

from riverrun.base.errors import GraphError, NodeError
from riverrun.graph import reducers

Reducer = Callable[[Any, Any], Any]

# What a key with a reducer starts from when nothing was written yet, by the class behind its annotation.
_EMPTY: dict[type, Callable[[], Any]] = {
    **{kind: kind for kind in (list, dict, set, tuple, str, int, float)},
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
# ... or, where no class says it (`list[str] | None`), by the reducer.
_STARTS: tuple[tuple[Reducer, Callable[[], Any]], ...] = (
    (reducers.append, list),
    (reducers.add_messages, list),
    (reducers.merge, dict),
)
# Known not to change what they are given; any other reducer gets copies.
_PURE: tuple[Reducer, ...] = (
    *(reducers.replace, reducers.append, reducers.merge, reducers.add_messages, reducers.sum),
    *(operator.add, operator.or_, operator.and_, operator.mul, max, min),
)
_TWO = 2


class Key(Struct, frozen=True, kw_only=True):
    """One key of a state.

    Attributes:
        name: Its name.
        reducer: How two writes combine; None: the later one replaces, and concurrent ones are an error.
        kind: The class behind its annotation, `object` when it is none.
        hint: Its annotation.
    """

    name: str
    reducer: Reducer | None = None
    kind: type = object
    hint: Any = Any

    @property
    def empty(self) -> Callable[[], Any] | None:
        """What makes the value that the reducer starts from; None when nobody knows one."""
        by_reducer = next((start for reducer, start in _STARTS if reducer is self.reducer), None)
        return _EMPTY.get(self.kind, by_reducer)

    @property
    def trusted(self) -> bool:
        """Whether the reducer is known to leave what it is given as it is."""
        return any(self.reducer is known for known in _PURE)


class Shape(Struct, frozen=True, kw_only=True):
    """One class that a graph was given, for its state, its input, its output, or what a node sees.

    Attributes:
        declared: The class.
        keys: By name; None when any key may be written (`dict`).
        defaults: What makes the starting value of a key that has a default.
        aliases: What the class calls a key when it is made, where that is not the key's name.
        plain: Whether a node sees a dict rather than an instance.
    """

    declared: type
    keys: dict[str, Key] | None
    defaults: dict[str, Callable[[], Any]] = {}
    aliases: dict[str, str] = {}
    plain: bool = True

    def show(self, state: Mapping[str, Any], who: str, place: str) -> Any:
        """Make what a node or a router sees.

        Args:
            state: The state; it stays as it is.
            who: For whom, such as `node 'a'`.
            place: Where that is written.

        Returns:
            The keys of this class: a dict, or an instance, in which the class fills in what the state does not have.

        Raises:
            NodeError: E3001, the class does not take what the state holds.
        """
        if self.keys is None:
            return dict(state)
        seen = {self.aliases.get(name, name): state[name] for name in self.keys if name in state}
        if self.plain:
            return seen
        try:
            return self.declared(**seen)
        except Exception as error:  # user code: whatever it raises becomes one coded error
            what = f"{who} cannot see the state as {self.declared.__name__}: {type(error).__name__}: {error}"
            mend = "Give every key without a default in the input, or write it before; or mend the value."
            raise NodeError("E3001", what, where=place, mend=mend) from error

    def unpack(self, value: object) -> object:
        """Give the fields of an instance of this class as a mapping; anything else as it is."""
        if self.plain or not isinstance(value, self.declared):
            return value
        return {name: getattr(value, name) for name in self.keys or ()}


def is_shape(declared: object) -> bool:
    """Say whether a class can be read as a state."""
    return declared is dict or (isinstance(declared, type) and _reader(declared) is not None)


def read_shape(declared: object) -> Shape:
    """Read a class.

    Args:
        declared: A TypedDict, dataclass, Struct or pydantic class, or `dict` for a state that takes any key.

    Returns:
        What it says.

    Raises:
        GraphError: E1007, it is none of these; E1008, the metadata of a key cannot be used as a reducer.
    """
    if declared is dict:
        return Shape(declared=dict, keys=None)
    reader = _reader(declared) if isinstance(declared, type) else None
    if reader is None or not isinstance(declared, type):
        raise GraphError("E1007", f"{declared!r} is not a TypedDict, dataclass, Struct or pydantic class")
    try:
        hints = get_type_hints(declared, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        what = f"an annotation of {declared.__name__} cannot be evaluated: {error}"
        raise GraphError("E1007", what) from None
    return reader(declared, hints)


def declared_input(function: Callable[..., Any]) -> type | None:
    """Give the class that a node or router is annotated to see, if it is one that can be read."""
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
        inner = inspect.unwrap(getattr(function, "func", function))
        inner = inner if inspect.isroutine(inner) else getattr(inner, "__call__", inner)  # noqa: B004  # its hints
        hint = None if first is None else get_type_hints(inner).get(first.name)
    except (NameError, TypeError, AttributeError, ValueError):
        return None  # a hint that cannot be evaluated declares nothing
    return hint if isinstance(hint, type) and hint is not dict and is_shape(hint) else None


def _reader(declared: type) -> Callable[[type, dict[str, Any]], Shape] | None:
    if is_typeddict(declared):
        return _read_typed_dict
    if issubclass(declared, Struct):
        return _read_struct
    if hasattr(declared, "__pydantic_core_schema__") and isinstance(getattr(declared, "model_fields", None), Mapping):
        return _read_pydantic
    return _read_dataclass if dataclasses.is_dataclass(declared) else None


def _read_typed_dict(declared: type, hints: dict[str, Any]) -> Shape:
    return Shape(declared=declared, keys={name: _read_key(name, hint) for name, hint in hints.items()})


def _read_dataclass(declared: type, hints: dict[str, Any]) -> Shape:
    # A field that the class computes for itself (init=False) is not part of the state.
    fields = [each for each in dataclasses.fields(cast("Any", declared)) if each.init]
    defaults: dict[str, Callable[[], Any]] = {}
    for each in fields:
        if each.default is not dataclasses.MISSING:
            defaults[each.name] = _constant(each.default)
        elif each.default_factory is not dataclasses.MISSING:
            defaults[each.name] = each.default_factory
    keys = {each.name: _read_key(each.name, hints[each.name]) for each in fields}
    return Shape(declared=declared, keys=keys, defaults=defaults, plain=False)


def _read_struct(declared: type, hints: dict[str, Any]) -> Shape:
    fields = msgspec.structs.fields(declared)
    defaults: dict[str, Callable[[], Any]] = {}
    for each in fields:
        if each.default is not NODEFAULT:
            defaults[each.name] = _constant(each.default)
        elif each.default_factory is not NODEFAULT:
            defaults[each.name] = cast("Callable[[], Any]", each.default_factory)
    keys = {each.name: _read_key(each.name, hints[each.name]) for each in fields}
    return Shape(declared=declared, keys=keys, defaults=defaults, plain=False)


def _read_pydantic(declared: type, hints: dict[str, Any]) -> Shape:
    fields: Mapping[str, Any] = declared.model_fields  # type: ignore[attr-defined]  # known by `_reader`
    defaults = {name: _factory_default(each.get_default) for name, each in fields.items() if not each.is_required()}
    # pydantic sets `validation_alias` along with `alias`; what is not a text (a path) is left to populate_by_name.
    aliases = {name: each.validation_alias for name, each in fields.items() if isinstance(each.validation_alias, str)}
    keys = {name: _read_key(name, hints[name]) for name in fields}
    return Shape(declared=declared, keys=keys, defaults=defaults, aliases=aliases, plain=False)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _factory_default(get_default: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: get_default(call_default_factory=True)


def _read_key(name: str, hint: object) -> Key:
    reducer = None
    while get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    whole = hint
    while get_origin(hint) in (Annotated, Required, NotRequired):
        inner, *metadata = get_args(hint)
        found = [item for item in metadata if callable(item) and not isinstance(item, type)]
        if metadata and not found and any(callable(item) for item in metadata):
            raise GraphError("E1008", f"the metadata of key {name!r} is a class, not a function of two values")
        if found:
            reducer = _check_reducer(name, found[-1])
        hint = inner
    kind = get_origin(hint) or hint
    # `int | None` has a class behind it too, but it is no class of values.
    kind = kind if isinstance(kind, type) and kind is not UnionType else object
    return Key(name=name, reducer=reducer, kind=kind, hint=whole)


def _check_reducer(name: str, reducer: Reducer) -> Reducer:
    code = getattr(reducer, "__code__", None)
    if code is not None and code.co_argcount < _TWO and not code.co_flags & 0x04:  # 0x04: it takes *args
        raise GraphError("E1008", f"the reducer of key {name!r} takes {code.co_argcount} value(s), not two")
    return reducer
