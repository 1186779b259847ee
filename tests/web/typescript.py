"""Writes TypeScript from the Python source: the types of what travels, and the tables that both clients obey.

A type or a table that is written twice by hand differs one day; this one is written once, in Python. It does not know
what the TypeScript client does with them.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec import inspect as shapes

from riverrun.base.codes import CODES
from riverrun.client.session import MOVES, Do, Move, Pace, State
from riverrun.events import kinds
from riverrun.events.ending import CLOSE_DUTIES, RUN_DUTIES, Close, Duty, Ending
from riverrun.wire import pages, problem

HEAD = """// {why}
// Made by tests/web/test_types.py from {source}.
// To write it anew: RIVERRUN_WRITE_DOCS=1 make fast

"""
PARTS = (kinds.ErrorInfo, kinds.Question, kinds.Send, kinds.Base)
BODIES = (pages.RunInfo, pages.AskingRun, pages.GraphEdge, pages.GraphInfo, pages.TextPart, problem.Problem)
# What the client says by itself, not the server.
SAID_HERE = ["E2001", "E2005", "E2007", "E2008", "E3010", "E3011", "E3012"]
SAID_HERE += ["E5001", "E5002", "E5003", "E5004", "E5005", "E6006"]
WIDTH = 120
_SHARED = {"Envelope": "ENVELOPE", "NodeEvent": "NODE", "TerminalEvent": "END"}


# --- types ---


_JSON = """/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };"""

_UNION = """/**
 * The events that this version knows. One of a later version comes through too, as it was received: leave a
 * `default` in a `switch` over `type`.
 */
export type Event =
  | """


def types() -> str:
    """Write the types of events, of their parts, and of what the routes answer."""
    source = "events/kinds.py, wire/pages.py and wire/problem.py of src/riverrun"
    blocks = [
        HEAD.format(why="What travels between a server and its readers (PROTOCOL.md §2, §4 and §7).", source=source)
        + _JSON,
        *[_interface(part) for part in PARTS],
        _interface(kinds.Event, name="Envelope"),
        _interface(kinds.NodeEvent, "Envelope", name="NodeEvent"),
        _interface(kinds.Terminal, "Envelope", name="TerminalEvent"),
        *[_interface(kind, _parent(kind)) for kind in kinds.KINDS],
        _UNION + "\n  | ".join(kind.__name__ for kind in kinds.KINDS) + ";",
        *[_interface(body, "RunInfo" if body is pages.AskingRun else "") for body in BODIES],
    ]
    return "\n\n".join(blocks) + "\n"


def _parent(kind: type[kinds.Event]) -> str:
    if issubclass(kind, kinds.NodeEvent):
        return "NodeEvent"
    return "TerminalEvent" if issubclass(kind, kinds.Terminal) else "Envelope"


def _own_fields(kind: type[Struct]) -> list[shapes.Field]:
    """Give the fields that a class has beside those of its parent, as they are named on the wire."""
    parents = [base for base in kind.__mro__[1:] if issubclass(base, Struct) and base is not Struct]
    inherited = {name for base in parents for name in base.__struct_fields__}
    return [field for field in _fields(kind) if field.name not in inherited]


def _fields(kind: type[Struct]) -> list[shapes.Field]:
    told = shapes.type_info(kind)
    assert isinstance(told, shapes.StructType)
    return [field for field in told.fields if not field.encode_name.startswith("$")]


def _interface(kind: type[Struct], parent: str = "", name: str = "") -> str:
    extends = f" extends {parent}" if parent else ""
    lines = [*_comment(_summary(kind)), f"export interface {name or kind.__name__}{extends} {{"]
    if kind is kinds.Event:
        lines.append("  readonly type: string;")
    elif issubclass(kind, kinds.Event) and not name:
        lines.append(f"  readonly type: {json.dumps(kind.__struct_config__.tag)};")
    told = _attributes(kind)
    for field in _own_fields(kind):
        lines += [f"  {line}" for line in _comment(told.get(field.name, ""))]
        lines.append(f"  readonly {field.encode_name}{'' if field.required else '?'}: {_type(field.type)};")
    return "\n".join([*lines, "}"])


def _type(shape: shapes.Type) -> str:
    match shape:
        case shapes.StrType():
            return "string"
        case shapes.IntType() | shapes.FloatType():
            return "number"
        case shapes.BoolType():
            return "boolean"
        case shapes.NoneType():
            return "null"
        case shapes.AnyType():
            return "Json"
        case shapes.VarTupleType(item_type=item):
            inner = _type(item)
            return f"readonly ({inner})[]" if "|" in inner else f"readonly {inner}[]"
        case shapes.DictType(value_type=value):
            return f"{{ readonly [name: string]: {_type(value)} }}"
        case shapes.StructType(cls=kind):
            return kind.__name__
        case shapes.UnionType(types=parts):
            return " | ".join(map(_type, parts))
    raise TypeError(f"no TypeScript for {shape}")


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _attributes(kind: type) -> dict[str, str]:
    """Read the `Attributes:` of a docstring."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _comment(text: str) -> list[str]:
    told = text.replace("*/", "* /").replace("None", "null")
    if len(told) <= WIDTH - 9:
        return [f"/** {told} */"] if told else []
    return ["/**", *(f" * {line}" for line in textwrap.wrap(told, WIDTH - 5)), " */"]


# --- tables ---


_SHAPE = """/** What a value must be: a plain word, or a word and what is inside. */
export type Shape = string | readonly [string, ...Shape[]];"""

