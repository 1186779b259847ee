"""What the events of a run say again and again, in one byte each (`docs/decisions/009-compact-batches.md`).

The JSON of two chunks of one message differs in a few figures and the value; the rest are the same four phrases. JSON
never holds a raw control character, so one of these can stand for each phrase, and reading is a few replacements.
Rules of this file:

* A phrase is cut out of a line that the encoder wrote; nothing here knows how an event looks.
* A book is right for every batch: what has no phrase stays as it is. Which phrases are in it decides the size alone.
* Many phrases come before a number that grows. Its first digits, where a batch shares them, are its *ends*: they are
  added to the phrases for this batch.
* What was folded is unfolded and compared before it is used, so that a read gives byte for byte what was live.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from msgspec import Raw

from riverrun.base.errors import NodeError
from riverrun.events.codec import encode
from riverrun.events.kinds import Event, NodeChunk
from riverrun.log.store import RunKey

# All that may stand for a phrase: control characters, but not those that are line breaks to a reader of SSE.
_SIGNS = tuple(bytes([code]) for code in range(1, 32) if code not in {10, 13})
_CONTROL = b"".join(_SIGNS) + b"\r"
_HOLE: Any = Raw(b"\n")
_MESSAGES = 8  # that a book has phrases for: each costs every batch a pass over its bytes
_MISSES = 32  # events without phrases until a full book is begun anew
_STAMP_DIGITS = 6  # at the end of `ts` that a phrase leaves open: it is good for 1,000 s
_STAMP = b',"ts":'
_FEW = 8  # events: fewer have no use for ends
_END_DIGITS = 20
_WHOLE_BYTES = 256 * 1024 * 1024  # that a batch may unfold to: what another program wrote cannot ask for more


Ends = Sequence[bytes]
Pairs = Sequence[tuple[bytes, bytes]]


class Book:
    """Phrases, each with its sign.

    Args:
        phrases: At most 29, in the order of their signs.

    Raises:
        ValueError: They cannot be phrases.
    """

    __slots__ = ("_longest", "_pairs", "misses", "phrases")

    def __init__(self, phrases: Sequence[bytes]) -> None:
        if not 0 < len(phrases) <= len(_SIGNS):
            raise ValueError("too many phrases, or none")
        self.phrases = tuple(phrases)
        # A phrase with a sign in it would unfold to phrases within phrases.
        if not all(phrases) or any(phrase.translate(None, _CONTROL) != phrase for phrase in phrases):
            raise ValueError("a control character in a phrase")
        self._pairs = tuple(zip(phrases, _SIGNS, strict=False))
        self._longest = max(map(len, phrases))
        self.misses = 0

    def fold(self, text: bytes, ends: Ends = ()) -> bytes | None:
        """Put signs for the phrases in a text.

        Args:
            text: Any.
            ends: What the phrases end with in this text, in their order; none where it is shorter.

        Returns:
            The text with signs; None when it could not be unfolded to what it was.
        """
        folded = text
        pairs = self._with(ends)
        for phrase, sign in reversed(pairs):  # the longest are last in a book: what they take is not searched again
            folded = folded.replace(phrase, sign)
        return folded if self._fits(folded) and _unfold(folded, pairs) == text else None

    def unfold(self, folded: bytes, ends: Ends = ()) -> bytes:
        """Put the phrases for the signs in a text.

        Args:
            folded: As `fold` made it.
            ends: As `fold` was given them.

        Returns:
            The text.

        Raises:
            ValueError: It would be too long, or the ends are none.
        """
        if not self._fits(folded) or not all(end.isdigit() and len(end) < _END_DIGITS for end in ends if end):
            raise ValueError("too long, or ends that are not digits")
        return _unfold(folded, self._with(ends))

    def ends(self, events: Sequence[Event]) -> Ends:
        """Look for what the phrases end with in a batch.

        Args:
            events: The batch.

        Returns:
            The ends, for `fold`; none for a few events, which have no use for them.
        """
        if len(events) < _FEW:
            return ()
        last = {event.message: event for event in events if type(event) is NodeChunk}
        first = {event.message: event for event in reversed(events) if type(event) is NodeChunk}
        numbers: dict[bytes, list[int]] = {}
        for message, chunk in last.items():
            both = (first[message], chunk)
            stamp, line, *after = _phrases(chunk) or (b"", b"")
            numbers.setdefault(stamp, []).extend(one.ts for one in both)
            numbers.setdefault(line, []).extend(one.seq for one in both)
            if after and chunk.start is not None:
                numbers.setdefault(after[0], []).extend(one.start or 0 for one in both)
        return [_end(phrase, numbers.get(phrase, ())) for phrase in self.phrases]

    def _with(self, ends: Ends) -> Pairs:
        if not ends:
            return self._pairs
        return [
            (phrase + end, sign) for (phrase, sign), end in zip(self._pairs, chain(ends, repeat(b"")), strict=False)
        ]

    def _fits(self, folded: bytes) -> bool:
        return len(folded) * (self._longest + _END_DIGITS) <= _WHOLE_BYTES


def _unfold(folded: bytes, pairs: Pairs) -> bytes:
    for phrase, sign in pairs:
        folded = folded.replace(sign, phrase)
    return folded


def _end(phrase: bytes, numbers: Sequence[int]) -> bytes:
    """Give the first digits that numbers share and that do not stand in the phrase already."""
    if not numbers:
        return b""
    low, high = b"%d" % min(numbers), b"%d" % max(numbers)
    if len(low) != len(high):
        return b""
    unlike = (place for place, (one, other) in enumerate(zip(low, high, strict=True)) if one != other)
    end = low[: next(unlike, len(low))]
    if phrase.startswith(_STAMP):
        end = end.removeprefix(phrase.removeprefix(_STAMP))
    return end if end.isdigit() and len(end) < _END_DIGITS else b""


class Books:
    """The books of the runs that were written to last.

    Args:
        limit: How many, at most.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._books: dict[RunKey, Book] = {}

    def book(self, key: RunKey, events: Sequence[Event]) -> Book | None:
        """Give the book for a batch; the same one as for the batch before, as long as that will do.

        Args:
            key: Which run.
            events: The batch.

        Returns:
            The book; None when there is no chunk among the events.
        """
        chunks = {event.message: event for event in events if type(event) is NodeChunk}
        if not chunks:
            return None
        book = self._books.pop(key, None)
        if book is None:
            book = _grown((), chunks)
        elif not _covers(book, chunks):
            book = _next(book, chunks, len(events))
        if book is not None:
            self._books[key] = book  # at the end: the one used last
            while len(self._books) > self._limit:
                del self._books[next(iter(self._books), key)]
        return book


