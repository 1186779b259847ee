"""Readers that come and are cut, thousands of times, leave nothing behind: no descriptor, no task, no memory."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import socket
import struct
import time

import httpx
import pytest

from riverrun.observe.process import measure
from tests.server.served import serving

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s
AT_ONCE = 50
LOG = logging.getLogger(__name__)


def asks(run):
    """The ways in which a reader may come, in turn."""
    path = f"GET /v1/runs/{run}"
    ways = (
        f"{path}/events HTTP/1.1",
        f"{path}/events?reader=tab&interval=10 HTTP/1.1",
        f"{path}/events?adaptive=1&max_bytes=4096 HTTP/1.1",
        f"{path}/events?after=2&wait=30&reader=poll HTTP/1.1",
        f"{path}/text?message=nothing&wait=30 HTTP/1.1",
    )
    return itertools.cycle(f"{way}\r\nhost: localhost\r\n\r\n".encode() for way in ways)


def cycles(served, count, run):
    """Let so many readers come and be cut, some politely and some by a reset, before or after the first byte."""
    url, ask = httpx.URL(served.url), asks(run)
    for begun in range(0, count, AT_ONCE):
        links = [socket.create_connection((url.host, url.port), timeout=5) for _ in range(AT_ONCE)]
        for number, link in enumerate(links, begun):
            link.sendall(next(ask))
            if number % 5 < 3 and number % 2:
                assert link.recv(100)  # the head of a stream
            if number % 3:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            link.close()


def tasks():
    gc.collect()
    return sum(isinstance(each, asyncio.Task) for each in gc.get_objects())


def settled(served):
    """Wait until nobody reads any more."""
    give_up_at, runtime = time.monotonic() + 20, served.app.state.riverrun
    while runtime.statistics()["readers"] or runtime.presence.statistics()["watched"]:
        assert time.monotonic() < give_up_at, runtime.statistics()
        time.sleep(0.01)


def left_behind(served, run, before, count):
    cycles(served, before, run)
    settled(served)
    was, had = measure(), tasks()
    cycles(served, count, run)
    settled(served)
    now = measure()
    return {
        "descriptors": now["descriptors"] - was["descriptors"],
        "threads": now["threads"] - was["threads"],
        "tasks": tasks() - had,
        "bytes": now["rss_bytes"] - was["rss_bytes"],
    }


def check(left, bytes_limit):
    # A connection that the kernel is still taking away may make a difference of a few; a leak makes one of thousands.
    assert abs(left["descriptors"]) <= 3, left
    assert abs(left["tasks"]) <= 3, left
    assert 0 == left["threads"], left
    assert left["bytes"] < bytes_limit, left


def test_a_few_hundred_readers_leave_nothing_behind():
    with serving() as served:
        run = served.start("wait")
        # So few say nothing about memory: the heap of a process that has run other tests moves by more.
        check(left_behind(served, run, 100, 400), 64 * 1024 * 1024)
        assert "running" == served.http.get(f"/v1/runs/{run}").json()["status"]
        served.http.post(f"/v1/runs/{run}/stop")


@pytest.mark.slow
def test_ten_thousand_readers_leave_nothing_behind_and_nothing_stopped():
    with serving() as served:
        run = served.start("wait")
        left = left_behind(served, run, 2_000, 10_000)
        check(left, 8 * 1024 * 1024)
        told = served.http.get("/v1/metrics").json()["readers"]
        assert 0 == told["open"] == told["watched"] == told["lag"]
        assert told["total"] > 6_000
        assert "running" == served.http.get(f"/v1/runs/{run}").json()["status"]
        served.http.post(f"/v1/runs/{run}/stop")
    LOG.info("10,000 readers left behind: %s", left)
