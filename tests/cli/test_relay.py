"""The relay forwards both ways, cuts both sides at once, and goes on afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from riverrun.cli.relay import Relay


@asynccontextmanager
async def echo():
    """A server that sends back what it gets; it tells how each of its connections ended."""
    endings: asyncio.Queue[str] = asyncio.Queue()

    async def serve(reader, writer):
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
            endings.put_nowait("closed")
        except OSError:
            endings.put_nowait("reset")
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], endings
    finally:
        server.close()
        await server.wait_closed()


async def connect(relay):
    address = urlsplit(relay.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def ask(reader, writer, data):
    writer.write(data)
    return await reader.readexactly(len(data))


async def close(writer):
    writer.close()
    await writer.wait_closed()


async def test_bytes_go_both_ways_and_an_end_is_polite():
    async with echo() as (port, endings), Relay("127.0.0.1", port) as relay:
        reader, writer = await connect(relay)
        assert b"x" * 200_000 == await ask(reader, writer, b"x" * 200_000)
        writer.write_eof()
        assert b"" == await reader.read()
        assert "closed" == await endings.get()
        await close(writer)


async def test_a_cut_resets_both_sides_and_a_new_connection_works():
    async with echo() as (port, endings), Relay("127.0.0.1", port) as relay:
        reader, writer = await connect(relay)
        await ask(reader, writer, b"hello")
        assert 2 == relay.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert "reset" == await endings.get()
        writer.close()
        reader, writer = await connect(relay)
        assert b"again" == await ask(reader, writer, b"again")
        assert 1 == relay.cuts
        await close(writer)


async def test_a_cut_of_nothing_is_not_counted():
    async with echo() as (port, _), Relay("127.0.0.1", port) as relay:
        assert 0 == relay.cut()
        assert 0 == relay.cuts


async def test_a_server_that_is_gone_refuses_the_client():
    async with echo() as (port, _):
        pass
    async with Relay("127.0.0.1", port) as relay:
        reader, writer = await connect(relay)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_leaving_ends_what_is_open():
    async with echo() as (port, endings):
        async with Relay("127.0.0.1", port) as relay:
            reader, writer = await connect(relay)
            await ask(reader, writer, b"hello")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert "reset" == await endings.get()
        writer.close()
