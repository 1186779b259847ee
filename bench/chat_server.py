"""A provider for the figures of chat: `python -m bench.chat_server` prints its URL and speaks as providers do.

What it speaks is chat completions, responses or Anthropic's messages, by the path. What it is asked says what it does:
a number gives so many chunks, all at once, because what is weighed is who reads them; `pace` and two numbers gives so
many chunks, fifty a second, each of which says when it was sent, once so many answers were asked for; `hold` gives one
and waits until the reader has left. `GET /left` says when the last one did, by the clock of this machine
(`perf_counter`), which is the same in all its processes.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any, NamedTuple

import uvloop

PER_SECOND = 50
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_TEXT = b"word "


class _Dialect(NamedTuple):
    """How a provider speaks: what stands around the text of a chunk, and before and behind all of them."""

    begin: bytes
    before: bytes
    behind: bytes
    end: bytes

    def chunk(self, text: bytes) -> bytes:
        return self.before + text + self.behind


def _named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _around(begin: bytes, chunk: bytes, end: bytes) -> _Dialect:
    before, _, behind = chunk.partition(_TEXT)
    return _Dialect(begin, before, behind, end)


def _completions() -> _Dialect:
    def frame(delta: dict[str, str], reason: str | None = None) -> bytes:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    return _around(b"", frame({"content": _TEXT.decode()}), frame({}, "stop") + b"data: [DONE]\n\n")


def _responses() -> _Dialect:
    whole = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [], "parallel_tool_calls": True}
    whole |= {"tool_choice": "auto", "tools": [], "status": "completed"}
    where = {"item_id": "m1", "output_index": 0, "content_index": 0, "sequence_number": 1, "logprobs": []}
    chunk = _named("response.output_text.delta", delta=_TEXT.decode(), **where)
    return _around(b"", chunk, _named("response.completed", sequence_number=2, response=whole))


def _messages() -> _Dialect:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
    begin = _named("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
    begin += _named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    chunk = _named("content_block_delta", index=0, delta={"type": "text_delta", "text": _TEXT.decode()})
    end = _named("content_block_stop", index=0)
    end += _named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage)
    return _around(begin, chunk, end + _named("message_stop"))


_DIALECTS = {"/responses": _responses(), "/v1/messages": _messages()}
_COMPLETIONS = _completions()


class ChatServer:
    """The server."""

    def __init__(self) -> None:
        self._left = asyncio.Queue[float]()
        self._waiting: list[asyncio.Future[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = head.partition("content-length:")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                if head.startswith("get"):
                    _write(writer, str(await self._left.get()).encode())
                    continue
                asked = json.loads(body)
                said = (asked.get("messages") or asked["input"])[-1]["content"]
                said = said if isinstance(said, str) else said[-1]["text"]
                dialect = _DIALECTS.get(head.split()[1], _COMPLETIONS)
                writer.write(_HEAD)
                if said == "hold":
                    writer.write(_chunked(dialect.begin + dialect.chunk(_TEXT)))
                    await reader.read(1)
                    self._left.put_nowait(perf_counter())
                    return
                if said.startswith("pace"):
                    await self._pace(writer, dialect, *map(int, said.split()[1:]))
                else:
                    writer.write(_chunked(dialect.begin + dialect.chunk(_TEXT) * int(said) + dialect.end))
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _pace(self, writer: asyncio.StreamWriter, dialect: _Dialect, chunks: int, answers: int) -> None:
        place = await self._turn(answers)
        loop = asyncio.get_running_loop()
        # Spread over the time between two chunks, as users are: they do not ask in one moment.
        due = loop.time() + place / answers / PER_SECOND
        writer.write(_chunked(dialect.begin) if dialect.begin else b"")
        for _ in range(chunks):
            due += 1 / PER_SECOND
            await asyncio.sleep(due - loop.time())
            writer.write(_chunked(dialect.chunk(b"%.6f" % perf_counter())))
        writer.write(_chunked(dialect.end))

    async def _turn(self, answers: int) -> int:
        """Wait until so many answers were asked for; say which of them this is."""
        place = len(self._waiting)
        self._waiting.append(asyncio.get_running_loop().create_future())
        if place + 1 == answers:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.set_result(None)
        else:
            await self._waiting[place]
        return place


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def _write(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


async def main() -> None:
    """Serve until SIGTERM."""
    server = await asyncio.start_server(ChatServer().serve, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
