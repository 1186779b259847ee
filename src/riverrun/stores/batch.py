"""The form in which a batch of events lies in a store: their JSON, one line each, so that reading needs no decoding.

The first byte tells the form: `{` is this one. A later form must choose another first byte, and reads both.
"""

from __future__ import annotations

from itertools import repeat

from riverrun.base.errors import NodeError, StoreError
from riverrun.events.record import Record


def pack(lines: list[bytes]) -> bytes:
    """Make the body of a batch.

    Args:
        lines: JSON of its events, in order.

    Returns:
        What is stored.

    Raises:
        NodeError: E3008, there is a line break in one of them; only JSON that was made elsewhere can have it.
    """
    body = b"\n".join(lines)
    if body.count(b"\n") != len(lines) - 1 and lines:
        raise NodeError("E3008", "a value holds JSON text of its own with a line break in it")
    return body


def unpack(first_seq: int, last_seq: int, body: bytes) -> list[Record]:
    """Take a batch apart.

    Args:
        first_seq: seq of its first event.
        last_seq: seq of its last event.
        body: As `pack` made it.

    Returns:
        Its records, with their JSON at hand.

    Raises:
        StoreError: E4003, it does not hold what its row says: something else wrote to the file.
    """
    lines = body.split(b"\n")
    # A carriage return never stands in our JSON; let through, it would be a line break to a reader of SSE.
    if len(lines) != last_seq - first_seq + 1 or body[:1] != b"{" or b"\r" in body:
        what = f"the batch {first_seq}..{last_seq} does not hold these events"
        raise StoreError("E4003", what, mend="Restore the file from a copy; other runs in it can still be read.")
    return list(map(Record, range(first_seq, last_seq + 1), repeat(None), lines))
