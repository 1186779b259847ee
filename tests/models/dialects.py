"""The three protocols that the adapters speak, each as frames of a stream, so that one suite runs on all of them."""

from __future__ import annotations

import json
from typing import Any

from riverrun.models.anthropic import Anthropic
from riverrun.models.openai import OpenAIChat
from riverrun.models.responses import OpenAIResponses
from tests.models.provider import Provider, frame


class Chat:
    """OpenAI's chat completions."""

    name = "chat"

    def model(self, provider: Provider, **options: Any) -> OpenAIChat:
        return OpenAIChat("gpt-test", base_url=f"{provider.url}/v1", api_key="sk-test", **options)

    def begin(self) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def text(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def thought(self, text: str) -> bytes:
        return self._chunk({"reasoning_content": text})

    def call(self, index: int, identity: str, name: str, *fragments: str) -> list[bytes]:
        first = {"index": index, "id": identity, "type": "function", "function": {"name": name, "arguments": ""}}
        rest = [{"index": index, "function": {"arguments": each}} for each in fragments]
        return [self._chunk({"tool_calls": [each]}) for each in [first, *rest]]

    def end(self, *, tools: bool = False, cut: bool = False) -> list[bytes]:
        reason = "length" if cut else "tool_calls" if tools else "stop"
        usage = {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        }
        return [self._chunk({}, reason), frame({**self._envelope(), "choices": [], "usage": usage}), frame("[DONE]")]

    def error(self, kind: str, message: str) -> bytes:
        return frame({"error": {"message": message, "type": kind, "code": kind}})

    def _envelope(self) -> dict[str, Any]:
        return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return frame({**self._envelope(), "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


class Responses:
    """OpenAI's responses."""

    name = "responses"

    def model(self, provider: Provider, **options: Any) -> OpenAIResponses:
        return OpenAIResponses("gpt-test", base_url=f"{provider.url}/v1", api_key="sk-test", **options)

    def begin(self) -> list[bytes]:
        return [self._event("response.created", response=self._response("in_progress"))]

    def text(self, text: str) -> bytes:
        return self._event(
            "response.output_text.delta", item_id="m1", output_index=1, content_index=0, delta=text, logprobs=[]
        )

    def thought(self, text: str) -> bytes:
        return self._event(
            "response.reasoning_summary_text.delta", item_id="r1", output_index=0, summary_index=0, delta=text
        )

    def thinking(self, index: int, identity: str, encrypted: str, *parts: str) -> bytes:
        """An item of reasoning that is whole."""
        summary = [{"type": "summary_text", "text": part} for part in parts]
        item = {"type": "reasoning", "id": identity, "summary": summary, "encrypted_content": encrypted}
        return self._event("response.output_item.done", output_index=index, item=item)

    def call(self, index: int, identity: str, name: str, *fragments: str) -> list[bytes]:
        item = {"type": "function_call", "id": f"f{index}", "call_id": identity, "name": name, "arguments": ""}
        first = self._event("response.output_item.added", output_index=index + 2, item=item)
        return [
            first,
            *(
                self._event(
                    "response.function_call_arguments.delta", item_id=f"f{index}", output_index=index + 2, delta=each
                )
                for each in fragments
            ),
        ]

    def end(self, *, tools: bool = False, cut: bool = False) -> list[bytes]:
        if cut:
            response = {**self._response("incomplete"), "incomplete_details": {"reason": "max_output_tokens"}}
            return [self._event("response.incomplete", response=response)]
        return [self._event("response.completed", response=self._response("completed"))]

    def error(self, kind: str, message: str) -> bytes:
        return self._event("error", code=kind, message=message, param=None)

    def failed(self, kind: str, message: str) -> bytes:
        response = {**self._response("failed"), "error": {"code": kind, "message": message}}
        return self._event("response.failed", response=response)

    def _response(self, status: str) -> dict[str, Any]:
        usage = {
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": 10,
        }
        return {
            "id": "r1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-test",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "status": status,
            "usage": usage if status != "in_progress" else None,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        return frame({"type": kind, "sequence_number": 0, **fields}, kind)


class Messages:
    """Anthropic's messages."""

    name = "messages"

    def model(self, provider: Provider, **options: Any) -> Anthropic:
        return Anthropic("claude-test", base_url=provider.url, api_key="sk-test", **options)

    def begin(self) -> list[bytes]:
        usage = {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 2}
        message: dict[str, Any] = {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude-test",
        }
        message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
        block = {"type": "text", "text": ""}
        return [
            self._event("message_start", message=message),
            self._event("ping"),
            self._event("content_block_start", index=1, content_block=block),
        ]

    def text(self, text: str) -> bytes:
        return self._event("content_block_delta", index=1, delta={"type": "text_delta", "text": text})

    def thought(self, text: str) -> bytes:
        return self._event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": text})

    def signature(self, text: str) -> bytes:
        return self._event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": text})

    def call(self, index: int, identity: str, name: str, *fragments: str) -> list[bytes]:
        block = {"type": "tool_use", "id": identity, "name": name, "input": {}}
        return [
            self._event("content_block_start", index=index + 2, content_block=block),
            *(
                self._event(
                    "content_block_delta", index=index + 2, delta={"type": "input_json_delta", "partial_json": each}
                )
                for each in fragments
            ),
            self._event("content_block_stop", index=index + 2),
        ]

    def end(self, *, tools: bool = False, cut: bool = False) -> list[bytes]:
        reason = "max_tokens" if cut else "tool_use" if tools else "end_turn"
        return [
            self._event("content_block_stop", index=1),
            self._event(
                "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 3}
            ),
            self._event("message_stop"),
        ]

    def error(self, kind: str, message: str) -> bytes:
        return self._event("error", error={"type": kind, "message": message})

    def _event(self, kind: str, **fields: Any) -> bytes:
        return frame(json.dumps({"type": kind, **fields}), kind)


Dialect = Chat | Responses | Messages
DIALECTS: list[Dialect] = [Chat(), Responses(), Messages()]
