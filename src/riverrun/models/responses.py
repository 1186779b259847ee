"""Models that speak OpenAI's responses. Needs the extra `openai`.

Two traps of this protocol are met here: an error in the stream is an event like any other, which the SDK hands out
without raising it, and a stream that ends early looks as if it were whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec

from riverrun.models.failures import Reading, told
from riverrun.models.message import Message, as_messages, with_thoughts
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.openai import WHO, Client, Details, clients_of, events_of, written
from riverrun.models.pieces import Finish, Piece, Reason, Reasoning, Text, ToolCall, Usage
from riverrun.models.sdk import SdkModel

_REASONS: Mapping[str, Reason] = {"max_output_tokens": "length", "content_filter": "refused"}
_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ENCRYPTED = "reasoning.encrypted_content"


class Item(msgspec.Struct, gc=False):
    """One output of an answer: a message, thoughts, a call."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    encrypted_content: str | None = None


class Tokens(msgspec.Struct, gc=False):
    """What the answer cost."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None


class Whole(msgspec.Struct, gc=False):
    """An answer as it stands in its last event."""

    status: str | None = None
    incomplete_details: Any = None
    error: Any = None
    usage: Tokens | None = None


class Told(msgspec.Struct, gc=False):
    """One event of an answer, as far as it is looked at."""

    type: str = ""
    delta: Any = None
    output_index: int = 0
    summary_index: int | None = None
    item: Item | None = None
    response: Whole | None = None
    code: Any = None
    message: Any = None
    error: Any = None


_TOLD = msgspec.json.Decoder(Told)


class OpenAIResponses(SdkModel[Client]):
    """A model behind OpenAI's responses.

    Args:
        name: Name of the model, as the provider calls it.
        client: An `AsyncOpenAI` of yours, with `max_retries=0`; None: one of ours per event loop.
        options: What every request says beside messages and tools. `store` is False unless it is said here: the log of
            the run keeps the conversation, not the provider. With `reasoning` the thoughts are asked for in their
            encrypted form too (`include`, unless that is said), kept in the message and sent back in the next turn.
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
        super().__init__(WHO, name, clients_of(client, settings), {"store": False, **(options or {})})

    def _request(self, messages: Messages, tools: Sequence[ToolSpec]) -> dict[str, Any]:
        given = [item for one in as_messages(messages) for item in _items(one, self.name)]
        request: dict[str, Any] = {"model": self.name, "input": given, "stream": True}
        if tools:
            request["tools"] = [_tool(each) for each in tools]
        return request

    async def _ask(self, client: Client, arguments: Mapping[str, Any]) -> Any:
        body = arguments["extra_body"]
        if body.get("reasoning") and not body["store"]:
            # Models that do not think refuse to be asked for this, so it is asked for where they were told how to.
            body.setdefault("include", [_ENCRYPTED])
        return await client.responses.create(**arguments)

    def _events(self, told: Any, reading: Reading) -> AsyncGenerator[Sequence[Any], None]:
        return events_of(told, _TOLD, reading) or super()._events(told, reading)

    def _answer(self, reading: Reading) -> _Answer:
        return _Answer(reading)


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
        if kind == "response.output_item.done" and event.item.type == "reasoning" and event.item.encrypted_content:
            return (Reasoning(index=event.output_index, encrypted=event.item.encrypted_content, id=event.item.id),)
        if kind == "response.reasoning_summary_part.added" and event.summary_index:
            return (Reasoning("\n\n", event.output_index),)
        if kind == "response.function_call_arguments.delta":
            return (ToolCall(self._calls.get(event.output_index, 0), arguments=event.delta),)
        if kind in {"response.completed", "response.incomplete"}:
            return self._end(event.response)
        if kind == "error" or (not kind and event.error):  # that it is one, not all servers say
            body = getattr(event, "error", None) or {"code": event.code, "message": event.message}
            raise told(self._reading, body, "an error in the stream")
        if kind == "response.failed":
            raise told(self._reading, _plain(event.response.error), "the response failed")
        return ()

    def _end(self, response: Any) -> tuple[Piece, ...]:
        self.finished = True
        reason: Reason = "tool_calls" if self._calls else "stop"
        raw = str(response.status or "")
        if (why := _plain(response.incomplete_details)) is not None:
            raw = str(why.get("reason") or raw)
            reason = _REASONS.get(raw, "length")
        end = Finish(reason, raw)
        return (end,) if response.usage is None else (_usage(response.usage), end)


def _plain(said: Any) -> Any:
    """Give what may be one of the SDK's objects as it was sent."""
    return said.model_dump() if hasattr(said, "model_dump") else said


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


def _items(one: Message, model: str) -> list[dict[str, Any]]:
    """Give a message as items of an input: thoughts, calls of tools and their results are items of their own."""
    if one["role"] == "tool":
        call_id = one.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call_id, "output": one["content"]}]
    items = [{"role": one["role"], "content": one["content"]}] if one["content"] else []
    for call in one.get("tool_calls") or ():
        item = {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": written(call)}
        items.append(item)
    # Only who encrypted them can read them.
    return with_thoughts(one, items, _thought) if one.get("model", model) == model else items


def _thought(block: Message) -> dict[str, Any] | None:
    if "encrypted" not in block:
        return None  # of another provider, or the provider has kept it
    summary = [{"type": "summary_text", "text": block["text"]}] if block.get("text") else []
    named = {"id": block["id"]} if "id" in block else {}
    return {"type": "reasoning", **named, "summary": summary, "encrypted_content": block["encrypted"]}
