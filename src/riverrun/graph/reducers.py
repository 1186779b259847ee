"""Ready-made reducers, and the two writes that go past a reducer.

A reducer says how a write combines with what a key holds: a pure function (old, new) -> value. It must not change what
it is given, because branches share it; those here never do. All keep the law f(f(s, xs), ys) = f(s, xs + ys), so what
is written at once or bit by bit adds up to the same: `replace` aside, and `merge` only as long as no path is a mapping
in one write and a plain value in another.

`Overwrite` and `Remove` stand in `node.completed` as PROTOCOL.md §2 says: {"$overwrite": value}, {"$remove": name}.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import Struct, field

_NOTHING: list[Any] = []


class Overwrite(Struct, frozen=True):
    """A write that replaces what a key holds, whatever the key's reducer would do.

    It replaces what its node could know of. What others wrote at the same time, not knowing of it, is still reduced on
    top of it, so no write is lost; two such writes that do not know of each other are a conflict (E3004).

    Attributes:
        value: What the key holds afterwards. It is stored as it is, also where it looks like an `Overwrite`.
    """

    value: Any = field(name="$overwrite")


class Remove(Struct, frozen=True):
    """A write that takes something away.

    Attributes:
        name: None: the key itself is deleted, `{"draft": Remove()}`. Otherwise it is the key's reducer that knows what
            it names: `add_messages` a message by its id, `merge` a key of the mapping. What is not there is no error:
            two branches may both have removed it.
    """

    name: str | int | None = field(default=None, name="$remove")


CONTROLS = (Overwrite, Remove)  # the writes that are no plain data


def replace(old: Any, new: Any) -> Any:
    """Take the later write. Unlike a key without a reducer it lets concurrent writes be: the last in merge order stays.

    Args:
        old: What the key holds.
        new: What is written.

    Returns:
        `new`.
    """
    del old
    return new


def append(old: Any, new: Any) -> list[Any]:
    """Append to a list: the items of a list or tuple, or anything else as one item.

    Args:
        old: A list, or None.
        new: What is written.

    Returns:
        A new list.
    """
    return [*(old or _NOTHING), *(new if isinstance(new, list | tuple) else (new,))]


def sum(old: Any, new: Any) -> Any:  # noqa: A001  # the name that people look for; the builtin adds up one list
    """Add: numbers, or whatever `+` takes.

    Args:
        old: What the key holds; None counts as nothing.
        new: What is written.

    Returns:
        `old + new`.
    """
    return new if old is None else old + new


def merge(old: Any, new: Any) -> dict[str, Any]:
    """Merge mappings, deep: where both have a mapping under a key these are merged, anything else is replaced.

    Args:
        old: A mapping, or None.
        new: A mapping, or `Remove(key)`.

    Returns:
        A new mapping. What is not mentioned in `new` is shared with `old`, not copied.

    Raises:
        TypeError: One of the two is no mapping.
    """
    if isinstance(new, Remove):
        return {name: value for name, value in (old or {}).items() if name != new.name}
    if not isinstance(new, Mapping) or not isinstance(old, Mapping | None):
        raise TypeError(f"merge takes mappings, not {type(old).__name__} and {type(new).__name__}")
    merged = dict(old or {})
    for name, value in new.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(before, value) if both else value
    return merged


def add_messages(old: Any, new: Any) -> list[Any]:
    """Add messages to a list; one with the id of an earlier one takes its place.

    A message is a mapping, or an object with an `id`; a text, or in a list a pair of role and content, is made into a
    mapping.
    One without an id is given one: a digest of its content, and for the second of two equal ones a number behind it.
    It is not drawn at random, because a log that is folded again must give the same ids; it does not count places,
    because a message has another place after branches have met, and would be another message then.

    Args:
        old: A list of messages, or None.
        new: Messages, or one; `Remove(id)` among them takes one away, as does a message of the role or type `remove`.

    Returns:
        A new list.

    Raises:
        TypeError: Something in `new` cannot be a message.
    """
    messages = dict(enumerate(old or _NOTHING))  # by place, so that one can be taken out without moving the others
    places = {identity: place for place, one in messages.items() if (identity := _id_of(one)) is not None}
    end = len(messages)
    for one in _each(new):
        removed = _removed(one)
        if removed == _ALL:
            messages, places = {}, {}
            continue
        if removed is not None:
            messages.pop(places.pop(removed, -1), None)
            continue
        message = _message(one)
        identity = _id_of(message)
        if identity is None:
            identity = _free(_digest(message), places)
            message = _with_id(message, identity)
        place = places.get(identity, end)
        if place == end:
            places[identity] = end
            end += 1
        messages[place] = message
    return list(messages.values())


class MessagesState(TypedDict):
    """A conversation as a state, under LangGraph's name for it; a class below it may add keys.

    Attributes:
        messages: What was said, in order.
    """

    messages: Annotated[list[Any], add_messages]


def _each(new: Any) -> Iterator[Any]:
    if isinstance(new, tuple) and _is_pair(new):
        # JSON makes a list of it, so a log could not tell one message from two texts.
        raise TypeError(f"{new!r} is one message or two: write [{new!r}] for one")
    if isinstance(new, list | tuple):
        yield from new
    else:
        yield new


_ALL = "__remove_all__"  # LangGraph's name for every message


def _removed(one: Any) -> Any:
    """Give the id of the message that this takes away; None for a message. LangChain's `RemoveMessage` is known too."""
    if isinstance(one, Remove):
        return one.name
    kind = one.get("role", one.get("type")) if isinstance(one, Mapping) else getattr(one, "type", None)
    return _id_of(one) if kind == "remove" else None


