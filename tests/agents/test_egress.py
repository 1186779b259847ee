"""Only what may be reached is reached, and only so much of it is taken."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import asynccontextmanager

import httpx
import pytest

from riverrun.agents.egress import Egress, make_client, resolve_by_system
from riverrun.base.errors import NodeError

HERE = Egress(loopback=True)


@asynccontextmanager
async def answering(*pieces, head=b"HTTP/1.1 200 OK\r\nconnection: close\r\n", ends=True):
    """Serve one fixed answer to everybody; give its port and what was asked."""
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + b"\r\n")
        for piece in pieces:
            writer.write(piece)
        try:
            await writer.drain()
            if not ends:
                await reader.read()  # until the other side has gone
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def resolver(*answers):
    """Make a resolver that gives another answer each time, and note how often it was asked."""
    calls = []

    async def resolve(host, port):
        calls.append(host)
        return answers[min(len(calls), len(answers)) - 1]

    return resolve, calls


async def refusal(policy, url, resolve=resolve_by_system, **options):
    """Give the code with which a request is refused."""
    async with make_client(policy, resolve=resolve, **options) as client:
        with pytest.raises(NodeError) as caught:
            await client.get(url)
    return caught.value.code


async def test_what_is_allowed_is_reached():
    async with answering(b"hello") as (port, asked), make_client(HERE) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/a?b=c", headers={"x-y": "z"})
    assert (200, "hello") == (answer.status_code, answer.text)
    assert asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"x-y: z" in asked[0].lower()
    assert f"host: 127.0.0.1:{port}".encode() in asked[0].lower()


@pytest.mark.parametrize(
    ("policy", "url", "address"),
    [
        (Egress(), "https://agent.example/", "127.0.0.1"),
        (Egress(), "https://agent.example/", "169.254.169.254"),
        (HERE, "https://agent.example/", "10.0.0.1"),
        (HERE, "http://agent.example/", "8.8.8.8"),  # no TLS beyond this machine
        (Egress(), "https://agent.example:8443/", "8.8.8.8"),
        (Egress(), "ftp://agent.example/", "8.8.8.8"),
        (Egress(), "https://agent.example/", "64:ff9b::a00:1"),
        (Egress(), "https://agent.example/", "2002:7f00:1::"),
    ],
)
async def test_what_is_not_allowed_is_never_connected_to(policy, url, address):
    resolve, _ = resolver([address])
    assert "E3055" == await refusal(policy, url, resolve)


async def test_one_address_that_is_not_allowed_is_enough():
    resolve, _ = resolver(["127.0.0.1", "10.0.0.1"])
    async with answering(b"secret") as (port, asked):
        assert "E3055" == await refusal(HERE, f"http://agent.example:{port}/", resolve)
    assert [] == asked


@pytest.mark.parametrize(
    "spelled", ["127.1", "0x7f.0.0.1", "2130706433", "017700000001", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_this_machine_is_known_however_it_is_spelled(spelled):
    assert "E3055" == await refusal(Egress(ports=(443, 9)), f"https://{spelled}:9/")


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to():
    resolve, calls = resolver(["127.0.0.1"], ["10.0.0.1"])
    async with answering(b"hello") as (port, asked), make_client(HERE, resolve=resolve) as client:
        assert "hello" == (await client.get(f"http://agent.example:{port}/")).text
        assert [b"host: agent.example:%d" % port] == [
            line for line in asked[0].lower().split(b"\r\n") if line.startswith(b"host")
        ]
        assert ["agent.example"] == calls
        with pytest.raises(NodeError):  # the next connection is checked anew
            await client.get(f"http://agent.example:{port}/")


async def test_a_name_without_an_address_is_a_failure_of_the_network():
    async def nothing(host, port):
        raise OSError("unknown")

    async with make_client(HERE, resolve=nothing) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://agent.example/")


async def test_the_second_address_is_tried_when_nobody_answers_at_the_first():
    async with answering(b"hello") as (port, _):
        resolve, _ = resolver(["127.0.0.2", "127.0.0.1"])
        async with make_client(HERE, resolve=resolve) as client:
            assert "hello" == (await client.get(f"http://agent.example:{port}/")).text


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with answering(b"from the proxy") as (proxy, seen), answering(b"hello") as (port, _):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        async with make_client(HERE) as client:
            assert "hello" == (await client.get(f"http://127.0.0.1:{port}/")).text
    assert [] == seen


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("to", [b"http://169.254.169.254/", b"https://elsewhere.example/", b"/here"])
async def test_a_redirect_is_refused_wherever_it_leads(status, to):
    head = b"HTTP/1.1 " + status + b"\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n"
    async with answering(head=head) as (port, _):
        assert "E3056" == await refusal(HERE, f"http://127.0.0.1:{port}/", headers={"authorization": "Bearer secret"})


def packed(data, how):
    """Pack data as a server would."""
    if how == "gzip":
        return gzip.compress(data)
    return zlib.compress(data)


@pytest.mark.parametrize("how", ["gzip", "deflate"])
async def test_an_answer_that_is_packed_although_nobody_asked_is_unpacked(how):
    data = b"word " * 1000
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: " + how.encode() + b"\r\nconnection: close\r\n"
    body = packed(data, how)
    async with answering(body[:7], body[7:], head=head) as (port, asked), make_client(HERE) as client:
        assert data == (await client.get(f"http://127.0.0.1:{port}/")).content
    assert b"accept-encoding: identity" in asked[0].lower()


async def test_a_bomb_is_stopped_while_it_unpacks():
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n"
    async with answering(bomb, head=head) as (port, _):
        taken: list[bytes] = []
        async with (
            make_client(Egress(loopback=True, max_bytes=100_000)) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/") as answer,
        ):
            with pytest.raises(NodeError) as caught:
                await _all(answer.aiter_raw(), taken)
    assert "E3057" == caught.value.code
    assert sum(map(len, taken)) <= 100_000


async def _all(pieces, taken):
    async for piece in pieces:
        taken.append(piece)


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip"])
async def test_what_cannot_be_measured_is_refused(encoding):
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: " + encoding + b"\r\nconnection: close\r\n"
    async with answering(b"x", head=head) as (port, _):
        assert "E3057" == await refusal(HERE, f"http://127.0.0.1:{port}/")


async def test_what_is_said_to_be_packed_and_is_not_is_refused():
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n"
    async with answering(b"plain", head=head) as (port, _):
        assert "E3057" == await refusal(HERE, f"http://127.0.0.1:{port}/")


async def test_an_answer_may_be_as_long_as_it_may_and_no_longer():
    async with answering(b"x" * 1000) as (port, _):
        async with make_client(Egress(loopback=True, max_bytes=1000)) as client:
            assert 1000 == len((await client.get(f"http://127.0.0.1:{port}/")).content)
        assert "E3057" == await refusal(Egress(loopback=True, max_bytes=999), f"http://127.0.0.1:{port}/")


async def test_an_answer_that_never_ends_is_cut_off():
    async with answering(b"x", ends=False) as (port, _):
        assert "E3057" == await refusal(Egress(loopback=True, body_timeout=0.05), f"http://127.0.0.1:{port}/")


async def test_a_head_that_never_comes_is_not_waited_for():
    async def silence(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "E3057" == await refusal(Egress(loopback=True, head_timeout=0.05), f"http://127.0.0.1:{port}/")


async def test_a_connection_that_breaks_is_a_failure_of_the_network():
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n"
    async with answering(b"x", head=head) as (port, _), make_client(HERE) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://127.0.0.1:{port}/")
