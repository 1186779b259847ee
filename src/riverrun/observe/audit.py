"""Compare what a reader applied with what the log holds, so that "nothing lost" is a count and not a claim.

The reader notes each event at the moment it applies it (`note`), in that order; afterwards the whole log is read anew
and the two are compared. Reordering is counted as in RFC 4737: an event is late when one with a higher seq was
applied before it. Pure; it does not know how the events travelled, nor who prints the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from riverrun.events.record import Record
from riverrun.log.view import View


class Applied(NamedTuple):
    """One application of one event by a reader.

    Attributes:
        seq: What the reader took the event for.
        mark: Digest of the bytes it applied, so that a long run needs 16 bytes per event and not its text.
    """

    seq: int
    mark: bytes


class Audit(NamedTuple):
    """What became of every event of a log on its way to one reader.

    Attributes:
        events: How many the log holds.
        chunks: How many of them are chunks.
        applied: How often the reader applied an event, of whatever kind.
        lost: Events of the log that were never applied with the content that the log holds.
        repeated: Applications beyond the first of an event.
        reordered: Events whose first application came after that of a later event.
        foreign: Applications of what the log does not hold: another seq, or another content.
        voided: Length of the text that the run took back, in UTF-16 code units.
        takeovers: How often the run changed its owner.
    """

    events: int
    chunks: int
    applied: int
    lost: int
    repeated: int
    reordered: int
    foreign: int
    voided: int
    takeovers: int

    @property
    def exact(self) -> bool:
        """Whether every event was applied exactly once, in the order of the log, and nothing else was."""
        return not (self.lost or self.repeated or self.reordered or self.foreign)


def note(seq: int, data: bytes) -> Applied:
    """Note the application of an event.

    Args:
        seq: Its place, as the reader understood it.
        data: Its JSON, as it was received.

    Returns:
        What `compare` takes.
    """
    return Applied(seq, blake2b(data, digest_size=16).digest())


def compare(applied: Iterable[Applied], log: Iterable[Record]) -> Audit:
    """Count what was lost, repeated, reordered or made up between a log and a reader.

    Args:
        applied: What the reader noted, in the order of application.
        log: The whole log from seq 1, read after the run.

    Returns:
        The counts.

    Raises:
        ProtocolFault: E5004, the log itself is broken: a piece of text does not continue its message.
    """
    view, held = View(), dict[int, bytes]()
    for record in log:
        held[record.seq] = note(record.seq, record.data).mark
        view.apply(record.event)
    seen = set[int]()
    total = repeated = reordered = foreign = highest = 0
    for seq, mark in applied:
        total += 1
        if held.get(seq) != mark:
            foreign += 1
        elif seq in seen:
            repeated += 1
        else:
            seen.add(seq)
            reordered += seq < highest
            highest = max(highest, seq)
    return Audit(
        events=len(held),
        chunks=view.chunks,
        applied=total,
        lost=len(held) - len(seen),
        repeated=repeated,
        reordered=reordered,
        foreign=foreign,
        voided=view.voided,
        takeovers=view.takeovers,
    )
