"""What is told of this process is what the system says of it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from riverrun.observe import process
from riverrun.observe.process import measure


def test_work_and_threads_are_seen():
    before, stop = measure(), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        while measure()["cpu_seconds"] <= before["cpu_seconds"]:
            pass  # that is the work
        assert before["threads"] + 1 == measure()["threads"]
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="allowed: only Linux tells of memory and descriptors")
def test_memory_and_descriptors_are_seen():
    before = measure()
    ballast = bytearray(64 * 1024 * 1024)
    ballast[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(ballast[:: os.sysconf("SC_PAGE_SIZE")])
    with socket.socket():
        after = measure()
    assert after["rss_bytes"] - before["rss_bytes"] > 32 * 1024 * 1024
    assert before["descriptors"] + 1 == after["descriptors"]


def test_what_the_system_does_not_tell_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_SELF", tmp_path)
    assert {"cpu_seconds", "threads"} == set(measure())
