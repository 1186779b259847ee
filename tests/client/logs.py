"""A log as tests need it: events 1 to n of one run, the last of them terminal, with texts that are easily cut."""

from __future__ import annotations

from riverrun.events.codec import encode
from riverrun.events.kinds import Event, NodeChunk, RunCompleted, RunStarted, text_length
from riverrun.events.record import Record
from tests.events.samples import RUN

LOG = "0a1b2c3d"
WORDS = ("héllo ", "世界 ", "👩‍👩‍👧 ", "plain ", "\r\n\n: ", "\u2028\0")


def events_of(count: int, *, last: Event | None = None, log: str = LOG) -> list[Event]:
    """Make a log of `count` events, at least two."""
    events: list[Event] = [RunStarted(seq=1, ts=1, run=RUN, graph="g", log=log, input={})]
    length = 0
    for seq in range(2, count):
        word = WORDS[seq % len(WORDS)]
        events.append(NodeChunk(seq=seq, ts=seq, run=RUN, node="n", exec="n:1", message="m", value=word, start=length))
        length += text_length(word)
    return [*events, last or RunCompleted(seq=count, ts=count, run=RUN, steps=1)]


def records_of(events: list[Event]) -> list[Record]:
    """Make records of events, with their bytes at hand."""
    return [Record(event.seq, data=encode(event)) for event in events]
