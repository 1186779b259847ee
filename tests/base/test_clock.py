"""Time comes from one place and stands still for tests."""

from __future__ import annotations

import time

import pytest

from riverrun.base.clock import ManualClock, SystemClock, iso


def test_the_clock_of_this_machine_tells_its_time():
    clock = SystemClock()
    before, now, after = time.time_ns() // 1_000_000, clock.now_ms(), time.time_ns() // 1_000_000
    assert before <= now <= after
    assert clock.monotonic() <= time.monotonic() <= clock.monotonic()


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(5_000)
    assert (5_000, 5.0) == (clock.now_ms(), clock.monotonic())
    clock.advance(1.25)
    assert (6_250, 6.25) == (clock.now_ms(), clock.monotonic())


def test_a_manual_clock_keeps_parts_of_a_millisecond():
    clock = ManualClock(0)
    for _ in range(8):
        clock.advance(0.000_25)
    assert 2 == clock.now_ms()
    assert pytest.approx(0.002) == clock.monotonic()


def test_a_time_is_written_as_people_read_it():
    assert "2023-11-14T22:13:20.123000+00:00" == iso(1_700_000_000_123)
