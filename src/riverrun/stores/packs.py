"""The log of a run that has ended, packed in memory: the compact form of a file's batches, one after another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from riverrun.base.errors import RiverrunError
from riverrun.events.codec import decode
from riverrun.events.record import Record
from riverrun.stores.batch import smallest, unpack
from riverrun.stores.phrases import Book

PACK_EVENTS = 2_000


class Packs:
    """Packed events.

    Args:
        first_seq: seq of the first.
        bodies: Each with the seq of its last event.
    """

    __slots__ = ("_bodies", "_first_seq", "_lasts")

    def __init__(self, first_seq: int, bodies: Sequence[tuple[int, bytes]]) -> None:
        self._first_seq = first_seq
        self._lasts = [last for last, _ in bodies]
        self._bodies = [body for _, body in bodies]

    def page(self, after: int, limit: int) -> list[Record]:
        """Give events after a seq, in order, at most `limit`."""
        records: list[Record] = []
        place = bisect_left(self._lasts, after + 1)
        while place < len(self._lasts) and len(records) < limit:
            first = self._lasts[place - 1] + 1 if place else self._first_seq
            last = self._lasts[place]
            end = after + limit - len(records)
            part = unpack(first, last, self._bodies[place], _no_book, after + 1, end)
            records += part
            after = part[-1].seq
            place += 1
        return records


def pack_all(records: Sequence[Record]) -> Packs | None:
    """Pack a log.

    Args:
        records: In order, at least one.

    Returns:
        The log; None when an event would not be the same after it was JSON.
    """
    bodies = []
    try:
        for begin in range(0, len(records), PACK_EVENTS):
            # New records, so that a log that stays as it is does not keep its JSON as well.
            part = [Record(record.seq, record.event) for record in records[begin : begin + PACK_EVENTS]]
            if any(decode(record.data) != record.event for record in part):
                return None
            bodies.append((part[-1].seq, smallest(part)))
    except (RiverrunError, ValueError, TypeError):
        return None  # it is not JSON, or cannot be compared
    return Packs(records[0].seq, bodies)


def _no_book(seq: int) -> Book:
    raise ValueError(f"there is no batch {seq} with phrases")
