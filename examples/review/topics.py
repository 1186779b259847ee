"""The parts of a text: by its headings, or by the shift of its words where it has none.

How the shift is found (after Hearst's TextTiling): the words of the windows before and after each
gap are compared; the gaps with least in common divide the text, and a part is named by its first
sentence. Rules: pure and deterministic; compares a bounded number of windows.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from .documents import SPOKEN, Document, Section
from .lexicon import content_words, ignored_words
from .prose import count_words, sentences

WINDOW_LIMIT: Final = 120
PART_LIMIT: Final = 8
_WINDOW_CHARACTERS: Final = 1_500
_FEWEST_BLOCKS: Final = 12
_FEWEST_UNITS: Final = 6
_SHORTEST_NAME_WORDS: Final = 5
_COMPARED_WINDOWS: Final = 3


class Part(NamedTuple):
    """A part of a document: its name, its depth from 0, its words with all that is below it."""

    name: str
    depth: int
    words: int


def title(document: Document) -> str:
    """Find the title of a document.

    Args:
        document: What was read.

    Returns:
        The first heading when it stands alone above all others, else an empty string.
    """
    headed = [section for section in document.sections if section.level]
    if not headed or any(other.level <= headed[0].level for other in headed[1:]):
        return ""
    return headed[0].title


def parts(document: Document) -> list[Part]:
    """Find the parts of a document.

    Args:
        document: What was read.

    Returns:
        The parts in order, the document's title left out; none for an empty document.
    """
    headed = [section for section in document.sections if section.level]
    if title(document):
        headed = headed[1:]
    return _headings(headed) if headed else _topics(document)


def _headings(sections: Sequence[Section]) -> list[Part]:
    found: list[Part] = []
    above: list[tuple[int, int]] = []
    for section in sections:
        while above and above[-1][0] >= section.level:
            above.pop()
        for _, place in above:
            part = found[place]
            found[place] = part._replace(words=part.words + section.words)
        found.append(Part(section.title or "(no title)", len(above), section.words))
        above.append((section.level, len(found) - 1))
    return found


def _topics(document: Document) -> list[Part]:
    units = [block.text for block in document.blocks(SPOKEN)]
    if len(units) < _FEWEST_BLOCKS:
        units = [sentence for unit in units for sentence in sentences(unit)]
    if not units:
        return []
    starts = [0, *_shifts(units, ignored_words(document))] if len(units) >= _FEWEST_UNITS else [0]
    stops = [*starts[1:], len(units)]
    return [
        Part(_name(units[start:stop]), 0, sum(map(count_words, units[start:stop])))
        for start, stop in zip(starts, stops, strict=True)
    ]


def _name(units: Sequence[str]) -> str:
    first = [sentence for unit in units[:4] for sentence in sentences(unit)]
    return next((one for one in first if count_words(one) >= _SHORTEST_NAME_WORDS), first[0])


def _shifts(units: Sequence[str], ignored: frozenset[str]) -> list[int]:
    """Find the units with which a new subject begins."""
    size = math.ceil(len(units) / WINDOW_LIMIT)
    starts = range(0, len(units), size)
    bags = [
        Counter(content_words(" ".join(units[start : start + size])[:_WINDOW_CHARACTERS], ignored)) for start in starts
    ]
    reach = _COMPARED_WINDOWS
    gaps = [
        (_likeness(bags[max(0, gap - reach) : gap], bags[gap : gap + reach]), gap) for gap in range(2, len(bags) - 1)
    ]
    wanted = min(PART_LIMIT - 1, round(math.sqrt(len(bags))) - 1)
    chosen: list[int] = []
    for _, gap in sorted(gaps):
        if len(chosen) < wanted and all(abs(gap - other) > reach - 1 for other in chosen):
            chosen.append(gap)
    return [starts[gap] for gap in sorted(chosen)]


def _likeness(before: Sequence[Counter[str]], after: Sequence[Counter[str]]) -> float:
    one, other = sum(before, Counter[str]()), sum(after, Counter[str]())
    shared = sum(count * other[word] for word, count in one.items())
    lengths = _square(one) * _square(other)
    return shared / math.sqrt(lengths) if lengths else 0.0


def _square(bag: Counter[str]) -> int:
    return sum(count * count for count in bag.values())
