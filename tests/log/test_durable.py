"""What the log of a durable stream adds up to, from its beginning or from a sum, and when its time is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from riverrun.base.errors import HeadMoved
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Custom, RunStarted
from riverrun.log.drafting import Draft
from riverrun.log.durable import SUM_EVENTS, Inherited, Origin, State, agrees, closes, over, piece_of, stretches
from tests.log.streams import PLAIN, RUN, STEPS, born, carry_out, shown


@given(st.lists(STEPS, max_size=30), st.lists(STEPS, max_size=5))
def test_who_goes_on_behind_a_sum_knows_what_who_folded_everything_knows(before, behind):
    state, events = born()
    for steps in (before, [("sum", None)], behind):
        if state.ended:
            break
        draft = Draft(state, 2_000)
        if steps == [("sum", None)]:
            draft.state.summed = -SUM_EVENTS
            draft.sum_up()
            assert 1 == len(draft.events)
        carry_out(draft, [step for step in steps if step[0] != "sum"])
        events += [decode(encode(event)) for event in draft.events]
        state.fold(draft.events)
    started = events[0]
    assert isinstance(started, RunStarted)
    again = State(started)
    found = [seq for seq, event in enumerate(events, 1) if again.resume(event)]
    assert found == ([state.summed] if state.summed else [])
    again.fold(events[again.head :])
    assert shown(state) == shown(again)


def test_a_fold_takes_only_what_continues_the_log():
    state, _ = born(pieces=[b"a"])
    draft = Draft(state, 1)
    draft.touch()
    state.fold(draft.events)
    with pytest.raises(HeadMoved, match="E4005"):
        state.fold(draft.events)


def test_pieces_are_text_or_base64_and_the_event_that_closes_is_known():
    assert "é".encode() == piece_of("é")
    assert b"\xff" == piece_of({"base64": "/w=="})
    _, events = born(pieces=[b"a"], closed=True)
    assert [False, False, True] == list(map(closes, events))


def test_what_a_newer_version_tells_is_passed_over():
    state, _ = born(pieces=[b"a"])
    newer = Custom(seq=3, ts=1, run=RUN, node="stream", exec="stream:1", name="renamed", value=1)
    state.fold([newer])
    assert (3, 2, False) == (state.head, state.tail, state.closed)


@given(st.integers(0, 30))
def test_a_fork_shares_what_stands_before_its_place_and_nothing_else(end):
    config = structs.replace(PLAIN, inherited=(Inherited("1" * 32, 0, 5), Inherited("2" * 32, 5, 9)))
    state, _ = born(config)
    shared = stretches(state, end)
    assert [each.run for each in shared] == ["1" * 32, "2" * 32, RUN][: len(shared)]
    # Each begins where the one before ends, the first at 0, the last ends at the place.
    edges = [0, *(each.end for each in shared)]
    assert [each.base for each in shared] == edges[:-1]
    assert end == edges[-1] or not shared


@pytest.mark.parametrize(
    ("other", "closed", "same"),
    [
        (PLAIN, False, True),
        (structs.replace(PLAIN, content_type="Text/PLAIN; charset=utf-8"), False, True),
        (structs.replace(PLAIN, content_type="text/html"), False, False),
        (structs.replace(PLAIN, ttl=5), False, False),
        (structs.replace(PLAIN, expires="x", expires_ms=5), False, False),
        (structs.replace(PLAIN, origin=Origin(path="c")), False, False),
        (PLAIN, True, False),
    ],
)
def test_only_the_same_stream_may_be_created_again(other, closed, same):
    assert same == agrees(born()[0], other, closed=closed)


@given(st.integers(0, 10**7), st.lists(st.integers(0, 10**10), max_size=10))
def test_a_stream_that_is_used_in_time_never_expires(ttl, gaps):
    """Uses are written down only when `stale` says so; each comes within the time to live of the one before."""
    state, _ = born(structs.replace(PLAIN, ttl=ttl))
    now_ms = 1_000
    for gap in gaps:
        now_ms += gap % (ttl * 1000 + 1)
        assert not state.over(now_ms) or ttl == 0
        if state.stale(now_ms):
            draft = Draft(state, now_ms)
            draft.touch()
            state.fold(draft.events)
    assert state.over(now_ms + ttl * 1000 + min(ttl * 125, 60_000) + 1)


def test_a_time_to_end_is_not_put_off_by_use():
    config = structs.replace(PLAIN, expires="x", expires_ms=5_000)
    assert not over(config, 4_999, 4_999)
    assert over(config, 5_000, 5_000)
    assert not born(config)[0].stale(4_000)
    assert not over(PLAIN, 0, 10**15)
