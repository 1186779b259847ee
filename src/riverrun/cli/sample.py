"""An input to try a graph with, so that what `riverrun dev` says to type does something.

It knows only what the input schema says. Which key a graph wants first nobody declares; it is mostly the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = "so it goes"


def sample_input(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make an input that fits.

    Args:
        schema: JSON Schema of the input, an object.

    Returns:
        Its first key with a value of its type; `text` where any key may be given.
    """
    for name, said in schema.get("properties", {}).items():
        return {name: _value(said)}
    return {"text": _WORDS} if schema.get("additionalProperties") else {}


def _value(said: Mapping[str, Any]) -> Any:
    kind = said.get("type")
    if kind == "array":
        items = said.get("items")
        return [_value(items if isinstance(items, Mapping) else {})]
    if "enum" in said:
        return said["enum"][0]
    values: dict[object, Any] = {"integer": 1, "number": 1, "boolean": True, "object": {}, "null": None}
    return values.get(kind, _WORDS)
