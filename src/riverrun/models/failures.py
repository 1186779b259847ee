"""What went wrong at a provider, as one of our errors: every SDK has its own classes, and lets through those of others.

Read off what an exception carries (a status, headers, a body), so that no SDK is imported here. What is not known to
come from a provider is a defect and stays what it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from riverrun.base.errors import Busy, ConnectionFault, Fault, NodeError, ProtocolFault, RiverrunError

# In a stream there is no status any more; these words of the providers mean that the same request may do better later.
_PASSING = ("overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable", "internal")
# Statuses that may be gone at the next try: a time-out, a conflict, too early, too many, and whatever is theirs.
_PASSING_STATUS = frozenset({408, 409, 425, 429})
_NETWORK = frozenset({"APIConnectionError", "TransportError", "StreamError"})
_LONGEST = 500  # characters of what a provider says that a reader is shown


class Reading:
    """How far the answer has come.

    Attributes:
        provider: Who gives it, for messages.
        spoke: Whether a piece has come.
    """

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.spoke = False

    def broke_off(self, how: str = "ended without a finish reason") -> ConnectionFault:
        """Give the error for an answer that is not whole."""
        return ConnectionFault("E3031", f"the answer of {self.provider} {how}")

    def senseless(self, what: str) -> ProtocolFault:
        """Give the error for what is no event of its protocol."""
        return ProtocolFault("E3035", f"{self.provider} sent what makes no sense: {_short(what)}")


@contextmanager
def failures_of(provider: str) -> Iterator[Reading]:
    """Turn what goes wrong at a provider into errors of ours.

    Args:
        provider: Who is asked, for messages.

    Yields:
        What the adapter notes its progress in.

    Raises:
        RiverrunError: What `read_failure` makes of it.
    """
    reading = Reading(provider)
    try:
        yield reading
    except Exception as error:
        found = read_failure(error, reading)
        if found is None:
            raise
        raise found from error


def read_failure(error: Exception, reading: Reading) -> RiverrunError | None:
    """Say what an exception means.

    Args:
        error: Whatever an SDK let out.
        reading: How far the answer had come.

    Returns:
        ConnectionFault (E3030, E3031), Busy (E3032), NodeError (E3033, E3034) or ProtocolFault (E3035); None when it
        does not come from a provider.
    """
    if isinstance(error, RiverrunError):
        return None
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _NETWORK or isinstance(error, ConnectionError | asyncio.IncompleteReadError):
        return _network(error, reading)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or "APIResponseValidationError" in names:
        return reading.senseless(str(error))
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return _refused(error, status, reading)
    return told(reading, getattr(error, "body", None), str(error)) if "APIError" in names else None


def told(reading: Reading, body: object, text: str) -> Fault:
    """Give the error for what a provider told in its stream.

    Args:
        reading: How far the answer had come.
        body: What it sent, if it was JSON: an object, or some servers' bare text.
        text: What to say where that says nothing.

    Returns:
        Busy (E3032) where it may be gone at the next try, else NodeError (E3034).
    """
    inner: Any = body
    while isinstance(inner, Mapping) and isinstance(inner.get("error"), Mapping):
        inner = inner["error"]
    said: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    kind = " ".join(str(said[name]) for name in ("type", "code") if said.get(name))
    bare = inner if isinstance(inner, str) else said.get("error")
    what = _short(str(said.get("message") or bare or text))
    if any(word in kind for word in _PASSING):
        return Busy("E3032", f"{reading.provider} broke its answer off: {what} ({kind})", retry_after=0.0)
    return NodeError("E3034", f"{reading.provider} broke its answer off: {what}" + (f" ({kind})" if kind else ""))


def _network(error: Exception, reading: Reading) -> ConnectionFault:
    cause = error.__cause__ or error
    what = _short(f"{type(cause).__name__}: {cause}")
    if reading.spoke:
        return reading.broke_off(f"broke off: {what}")
    return ConnectionFault("E3030", f"{reading.provider} was not reached: {what}")


def _refused(error: Exception, status: int, reading: Reading) -> Fault:
    said = _short(str(getattr(error, "message", "") or error))
    if status in _PASSING_STATUS or status >= 500:
        what = f"{reading.provider} answered {status}: {said}"
        return Busy("E3032", what, retry_after=_retry_after(error))
    return NodeError("E3033", f"{reading.provider} answered {status}: {said}")


def _retry_after(error: Exception) -> float:
    """Read how long to wait, in seconds; 0 when the provider does not say, so that the policy decides."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError, TypeError):
            continue  # a date is not read: the policy's own interval will do
        if seconds >= 0:  # so that what is not a number is left out as well
            return seconds
    return 0.0


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
