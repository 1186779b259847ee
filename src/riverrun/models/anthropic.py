"""Models of Anthropic, by its messages. Needs the extra `anthropic`.

Retries are the node's affair (`RetryPolicy`), so the SDK makes none. It lets errors of its HTTP library through as they
are, and takes a stream that ends early for whole; both are met here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from riverrun.base.errors import LoadError
from riverrun.models.clients import Clients
from riverrun.models.failures import Reading, told
from riverrun.models.frames import read_frames
from riverrun.models.message import Message, as_messages, with_thoughts
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Reason, Reasoning, Text, ToolCall, Usage
from riverrun.models.sdk import SdkModel

try:
    from anthropic import AsyncAnthropic, AsyncStream
except ModuleNotFoundError as error:
    mend = 'Run: pip install "riverrun[anthropic]"'
    what = "models of Anthropic need the package anthropic"
    raise LoadError("E1013", what, where="riverrun.models", mend=mend) from error

_REASONS: Mapping[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "paused",
    "refusal": "refused",
}
_EVENTS = "text/event-stream"
_MAX_TOKENS = 4096  # a request must say; more than most answers need


class Tokens(msgspec.Struct, gc=False):
    """What the answer cost so far."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class Opened(msgspec.Struct, gc=False):
    """A message that begins."""

    usage: Tokens | None = None


