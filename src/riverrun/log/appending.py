"""Who may append what to a durable stream: the checks of PROTOCOL.md §16, in their order.

A refusal is data, because a writer is told with it where the stream and its producer are. Nothing here commits: it is
decided on a draft, and the log says whether that was still right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

from riverrun.base.errors import InputError, NotFound, RiverrunError
from riverrun.log.drafting import Draft
from riverrun.log.durable import Producer, State


class Append(Struct, frozen=True, kw_only=True):
    """What a writer asks for.

    Attributes:
        pieces: To be appended; none only with `close`.
        media: Their type, without parameters.
        close: Whether nothing is to follow.
        writer_seq: `Stream-Seq`: larger than that of any append before, byte by byte.
        producer: Who appends, if it is to be idempotent.
    """

    pieces: Sequence[bytes] = ()
    media: str = ""
    close: bool = False
    writer_seq: str | None = None
    producer: Producer | None = None


class Outcome(NamedTuple):
    """What became of an append.

    Attributes:
        tail: Offset of the last piece.
        closed: Whether nothing follows.
        repeated: Whether it was done before, and nothing was done now.
        producer: Where the producer is, if there is one.
        error: Why it was refused; nothing was done.
        expected: The number that the producer should have sent, where it left something out.
    """

    tail: int
    closed: bool
    repeated: bool = False
    producer: Producer | None = None
    error: RiverrunError | None = None
    expected: int | None = None


def append(draft: Draft, wanted: Append) -> Outcome:
    """Decide on an append, and carry it out in a draft. The order of the checks is that of PROTOCOL.md §16.

    Args:
        draft: The stream as it is.
        wanted: What is asked for.

    Returns:
        What became of it.
    """
    state = draft.state
    for judge in (_life, _producer, _openness, _type, _order):
        outcome = judge(state, wanted)
        if outcome is not None:
            return outcome
    if wanted.producer is not None or wanted.writer_seq is not None:
        draft.writer(wanted.producer, wanted.writer_seq)
    for piece in wanted.pieces:
        draft.piece(piece)
    if wanted.close:
        draft.close()
    return Outcome(state.tail, state.closed, producer=wanted.producer)


Judge = Callable[[State, Append], Outcome | None]


def _life(state: State, _: Append) -> Outcome | None:
    if state.ended:
        return _refused(state, NotFound("E2031", f"{state.config.path[:200]!r} was deleted"))
    return None


def _producer(state: State, wanted: Append) -> Outcome | None:
    producer = wanted.producer
    if producer is None:
        return None
    known = state.producers.get(producer.id)
    if known is not None and producer.epoch < known.epoch:
        what = f"epoch {producer.epoch} of {producer.id!r} is over: it is at {known.epoch}"
        return _refused(state, InputError("E2036", what, where="Producer-Epoch"), producer=known)
    if known is None or producer.epoch > known.epoch:
        if known is not None and producer.seq:
            what = f"a new epoch begins with Producer-Seq 0, not {producer.seq}"
            return _refused(state, InputError("E2039", what, where="Producer-Seq"))
        expected = 0
    else:
        expected = known.seq + 1
    if producer.seq < expected:
        return Outcome(state.tail, state.closed, repeated=True, producer=known)
    # Of a closed stream there is nothing to come, so nothing is missing: the writer is told that it is closed.
    if producer.seq > expected and not state.closed:
        what = f"{producer.id!r} sends number {producer.seq}, the next is {expected}"
        error = InputError("E2037", what, where="Producer-Seq")
        return _refused(state, error, producer=producer)._replace(expected=expected)
    return None


def _openness(state: State, wanted: Append) -> Outcome | None:
    if not state.closed:
        return None
    if not wanted.pieces and wanted.producer is None:
        return Outcome(state.tail, closed=True, repeated=True)
    return _refused(state, InputError("E2033", f"{state.config.path[:200]!r} is closed"))


def _type(state: State, wanted: Append) -> Outcome | None:
    if not wanted.pieces or wanted.media == state.config.media:
        return None
    what = f"the stream is of type {state.config.content_type!r}, not {wanted.media!r}"
    return _refused(state, InputError("E2034", what, where="Content-Type"))


def _order(state: State, wanted: Append) -> Outcome | None:
    if wanted.writer_seq is None or state.writer_seq is None or wanted.writer_seq > state.writer_seq:
        return None
    what = f"{wanted.writer_seq!r} does not come behind {state.writer_seq!r}"
    return _refused(state, InputError("E2035", what, where="Stream-Seq"))


def _refused(state: State, error: RiverrunError, producer: Producer | None = None) -> Outcome:
    return Outcome(state.tail, state.closed, producer=producer, error=error)
