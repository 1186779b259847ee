"""A head that does not come to its end, or is too long, ends its connection and no other; a slow body as well."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import httpx
import pytest

from tests.server.served import serving

HEAD = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def served():
    with serving(head_timeout=0.2, max_head_bytes=4096, body_timeout=0.2) as served:
        yield served


def link(served):
    url = httpx.URL(served.url)
    return closing(socket.create_connection((url.host, url.port), timeout=5))


def rest(connection):
    """Read to the end; a reset is an end too."""
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, b"\r\n" * 10])
def test_a_head_that_does_not_come_is_not_waited_for(served, sent):
    begun = time.monotonic()
    with link(served) as connection:
        connection.sendall(sent)
        assert b"" == rest(connection)
    assert 0.15 < time.monotonic() - begun < 3


def test_a_head_that_drips_gets_no_more_time(served):
    begun = time.monotonic()
    with link(served) as connection:
        connection.settimeout(0.03)
        connection.sendall(HEAD)
        while time.monotonic() - begun < 3:
            try:
                connection.sendall(b"x")
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert 0.15 < time.monotonic() - begun < 2


def test_a_later_request_on_a_connection_has_the_same_time(served):
    with link(served) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert b'{"status":"ok"}' in connection.recv(4096)
        begun = time.monotonic()
        connection.sendall(b"GET")
        assert b"" == rest(connection)
        assert 0.15 < time.monotonic() - begun < 3


def test_an_idle_connection_is_kept_and_serves_again(served):
    with link(served) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"\r\n")
            assert b'{"status":"ok"}' in connection.recv(4096)
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)


@pytest.mark.parametrize("sent", [b"GET /" + b"x" * 9000, HEAD + b"a: " + b"x" * 9000, HEAD + b"a: b\r\n" * 2000])
def test_a_head_that_is_too_long_is_refused(served, sent):
    with link(served) as connection:
        connection.sendall(sent)
        assert rest(connection).startswith(b"HTTP/1.1 431 ")


def test_a_long_head_behind_an_open_stream_cuts_it(served):
    run = served.start("wait")
    with link(served) as connection:
        connection.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert connection.recv(10)
        connection.sendall(HEAD + b"a: " + b"x" * 9000)
        assert b"HTTP/1.1 431" not in rest(connection)


def test_a_stream_lives_longer_than_a_head_may_take(served):
    run = served.start("wait")
    with link(served) as connection:
        connection.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        connection.settimeout(0.3)
        seen, quiet = b"", False
        while not quiet:
            try:
                seen += connection.recv(4096)
            except TimeoutError:
                quiet = True
        assert b"run.started" in seen
        served.http.post(f"/v1/runs/{run}/stop")
        connection.settimeout(5)
        while b"run.stopped" not in seen:
            data = connection.recv(4096)
            assert data
            seen += data


@pytest.mark.parametrize("sent", [b"", b'{"graph":'])
def test_a_body_that_does_not_come_is_refused_and_ends_its_connection(served, sent):
    begun = time.monotonic()
    with link(served) as connection:
        head = (
            "POST /v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
        )
        connection.sendall(head.encode() + sent)
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"E2001" in answer
    assert b"connection: close" in answer.lower()
    assert 0.15 < time.monotonic() - begun < 3


def test_a_body_over_the_limit_ends_its_connection(served):
    with link(served) as connection:
        head = "POST /v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n"
        connection.sendall(head.encode())
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"E2003" in answer


def test_a_request_that_is_refused_for_what_it_says_keeps_its_connection(served):
    answer = served.http.post("/v1/runs", json={"graph": "nothing", "input": {}})
    assert 404 == answer.status_code
    assert "connection" not in answer.headers


def long_run(served):
    """A run whose log no buffer of a socket holds."""
    run = served.start(count=50, text="x" * 200_000)
    served.whole(run)
    return run


def asking(served, run):
    """Ask for the events of a run over a socket that takes little at once."""
    url = httpx.URL(served.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.settimeout(5)
    connection.connect((url.host, url.port))
    connection.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    return closing(connection)


def test_a_reader_that_takes_nothing_is_cut_and_nothing_of_it_is_left():
    with serving(stall_timeout=0.3) as served:
        run = long_run(served)
        with asking(served, run) as connection:
            assert connection.recv(1)
            give_up_at = time.monotonic() + 10
            while served.app.state.riverrun.statistics()["readers"]:
                assert time.monotonic() < give_up_at, "it is still waited for"
            # What the kernel had taken still comes, but not the end of a body, which would be taken for success.
            assert not rest(connection).endswith(b"\r\n0\r\n\r\n")
        assert b'"run.completed"' in served.whole(run)


def test_a_reader_that_takes_bytes_slowly_gets_all_of_them():
    with serving(stall_timeout=0.5) as served:
        run = long_run(served)
        whole, seen, begun = len(served.whole(run)), bytearray(), time.monotonic()
        with asking(served, run) as connection:
            while b'"run.completed"' not in seen[-4096:]:
                # So slowly that all of it takes longer than the time-out, but never without taking any for so long.
                time.sleep(max(0.0, begun + 1.2 * len(seen) / whole - time.monotonic()))
                seen += connection.recv(65536)
        assert time.monotonic() - begun > 1
        assert len(seen) > whole
