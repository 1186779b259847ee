"""Adjacent chunks as one object, and apart again, for readers that want fewer and larger frames (PROTOCOL.md §14).

Rules of this file:

* What is joined stands for the events of a dense stretch of the log, each once; only chunks are joined.
* Text is joined within one message and attempt, where it follows without a hole; other values stay what they are.
* Taken apart, it gives the events again, but for their times: all have that of the last.
* Joined is never larger than what it was joined from.

Pure; it does not know who wants it joined, or when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from riverrun.base.errors import ProtocolFault
from riverrun.events.codec import decode
from riverrun.events.kinds import Event, Json, NodeChunk, Unknown, text_length
from riverrun.events.record import Record

KIND = "node.chunks"
_CHUNK = b'"node.chunk"'


class Piece(Struct, kw_only=True, omit_defaults=True):
    """What was joined of one message.

    Attributes:
        ns: As in the chunks.
        node: As in the chunks.
        exec: As in the chunks.
        attempt: As in the chunks.
        agent: As in the chunks.
        message: As in the chunks.
        key: As in the chunks.
        start: Of the first chunk, for text.
        value: The texts of the chunks, joined; or the value of the one chunk.
        seqs: The chunks that it stands for.
        sizes: Lengths of their texts in UTF-16 code units; none where it is not text with a `start`.
    """

    ns: tuple[str, ...] = ()
    node: str
    exec: str
    attempt: int = 1
    agent: str | None = None
    message: str
    key: str | None = None
    start: int | None = None
    value: Json = None
    seqs: list[int]
    sizes: list[int] = []


class Joined(Struct, kw_only=True, tag_field="type", tag=KIND):
    """A stretch of chunks as one object.

    Attributes:
        first: The first event that it stands for; `from` on the wire.
        seq: The last one.
        ts: When the last one happened, in milliseconds since the Unix epoch.
        run: Id of the run.
        chunks: What it holds, by message, in the order of their first chunks.
    """

    first: int = field(name="from")
    seq: int
    ts: int
    run: str
    chunks: list[Piece]


class _Joining:
    """A stretch that grows."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._texts: list[list[str]] = []
        self._open: dict[tuple[Any, ...], int] = {}  # of each message and attempt: the piece that text may be added to
        self._ends: list[int] = []

    def add(self, chunk: NodeChunk) -> None:
        name = (chunk.message, chunk.exec, chunk.attempt, chunk.ns, chunk.node, chunk.agent, chunk.key)
        size = text_length(chunk.value) if isinstance(chunk.value, str) and chunk.start is not None else None
        at = self._open.get(name)
        if size is not None and at is not None and self._ends[at] == chunk.start:
            self._pieces[at].seqs.append(chunk.seq)
            self._pieces[at].sizes.append(size)
            self._texts[at].append(chunk.value)
            self._ends[at] += size
            return
        self._open[name] = len(self._pieces)
        self._pieces.append(
            Piece(
                ns=chunk.ns,
                node=chunk.node,
                exec=chunk.exec,
                attempt=chunk.attempt,
                agent=chunk.agent,
                message=chunk.message,
                key=chunk.key,
                start=chunk.start,
                value=chunk.value,
                seqs=[chunk.seq],
                sizes=[] if size is None else [size],
            )
        )
        self._texts.append([chunk.value])
        self._ends.append(-1 if size is None or chunk.start is None else chunk.start + size)

    def joined(self, first: int, last: NodeChunk) -> Record:
        for piece, texts in zip(self._pieces, self._texts, strict=True):
            if len(texts) > 1:
                piece.value = "".join(texts)
        whole = Joined(first=first, seq=last.seq, ts=last.ts, run=last.run, chunks=self._pieces)
        return Record(last.seq, None, msgspec.json.encode(whole))