def _covers(book: Book, chunks: dict[str, NodeChunk]) -> bool:
    return all(phrase in book.phrases for chunk in chunks.values() for phrase in _phrases(chunk))


def _next(book: Book, chunks: dict[str, NodeChunk], events: int) -> Book | None:
    stamp = _stamp(next(iter(chunks.values())))
    if stamp in book.phrases:
        grown = _grown(book.phrases, chunks)
        if grown is not None:
            return grown
        book.misses += events
        if book.misses < _MISSES:
            return book
    return _grown((), chunks)


def _grown(phrases: tuple[bytes, ...], chunks: dict[str, NodeChunk]) -> Book | None:
    found = dict.fromkeys(phrases)
    for chunk in list(chunks.values())[:_MESSAGES]:
        found |= dict.fromkeys(_phrases(chunk))
    room = 2 + 2 * _MESSAGES
    if len(found) > room and phrases:
        return None
    return Book(list(found)[:room]) if found else None


def _phrases(chunk: NodeChunk) -> tuple[bytes, ...]:
    """Give the phrases of a chunk; none when it is made of what it should not be made of."""
    seams = seams_of(chunk)
    if not seams:
        return ()
    before_seq, _, before_value, after_value = seams[:4]
    # From the end of the line before; what comes after the value may end with that end.
    pieces = (b"}\n" + before_seq, after_value.removesuffix(b"}"), before_value)
    return (_stamp(chunk), *filter(None, pieces))


def _stamp(chunk: NodeChunk) -> bytes:
    return _STAMP + b"%d" % (chunk.ts // 10**_STAMP_DIGITS)


def seams_of(chunk: NodeChunk) -> tuple[bytes, ...]:
    """Give what stands around seq, ts, value and, where there is one, start in the line of a chunk.

    Args:
        chunk: Any.

    Returns:
        What comes before seq, ts, value, (start) and what comes last, the same for all chunks of a message; empty when
        the chunk is made of what it should not be made of.
    """
    try:
        return _seams(chunk.run, chunk.ns, chunk.node, chunk.exec, chunk.attempt, chunk.agent, chunk.message,
                      chunk.key, chunk.start is None)  # fmt: skip
    except (TypeError, ValueError, NodeError):
        return ()


@lru_cache(maxsize=4096)
def _seams(*shared: Any) -> tuple[bytes, ...]:
    run, ns, node, exec_, attempt, agent, message, key, bare = shared
    chunk = NodeChunk(seq=_HOLE, ts=_HOLE, run=run, ns=ns, node=node, exec=exec_, attempt=attempt, agent=agent,
                      message=message, key=key, value=_HOLE, start=None if bare else _HOLE)  # fmt: skip
    return tuple(encode(chunk).split(_HOLE))
