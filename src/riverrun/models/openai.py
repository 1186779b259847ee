"""Models that speak OpenAI's chat completions: OpenAI, and every server that is compatible with it (`base_url`).

Needs the extra `openai`. Retries are the node's affair (`RetryPolicy`), so the SDK makes none.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from riverrun.base.errors import LoadError
from riverrun.models.clients import Clients
from riverrun.models.failures import Reading, told
from riverrun.models.frames import read_frames
from riverrun.models.message import Message, as_messages
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Reason, Reasoning, Text, ToolCall, Usage
from riverrun.models.sdk import SdkModel

try:
    from openai import AsyncOpenAI, AsyncStream
except ModuleNotFoundError as error:
    mend = 'Run: pip install "riverrun[openai]"'
    raise LoadError("E1013", "models of OpenAI need the package openai", where="riverrun.models", mend=mend) from error

Client = AsyncOpenAI
Event = TypeVar("Event")

_REASONS: Mapping[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refused",
}
WHO = "OpenAI"


def clients_of(given: Client | None, settings: Mapping[str, Any]) -> Clients[Client]:
    """Give the clients of a model.

    Args:
        given: The caller's own client, or None.
        settings: What clients of ours are made with: `api_key`, `base_url`, `timeout` (seconds) and so on.

    Returns:
        One client per event loop.
    """
    return Clients(lambda: AsyncOpenAI(**{"max_retries": 0, **settings}), given)


def events_of(
    told: Any, kind: msgspec.json.Decoder[Event], reading: Reading
) -> AsyncGenerator[Sequence[Event], None] | None:
    """Give the events of an answer, past the objects that the SDK would make of them.

    Args:
        told: What the SDK's call gave back.
        kind: Reads one event.
        reading: How far the answer has come.

    Returns:
        The events; None where somebody stands between the SDK and us who wants to see what it hands out.
    """
    return read_frames(told.response.aiter_bytes(), kind, reading) if type(told) is AsyncStream else None


class Function(msgspec.Struct, gc=False):
    """The function of a call, as far as it has come."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A fragment of a call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds; `reasoning_content` or `reasoning` is what compatible servers call the thoughts of a model."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers that were asked for; there is one."""

    delta: Delta | None = None
    finish_reason: str | None = None
    error: Any = None


class Details(msgspec.Struct, gc=False):
    """What is told of the units beside their number, in either protocol."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Tokens(msgspec.Struct, gc=False):
    """What the answer cost."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Chunk(msgspec.Struct, gc=False):
    """One event of an answer, as far as it is looked at."""

    choices: list[Choice] | None = None
    usage: Tokens | None = None
    error: Any = None


_CHUNK = msgspec.json.Decoder(Chunk)


class OpenAIChat(SdkModel[Client]):
    """A model behind OpenAI's chat completions.

    Args:
        name: Name of the model, as the provider calls it.
        client: An `AsyncOpenAI` of yours, with `max_retries=0`; None: one of ours per event loop.
        options: What every request says beside messages and tools, such as `temperature`.
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
        super().__init__(WHO, name, clients_of(client, settings), dict(options or {}))

    def _request(self, messages: Messages, tools: Sequence[ToolSpec]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": [_message(one) for one in as_messages(messages)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [_tool(each) for each in tools]
        return request

    async def _ask(self, client: Client, arguments: Mapping[str, Any]) -> Any:
        return await client.chat.completions.create(**arguments)

    def _events(self, told: Any, reading: Reading) -> AsyncGenerator[Sequence[Any], None]:
        return events_of(told, _CHUNK, reading) or super()._events(told, reading)

    def _answer(self, reading: Reading) -> _Answer:
        return _Answer(reading)


class _Answer:
    """One answer while it comes in."""

    def __init__(self, reading: Reading) -> None:
        self.finished = False
        self._reading = reading

    def take(self, chunk: Any) -> list[Piece]:
        if error := getattr(chunk, "error", None):
            raise told(self._reading, error, "an error in the stream")
        made: list[Piece] = []
        for choice in chunk.choices or ():
            if choice.delta is not None:
                _take(choice.delta, made)
            if choice.finish_reason is not None:
                if choice.finish_reason == "error":
                    raise told(self._reading, getattr(choice, "error", None), "finish reason error")
                self.finished = True
                made.append(Finish(_REASONS.get(choice.finish_reason, "stop"), choice.finish_reason))
        if chunk.usage is not None:
            made.append(_usage(chunk.usage))
        return made


def _take(delta: Any, made: list[Piece]) -> None:
    if said := delta.content or delta.refusal:
        made.append(Text(said))
    thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    if thought and isinstance(thought, str):
        made.append(Reasoning(thought))
    for call in delta.tool_calls or ():
        function = call.function
        name, arguments = (function.name, function.arguments) if function is not None else (None, None)
        made.append(ToolCall(call.index or 0, call.id or "", name or "", arguments or ""))


def _usage(usage: Any) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input=usage.prompt_tokens or 0,
        output=usage.completion_tokens or 0,
        cached=(read.cached_tokens or 0) if read is not None else 0,
        reasoning=(written.reasoning_tokens or 0) if written is not None else 0,
    )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)}
    return {"type": "function", "function": function}


def _message(one: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": one["role"], "content": one["content"]}
    if one["role"] == "tool":
        made["tool_call_id"] = one.get("tool_call_id", "")
    elif one.get("tool_calls"):
        made["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": written(call)}}
            for call in one["tool_calls"]
        ]
    return made


def written(call: Mapping[str, Any]) -> str:
    """Give the arguments of a call as the text that the model wrote, or one that means the same."""
    arguments = call["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
