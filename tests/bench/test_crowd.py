"""The load of the figures of delivery tells what a server sent, when it was here, and who was lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from time import perf_counter

import pytest

from bench.crowd import Crowd, Reader, Way
from bench.delivery import attached
from bench.servers import allow_connections
from bench.thin import asking, joined, posting, until

GET = Way(b"GET / HTTP/1.1\r\n\r\n", b"retry: ", b"\r\n0\r\n\r\n")


@contextmanager
def answering(*pieces: bytes, wait_for: bytes = b"", close: bool = True):
    """Serve pieces of bytes to whoever connects; with `wait_for` the last piece waits until that has arrived."""
    loop = asyncio.new_event_loop()

    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            for place, piece in enumerate(pieces, 1):
                if wait_for and place == len(pieces):
                    await reader.readuntil(wait_for)
                writer.write(piece)
                await writer.drain()
            if not close:
                await reader.read(1)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="answering")
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:

        async def end():
            server.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_every_reader_receives_everything():
    body = b"HTTP/1.1 200 OK\r\n\r\nretry: 1\n\nmore\r\n0\r\n\r\n"
    with answering(body) as url, Crowd(url) as crowd:
        crowd.join([GET] * 5)
        crowd.read()
        crowd.whole()
        assert [body] * 5 == [reader.received() for reader in crowd.readers]


def test_a_reader_that_needs_two_steps_takes_the_second_when_the_head_is_there():
    way = GET._replace(ready=b"attached", then=b"attach.")
    with answering(b"HTTP/1.1 101\r\n\r\n", b"attached\r\n0\r\n\r\n", wait_for=b"attach.") as url, Crowd(url) as crowd:
        crowd.join([way])
        crowd.read()
        crowd.whole()


def test_a_reader_whose_answer_is_cut_short_is_told_as_lost():
    with answering(b"HTTP/1.1 200 OK\r\n\r\nretry: 1\n\nmo") as url, Crowd(url) as crowd:
        crowd.join([GET])
        crowd.read()
        with pytest.raises(RuntimeError, match="a reader was lost: closed"):
            crowd.whole()


def test_a_reader_that_is_refused_is_told_at_once():
    with (
        answering(b"HTTP/1.1 503 No\r\n\r\n") as url,
        Crowd(url) as crowd,
        pytest.raises(RuntimeError, match="not attached: closed"),
    ):
        crowd.join([GET])


def test_reading_is_left_when_its_time_is_over_though_nobody_says_anything():
    with answering(b"HTTP/1.1 200 OK\r\n\r\nretry: 1\n\n", close=False) as url, Crowd(url) as crowd:
        crowd.join([GET])
        crowd.read(0.01)
        assert not crowd.readers[0].ended
        assert not crowd.readers[0].fault


def reader_of(*pieces, way=GET):
    with socket.socket() as nowhere:
        reader = Reader(way, nowhere)
    for now, piece in enumerate(pieces, 100):
        reader.take(piece, float(now))
    return reader


def test_the_lateness_of_a_chunk_is_counted_from_the_piece_with_its_last_byte():
    reader = reader_of(b"at 99.000000;", b"at 99.500000;at 99.6", b"00000;")
    assert [1.0, 1.5, 2.4] == pytest.approx(reader.lateness())


@pytest.mark.parametrize("cut", range(1, len(b"x\r\n0\r\n\r\n")))
def test_the_end_is_seen_wherever_it_is_cut(cut):
    last = b"x\r\n0\r\n\r\n"
    reader = reader_of(b"retry: 1", last[:cut])
    assert not reader.ended
    reader.take(last[cut:], 102.0)
    assert reader.ended


def test_an_answer_without_an_end_does_not_end():
    assert not reader_of(b"retry: 1", b"\r\n0\r\n\r\n", way=GET._replace(end=b"")).ended


# --- its neighbours ---


def test_attaching_is_over_when_it_is_granted():
    with answering(b"HTTP/1.1 200 OK\r\n\r\nret", b"ry: 1\n\n", close=False) as url:
        began = perf_counter()
        assert 0.0 < attached(url, GET) <= perf_counter() - began


def test_an_attach_that_is_refused_is_told():
    with answering(b"HTTP/1.1 410 Gone\r\n\r\n") as url, pytest.raises(RuntimeError, match=r"not granted.*410"):
        attached(url, GET)


def test_a_body_that_ends_early_is_told():
    with answering(b"HTTP/1.1 200 OK\r\n\r\n3\r\nabc") as url, pytest.raises(RuntimeError, match="ended early"):
        until(url, asking(url, "/"), b"\r\n0\r\n\r\n")


def test_the_framing_of_a_body_is_taken_off():
    assert b"abcde" == joined(b"HTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")


def test_requests_name_the_server_and_what_they_want():
    assert b"Host: 127.0.0.1:1\r\n" in asking("http://127.0.0.1:1", "/")
    posted = posting("http://127.0.0.1:1", "/v1/runs", {"a": 1}, "application/json")
    assert posted.endswith(b'Content-Length: 8\r\n\r\n{"a": 1}')


def test_a_limit_that_is_large_enough_is_left_as_it_is():
    resource = pytest.importorskip("resource", reason="allowed: this system has no such limits")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_connections(1)
    assert before == resource.getrlimit(resource.RLIMIT_NOFILE)
