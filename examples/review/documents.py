"""What the agents read: a document is sections, a section is blocks, a block says what kind of text it is.

Rules: values only, frozen; nothing here reads a file or looks for structure (that is `splitter`).
Code, markup and table rows are kept apart from prose, because no sentence of a summary should come from them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")


class Kind(StrEnum):
    """What a block of a document is."""

    PROSE = "prose"
    ITEM = "list item"
    TABLE = "table row"
    CODE = "code"
    UNCLOSED = "code that is never closed"


SPOKEN: Final = frozenset({Kind.PROSE, Kind.ITEM})


class Block(NamedTuple):
    """A paragraph, list item, table row or piece of code, and the line it begins on."""

    kind: Kind
    text: str
    line: int
    words: int


class Section(NamedTuple):
    """A heading and the blocks up to the next one; level 0 is what stands before any heading."""

    title: str
    level: int
    line: int
    blocks: tuple[Block, ...]

    @property
    def words(self) -> int:
        """The number of words below this heading, without its sub sections."""
        return sum(block.words for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Document:
    """A file as the agents see it."""

    name: str
    size_bytes: int
    sections: tuple[Section, ...]

    @property
    def words(self) -> int:
        """The number of words of all sections, headings not counted."""
        return sum(section.words for section in self.sections)

    def blocks(self, kinds: frozenset[Kind] = SPOKEN) -> Iterator[Block]:
        """Walk through the blocks of some kinds.

        Args:
            kinds: The kinds wanted; prose and list items by default.

        Yields:
            The blocks in the order of the text.
        """
        for section in self.sections:
            for block in section.blocks:
                if block.kind in kinds:
                    yield block


def spread(items: Sequence[T], limit: int) -> Sequence[T]:
    """Take an even sample, so that the end of a long text counts as much as its beginning.

    Args:
        items: The whole.
        limit: The greatest number of items wanted, at least 1.

    Returns:
        ``items`` itself when they are few enough, else ``limit`` of them in order.
    """
    if len(items) <= limit:
        return items
    return [items[place * len(items) // limit] for place in range(limit)]
