"""Who may append what: each check, their order, and that what a producer repeats is done exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import NodeChunk
from riverrun.log.appending import Append, append
from riverrun.log.drafting import Draft
from riverrun.log.durable import Producer, piece_of
from tests.log.streams import born, shown

MEDIA = "text/plain"


def put(state, piece=b"x", *, close=False, writer_seq=None, producer=None, media=MEDIA):
    """Append, commit, and give what became of it."""
    wanted = Append(
        pieces=(piece,) if piece else (), media=media, close=close, writer_seq=writer_seq, producer=producer
    )
    draft = Draft(state, 1)
    outcome = append(draft, wanted)
    assert bool(draft.events) == (outcome.error is None and not outcome.repeated)
    state.fold(draft.events)
    assert (state.tail, state.closed) == (outcome.tail, outcome.closed)
    return outcome


def code(outcome):
    return outcome.error.code if outcome.error else None


def at(epoch, seq, name="p"):
    return Producer(name, epoch, seq)


class Model:
    """What the pieces should be, by the words of the draft."""

    def __init__(self) -> None:
        self.at: dict[str, tuple[int, int]] = {}
        self.pieces: list[bytes] = []
        self.closed = False


@given(
    st.lists(
        st.tuples(
            st.sampled_from("pq"),
            st.integers(0, 2),
            st.integers(0, 4),
            st.booleans(),
            st.binary(min_size=1, max_size=3),
        ),
        max_size=30,
    )
)
def test_each_number_of_a_producer_is_appended_once_and_in_order(requests):
    state, _ = born()
    model, log = Model(), list[bytes]()
    for name, epoch, seq, close, piece in requests:
        before = state.head
        outcome = put(state, piece, close=close, producer=at(epoch, seq, name))
        known = model.at.get(name)
        new = known is None or epoch > known[0]
        expected = 0 if known is None or new else known[1] + 1
        if known is not None and epoch < known[0]:
            assert "E2036" == code(outcome)
        elif known is not None and new and seq:
            assert "E2039" == code(outcome)
        elif known is not None and seq < expected:
            assert outcome.repeated
            assert Producer(name, *known) == outcome.producer
        elif model.closed:
            assert "E2033" == code(outcome)
        elif seq > expected:
            assert ("E2037", expected) == (code(outcome), outcome.expected)
        else:
            assert None is code(outcome)
            model.at[name] = epoch, seq
            model.pieces.append(piece)
            model.closed = close
        log += [piece] if state.head > before else []
    assert model.pieces == log
    assert {name: Producer(name, *place) for name, place in model.at.items()} == state.producers


@given(st.lists(st.text("019aAé", min_size=1, max_size=3), max_size=12))
def test_the_order_of_writers_is_that_of_the_bytes(seqs):
    state, _ = born()
    last = None
    for seq in seqs:
        outcome = put(state, writer_seq=seq)
        if last is None or seq.encode("latin-1") > last.encode("latin-1"):
            assert None is code(outcome)
            last = seq
        else:
            assert "E2035" == code(outcome)
    assert last == state.writer_seq


def test_an_append_that_says_no_order_leaves_it_as_it_is():
    state, _ = born()
    put(state, writer_seq="5")
    put(state)
    assert "E2035" == code(put(state, writer_seq="5"))
    assert None is code(put(state, writer_seq="6", producer=at(0, 0)))


def test_the_producer_is_looked_at_before_the_order_of_writers():
    state, _ = born()
    put(state, writer_seq="1", producer=at(0, 0))
    assert put(state, writer_seq="1", producer=at(0, 0)).repeated


def test_what_is_of_another_type_is_refused_but_a_mere_closing_has_none():
    state, _ = born()
    assert "E2034" == code(put(state, media="application/json"))
    assert None is code(put(state, b"", close=True, media="application/json"))


def test_the_last_piece_and_the_closing_are_one():
    state, _ = born()
    outcome = put(state, b"last", close=True)
    assert (True, 2) == (outcome.closed, outcome.tail)
    assert 3 == state.head


def test_closing_moves_no_end_and_may_be_repeated():
    state, _ = born(pieces=[b"a"])
    assert (2, True, False) == put(state, b"", close=True)[:3]
    assert (2, True, True) == put(state, b"", close=True)[:3]
    assert "E2033" == code(put(state, b"more"))
    assert "E2033" == code(put(state, b"more", close=True))


def test_a_producer_that_closed_is_told_so_again_and_others_are_refused():
    state, _ = born()
    put(state, b"last", close=True, producer=at(0, 0))
    again = put(state, b"another", close=True, producer=at(0, 0))
    assert (True, True) == (again.repeated, again.closed)
    assert "E2033" == code(put(state, close=True, producer=at(0, 1)))
    assert "E2033" == code(put(state, close=True, producer=at(0, 7)))
    assert "E2033" == code(put(state, b"", close=True, producer=at(0, 0, "q")))
    assert "E2036" == code(put(put_epoch(), producer=at(0, 1)))


def put_epoch():
    state, _ = born()
    put(state, producer=at(1, 0))
    put(state, b"", close=True)
    return state


def test_nothing_is_appended_to_what_was_deleted():
    state, _ = born()
    draft = Draft(state, 1)
    draft.delete("deleted")
    state.fold(draft.events)
    for close in (True, False):
        assert "E2031" == code(put(state, close=close, producer=at(0, 0)))


@pytest.mark.parametrize("count", [1, 5])
def test_several_messages_are_one_append(count):
    state, _ = born()
    draft = Draft(state, 1)
    pieces = [b"%d" % number for number in range(count)]
    append(draft, Append(pieces=pieces, media=MEDIA, producer=at(0, 0)))
    assert pieces == [piece_of(each.value) for each in draft.events if isinstance(each, NodeChunk)]
    before = shown(state)
    state.fold(draft.events)
    assert before["head"] + 1 + count == state.head
