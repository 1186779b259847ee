"""The form in which a batch of events lies in a store.

The first byte tells the form: `{` is the JSON of its events, one line each; 1 is the same with signs for phrases
(`phrases`). The phrases stand in the batch itself, or in an earlier one of the same run, which it names. 2 is that of a
run that has ended (`columns`); it needs no other batch. A later form must choose another first byte; every version
reads all forms that were ever written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple

import msgspec

from riverrun.base.errors import NodeError, StoreError
from riverrun.events.codec import encode
from riverrun.events.kinds import Event
from riverrun.events.record import Record
from riverrun.log.store import RunKey
from riverrun.stores.columns import join, part
from riverrun.stores.phrases import Book, Books, Ends

_FOLDED = b"\x01"
_JOINED = b"\x02"
_BEFORE = b"}\n"  # the end of a line before the first, so that this one begins like all others


class _Folded(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """A batch with signs.

    Attributes:
        book: Its phrases, or the seq of the last event of the batch that has them.
        text: Its lines.
        ends: What the phrases end with in this batch.
    """

    book: tuple[bytes, ...] | int
    text: bytes
    ends: list[bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Folded)

BookAt = Callable[[int], Book]  # gives the book of the batch that ends at a seq


class Packed(NamedTuple):
    """A batch that is ready to be written.

    Attributes:
        lines: The JSON of its events.
        text: What its body is made of.
        book: For the signs in the text; None when there are none.
        ends: What its phrases end with in the text.
    """

    lines: list[bytes]
    text: bytes
    book: Book | None = None
    ends: Ends = ()

    def body(self, known_at: int | None = None) -> bytes:
        """Give what is stored.

        Args:
            known_at: seq of the last event of an earlier batch of the run whose body has this very book, if one has.
        """
        if self.book is None:
            return self.text
        book = self.book.phrases if known_at is None else known_at
        return _FOLDED + _encoder.encode(_Folded(book, self.text, list(self.ends)))


def pack(key: RunKey, events: Sequence[Event], books: Books) -> Packed:
    """Make a batch ready to be written.

    Args:
        key: Which run.
        events: In order.
        books: Where the book of the run is kept.

    Returns:
        The batch.

    Raises:
        NodeError: E3008, an event is not JSON, or has a line break in it; only JSON that was made elsewhere can.
    """
    lines = [encode(event) for event in events]
    text = b"\n".join(lines)
    if (text.count(b"\n") != len(lines) - 1 and lines) or b"\r" in text:
        raise NodeError("E3008", "a value holds JSON text of its own with a line break in it")
    try:
        book = books.book(key, events)
        if book is not None:
            ends = book.ends(events)
            folded = book.fold(_BEFORE + text, ends)
            if folded is not None:
                return Packed(lines, folded, book, ends)
    except (TypeError, ValueError, OverflowError):
        pass  # a field of another type than it should be: JSON all the same, but nothing to look for phrases in
    return Packed(lines, text)


def book_of(body: bytes) -> Book:
    """Give the book that stands in a batch.

    Args:
        body: Of the batch.

    Returns:
        The book.

    Raises:
        ValueError: There is none.
    """
    folded = _parse(body)
    if isinstance(folded.book, int):
        raise ValueError("the phrases are elsewhere")  # noqa: TRY004 of the right type, without what is sought
    return Book(folded.book)


def smallest(records: Sequence[Record]) -> bytes:
    """Give the smallest form of a batch that needs no other batch.

    Args:
        records: In order, at least one.

    Returns:
        Its body.
    """
    lines = [record.data for record in records]
    joined = _JOINED + join(records[0].seq, [record.event for record in records], lines)
    plain = b"\n".join(lines)
    return joined if len(joined) < len(plain) else plain


def is_compact(body: bytes) -> bool:
    """Say whether a batch was made by `smallest`, and is not plain JSON."""
    return body[:1] == _JOINED


def unpack(
    first_seq: int, last_seq: int, body: bytes, book_at: BookAt, begin: int | None = None, end: int | None = None
) -> list[Record]:
    """Take a batch apart.

    Args:
        first_seq: seq of its first event.
        last_seq: seq of its last event.
        body: As `Packed` or `smallest` made it.
        book_at: Gives the book of another batch of the run; raises ValueError when there is none.
        begin: seq of the first event that is wanted; None: of all.
        end: seq of the last one; None: up to the last of all.

    Returns:
        Its records, with their JSON at hand.

    Raises:
        StoreError: E4003, it does not hold what its row says: something else wrote to the file.
    """
    low = 0 if begin is None else max(begin - first_seq, 0)
    high = last_seq - first_seq + 1 if end is None else min(end, last_seq) - first_seq + 1
    try:
        lines = _lines(first_seq, last_seq, body, book_at, low, high)
    except ValueError:
        lines = []
    if len(lines) != high - low or not lines or lines[0][:1] != b"{":
        what = f"the batch {first_seq}..{last_seq} does not hold these events"
        raise StoreError("E4003", what, mend="Restore the file from a copy; other runs in it can still be read.")
    return list(map(Record, range(first_seq + low, first_seq + high), repeat(None), lines))


def _lines(first_seq: int, last_seq: int, body: bytes, book_at: BookAt, low: int, high: int) -> list[bytes]:
    size = last_seq - first_seq + 1
    if is_compact(body):
        return part(first_seq, size, body[len(_JOINED) :], low, high)
    lines = _unfold(_parse(body), book_at) if body[:1] == _FOLDED else _checked(body).split(b"\n")
    if len(lines) != size:
        return []
    return lines if high - low == size else lines[low:high]


def _parse(body: bytes) -> _Folded:
    try:
        return _decoder.decode(memoryview(body)[len(_FOLDED) :])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _unfold(folded: _Folded, book_at: BookAt) -> list[bytes]:
    book = Book(folded.book) if not isinstance(folded.book, int) else book_at(folded.book)
    lines = book.unfold(_checked(folded.text), folded.ends).split(b"\n")
    if lines[0] != _BEFORE[:-1]:
        raise ValueError("it does not begin with a line")
    del lines[0]  # in place: a copy of each list is 1 ms of a log of 160,000 events
    return lines


def _checked(text: bytes) -> bytes:
    # A carriage return never stands in our JSON; let through, it would be a line break to a reader of SSE.
    if b"\r" in text:
        raise ValueError("a carriage return")
    return text
