"""One reader that has stopped among a thousand: the run, the others and the server's memory do not notice it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.client.network import log_of, port_of
from tests.client.processes import memory_of, process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="allowed: memory is read from Linux's /proc"),
]

LOG = logging.getLogger(__name__)
# The log is larger than what the network takes for one that takes nothing: 2.8 MB over the loopback of Linux.
OTHERS, WORDS, WORD_BYTES = 999, 70, 50_000
PAGE_BYTES = 64 * 1024
# What a server may hold for one reader that takes nothing: a page, and what the transport takes before it says stop.
HELD_BYTES = PAGE_BYTES + 64 * 1024


class Body:
    """A streamed answer, whose head has come: so the server has counted who reads it."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    async def granted(self):
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 "), head

    async def whole(self):
        """Read to the end of a chunked body; give its sum, which is all that a thousand of them need to be kept."""
        found, size = hashlib.blake2b(), -1
        while size:
            size = int(await self._reader.readline(), 16)
            found.update((await self._reader.readexactly(size + 2))[:size])
        return found.hexdigest()

    def leave(self):
        self._writer.transport.abort()


def asking(run):
    return f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


async def ask(stack, port, run):
    """Ask for a run's events, and wait until they are granted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = Body(reader, writer)
    stack.callback(body.leave)
    writer.write(asking(run))
    await body.granted()
    return body


@asynccontextmanager
async def stopped(port, run):
    """Read a run's events at a byte a second, with hardly a buffer; gives what was taken so far."""
    loop, taken = asyncio.get_running_loop(), bytearray()
    with socket.socket() as link:
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(link, ("127.0.0.1", port))
        await loop.sock_sendall(link, asking(run))

        async def take():
            while byte := await loop.sock_recv(link, 1):
                taken.extend(byte)
                await asyncio.sleep(1)

        taking = asyncio.create_task(take())
        try:
            yield taken
        finally:
            taking.cancel()
            await asyncio.wait((taking,))


async def until(http, path, holds):
    """Ask until something holds of the answer."""
    told = None
    try:
        async with asyncio.timeout(60):
            while told is None or not holds(told):
                await asyncio.sleep(0.05)
                told = (await http.get(path)).json()
    except TimeoutError:
        raise AssertionError(f"it never came to hold: {told}") from None
    return told


@pytest.mark.timeout(180)
async def test_one_stopped_reader_among_a_thousand_takes_nothing_from_them(tmp_path):
    # No heartbeat may come in between: then all bodies are the same.
    with ExitStack() as servers:
        server, url = servers.enter_context(
            process(f"sqlite:///{tmp_path / 'runs.db'}", page_bytes=PAGE_BYTES, heartbeat_interval=600)
        )
        port = port_of(url)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            body = {"graph": "hold", "input": {"count": WORDS, "text": "x" * WORD_BYTES}}
            run = (await http.post("/v1/runs", json=body)).json()["run"]
            await until(http, f"/v1/runs/{run}", lambda told: told["status"] == "parked")
            taken = await stack.enter_async_context(stopped(port, run))
            readers = [await ask(stack, port, run) for _ in range(OTHERS)]
            await until(http, "/v1/metrics", lambda told: told["readers"]["open"] == OTHERS + 1)
            before = memory_of(server.pid, most=True)
            await http.post(f"/v1/runs/{run}/resume", json={"answer": None})
            sums = await asyncio.gather(*(reader.whole() for reader in readers))
            grown = memory_of(server.pid, most=True) - before
            ended = (await http.get(f"/v1/runs/{run}")).json()
            # Who has all of it leaves; the one that has stopped is still there.
            left = await until(http, "/v1/metrics", lambda told: told["readers"]["open"] == 1)
            # All the same, and what somebody is told who comes later.
            async with http.stream("GET", f"/v1/runs/{run}/events", headers={"accept": "text/event-stream"}) as later:
                expected = hashlib.blake2b(await later.aread()).hexdigest()
        log = log_of(url, run)
    LOG.info("%s readers of %s events: %s bytes more, the stopped one has %s", OTHERS, len(log), grown, len(taken))
    assert [expected] * OTHERS == sums
    assert ("ended", "completed") == (ended["status"], ended["ending"])
    assert left["readers"]["stalled_seconds"] > 0
    assert len(taken) < 1024
    # Unbounded it would be the log for each.
    assert grown < OTHERS * HELD_BYTES < OTHERS * WORDS * WORD_BYTES
