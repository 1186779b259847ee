"""Drafts of a durable stream: they change nothing by themselves, and say what the log will add up to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from riverrun.events.codec import decode, encode
from riverrun.events.kinds import NodeChunk, RunStarted
from riverrun.log.drafting import Draft, value_of
from riverrun.log.durable import GRAPH, GRAPH_THAT_EXPIRES, SUM_EVENTS, Inherited, Producer, State, closes, piece_of
from tests.log.streams import PLAIN, STEPS, born, carry_out, shown


@given(st.lists(STEPS, max_size=8), st.lists(STEPS, max_size=8))
def test_what_a_draft_says_is_what_the_log_adds_up_to(first, second):
    state, events = born()
    for steps in (first, second):
        if state.ended:
            break
        before = shown(state)
        draft = Draft(state, 2_000)
        carry_out(draft, steps)
        assert before == shown(state), "a draft changes nothing by itself"
        # What a store gives back was written as JSON in between.
        events += [decode(encode(event)) for event in draft.events]
        assert shown(draft.state) == shown(state.fold(draft.events))
    started = events[0]
    assert isinstance(started, RunStarted)
    assert shown(state) == shown(State(started).fold(events[1:]))


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6), st.booleans())
def test_a_stream_begins_with_its_pieces(pieces, closed):
    state, events = born(pieces=pieces, closed=closed)
    chunks = [event for event in events if isinstance(event, NodeChunk)]
    assert list(pieces) == [piece_of(chunk.value) for chunk in chunks]
    assert closed == state.closed == any(map(closes, events))
    assert (chunks[-1].seq if chunks else 0) == state.last_seq == state.tail
    assert PLAIN == state.config


@given(st.integers(0, 300))
def test_a_sum_is_written_as_seldom_as_it_is_long(count):
    state, _ = born()
    state.producers = {str(number): Producer(str(number), 0, 0) for number in range(count)}
    for head, due in ((max(SUM_EVENTS, 10 * count) - 1, 0), (max(SUM_EVENTS, 10 * count), 1)):
        state.head = head
        draft = Draft(state, 1)
        draft.sum_up()
        assert due == len(draft.events)


@given(st.binary(min_size=1))
def test_a_piece_comes_back_from_json_as_it_was(piece):
    assert piece == piece_of(value_of(piece))


def test_text_stands_in_the_log_as_text():
    assert "héllo 🌊\0" == value_of("héllo 🌊\0".encode())
    assert {"base64": "/w=="} == value_of(b"\xff")


def test_a_stream_that_may_expire_is_found_by_the_name_of_its_graph():
    for config, graph in (
        (PLAIN, GRAPH),
        (structs.replace(PLAIN, ttl=0), GRAPH_THAT_EXPIRES),
        (structs.replace(PLAIN, expires="2026-01-01T00:00:00Z", expires_ms=5), GRAPH_THAT_EXPIRES),
    ):
        started = born(config)[1][0]
        assert isinstance(started, RunStarted)
        assert (graph, "a/b", None) == (started.graph, started.thread, started.base)


def test_a_fork_stands_on_the_log_that_it_goes_on_from():
    config = structs.replace(PLAIN, inherited=(Inherited("1" * 32, 0, 5), Inherited("2" * 32, 5, 9)))
    state, events = born(config, pieces=[b"x"])
    started = events[0]
    assert isinstance(started, RunStarted)
    assert started.base is not None
    assert "2" * 32 == started.base.run
    assert (9, 11) == (state.config.base, state.tail)
    assert 9 == born(config)[0].tail
