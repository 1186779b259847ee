"""Events to JSON and back (PROTOCOL.md, "Events").

Encoding is strict: what is not JSON is refused with the place that it came from. Decoding is tolerant: a type or a
field of a newer version is kept and survives a round trip, so an old client never loses what it does not understand.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Any

import msgspec

from riverrun.base.errors import NodeError, ProtocolFault
from riverrun.events.kinds import KINDS, Event, NodeEvent, Unknown

_FIELDS: dict[str, frozenset[str]] = {
    str(kind.__struct_config__.tag): frozenset(kind.__struct_encode_fields__) for kind in KINDS
}
_TYPES: dict[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}
_ENVELOPE = ("seq", "ts", "run", "ns")
_UNION: Any = reduce(or_, KINDS)  # the closed union; built from KINDS so that the two cannot differ
_encoder = msgspec.json.Encoder()


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    # Made at the first use: in process nobody decodes, and it is 1.2 ms of every `import riverrun`.
    return msgspec.json.Decoder(_UNION)


def encode(event: Event) -> bytes:
    """Write an event as one line of JSON.

    Args:
        event: Any event, also one of a newer version that was decoded here.

    Returns:
        UTF-8 JSON without a line break.

    Raises:
        NodeError: E3008, a value in it is not JSON.
    """
    try:
        if event.unknown or isinstance(event, Unknown):
            return _encoder.encode(_flat(event))
        return _encoder.encode(event)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        where = f"node {event.node!r}" if isinstance(event, NodeEvent) else event.type
        raise NodeError("E3008", f"{event.type} holds a value that is not JSON: {error}", where=where) from None


def decode(data: bytes | str) -> Event:
    """Read one event.

    Args:
        data: One JSON object.

    Returns:
        The event; `Unknown` when its type is of a newer version.

    Raises:
        ProtocolFault: E5003, this is not an event.
    """
    try:
        event: Event = _decoder().decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # An unknown type, an unknown field or rubbish: the rare path looks closer, the common one stays at one decode.
        return _tolerant(data)
    return event


def _tolerant(data: bytes | str) -> Event:
    try:
        fields = msgspec.json.decode(data, type=dict[str, Any])
        kind = fields.pop("type")
        known = _FIELDS.get(kind)
        if known is None:
            envelope: dict[str, Any] = {name: fields.pop(name) for name in _ENVELOPE if name in fields}
            return msgspec.convert({**envelope, "type": "$unknown", "kind": kind, "$unknown": fields}, Unknown)
        newer: dict[str, Any] = {name: fields.pop(name) for name in list(fields) if name not in known}
        newer |= fields.pop("$unknown", None) or {}
        return msgspec.convert({**fields, "type": kind, "$unknown": newer}, _TYPES[kind])
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeError, RecursionError) as error:
        raise ProtocolFault("E5003", f"this is not an event: {error}") from None


def _flat(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    fields.pop("$unknown", None)
    if isinstance(event, Unknown):
        fields["type"] = fields.pop("kind")
    return {**fields, **event.unknown}