def join(records: Sequence[Record], limit_bytes: int) -> list[Record]:
    """Join the chunks of a page.

    Args:
        records: In order, without a hole.
        limit_bytes: What is joined to one object has at most so many bytes before.

    Returns:
        Records to write: a joined one has the seq of its last event, and its `data` only.
    """
    out: list[Record] = []
    for stretch in _stretches(records, limit_bytes):
        if len(stretch) == 1:
            out.append(stretch[0])
            continue
        joining = _Joining()
        for record in stretch:
            assert isinstance(record.event, NodeChunk), "a stretch is made of chunks"
            joining.add(record.event)
        last = stretch[-1].event
        assert isinstance(last, NodeChunk), "a stretch is made of chunks"
        out.append(joining.joined(stretch[0].seq, last))
    return out


def _stretches(records: Iterable[Record], limit_bytes: int) -> Iterator[list[Record]]:
    """Cut a page before and behind everything that is no chunk, and where a stretch becomes too large."""
    stretch: list[Record] = []
    size = 0
    for record in records:
        length = len(record.data)
        plain = _is_plain(record)
        if stretch and (not plain or size + length > limit_bytes):
            yield stretch
            stretch, size = [], 0
        if plain:
            stretch.append(record)
            size += length
        else:
            yield [record]
    if stretch:
        yield stretch


def _is_plain(record: Record) -> bool:
    # The bytes are asked first: what is no chunk is not decoded. A field of a newer version has no place in a piece.
    if _CHUNK not in record.data:
        return False
    event = record.event
    return isinstance(event, NodeChunk) and not event.unknown


def events_of(data: bytes | str) -> list[Event]:
    """Read what stands in a frame, joined or not.

    Args:
        data: One JSON object.

    Returns:
        The event, or the events that it stands for, in order.

    Raises:
        ProtocolFault: E5003, this is neither, or it does not stand for a dense stretch.
    """
    event = decode(data)
    return apart(data) if isinstance(event, Unknown) and event.kind == KIND else [event]


def apart(data: bytes | str) -> list[Event]:
    """Take joined chunks apart.

    Args:
        data: As `join` made it.

    Returns:
        The chunks in order, all with the time of the last.

    Raises:
        ProtocolFault: E5003, it does not stand for a dense stretch.
    """
    try:
        joined = msgspec.json.decode(data, type=Joined)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolFault("E5003", f"these are no joined chunks: {error}") from None
    chunks = sorted((chunk for piece in joined.chunks for chunk in _chunks(piece, joined)), key=lambda each: each.seq)
    if not chunks or [chunk.seq for chunk in chunks] != list(range(joined.first, joined.seq + 1)):
        raise ProtocolFault("E5003", f"joined chunks do not cover {joined.first} to {joined.seq} once each")
    return [*chunks]


def _chunks(piece: Piece, joined: Joined) -> Iterator[NodeChunk]:
    start = piece.start
    for seq, value in zip(piece.seqs, _values(piece), strict=True):
        yield NodeChunk(
            seq=seq,
            ts=joined.ts,
            run=joined.run,
            ns=piece.ns,
            node=piece.node,
            exec=piece.exec,
            attempt=piece.attempt,
            agent=piece.agent,
            message=piece.message,
            key=piece.key,
            start=start,
            value=value,
        )
        if start is not None:
            start += text_length(value)


def _values(piece: Piece) -> list[Any]:
    if not piece.sizes and len(piece.seqs) == 1:
        return [piece.value]
    text = piece.value
    if not isinstance(text, str) or len(piece.sizes) != len(piece.seqs) or sum(piece.sizes) != text_length(text):
        raise ProtocolFault("E5003", f"joined text of {piece.message[:64]!r} does not fit its sizes")
    if min(piece.sizes) < 0:
        raise ProtocolFault("E5003", f"joined text of {piece.message[:64]!r} has a negative size")
    return list(_cut(text, piece.sizes))


def _cut(text: str, sizes: Iterable[int]) -> Iterator[str]:
    place = 0
    if text.isascii():
        for size in sizes:
            yield text[place : place + size]
            place += size
        return
    encoded = text.encode("utf-16-le")
    for size in sizes:
        try:
            yield encoded[place : place + 2 * size].decode("utf-16-le")
        except UnicodeError:
            raise ProtocolFault("E5003", "joined text is cut inside a character") from None
        place += 2 * size
