"""The fold of a stream: what is stored under a key once all its chunks are there.

Text concatenates, everything else appends to a list. It does not know where chunks come from.
"""

from __future__ import annotations

from typing import Any, Literal

from riverrun.events.kinds import text_length

How = Literal["text", "list"]


class Fold:
    """One message in the making.

    Args:
        message: Id of the message.
        key: Key under which the fold will be stored; None: it is only streamed.
        empty: What it is when nothing was streamed.
    """

    __slots__ = ("empty", "key", "length", "message", "pieces", "text")

    def __init__(self, message: str, key: str | None, empty: How) -> None:
        self.message = message
        self.key = key
        self.empty = empty
        self.pieces: list[Any] = []
        self.length = 0
        self.text = True

    def add(self, value: object) -> int | None:
        """Take in a chunk.

        Args:
            value: The chunk.

        Returns:
            Where it starts in the text so far, in UTF-16 code units; None when it is not text, or follows what is not.
        """
        self.pieces.append(value)
        if isinstance(value, str) and self.text:
            start = self.length
            self.length += len(value) if value.isascii() else text_length(value)
            return start
        self.text = False
        return None

    @property
    def how(self) -> How:
        """How the pieces are put together."""
        if not self.pieces:
            return self.empty
        return "text" if self.text else "list"

    @property
    def value(self) -> object:
        """The pieces, put together."""
        return "".join(self.pieces) if self.how == "text" else list(self.pieces)