_FIELD = """/** Whether a field must be there, and what it is. */
export type Field = readonly [needed: boolean, shape: Shape];"""


def tables() -> str:
    """Write the endings and their duties, the moves, the pace, the shapes of events and the errors."""
    source = "events/, client/session.py and base/codes.py of src/riverrun"
    why = (
        "The tables that a reader obeys: duties, moves, times, and what an event must hold (PROTOCOL.md §2, §3 and §8)."
    )
    duties: dict[str, tuple[str, Mapping[Any, Duty]]]
    duties = {"RUN_DUTIES": ("Ending", RUN_DUTIES), "CLOSE_DUTIES": ("Close", CLOSE_DUTIES)}
    fields = "Record<string, Field>"
    blocks = [
        HEAD.format(why=why, source=source) + _names("Duty", Duty, "What a reader does when something ended."),
        _names("Ending", Ending, "How a run ended: the type of its terminal event without `run.`."),
        _names("Close", Close, "How a connection ended."),
        _names("State", State, "Where a session is; what a user sees."),
        _names("Move", Move, "What can happen to a session."),
        _names("Do", Do, "What the shell does next."),
        *[
            _table(name, f"Record<{kind}, Duty>", {end.value: duty.value for end, duty in told.items()})
            for name, (kind, told) in duties.items()
        ],
        _table("MOVES", "Record<State, Partial<Record<Move, readonly State[]>>>", _moves()),
        _pace(),
        _table("PACE", "Pace", {_camel(field.name): field.default for field in _fields(Pace)}),
        _SHAPE,
        _FIELD,
        _table("ENVELOPE", fields, _record(kinds.Event)),
        _table("NODE", fields, {"...ENVELOPE": None, **_record(kinds.NodeEvent)}),
        _table("END", fields, {"...ENVELOPE": None, **_record(kinds.Terminal)}),
        _table("SHAPES", f"Record<string, {fields}>", _shapes()),
        _table("TERMINAL", "readonly string[]", [_tag(kind) for kind in kinds.KINDS if kind.terminal]),
        "/** What to do about an error, by its code. */\n"
        + _table("MENDS", "Record<string, string>", {code: CODES[code].mend for code in SAID_HERE}),
    ]
    return "\n\n".join(blocks) + "\n"


def _names(name: str, kind: type[Enum], why: str) -> str:
    return f"/** {why} */\nexport type {name} = " + " | ".join(json.dumps(one.value) for one in kind) + ";"


def _moves() -> dict[str, dict[str, list[str]]]:
    order = list(State)
    return {
        state.value: {move.value: [to.value for to in order if to in where] for move, where in moves.items()}
        for state, moves in MOVES.items()
    }


def _pace() -> str:
    told = _attributes(Pace)
    lines = ["/** The times and counts of PROTOCOL.md §8; all times in seconds. */", "export interface Pace {"]
    for field in _fields(Pace):
        lines += [f"  {line}" for line in _comment(told[field.name])]
        lines.append(f"  readonly {_camel(field.name)}: {_type(field.type)};")
    return "\n".join([*lines, "}"])


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _shapes() -> dict[str, dict[str, Any]]:
    # What events share is written once: the file is part of what a page loads.
    events = {_tag(kind): {f"...{_SHARED[_parent(kind)]}": None, **_record(kind)} for kind in kinds.KINDS}
    return events | {part.__name__: _record(part) for part in PARTS}


def _record(kind: type[Struct]) -> dict[str, Any]:
    return {field.encode_name: [field.required, _shape(field.type)] for field in _own_fields(kind)}


_PLAIN = {
    shapes.StrType: "text",
    shapes.IntType: "integer",
    shapes.FloatType: "number",
    shapes.BoolType: "flag",
    shapes.NoneType: "null",
    shapes.AnyType: "any",
}


def _shape(shape: shapes.Type) -> Any:
    match shape:
        case shapes.VarTupleType(item_type=item):
            return ["list", _shape(item)]
        case shapes.DictType(value_type=value):
            return ["map", _shape(value)]
        case shapes.StructType(cls=kind):
            return ["record", kind.__name__]
        case shapes.UnionType(types=parts):
            return ["either", *map(_shape, parts)]
    if type(shape) not in _PLAIN:
        raise TypeError(f"no shape for {shape}")
    return _PLAIN[type(shape)]


def _tag(kind: type[kinds.Event]) -> str:
    return str(kind.__struct_config__.tag)


def _table(name: str, kind: str, value: Any) -> str:
    return f"export const {name}: {kind} = {_literal(value, 0, WIDTH - len(name) - len(kind) - 20)};"


def _literal(value: Any, depth: int, room: int) -> str:
    """Write a value, on one line where it fits."""
    line = _line(value)
    if len(line) <= room or not isinstance(value, dict | list):
        return line
    inner, outer = "  " * (depth + 1), "  " * depth
    left = WIDTH - len(inner) - 1
    if isinstance(value, list):
        items = [_literal(item, depth + 1, left) for item in value]
    else:
        items = [_member(name, _literal(item, depth + 1, left - len(_key(name)) - 2)) for name, item in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return f"{opening}\n" + "".join(f"{inner}{item},\n" for item in items) + outer + closing


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_member(name, _line(item)) for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_line, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _member(name: str, value: str) -> str:
    return name if name.startswith("...") else f"{_key(name)}: {value}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else json.dumps(name)
