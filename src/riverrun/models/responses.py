"""Models that speak OpenAI's responses. Needs the extra `openai`.

Two traps of this protocol are met here: an error in the stream is an event like any other, which the SDK hands out
without raising it, and a stream that ends early looks as if it were whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from riverrun.models.clients import close_stream, with_options
from riverrun.models.failures import Reading, failures_of, told
from riverrun.models.message import Message, as_messages
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.openai import Client, clients_of, written
from riverrun.models.pieces import Finish, Piece, Reason, Reasoning, Text, ToolCall, Usage

_WHO = "OpenAI"
_REASONS: Mapping[str, Reason] = {"max_output_tokens": "length", "content_filter": "refused"}
_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


class OpenAIResponses:
    """A model behind OpenAI's responses.

    Args:
        name: Name of the model, as the provider calls it.
        client: An `AsyncOpenAI` of yours, with `max_retries=0`; None: one of ours per event loop.
        options: What every request says beside messages and tools. `store` is False unless it is said here: the log of
            the run keeps the conversation, not the provider.
        **settings: For a client of ours: `base_url`, `api_key`, `timeout` (seconds) and so on; by default from the
            environment (OPENAI_API_KEY, OPENAI_BASE_URL).

    Attributes:
        name: As given.

    Raises:
        LoadError: E1013, the extra `openai` is not installed (when this file is imported).
    """

    def __init__(
        self,
        name: str,
        *,
        client: Client | None = None,
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.name = name
        self._options = {"store": False, **(options or {})}
        self._clients = clients_of(client, settings)

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Answer, piece by piece; see `riverrun.models.model.Model`.

        Args:
            messages: The conversation so far.
            tools: What the model may call.
            **options: Further fields of the request.

        Yields:
            Pieces.

        Raises:
            ConnectionFault: E3030 or E3031, the provider cannot be reached, or the answer broke off.
            Busy: E3032, it is overloaded.
            NodeError: E3033 or E3034, it refuses the request, or failed at it.
            ProtocolFault: E3035, what it sent makes no sense.
        """
        given = [item for one in as_messages(messages) for item in _items(one)]
        request: dict[str, Any] = {"model": self.name, "input": given, "stream": True}
        if tools:
            request["tools"] = [_tool(each) for each in tools]
        client = await self._clients.here()
        with failures_of(_WHO) as reading:
            events: Any = await client.responses.create(**with_options(request, self._options, options))
            answer = _Answer(reading)
            try:
                while (event := await anext(events, None)) is not None:
                    reading.spoke = True
                    for piece in answer.take(event):
                        yield piece
            finally:
                await close_stream(events)
            if not answer.finished:
                raise reading.broke_off()

    async def aclose(self) -> None:
        """Close the connections that were opened in this event loop. Idempotent."""
        await self._clients.aclose()


class _Answer:
    """One answer while it comes in."""

    def __init__(self, reading: Reading) -> None:
        self.finished = False
        self._reading = reading
        self._calls: dict[int, int] = {}  # which output is which call

    def take(self, event: Any) -> tuple[Piece, ...]:
        kind = event.type
        if kind in _TEXTS:
            return (Text(event.delta),)
        if kind in _THOUGHTS:
            return (Reasoning(event.delta, event.output_index),)
        if kind == "response.output_item.added" and event.item.type == "function_call":
            place = self._calls.setdefault(event.output_index, len(self._calls))
            return (ToolCall(place, event.item.call_id, event.item.name),)
        if kind == "response.function_call_arguments.delta":
            return (ToolCall(self._calls.get(event.output_index, 0), arguments=event.delta),)
        if kind in {"response.completed", "response.incomplete"}:
            return self._end(event.response)
        if kind == "error":
            raise told(self._reading, {"code": event.code, "message": event.message}, "an error in the stream")
        if kind == "response.failed":
            error = event.response.error
            raise told(self._reading, error.model_dump() if error is not None else None, "the response failed")
        return ()

    def _end(self, response: Any) -> tuple[Piece, ...]:
        self.finished = True
        reason: Reason = "tool_calls" if self._calls else "stop"
        raw = str(response.status or "")
        if response.incomplete_details is not None:
            raw = str(response.incomplete_details.reason or raw)
            reason = _REASONS.get(raw, "length")
        end = Finish(reason, raw)
        return (end,) if response.usage is None else (_usage(response.usage), end)


def _usage(usage: Any) -> Usage:
    read, wrote = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input=usage.input_tokens or 0,
        output=usage.output_tokens or 0,
        cached=(read.cached_tokens or 0) if read is not None else 0,
        reasoning=(wrote.reasoning_tokens or 0) if wrote is not None else 0,
    )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    made = {"type": "function", "name": spec.name, "description": spec.description}
    return {**made, "parameters": dict(spec.parameters), "strict": False}


def _items(one: Message) -> list[dict[str, Any]]:
    """Give a message as items of an input: calls of tools and their results are items of their own."""
    if one["role"] == "tool":
        call_id = one.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call_id, "output": one["content"]}]
    items = [{"role": one["role"], "content": one["content"]}] if one["content"] else []
    for call in one.get("tool_calls") or ():
        item = {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": written(call)}
        items.append(item)
    return items
