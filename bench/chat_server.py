"""A provider for the figures of chat: `python -m bench.chat_server` prints its URL and speaks chat completions.

What it is asked says what it does: a number gives so many chunks, all at once, because what is weighed is who reads
them; `hold` gives one and waits until the reader has left. `GET /left` says when the last one did, by the clock of this
machine (`perf_counter`), which is the same in all its processes.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _frame(delta: dict[str, str], reason: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


_CHUNK = _frame({"content": "word "})
_END = _frame({}, "stop") + b"data: [DONE]\n\n"


class ChatServer:
    """The server."""

    def __init__(self) -> None:
        self._left = asyncio.Queue[float]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = head.partition("content-length:")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                if head.startswith("get"):
                    _write(writer, str(await self._left.get()).encode())
                elif (asked := json.loads(body)["messages"][-1]["content"]) == "hold":
                    writer.write(_HEAD + _chunked(_CHUNK))
                    await reader.read(1)
                    self._left.put_nowait(perf_counter())
                    return
                else:
                    writer.write(_HEAD + _chunked(_CHUNK * int(asked) + _END) + b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def _write(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


async def main() -> None:
    """Serve until SIGTERM."""
    server = await asyncio.start_server(ChatServer().serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
