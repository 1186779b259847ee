"""What a run of a graph may be started with, as a JSON Schema: the keys of its input, each by its annotation.

Two libraries know annotations: msgspec the classes of the standard library and its own, pydantic also its own. Each
key is described by the first that can; a key that none of them can say anything of in JSON takes any value.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import PydanticUserError, TypeAdapter

from riverrun.base.errors import InputError
from riverrun.graph.plan import Plan

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PART = "#/$defs/{name}"


def input_schema(plan: Plan) -> dict[str, Any]:
    """Describe the input of a graph.

    Args:
        plan: The graph.

    Returns:
        A JSON Schema of an object. A key whose annotation says nothing in JSON takes any value; a graph of a plain
        `dict` takes any key.
    """
    hints = {name: key.hint for name, key in plan.schema.keys.items() if _takes(plan, name)}
    plain = [name for name, hint in hints.items() if _is_told(hint)]
    schemas, parts = msgspec.json.schema_components([hints[name] for name in plain], ref_template=_PART)
    known = dict(zip(plain, schemas, strict=True))
    parts = dict(parts)
    for name in [name for name in hints if name not in known]:
        known[name] = _by_pydantic(hints[name], parts)
    return {
        "$schema": _DRAFT,
        "type": "object",
        "properties": {name: known[name] for name in hints},
        "additionalProperties": _takes(plan, "\0"),  # a name that nobody declares
        **({"$defs": parts} if parts else {}),
    }


def _takes(plan: Plan, name: str) -> bool:
    """Ask the schema itself whether an input may have a key: it may be limited to some."""
    try:
        plan.schema.check_input({name: None})
    except InputError:
        return False
    return True


def _is_told(hint: Any) -> bool:
    if hint is object:
        return False
    try:
        msgspec.json.schema(hint)
    except (TypeError, RuntimeError, ValueError):
        return False  # a class that it knows nothing of, such as one of pydantic
    return True


def _by_pydantic(hint: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Describe an annotation as pydantic does, and put what it refers to with the rest; nothing where it cannot."""
    try:
        schema = TypeAdapter(hint).json_schema(ref_template="#/$defs/{model}")
    except (PydanticUserError, TypeError, NameError, RecursionError):
        return {}
    own: dict[str, Any] = schema.pop("$defs", {})
    if any(parts.get(name, part) != part for name, part in own.items()):
        return {}  # two classes of one name: what would be said of one of them is not true
    parts.update(own)
    return schema
