"""Models that speak OpenAI's chat completions: OpenAI, and every server that is compatible with it (`base_url`).

Needs the extra `openai`. Retries are the node's affair (`RetryPolicy`), so the SDK makes none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from riverrun.base.errors import LoadError
from riverrun.models.clients import Clients
from riverrun.models.failures import Reading, told
from riverrun.models.message import Message, as_messages
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Reason, Reasoning, Text, ToolCall, Usage
from riverrun.models.sdk import SdkModel

try:
    from openai import AsyncOpenAI
except ModuleNotFoundError as error:
    mend = 'Run: pip install "riverrun[openai]"'
    raise LoadError("E1013", "models of OpenAI need the package openai", where="riverrun.models", mend=mend) from error

Client = AsyncOpenAI

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

    def _answer(self, reading: Reading) -> _Answer:
        return _Answer(reading)


class _Answer:
    """One answer while it comes in."""

    def __init__(self, reading: Reading) -> None:
        self.finished = False
        self._reading = reading

    def take(self, chunk: Any) -> Iterator[Piece]:
        for choice in chunk.choices or ():
            if choice.delta is not None:
                yield from _delta(choice.delta)
            if choice.finish_reason == "error":
                raise told(self._reading, getattr(choice, "error", None), "finish reason error")
            if choice.finish_reason is not None:
                self.finished = True
                yield Finish(_REASONS.get(choice.finish_reason, "stop"), choice.finish_reason)
        if chunk.usage is not None:
            yield _usage(chunk.usage)


def _delta(delta: Any) -> Iterator[Piece]:
    if said := delta.content or delta.refusal:
        yield Text(said)
    # Asked for by name, what is not there costs 2 µs: pydantic makes an error of it.
    if extra := delta.model_extra:
        # What DeepSeek, vLLM and others call the thoughts of a model.
        thought = extra.get("reasoning_content") or extra.get("reasoning")
        if isinstance(thought, str) and thought:
            yield Reasoning(thought)
    for call in delta.tool_calls or ():
        function = call.function
        name, arguments = (function.name, function.arguments) if function is not None else (None, None)
        yield ToolCall(call.index or 0, call.id or "", name or "", arguments or "")


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
