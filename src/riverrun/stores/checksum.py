"""The checksum that each row of a file carries, so that damage is told and never read as what somebody said.

It covers what the row says of itself too: a body that stands in the place of another is damage. It finds accidents, not
forgery.
"""

from __future__ import annotations

from zlib import crc32


def checksum(name: bytes, body: bytes) -> int:
    """Sum up a row.

    Args:
        name: Which row it is, and what it says of itself beside its body.
        body: What is in it.

    Returns:
        A number of 32 bits with sign: four bytes in a row of SQLite.
    """
    return crc32(body, crc32(name)) - (1 << 31)


def fits(crc: int | None, name: bytes, body: bytes) -> bool:
    """Say whether a row is what was written.

    Args:
        crc: What the row carries; None: it was written before rows carried one.
        name: As for `checksum`.
        body: What is in it.

    Returns:
        Whether it is, as far as can be known.
    """
    return crc is None or crc == checksum(name, body)


def batch_name(place: int, first_seq: int, epoch: int) -> bytes:
    """Say which row of the batches it is, for its checksum."""
    return b"%d %d %d" % (place, first_seq, epoch)
