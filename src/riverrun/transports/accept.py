"""Which of the two forms of a log a request asks for, by its `Accept` header (RFC 9110 §12.5.1, PROTOCOL.md §5).

Pure; it does not know what is sent.
"""

from __future__ import annotations

from enum import Enum

EVENT_STREAM = "text/event-stream"
JSON = "application/json"


class Form(Enum):
    """How the events of a run can be sent."""

    STREAM = "stream"
    PAGE = "page"


def form_of(accept: str) -> Form | None:
    """Say in which form the events of a run are asked for.

    A form that is named beats one that only a wildcard admits: HTTP libraries send
    `application/json, text/plain, */*` and could not read a stream.

    Args:
        accept: The header; empty when there is none, which admits anything.

    Returns:
        The form; a stream where both are equally welcome; None when neither is.
    """
    named = _weights(accept)
    best: tuple[float, int] = (0.0, 0)
    form = None
    for candidate, kind in ((Form.STREAM, EVENT_STREAM), (Form.PAGE, JSON)):
        wish = _wish(named, kind)
        if wish[0] > 0 and (form is None or (wish[1], wish[0]) > (best[1], best[0])):
            form, best = candidate, wish
    return form


def names_stream(accept: str) -> bool:
    """Say whether a request that may be answered by one object asks for a stream by name."""
    return _weights(accept).get(EVENT_STREAM, 0.0) > 0 and form_of(accept) is Form.STREAM


def _wish(named: dict[str, float], kind: str) -> tuple[float, int]:
    """Give the weight of a type and how closely it was named: 2 itself, 1 its family, 0 anything."""
    for closeness, pattern in ((2, kind), (1, f"{kind.partition('/')[0]}/*"), (0, "*/*")):
        if pattern in named:
            return named[pattern], closeness
    return 0.0, 0


def _weights(accept: str) -> dict[str, float]:
    named: dict[str, float] = {}
    for part in (accept or "*/*").lower().split(","):
        kind, _, parameters = part.partition(";")
        weight = 1.0
        for parameter in parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = _number(value.strip())
        if kind.strip():
            named[kind.strip()] = weight
    return named


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
