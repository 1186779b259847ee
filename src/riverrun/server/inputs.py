"""What a run of a graph may be started with, as a JSON Schema: the keys of its input, each by the class behind it."""

from __future__ import annotations

from typing import Any

import msgspec

from riverrun.base.errors import InputError
from riverrun.graph.plan import Plan

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PART = "#/$defs/{name}"


def input_schema(plan: Plan) -> dict[str, Any]:
    """Describe the input of a graph.

    Args:
        plan: The graph.

    Returns:
        A JSON Schema of an object. A key whose class says nothing in JSON takes any value; a graph of a plain `dict`
        takes any key.
    """
    kinds = {name: key.kind for name, key in plan.schema.keys.items() if _takes(plan, name)}
    told = [name for name, kind in kinds.items() if _is_told(kind)]
    schemas, parts = msgspec.json.schema_components([kinds[name] for name in told], ref_template=_PART)
    known = dict(zip(told, schemas, strict=True))
    return {
        "$schema": _DRAFT,
        "type": "object",
        "properties": {name: known.get(name, {}) for name in kinds},
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


def _is_told(kind: type) -> bool:
    if kind is object:
        return False
    try:
        msgspec.json.schema(kind)
    except (TypeError, RuntimeError):
        return False  # a class that JSON knows nothing of, such as one of pydantic
    return True
