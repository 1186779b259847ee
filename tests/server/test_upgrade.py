"""A WebSocket over TCP: one that is slow, dead or hostile costs little, and an end is said before it comes."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

import httpx
import pytest

from tests.server.handmade import HANDSHAKE, attach, masked, opened
from tests.server.served import serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.mark.slow
def test_who_asks_for_pongs_and_takes_none_is_not_read_any_more(served):
    pings = masked(9, b"x" * 125) * 500
    with opened(served.url) as link:
        link.settimeout(1.0)
        sent = 0
        with suppress(TimeoutError):
            while sent < 100_000_000:
                sent += link.send(pings)
    assert sent < 50_000_000


def test_who_answers_no_ping_is_given_up():
    with serving(heartbeat_interval=0.05, stall_timeout=0.2) as served, opened(served.url) as link:
        link.settimeout(10)
        taken = b"".join(iter(lambda: link.recv(65536), b""))
    assert b"keepalive ping timeout" in taken


@pytest.mark.slow
def test_who_answers_no_ping_and_takes_nothing_is_cut():
    with serving(heartbeat_interval=0.05, stall_timeout=0.2) as served:
        run = served.start(count=4000, text="x" * 2000)
        while served.http.get(f"/v1/runs/{run}").json()["status"] != "ended":
            pass
        with opened(served.url) as link:
            link.sendall(attach(run))
            while served.app.state.riverrun.statistics()["readers_total"] < 1:
                served.http.get("/healthz")
            while served.app.state.riverrun.statistics()["readers"]:
                served.http.get("/healthz")


def frames_of(link):
    """Read what a server sends, as text; what is no text is passed over."""
    taken = b""
    while data := link.recv(65536):
        taken += data
        yield taken


def test_a_socket_outlives_the_deadline_of_heads():
    with serving(head_timeout=0.1, heartbeat_interval=0.05) as served, opened(served.url) as link:
        link.settimeout(10)
        taken = next(taken for taken in frames_of(link) if taken.count(b'"heartbeat"') >= 6)
    assert b"close" not in taken


def test_a_message_in_fragments_without_end_is_refused(served):
    with opened(served.url) as link:
        link.sendall(masked(1, b"", fin=False) + masked(0, b"", fin=False) * 5000)
        taken = b"".join(iter(lambda: link.recv(65536), b""))
    assert (1009).to_bytes(2, "big") + b"too many fragments" in taken


def test_a_message_in_a_few_fragments_is_whole(served):
    ping = b'{"type":"ping","id":"1"}'
    with opened(served.url) as link:
        parts = [masked(0, ping[place : place + 1], fin=False) for place in range(1, len(ping))]
        link.sendall(masked(1, ping[:1], fin=False) + b"".join(parts) + masked(9, b"x") + masked(0, b""))
        assert b'"pong"' in next(taken for taken in frames_of(link) if b'"pong"' in taken)


@pytest.mark.parametrize(
    ("without", "status"),
    [(b"sec-websocket-key", b"400"), (b"sec-websocket-version", b"400"), (b"upgrade: websocket\r\nconn", b"404")],
    ids=["key", "version", "upgrade"],
)
def test_half_a_handshake_is_refused(served, without, status):
    address = httpx.URL(served.url)
    with socket.create_connection((address.host, address.port)) as link:
        link.settimeout(10)
        link.sendall(HANDSHAKE.replace(without, b"x-" + without.partition(b":")[0]))
        assert status == next(frames_of(link)).split()[1]


def test_whatever_bytes_come_the_others_do_not_notice(served):
    dice = random.Random(7)
    with opened(served.url) as other:
        for _ in range(100):
            with opened(served.url) as link:
                link.sendall(dice.randbytes(dice.randrange(1, 200)))
                link.shutdown(socket.SHUT_WR)
                with suppress(ConnectionError):
                    while link.recv(65536):
                        pass
        other.sendall(masked(1, b'{"type":"ping","id":"1"}'))
        assert b'{"type":"pong","id":"1"}' in next(taken for taken in frames_of(other) if b'"pong"' in taken)
    while served.app.state.riverrun.statistics()["readers"]:
        served.http.get("/healthz")


def test_a_request_to_upgrade_in_the_middle_of_a_stream_ends_both(served):
    run = served.start("wait")
    address = httpx.URL(served.url)
    with socket.create_connection((address.host, address.port)) as link:
        link.settimeout(10)
        link.sendall(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert b"run.started" in next(taken for taken in frames_of(link) if b"run.started" in taken)
        link.sendall(HANDSHAKE)
        with suppress(ConnectionError):
            while link.recv(65536):
                pass
    while served.app.state.riverrun.statistics()["readers"]:
        served.http.get("/healthz")
    served.http.post(f"/v1/runs/{run}/stop")


def test_a_socket_that_is_told_to_leave_hears_why_before_it_is_closed():
    with serving(shutdown_timeout=0.3) as served, opened(served.url) as link:
        link.settimeout(10)
        served.stop()
        taken = b"".join(iter(lambda: link.recv(65536), b""))
    assert taken.index(b'{"type":"close","reason":"shutdown"}') < taken.index((1012).to_bytes(2, "big") + b"shutdown")


@pytest.mark.slow
def test_sockets_that_take_nothing_or_say_no_goodbye_do_not_hold_up_the_end():
    with serving(shutdown_timeout=0.5) as served:
        run = served.start(count=4000, text="x" * 2000)
        while served.http.get(f"/v1/runs/{run}").json()["status"] != "ended":
            pass
        with opened(served.url, buffer_bytes=4096) as stuck, opened(served.url) as silent:
            stuck.sendall(attach(run))
            silent.sendall(attach(run))
            assert b'"attached"' in silent.recv(65536)
            served.stop()
            served.join()
            # Both were cut, as a peer that is gone would have to be.
            assert served.app.state.riverrun.statistics()["readers"] == 0