class Block(msgspec.Struct, gc=False):
    """A block of a message that begins."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str = ""


class Delta(msgspec.Struct, gc=False):
    """What an event adds to a block, or to the message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class Told(msgspec.Struct, gc=False):
    """One event of an answer, as far as it is looked at."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Opened | None = None
    usage: Tokens | None = None
    error: Any = None


_TOLD = msgspec.json.Decoder(Told)


class Anthropic(SdkModel[AsyncAnthropic]):
    """A model of Anthropic.

    Args:
        name: Name of the model, as the provider calls it.
        client: An `AsyncAnthropic` of yours, with `max_retries=0`; None: one of ours per event loop.
        options: What every request says beside messages and tools, such as `max_tokens` (4,096 unless said) or
            `thinking`.
        **settings: For a client of ours: `base_url`, `api_key`, `timeout` (seconds) and so on; by default from the
            environment (ANTHROPIC_API_KEY).

    Attributes:
        name: As given.

    Raises:
        LoadError: E1013, the extra `anthropic` is not installed (when this file is imported).
    """

    def __init__(
        self,
        name: str,
        *,
        client: AsyncAnthropic | None = None,
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        clients = Clients(lambda: AsyncAnthropic(**{"max_retries": 0, **settings}), client)
        super().__init__("Anthropic", name, clients, dict(options or {}))

    def _request(self, messages: Messages, tools: Sequence[ToolSpec]) -> dict[str, Any]:
        request = {"model": self.name, "stream": True, "max_tokens": _MAX_TOKENS, **_conversation(messages)}
        if tools:
            request["tools"] = [_tool(each) for each in tools]
        return request

    async def _ask(self, client: AsyncAnthropic, arguments: Mapping[str, Any]) -> Any:
        return await client.messages.create(**arguments)

    def _events(self, told: Any, reading: Reading) -> AsyncGenerator[Sequence[Any], None]:
        # Not where somebody stands between the SDK and us, and not of a cloud that frames its events in its own way.
        if type(told) is AsyncStream and told.response.headers.get("content-type", "").startswith(_EVENTS):
            return read_frames(told.response.aiter_bytes(), _TOLD, reading)
        return super()._events(told, reading)

    def _answer(self, reading: Reading) -> _Answer:
        return _Answer(reading)


class _Answer:
    """One answer while it comes in; a reason alone does not finish it: `message_stop` is what ends a message."""

    def __init__(self, reading: Reading) -> None:
        self.finished = False
        self._reading = reading
        self._end: Finish | None = None
        self._usage = Usage()
        self._calls: dict[int, int] = {}  # which block is which call

    def take(self, event: Any) -> Iterator[Piece]:
        kind = event.type
        if kind == "content_block_delta":
            yield from self._delta(event.index, event.delta)
        elif kind == "content_block_start":
            yield from self._block(event.index, event.content_block)
        elif kind == "message_start":
            self._usage = _usage(event.message.usage, self._usage)
        elif kind == "message_delta":
            self._usage = _usage(event.usage, self._usage)
            raw = event.delta.stop_reason
            if raw is not None:
                self._end = Finish(_REASONS.get(raw, "stop"), raw)
        elif kind == "message_stop" and self._end is not None:
            self.finished = True
            yield self._usage
            yield self._end
        elif kind == "error":
            raise told(self._reading, event.error, "an error in the stream")

    def _block(self, index: int, block: Any) -> Iterator[Piece]:
        if block.type == "tool_use":
            yield ToolCall(self._calls.setdefault(index, len(self._calls)), block.id, block.name)
        elif block.type == "text" and block.text:
            yield Text(block.text)
        elif block.type == "thinking" and (block.thinking or block.signature):
            yield Reasoning(block.thinking or "", index, block.signature or "")
        elif block.type == "redacted_thinking":
            yield Reasoning(index=index, redacted=block.data)

    def _delta(self, index: int, delta: Any) -> Iterator[Piece]:
        if delta.type == "text_delta":
            yield Text(delta.text)
        elif delta.type == "input_json_delta":
            if index in self._calls and delta.partial_json:
                yield ToolCall(self._calls[index], arguments=delta.partial_json)
        elif delta.type == "thinking_delta":
            yield Reasoning(delta.thinking, index)
        elif delta.type == "signature_delta":
            yield Reasoning(index=index, signature=delta.signature)


def _usage(said: Any, before: Usage) -> Usage:
    """Join what is told at the beginning and at the end of a message; what is read from the cache counts as read."""
    if said is None:
        return before
    cached = getattr(said, "cache_read_input_tokens", None)
    made = getattr(said, "cache_creation_input_tokens", None) or 0
    read = getattr(said, "input_tokens", None)
    return Usage(
        input=before.input if read is None else read + made + (cached or 0),
        output=said.output_tokens or 0,
        cached=before.cached if cached is None else cached,
    )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)}


def _conversation(messages: Messages) -> dict[str, Any]:
    """Give a conversation as Anthropic wants it: what the system says apart, users and assistants by turns."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for one in as_messages(messages):
        if one["role"] in {"system", "developer"}:
            system.append(str(one["content"]))
            continue
        role = "assistant" if one["role"] == "assistant" else "user"
        blocks = _blocks(one)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks  # results of calls made at once belong into one turn
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return {"messages": turns, **({"system": "\n\n".join(system)} if system else {})}


def _blocks(one: Message) -> list[dict[str, Any]]:
    content = one["content"]
    if one["role"] == "tool":
        block = {"type": "tool_result", "tool_use_id": one.get("tool_call_id", ""), "content": content}
        return [{**block, "is_error": True} if one.get("error") else block]
    blocks: list[dict[str, Any]] = []
    if isinstance(content, list):
        blocks += content  # blocks of the provider's own
    elif content:
        blocks.append({"type": "text", "text": content})
    for call in one.get("tool_calls") or ():
        arguments = call["arguments"]
        # A text is what the model wrote where an object was wanted; Anthropic takes nothing but an object.
        given = arguments if isinstance(arguments, Mapping) else {"text": arguments}
        blocks.append({"type": "tool_use", "id": call["id"], "name": call["name"], "input": given})
    return with_thoughts(one, blocks, _thought)


def _thought(block: Message) -> dict[str, Any] | None:
    if "redacted" in block:
        return {"type": "redacted_thinking", "data": block["redacted"]}
    if "signature" in block:
        return {"type": "thinking", "thinking": block.get("text", ""), "signature": block["signature"]}
    return None  # of another provider
