"""How much may wait between a producer and its log: verdicts only, waiting is the shell's.

A buffer is bounded by items and by bytes, has a high and a low mark, and can tell how full it is and was.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The size of a buffer: a producer waits at `items` events or `size_bytes` bytes, and goes on at half of both."""

    items: int = 10_000
    size_bytes: int = 16 * 1024 * 1024


class Statistics(NamedTuple):
    """How full a buffer is, was at most, and how often its producer had to wait."""

    items: int
    size_bytes: int
    peak_items: int
    peak_bytes: int
    waits: int


class Gauge:
    """Count what is in a buffer and say when its producer must wait.

    Args:
        limits: The high marks; the low marks are half of them.
    """

    __slots__ = ("_bytes", "_items", "_limits", "_peak_bytes", "_peak_items", "waits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items = self._bytes = self._peak_items = self._peak_bytes = self.waits = 0

    def add(self, items: int, size_bytes: int) -> None:
        """Note that this much was put in."""
        self._items += items
        self._bytes += size_bytes
        # Compared, not max(): once per chunk, 0.1 µs each.
        if self._items > self._peak_items:  # noqa: PLR1730
            self._peak_items = self._items
        if self._bytes > self._peak_bytes:  # noqa: PLR1730
            self._peak_bytes = self._bytes

    def remove(self, items: int, size_bytes: int) -> None:
        """Note that this much was taken out."""
        self._items -= items
        self._bytes -= size_bytes

    @property
    def full(self) -> bool:
        """Whether the producer must wait."""
        return self._items >= self._limits.items or self._bytes >= self._limits.size_bytes

    @property
    def low(self) -> bool:
        """Whether a waiting producer may go on."""
        return self._items <= self._limits.items // 2 and self._bytes <= self._limits.size_bytes // 2

    def statistics(self) -> Statistics:
        """Tell how full the buffer is and was."""
        return Statistics(self._items, self._bytes, self._peak_items, self._peak_bytes, self.waits)
