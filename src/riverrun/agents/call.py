"""One call of a tool, from what the model wrote to the message that answers it.

Whatever goes wrong in a tool, in its arguments or in its size becomes an error result: the model reads it and goes on,
the run does not fail. Only what is told to the run passes: a stop, a question. This is one of the places with a broad
`except`, because a tool is the user's code.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from msgspec import Struct
from pydantic_core import to_json

from riverrun.agents.tool import Progress, Tool
from riverrun.base.errors import RiverrunError
from riverrun.models.message import Message
from riverrun.runs.context import Context
from riverrun.runs.pool import Pool

TOOL = "riverrun.tool"
_SHOWN = 2_000  # characters of a result that was too large, or of an error


class Approved(Struct, frozen=True):
    """The answer to whether a tool may be called; True and False alone mean the same without the rest.

    Attributes:
        approve: Whether it may.
        reason: Why not; the model is told.
        arguments: Instead of those that the model wrote; None for those.
    """

    approve: bool
    reason: str = ""
    arguments: dict[str, Any] | None = None


class _Refused(Exception):
    """A call that comes to nothing, and what the model is told.

    Args:
        code: E3036 to E3041, or E3043.
        told: For the model.
    """

    def __init__(self, code: str, told: str) -> None:
        super().__init__(f"{code} {told}")
        self.code = code


async def answer_call(
    tools: Mapping[str, Tool], call: Mapping[str, Any], ctx: Context, pool: Pool
) -> AsyncGenerator[str | Message, None]:
    """Do what a model asked for.

    Args:
        tools: By name.
        call: `id`, `name` and `arguments`, as the model wrote them.
        ctx: Of the node that this is.
        pool: Where sync tools run.

    Yields:
        Text of a tool that streams, as it comes; at the end the message that answers the call.

    Raises:
        Interrupted: Somebody has to allow it first; let it pass.
    """
    told = {"call": call["id"], "name": call["name"]}
    result = _Result()
    error: str | None = None
    try:
        found, arguments = _prepared(tools, call, ctx)
        ctx.emit(TOOL, {**told, "state": "started"})
        async with aclosing(_outputs(found, arguments, ctx, pool)) as outputs:
            async for output in outputs:
                if isinstance(output, Progress):
                    ctx.emit(TOOL, {**told, "state": "progress", "value": _plain(output.value)})
                    await ctx.room()
                elif result.take(output, found.max_bytes, streams=found.streams):
                    yield output
        content = result.content(found.max_bytes)
    except _Refused as refusal:
        error, content = refusal.code, str(refusal)
    ctx.emit(TOOL, {**told, "state": "ended" if error is None else "failed", **({"error": error} if error else {})})
    message: Message = {"role": "tool", "tool_call_id": call["id"], "name": call["name"], "content": content}
    message["id"] = f"{ctx.run}.{ctx.exec}"
    yield message if error is None else {**message, "error": error}


def _prepared(tools: Mapping[str, Tool], call: Mapping[str, Any], ctx: Context) -> tuple[Tool, Mapping[str, Any]]:
    """Give the tool and its arguments, once all is known and allowed."""
    found = tools.get(call["name"])
    if found is None:
        raise _Refused("E3040", f"There is no tool {call['name']!r}; there are: {', '.join(tools) or 'none'}.")
    checked = _checked(found, call["arguments"])
    if not _asks(found, checked):
        return found, checked
    answer = ctx.interrupt({"kind": "tool_call", "call": dict(call)}, type=Approved | bool)
    approved = Approved(answer) if isinstance(answer, bool) else answer
    if not approved.approve:
        why = f": {approved.reason}" if approved.reason else ""
        raise _Refused("E3041", f"The call was not allowed{why}.")
    return found, checked if approved.arguments is None else _checked(found, approved.arguments)


def _checked(found: Tool, arguments: Any) -> Mapping[str, Any]:
    if not isinstance(arguments, Mapping):
        raise _Refused("E3036", f"The arguments are no JSON object: {_cut(str(arguments))}")
    try:
        return found.check(arguments)
    except ValueError as error:  # pydantic derives its own from it
        raise _Refused("E3036", f"The arguments do not fit: {_cut(str(error))}") from None


def _asks(found: Tool, arguments: Mapping[str, Any]) -> bool:
    try:
        return found.needs_approval(arguments)
    except Exception:  # noqa: BLE001  # the user's rule failed: then somebody had better look
        return True


async def _outputs(found: Tool, arguments: Mapping[str, Any], ctx: Context, pool: Pool) -> AsyncGenerator[Any, None]:
    """Give what a tool puts out, and what goes wrong in it as a `_Refused`."""
    loop = asyncio.get_running_loop()
    end = None if found.timeout is None else loop.time() + found.timeout
    async with aclosing(found.stream(arguments, ctx, pool)) as outputs:
        while True:
            limit = asyncio.timeout(None)
            try:
                # Around one step, never around a yield: time that the reader takes is not the tool's.
                async with limit:
                    # In no context: a timer stays with the loop until its time even when it was cancelled, and would
                    # hold the whole run as long.
                    contextvars.Context().run(limit.reschedule, end)
                    output = await anext(outputs)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if limit.expired():
                    raise _Refused("E3038", f"The tool took longer than {found.timeout:g} s.") from None
                raise _failed(error) from error
            except _Refused:
                raise
            except Exception as error:  # the tool is the user's code
                raise _failed(error) from error
            yield output


def _failed(error: Exception) -> _Refused:
    if isinstance(error, RiverrunError):
        return _Refused(error.code, _cut(error.message))
    return _Refused("E3037", _cut(f"The tool raised {type(error).__name__}: {error}"))


class _Result:
    """What a tool gives back, bounded while it grows."""

    def __init__(self) -> None:
        self._pieces: list[Any] = []
        self._bytes = 0

    def take(self, piece: Any, most: int, *, streams: bool) -> bool:
        """Take in a piece; say whether it is text that readers see at once."""
        self._pieces.append(piece)
        if isinstance(piece, str):
            self._bytes += len(piece)  # at least so many bytes; `content` counts exactly
            if self._bytes > most:
                self.content(most)
        return streams and isinstance(piece, str) and bool(piece)

    def content(self, most: int) -> str:
        """Give the result as text: texts in one, one value as its JSON, several as a list.

        Raises:
            _Refused: E3039, it is too large.
        """
        pieces: Sequence[Any] = self._pieces
        if pieces and all(isinstance(piece, str) for piece in pieces):
            text = "".join(pieces)
        else:
            text = _json(pieces[0] if len(pieces) == 1 else list(pieces))
        size = len(text.encode(errors="replace"))
        if size > most:
            raise _Refused("E3039", f"The result has more than {most} bytes. It begins with: {_cut(text)}")
        return text


def _json(value: Any) -> str:
    try:
        return to_json(value, fallback=str, inf_nan_mode="strings").decode()
    except (ValueError, TypeError, RecursionError) as error:
        raise _Refused("E3037", f"The tool gave back what cannot be written down: {error}") from None


def _plain(value: Any) -> Any:
    """Give plain data of any value, for the log."""
    if isinstance(value, str | int | float | bool | None):
        return value
    return to_json(value, fallback=str).decode()


def _cut(text: str) -> str:
    # Lone surrogates cannot go into a log.
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]} …"
