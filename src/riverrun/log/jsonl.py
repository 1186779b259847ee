"""A log as lines of text: a header, then its events, each as the log holds it; to be kept, sent and taken in elsewhere.

The header says what follows, so that a file that was cut, or is something else, is told from a log. It names no tenant:
whoever takes the log in says whose it becomes. A line is taken only if this version would write it byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec
from msgspec import structs

from riverrun.base.errors import HeadMoved, InputError, NodeError, ProtocolFault
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Event, RunStarted
from riverrun.log.log import check_order

VERSION = 1  # of PROTOCOL.md, which says what an event is
MEDIA_TYPE = "application/jsonl"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line.

    Attributes:
        riverrun: What the file is.
        version: Of the protocol that its events follow.
        run: Id of the run.
        graph: Name of its graph.
        log: Id of this incarnation of its log.
        head: seq of the last event that follows.
        ended: Whether that is the terminal one.
    """

    riverrun: Literal["log"] = "log"
    version: int = VERSION
    run: str
    graph: str
    log: str
    head: int
    ended: bool


class Copy(NamedTuple):
    """A log that was read from lines: its first event, and the others."""

    header: Header
    started: RunStarted
    events: list[Event]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Header)


def head_line(started: RunStarted, head: int, *, ended: bool) -> bytes:
    """Write the header.

    Args:
        started: The first event.
        head: seq of the last event that will follow.
        ended: Whether that is the terminal one.

    Returns:
        One line, without its break.
    """
    header = Header(run=started.run, graph=started.graph, log=started.log, head=head, ended=ended)
    return _encoder.encode(header)


def read_log(lines: Iterable[bytes]) -> Copy:
    """Read a log from its lines, and check that it is whole.

    Args:
        lines: With or without their breaks; empty ones at the end do not count.

    Returns:
        The log.

    Raises:
        InputError: E4008, it is no log, not whole, or of a newer version; the message names the line.
    """
    numbered = _filled(lines)
    header = _header(next(numbered, (1, b"")))
    events = [_event(number, line, header.run) for number, line in numbered]
    started = events[0] if events else None
    if not isinstance(started, RunStarted) or started.seq != 1:
        raise _bad(2, "a log begins with run.started, seq 1")
    if (started.graph, started.log) != (header.graph, header.log):
        raise _bad(2, "graph and log are not those of the header")
    if len(events) != header.head or events[-1].terminal is not header.ended:
        raise _bad(len(events) + 1, f"{header.head} events were announced, and the file has {len(events)}: it was cut")
    try:
        check_order(1, events[1:])
    except HeadMoved as error:
        raise _bad(0, error.message) from None
    return Copy(header, started, events[1:])


def renamed(copy: Copy, run: str) -> Copy:
    """Give the same log under another id.

    Args:
        copy: A log.
        run: The new id of its run.

    Returns:
        The log; its events differ in `run` alone.
    """
    started = structs.replace(copy.started, run=run)
    events = [structs.replace(event, run=run) for event in copy.events]
    return Copy(structs.replace(copy.header, run=run), started, events)


def _filled(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    blank = 0
    for number, whole in enumerate(lines, 1):
        line = whole.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            blank = blank or number
        elif blank:
            raise _bad(blank, "the line is empty")
        else:
            yield number, line


def _header(first: tuple[int, bytes]) -> Header:
    number, line = first
    try:
        header = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _bad(number, "this is not the header of a log") from None
    if header.version > VERSION:
        mend = "Use the version of Riverrun that wrote it, or a later one."
        raise _bad(number, f"the log follows version {header.version} of the protocol, this is {VERSION}", mend)
    return header


def _event(number: int, line: bytes, run: str) -> Event:
    try:
        event = decode(line)
        same = encode(event) == line
    except (ProtocolFault, NodeError) as error:
        raise _bad(number, error.message) from None
    if not same:
        raise _bad(number, "the event is not written as this version writes it, so it would not stay as it is")
    if event.run != run:
        raise _bad(number, f"the event is of run {event.run!r}, not {run!r}")
    return event


def _bad(number: int, what: str, mend: str = "") -> InputError:
    return InputError("E4008", what, where=f"line {number}" if number else "", mend=mend)
