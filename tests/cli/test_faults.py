"""The faults come once each, in order, in the middle; the pace fits what will be said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.cli.faults import Fault, Schedule, expected_chunks, pace_for
from riverrun.events.kinds import Event
from tests.cli.happenings import Story


def faults(schedule, events):
    return [(event.seq, fault) for event in events if (fault := schedule.take(event))]


def test_the_cut_comes_first_and_the_kill_in_mid_sentence():
    story = Story()
    events = [story.chunk("a", "word ") for _ in range(100)]
    assert [(25, Fault.CUT), (34, Fault.KILL)] == faults(Schedule(100), events)


def test_the_kill_waits_until_somebody_speaks():
    story = Story()
    events: list[Event] = [story.chunk("a", "word ") for _ in range(33)]
    events += [story.complete("a"), story.chunk("b", "End.\n"), story.chunk("b", "Next ")]
    assert [(25, Fault.CUT), (36, Fault.KILL)] == faults(Schedule(100), events)


def test_nothing_happens_after_the_end():
    story = Story()
    schedule = Schedule(1000)
    assert [] == faults(schedule, [story.chunk("a", "word "), story.end()])
    assert [Fault.CUT, Fault.KILL] == schedule.due


@given(st.integers(0, 64_000_000))
def test_what_is_expected_and_the_pace_are_bounded(size_bytes):
    assert 200 <= expected_chunks(size_bytes) <= 3000
    assert 0.004 < pace_for(size_bytes) < 0.08


@pytest.mark.parametrize(("size_bytes", "chunks"), [(84, 247), (31_826, 1181), (200_750, 2667)])
def test_the_estimate_is_near_what_was_counted(size_bytes, chunks):
    assert 0.2 > abs(expected_chunks(size_bytes) - chunks) / chunks
