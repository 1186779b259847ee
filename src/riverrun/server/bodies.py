"""What requests may hold: the bodies and headers that routes take, checked field by field before anything happens.

A request is refused whole and names the field: nothing unknown is ignored, because a misspelt option that does nothing
is worse than an error. It does not know routes.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import ClientDisconnect, Request

from riverrun.base.errors import InputError, NotFound
from riverrun.base.ids import is_run_id
from riverrun.log.store import RunKey
from riverrun.wire.fields import wrong_field

# Of a scope: whether the body of the request is still under way.
UNREAD = "riverrun.unread"

_IDEM_KEY = re.compile(r"[!-~]{1,128}", re.ASCII)


_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Grace(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a run goes on without a reader.

    Attributes:
        grace: Seconds.
    """

    grace: Annotated[float, Meta(ge=0, le=86_400)]


class StartRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Start a run.

    Attributes:
        graph: Name of the graph.
        input: Keys of its state.
        thread: The conversation that the run belongs to.
        limit: How many executions of nodes the run may make.
        timeout: Seconds that the run may take.
        context: What its nodes may read of it.
        config: What its nodes see as config.
        when_busy: What to do while the thread has a run that has not ended.
        on_disconnect: What becomes of it when its last reader leaves.
    """

    graph: _Name
    input: dict[str, Any]
    thread: _Name | None = None
    limit: _Limit | None = None
    timeout: Annotated[float, Meta(gt=0, le=1_000_000_000)] | None = None
    context: Any = None
    config: Any = None
    when_busy: Literal["reject", "enqueue", "stop"] = "reject"
    on_disconnect: Literal["continue", "stop"] | Grace = "continue"

    @property
    def grace(self) -> float | None:
        """Seconds without a reader after which the run is stopped; None: it goes on."""
        if isinstance(self.on_disconnect, Grace):
            return self.on_disconnect.grace
        return 0.0 if self.on_disconnect == "stop" else None


class StopRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Stop a run.

    Attributes:
        reason: Why, for its readers.
    """

    reason: Annotated[str, Meta(max_length=1000)] = ""


class ResumeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Answer what a run asks, in one of two ways.

    Attributes:
        answers: By id of the question.
        answer: To the one question that is open.
    """

    answers: Annotated[dict[str, Any], Meta(min_length=1)] | UnsetType = UNSET
    answer: Any = UNSET

    def __post_init__(self) -> None:
        if (self.answers is UNSET) is (self.answer is UNSET):
            raise ValueError("Give `answers` by the id of the question, or one `answer`")


class ForkRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Fork a run.

    Attributes:
        at: The last seq to copy; None: as far as the run can be gone on with.
        limit: How many executions of nodes the fork may make, counted from its beginning; None: as before.
        thread: The conversation that it belongs to.
    """

    at: Annotated[int, Meta(ge=1)] | None = None
    limit: _Limit | None = None
    thread: _Name | None = None


Body = TypeVar("Body", StartRequest, StopRequest, ResumeRequest, ForkRequest)
_MAY_BE_EMPTY: frozenset[type] = frozenset({StopRequest, ForkRequest})


async def read(request: Request, kind: type[Body], limit_bytes: int, timeout: float = 30.0) -> Body:
    """Read and check the body of a request.

    Args:
        request: With a body that nobody has read yet.
        kind: What it should be.
        limit_bytes: A longer body is refused, without being read to its end.
        timeout: Seconds that it may take to arrive.

    Returns:
        The body; all defaults when it is empty and `kind` needs nothing.

    Raises:
        InputError: E2001 not JSON or not complete in time, E2002 a wrong field, E2003 over the limit.
    """
    data = await whole(request, limit_bytes, timeout)
    if not data and kind in _MAY_BE_EMPTY:
        return msgspec.json.decode(b"{}", type=kind)
    # A page of another site may send any text without asking, but not this type: it would need our consent (CORS).
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InputError("E2001", "the request does not say that its body is JSON", where="Content-Type")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error), "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("E2001", f"the body is not JSON: {error}", where="body") from None


async def whole(request: Request, limit_bytes: int, timeout: float) -> bytes:
    """Read the body of a request, whatever it is.

    Args:
        request: With a body that nobody has read yet.
        limit_bytes: A longer body is refused, without being read to its end.
        timeout: Seconds that it may take to arrive.

    Returns:
        The body.

    Raises:
        InputError: E2001 not complete in time, E2003 over the limit.
    """
    # The length that is announced is refused before a byte is read; a body that announces none is counted.
    announced = request.headers.get("content-length", "")
    # What is refused before its end leaves the connection in the middle of a message.
    request.scope[UNREAD] = True
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > limit_bytes):
        raise _too_long(limit_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for part in request.stream():
                size += len(part)
                if size > limit_bytes:
                    raise _too_long(limit_bytes)
                parts.append(part)
    except TimeoutError:
        raise InputError("E2001", f"the body did not arrive within {timeout:g} s", where="body") from None
    except ClientDisconnect:
        raise InputError("E2001", "the body ended before its announced end", where="body") from None
    request.scope[UNREAD] = False
    return b"".join(parts)


def idem_key(request: Request) -> str | None:
    """Read the `Idempotency-Key` of a request.

    Args:
        request: Any.

    Returns:
        The key, or None when there is none.

    Raises:
        InputError: E2002, it is malformed.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _IDEM_KEY.fullmatch(key):
        raise InputError("E2002", "a key has 1 to 128 visible ASCII characters", where="Idempotency-Key")
    return key


def run_key(tenant: str, run: str) -> RunKey:
    """Make the key of a run from outside: what is not an id names no run.

    Args:
        tenant: Who asks.
        run: As it stood in the path.

    Returns:
        The key.

    Raises:
        NotFound: E2005, this is no id of a run.
    """
    if not is_run_id(run):
        raise NotFound("E2005", f"{run[:64]!r} is not the id of a run", where="run")
    return RunKey(tenant, run)


def _too_long(limit_bytes: int) -> InputError:
    return InputError("E2003", f"the body is longer than {limit_bytes} bytes", where="body")
