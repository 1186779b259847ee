"""Phrases make batches small and change nothing: what is unfolded is what was folded, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.codec import encode
from riverrun.events.kinds import Custom, NodeChunk
from riverrun.log.store import RunKey
from riverrun.stores import phrases
from riverrun.stores.phrases import Book, Books

KEY = RunKey("acme", "0" * 32)


def chunk(seq, message="m", value="abcd", *, ts=1_763_600_000_000, start=None, **more):
    fields = {"node": "n", "exec": "n:1", "key": "k", **more}
    return NodeChunk(seq=seq, ts=ts, run=KEY.run, message=message, value=value, start=start, **fields)


def folded(book, events):
    text = b"}\n" + b"\n".join(map(encode, events))
    ends = book.ends(events)
    small = book.fold(text, ends)
    assert text == book.unfold(small, ends)
    return small


def book_for(books, events, key=KEY):
    book = books.book(key, events)
    assert book is not None
    return book


def test_of_a_chunk_its_figures_and_its_value_are_left():
    events = [chunk(seq, start=4 * seq, ts=1_763_600_000_000 + seq) for seq in range(1000, 1100)]
    small = folded(book_for(Books(), events), events)
    assert 18 * len(events) > len(small)


def test_chunks_of_several_messages_and_other_events_share_a_batch():
    events = [chunk(seq, "abc"[seq % 3], start=4 * (seq // 3)) for seq in range(1000, 1099)]
    events.append(Custom(seq=1099, ts=1, run=KEY.run, node="n", exec="n:1", value="x"))
    assert 20 * len(events) > len(folded(book_for(Books(), events), events))


@given(
    text=st.binary() | st.text(alphabet="\x01\x02\t}\n01aé").map(str.encode),
    ends=st.lists(st.text("0123456789", max_size=4).map(str.encode), max_size=5),
    parts=st.lists(st.text(alphabet="}\n01aé", min_size=1).map(str.encode), min_size=1, max_size=5),
)
def test_any_text_is_unfolded_to_what_it_was_or_not_folded(text, ends, parts):
    book = Book(parts)
    small = book.fold(text, ends)
    assert small is None or text == book.unfold(small, ends)


@pytest.mark.parametrize("parts", [[], [b""], [b"a\x01"], [b"\t"], [b"a\r"], [b"x"] * 30])
def test_what_cannot_be_phrases_is_refused(parts):
    with pytest.raises(ValueError, match="phrase"):
        Book(parts)


def test_ends_that_are_no_digits_are_refused():
    for end in (b"x", b"1" * 20, b"\x02", b"-1"):
        with pytest.raises(ValueError, match="ends"):
            Book([b"a"]).unfold(b"\x01", [end])


def test_more_ends_than_phrases_change_nothing():
    assert b"a1" == Book([b"a"]).unfold(b"\x01", [b"1", b"2"])


def test_a_batch_that_would_unfold_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(phrases, "_WHOLE_BYTES", 1000)
    book = Book([b"a" * 30])
    with pytest.raises(ValueError, match="long"):
        book.unfold(b"\x01" * 100)
    assert book.fold(b"b" * 100) is None


def test_numbers_of_unlike_length_have_no_common_end():
    events = [chunk(seq, start=seq, ts=5) for seq in range(95, 105)]
    book = book_for(Books(), events)
    assert b"" == book.ends(events)[book.phrases.index(b'}\n{"type":"node.chunk","seq":')]
    folded(book, events)


def test_a_book_is_kept_as_long_as_it_will_do():
    books = Books()
    first = book_for(books, [chunk(2, "a")])
    assert first is book_for(books, [chunk(3, "a", "other", start=None, ts=1_763_600_000_999)])
    assert books.book(KEY, [Custom(seq=4, ts=1, run=KEY.run, node="n", exec="n:1")]) is None
    second = book_for(books, [chunk(4, "b")])
    assert set(first.phrases) < set(second.phrases)
    assert second is book_for(books, [chunk(5, "a"), chunk(6, "b")])
    later = book_for(books, [chunk(7, "a", ts=1_763_700_000_000)])
    assert set(second.phrases) > set(later.phrases) - {b',"ts":1763700'}


def test_a_full_book_is_begun_anew_only_after_a_while():
    books = Books()
    full = book_for(books, [chunk(seq, f"m{seq}", key=f"k{seq}") for seq in range(8)])
    assert full is book_for(books, [chunk(9, "x")] * 31)
    events = [chunk(9, "x")]
    anew = book_for(books, events)
    assert full is not anew
    assert len(full.phrases) > len(anew.phrases)
    assert 18 == len(book_for(books, [chunk(seq, f"n{seq}", key=f"k{seq}") for seq in range(40)]).phrases)


def test_books_are_bounded():
    books = Books(limit=1)
    other = RunKey("acme", "1" * 32)
    first = book_for(books, [chunk(2)])
    book_for(books, [chunk(2)], other)
    assert first is not book_for(books, [chunk(2)])


@pytest.mark.parametrize("odd", [{"ns": ["a"]}, {"agent": object()}, {"node": "\ud800"}, {"attempt": {}}])
def test_a_chunk_of_what_it_should_not_be_made_of_has_no_phrases(odd):
    books = Books()
    assert books.book(KEY, [chunk(2, **odd)]) is None
    book = book_for(books, [chunk(2)])
    assert book is book_for(books, [chunk(2, **odd)])
    assert [b""] * len(book.phrases) == book.ends([chunk(2, **odd)] * 9)
