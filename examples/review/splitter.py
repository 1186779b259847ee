"""A text becomes a document: headings, paragraphs, list items, table rows and code, in one pass over its lines.

Rules: pure; linear in the length of the text; knows what a line is only through `markdown`, and nothing of files.
"""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from .documents import Block, Document, Kind, Section
from .markdown import Fence, Line, LineKind, cells, classify, opened_fence, plain
from .prose import count_words

# Longer paragraphs are cut near a full stop, so that a sample of blocks stays fair and bounded.
BLOCK_LIMIT_CHARACTERS: Final = 16_000
TITLE_LIMIT_CHARACTERS: Final = 160

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_HEADED: Final = re.compile(r"^ {0,3}#{1,6}[ \t]+\S", re.MULTILINE)
_CHAPTER: Final = re.compile(
    r"(?:chapter|part|book|section|act|scene|kapitel|teil|chapitre|capítulo|глава)\b.{0,80}$", re.IGNORECASE
)
_SUFFIXES: Final = ".py .pyi .sh .rb .pl .r .yml .yaml .toml .cfg .conf .ini .c .h .cpp .js .ts .go .rs"
_SOURCE_CODE: Final = frozenset(_SUFFIXES.split())  # there a line that begins with # is no heading


def split(text: str, name: str, size_bytes: int | None = None) -> Document:
    """Split a text into sections and blocks.

    Args:
        text: The whole text, with any kind of line ends.
        name: What the report calls it; a suffix of source code turns off "# heading".
        size_bytes: The size of its file; by default that of the text in UTF-8.

    Returns:
        The document; it has no sections when the text holds nothing but white space.
    """
    size = len(text.encode(errors="replace")) if size_bytes is None else size_bytes
    lines = _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    suffix = PurePath(name).suffix.lower()
    splitter = _Splitter(
        marked=suffix not in _SOURCE_CODE and _HEADED.search(lines) is not None,
        source=suffix in _SOURCE_CODE,
        indented_code=suffix in {".md", ".markdown"},
    )
    return Document(name, size, splitter.split(lines.split("\n")))


class _Splitter:
    """One walk over the lines of one text; afterwards thrown away."""

    def __init__(self, *, marked: bool, source: bool, indented_code: bool) -> None:
        self._marked = marked
        self._source = source
        self._indented_code = indented_code
        self._sections: list[Section] = []
        self._blocks: list[Block] = []
        self._heading = ("", 0, 1)
        self._pending: list[str] = []
        self._pending_kind = Kind.PROSE
        self._pending_line = 1
        self._fence: Fence | None = None

    def split(self, lines: list[str]) -> tuple[Section, ...]:
        first = self._skip_front_matter(lines)
        for number, line in enumerate(lines[first:], first + 1):
            if self._fence is not None:
                self._in_code(line)
            else:
                self._in_text(line, number)
        if self._fence is not None:
            self._pending_kind = Kind.UNCLOSED
        self._open_section("", 0, len(lines))
        return tuple(self._sections)

    def _skip_front_matter(self, lines: list[str]) -> int:
        if lines[0].strip() != "---":
            return 0
        for number, line in enumerate(lines[1:60], 1):
            if line.strip() in {"---", "..."}:
                return number + 1
        return 0

    def _in_code(self, line: str) -> None:
        assert self._fence is not None
        if not self._fence.closed_by(line):
            self._pending.append(line)
            return
        self._flush()
        self._fence = None

    def _in_text(self, line: str, number: int) -> None:
        if not line:
            self._end_paragraph()
            return
        self._fence = opened_fence(line)
        if self._fence is not None:
            self._begin(Kind.CODE, "", number)
            return
        if self._is_indented_code(line):
            self._add(Kind.CODE, line, number)
        else:
            self._in_prose(classify(line), number)

    def _in_prose(self, found: Line, number: int) -> None:
        match found.kind:
            case LineKind.BLANK:
                self._end_paragraph()
            case LineKind.HEADING if not self._source:
                self._open_section(found.text, found.level, number)
            case LineKind.RULE:
                self._rule(found)
            case LineKind.TABLE:
                self._add(Kind.TABLE, cells(found.text), number)
            case LineKind.ITEM:
                self._begin(Kind.ITEM, found.text, number)
            case LineKind.MARKUP:
                self._add(Kind.CODE, found.text, number)
            case _:
                if not self._pending:
                    self._begin(Kind.PROSE, "", number)
                self._pending.append(found.text)

    def _is_indented_code(self, line: str) -> bool:
        if not self._indented_code or self._pending or not line.startswith(("    ", "\t")):
            return False
        # Below a list an indented line continues the item; elsewhere it is code.
        return bool(line.strip()) and not (self._blocks and self._blocks[-1].kind is Kind.ITEM)

    def _begin(self, kind: Kind, text: str, number: int) -> None:
        self._flush()
        self._pending_kind, self._pending_line = kind, number
        if text:
            self._pending.append(text)

    def _add(self, kind: Kind, text: str, number: int) -> None:
        self._begin(kind, text, number)
        self._flush()

    def _rule(self, line: Line) -> None:
        # A line of = or - below a single line of text makes that line a heading.
        underlined = len(self._pending) == 1 and self._pending_kind is Kind.PROSE
        if underlined and line.text in "=-" and len(self._pending[0]) <= TITLE_LIMIT_CHARACTERS:
            title = plain(self._pending.pop())
            self._open_section(title, 1 if line.text == "=" else 2, self._pending_line)
        else:
            self._flush()

    def _end_paragraph(self) -> None:
        alone = len(self._pending) == 1 and self._pending_kind is Kind.PROSE
        if alone and not self._marked and _is_title(self._pending[0]):
            self._open_section(self._pending.pop(), 1, self._pending_line)
        else:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        code = self._pending_kind in {Kind.CODE, Kind.UNCLOSED}
        text = "\n".join(self._pending) if code else plain("\n".join(self._pending))
        for piece in _pieces(text):
            block = Block(self._pending_kind, piece, self._pending_line, count_words(piece))
            self._blocks.append(block)
        self._pending = []
        self._pending_kind = Kind.PROSE

    def _open_section(self, title: str, level: int, line: int) -> None:
        self._flush()
        if self._blocks or self._heading[1]:
            self._sections.append(Section(*self._heading, tuple(self._blocks)))
        self._blocks = []
        self._heading = (title[:TITLE_LIMIT_CHARACTERS], level, line)


def _is_title(text: str) -> bool:
    """Headings of plain text: a chapter's name, or a short line in capitals."""
    text = text.strip("_* ")
    if _CHAPTER.match(text):
        return True
    letters = sum(character.isalpha() for character in text[:80])
    return text.isupper() and len(text) <= 80 and letters >= 4 and text[-1] not in ".,;"


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > BLOCK_LIMIT_CHARACTERS:
        middle, limit = start + BLOCK_LIMIT_CHARACTERS // 2, start + BLOCK_LIMIT_CHARACTERS
        stop = max(text.rfind(mark, middle, limit) for mark in (". ", "。", "\n"))
        if stop < 0:
            stop = text.rfind(" ", middle, limit)
        stop = stop + 1 if stop >= 0 else limit
        yield text[start:stop].strip()
        start = stop
    if text[start:].strip():
        yield text[start:].strip()
