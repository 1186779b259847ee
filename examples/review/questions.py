"""What a document leaves open: questions, marks of unfinished work, sections without an end.

Rules: pure; reads every block once; keeps at most the limit and counts the rest.
Knows nothing of how the outline shows what was found.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from .documents import Block, Document, Kind, Section
from .prose import count_words, sentences

_WORK: Final = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|TBC|WIP|HACK)\b")
_DOUBT: Final = re.compile(
    r"(?<!= )\b(?:not (?:yet )?(?:verified|checked|examined|tested|measured|decided|known|clear|covered|validated"
    r"|confirmed|implemented|done)|to be (?:confirmed|decided|determined|clarified|done|checked|defined)"
    r"|open (?:question|issue|point)s?"
    r"|(?:still|remains|is left|left) open|unverified|unresolved|undecided|unclear|needs? (?:a decision|clarification)"
    r"|unknown whether|remains? to be)\b"
    r"|待定|待办|待确认|未验证|尚未|未解决|问题未",
    re.IGNORECASE,
)
# A word before the mark: "WHERE epoch = ?" and "key?" in a table ask nothing.
_ASKED: Final = re.compile(r"[^\W_][\"'”’)\]` ]{0,3}[?\uff1f]+[\"'”’)\]*」』\uff09]*$")
_WIDE_QUESTION_MARK: Final = "\uff1f"
_UNTICKED: Final = "[ ] "
_BROKEN_OFF: Final = re.compile(r"(?:[,;–—-]|\b(?:and|or|the|a|an|of|to|with|for|but|because|und|oder|et|ou|y|de))$")
_SHORTEST_QUESTION_WORDS: Final = 3
_SHORTEST_ABRUPT_WORDS: Final = 5


class Point(NamedTuple):
    """One open point: what kind, its words, and where it stands."""

    kind: str
    text: str
    document: str
    section: str
    line: int


def open_points(documents: Sequence[Document]) -> Iterator[Point]:
    """Find what the documents leave open.

    Args:
        documents: What was read.

    Yields:
        The points in the order of the text.
    """
    for document in documents:
        for place, section in enumerate(document.sections):
            follower = document.sections[place + 1] if place + 1 < len(document.sections) else None
            for kind, text, line in _section_points(section, follower):
                yield Point(kind, text, document.name, section.title, line)


def _section_points(section: Section, follower: Section | None) -> Iterator[tuple[str, str, int]]:
    if not section.blocks:
        # A heading right above its own sub section is complete.
        if follower is None or follower.level <= section.level:
            yield "empty section", section.title, section.line
        return
    if _WORK.search(section.title) or _DOUBT.search(section.title) or _ASKED.search(section.title):
        yield "heading", section.title, section.line
    for block in section.blocks:
        yield from _block_points(block)
    last = section.blocks[-1]
    if last.kind is Kind.PROSE and last.words >= _SHORTEST_ABRUPT_WORDS and _BROKEN_OFF.search(last.text[-24:]):
        yield "ends abruptly", sentences(last.text)[-1], last.line


def _block_points(block: Block) -> Iterator[tuple[str, str, int]]:
    text = block.text
    if block.kind is Kind.UNCLOSED:
        yield "code block is never closed", text.partition("\n")[0].strip(), block.line
    if block.kind in {Kind.CODE, Kind.UNCLOSED}:
        yield from _code_points(block)
    elif text.startswith(_UNTICKED):
        yield "to do", text.removeprefix(_UNTICKED), block.line
    elif "?" in text or _WIDE_QUESTION_MARK in text or _WORK.search(text) or _DOUBT.search(text):
        in_table = block.kind is Kind.TABLE
        for sentence in text.split(" | ") if in_table else sentences(text):
            kind = _kind(sentence)
            if kind and not (in_table and kind == "question"):
                yield kind, sentence, block.line


def _code_points(block: Block) -> Iterator[tuple[str, str, int]]:
    if _WORK.search(block.text):
        for offset, line in enumerate(block.text.split("\n")):
            if _WORK.search(line):
                yield "to do", line.strip(" \t#/*-"), block.line + offset + 1


def _kind(sentence: str) -> str:
    if _WORK.search(sentence):
        return "to do"
    if _ASKED.search(sentence) and count_words(sentence) >= _SHORTEST_QUESTION_WORDS:
        return "question"
    return "not settled" if _DOUBT.search(sentence) else ""