def _is_pair(one: Any) -> bool:
    return isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[0], str)


def _message(one: Any) -> Any:
    if isinstance(one, str):
        return {"role": "user", "content": one}
    if _is_pair(one):
        return {"role": one[0], "content": one[1]}
    if isinstance(one, Mapping) or hasattr(one, "id"):
        return one
    raise TypeError(f"{type(one).__name__} is no message: it is neither a mapping nor has it an id")


def _id_of(message: Any) -> Any:
    return message.get("id") if isinstance(message, Mapping) else getattr(message, "id", None)


_PRIME = (1 << 128) - 159  # the largest below 2**128
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835  # so that short contents fill all digits


def _digest(message: Any) -> str:
    """Name a message by its content, the same for an object and for what JSON makes of it."""
    dump = getattr(message, "model_dump", None)  # pydantic, which this room does not import
    plain = msgspec.to_builtins(dump(mode="json") if dump is not None else message)
    content = msgspec.json.encode({name: value for name, value in plain.items() if name != "id"}, order="sorted")
    # A remainder tells contents apart as well as a hash does where nobody wants them to collide; `hashlib` would bring
    # OpenSSL with it, 3 ms of every `import riverrun`.
    return f"{int.from_bytes(content) * _SPREAD % _PRIME:032x}"


def _free(identity: str, taken: Mapping[Any, int]) -> str:
    count, free = 1, identity
    while free in taken:
        count += 1
        free = f"{identity}.{count}"
    return free


def _with_id(message: Any, identity: str) -> Any:
    if isinstance(message, Mapping):
        return {**message, "id": identity}
    if isinstance(message, Struct):
        return msgspec.structs.replace(message, id=identity)
    if dataclasses.is_dataclass(message) and not isinstance(message, type):
        return dataclasses.replace(message, id=identity)
    copy = getattr(message, "model_copy", None)
    if copy is None:
        raise TypeError(f"a {type(message).__name__} without an id cannot be given one")
    return copy(update={"id": identity})


def read_control(value: Any) -> Any:
    """Give the `Overwrite` or `Remove` that a value of a log stands for, or the value itself."""
    if isinstance(value, Mapping) and len(value) == 1:
        for name, inner in value.items():
            if name == "$overwrite":
                return Overwrite(inner)
            if name == "$remove":
                return Remove(inner)
    return value


def looks_like_control(value: object) -> bool:
    """Say whether plain data looks like an `Overwrite` or a `Remove` in a log."""
    if type(value) is dict:  # nearly always: 0.1 µs, where asking for any mapping takes three times as long
        return len(value) == 1 and ("$overwrite" in value or "$remove" in value)
    return isinstance(value, Mapping) and read_control(value) is not value


def same(one: Any, other: Any) -> bool:
    """Say whether two values of a state are the same, also where one of them was read from a log or a checkpoint.

    Args:
        one: A value.
        other: Another one.

    Returns:
        Whether they are one object or equal; no where their own comparison does not say so plainly.
    """
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001  # whatever the comparison of a user's class raises
        return False


def added(reducer: Any, before: Any, after: Any) -> Any:
    """Give the write that a reducer makes `after` of `before` with, where it is one that adds; else `after` itself.

    Args:
        reducer: A function of this file, or `operator.add`.
        before: What a key held; None where it held nothing.
        after: What it holds now.

    Returns:
        What was added, for numbers and for texts, lists and tuples that begin with what was there; otherwise `after`.
    """
    if reducer not in (append, sum, operator.add) or before is None:
        return after
    if isinstance(after, int | float) and isinstance(before, int | float):
        return after - before
    if isinstance(after, str) and isinstance(before, str):
        return after.removeprefix(before)
    if isinstance(after, list | tuple) and isinstance(before, list | tuple) and len(before) <= len(after):
        begins = all(same(one, other) for one, other in zip(before, after, strict=False))
        return after[len(before) :] if begins else after
    return after
