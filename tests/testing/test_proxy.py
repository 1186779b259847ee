"""A proxy breaks connections as it is told, each fault by itself, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from riverrun.testing.proxy import Break, Faults, Proxy

ANSWER = bytes(range(256)) * 40


class Echo:
    """A server that answers each line with `ANSWER`, counts lines, and ends when the client does."""

    def __init__(self):
        self.lines = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while await reader.readline():
                self.lines += 1
                self.asked.set()
                writer.write(ANSWER)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.left.set()
            writer.close()


async def reached(state):
    """Let others run until something is so."""
    async with asyncio.timeout(5):
        while not state():  # noqa: ASYNC110 what a kernel does sets no event
            await asyncio.sleep(0)


@asynccontextmanager
async def through(*faults, limit=1000):
    """Give an echo, a proxy in front of it, and a way to connect; connection number n has the n-th faults."""
    echo = Echo()
    listener = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect():
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        return reader, writer

    try:
        async with Proxy("127.0.0.1", port, lambda number: (*faults, *[Faults()] * 100)[number], limit=limit) as proxy:
            yield echo, proxy, connect
        for writer in writers:
            writer.transport.abort()
        assert 0 == proxy.statistics()["open"]
    finally:
        listener.close()
        await listener.wait_closed()


async def test_without_faults_everything_passes_in_both_directions():
    async with through() as (echo, proxy, connect):
        reader, writer = await connect()
        for _ in range(3):
            writer.write(b"?\n")
            assert ANSWER == await reader.readexactly(len(ANSWER))
        writer.write_eof()
        assert b"" == await reader.read()
    assert 3 == echo.lines
    told = proxy.statistics()
    assert (1, 6, 3 * len(ANSWER), 0) == (
        told["connections"],
        told["request_bytes"],
        told["answer_bytes"],
        told["broken"],
    )


@pytest.mark.parametrize("size", [1, 2, 255, len(ANSWER) - 1])
async def test_a_cut_lets_exactly_so_many_bytes_pass_and_ends_politely(size):
    async with through(Faults(after=size, then=Break.END)) as (_, proxy, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        assert ANSWER[:size] == await reader.read()
        assert 1 == proxy.statistics()["broken"]


@pytest.mark.parametrize("size", [0, 1, 255])
async def test_a_reset_is_seen_as_one(size):
    async with through(Faults(after=size)) as (echo, _, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await echo.left.wait()
        # Only the first connection was to break.
        reader, writer = await connect()
        writer.write(b"?\n")
        assert ANSWER == await reader.readexactly(len(ANSWER))


async def test_a_half_close_ends_the_answer_and_still_forwards_requests():
    async with through(Faults(after=10, then=Break.HALF_CLOSE)) as (echo, _, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        assert ANSWER[:10] == await reader.read()
        echo.asked.clear()
        writer.write(b"?\n")
        await echo.asked.wait()
        assert 2 == echo.lines


@pytest.mark.parametrize("size", [0, 10])
async def test_a_black_hole_takes_requests_and_gives_nothing_more(size):
    async with through(Faults(after=size, then=Break.BLACK_HOLE)) as (echo, proxy, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        assert ANSWER[:size] == await reader.readexactly(size)
        lines = echo.lines
        assert int(size > 0) == lines
        writer.write(b"?\n" * 100)
        await writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        assert lines == echo.lines
        # Its client may leave it, and then it is gone.
        writer.close()
        await reached(lambda: not proxy.statistics()["open"])


async def test_a_delay_comes_before_the_answer():
    async with through(Faults(delay=0.1)) as (_, __, connect):
        reader, writer = await connect()
        begun = asyncio.get_running_loop().time()
        writer.write(b"?\n")
        assert ANSWER == await reader.readexactly(len(ANSWER))
        assert asyncio.get_running_loop().time() - begun >= 0.1


async def test_a_throttle_spreads_the_answer_over_time():
    async with through(Faults(bytes_per_second=len(ANSWER) * 5)) as (_, __, connect):
        reader, writer = await connect()
        begun = asyncio.get_running_loop().time()
        writer.write(b"?\n")
        first = await reader.read(len(ANSWER))
        assert len(first) < len(ANSWER) / 2
        assert ANSWER == first + await reader.readexactly(len(ANSWER) - len(first))
        assert asyncio.get_running_loop().time() - begun >= 0.15


async def test_what_is_held_back_comes_in_lumps_and_at_the_end():
    async with through(Faults(hold=len(ANSWER) + 1)) as (_, __, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        writer.write(b"?\n")
        assert ANSWER * 2 == await reader.readexactly(2 * len(ANSWER))
        writer.write(b"?\n")
        writer.write_eof()
        assert ANSWER == await reader.read()


async def test_a_gateway_answers_by_itself():
    async with through(Faults(bad_gateway=True)) as (echo, proxy, connect):
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 502 ")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        assert (0, 1) == (echo.lines, proxy.statistics()["bad_gateways"])


async def test_faults_combine():
    async with through(Faults(hold=1000, after=1500, then=Break.END)) as (_, __, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        assert ANSWER[:1500] == await reader.read()


async def test_all_connections_can_be_cut_at_once():
    async with through() as (_, proxy, connect):
        pairs = [await connect() for _ in range(3)]
        for reader, writer in pairs:
            writer.write(b"?\n")
            await reader.readexactly(len(ANSWER))
        assert 3 == proxy.cut()
        for reader, _ in pairs:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert 3 == proxy.statistics()["broken"]


async def test_more_connections_than_the_limit_are_reset():
    async with through(limit=1) as (_, proxy, connect):
        reader, writer = await connect()
        writer.write(b"?\n")
        await reader.readexactly(1)
        with pytest.raises(ConnectionResetError):
            await (await connect())[0].read()
        assert 1 == proxy.statistics()["refused"]


async def test_a_server_that_is_not_there_is_a_reset_and_may_come_back():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with through() as (_, proxy, connect):
            there, proxy.target = proxy.target, nobody.getsockname()
            with pytest.raises(ConnectionResetError):
                await (await connect())[0].read()
            assert 1 == proxy.statistics()["unreached"]
            proxy.target = there
            reader, writer = await connect()
            writer.write(b"?\n")
            await reader.readexactly(len(ANSWER))


async def test_a_client_that_takes_nothing_does_not_keep_it_from_closing():
    async with through() as (_, proxy, connect):
        reader, writer = await connect()
        writer.transport.pause_reading()
        for _ in range(2000):
            writer.write(b"?\n")
        await reached(lambda: proxy.statistics()["answer_bytes"] > 1_000_000)
        assert reader is not None


@pytest.mark.parametrize(
    "wrong", [{"after": -1}, {"delay": -1}, {"bytes_per_second": 0}, {"hold": -1}, {"hold": 1 << 30}]
)
def test_what_no_network_does_is_refused(wrong):
    with pytest.raises(ValueError, match="no network fails like this"):
        Faults(**wrong)
