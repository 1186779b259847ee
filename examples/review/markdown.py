"""What one line of Markdown is, and what its text says without the marks.

Rules: looks at one line at a time and remembers nothing; string methods and patterns without
nested repetition only, because a line may be ten megabytes long. Knows nothing of documents.
"""

import re
from enum import Enum, auto
from typing import Final, NamedTuple

_FENCE: Final = re.compile(r"[ \t>]{0,64}(`{3,}|~{3,})([^`\n]*)$")
_ITEM: Final = re.compile(r"[ \t]{0,64}(?:[-*+•]|\d{1,3}[.)])[ \t]+(?=\S)")
_QUOTE: Final = re.compile(r"[ \t]{0,3}(?:>[ \t]?){1,16}")
_MARKUP: Final = re.compile(r"[ \t]{0,64}(?:<!--|</?[a-zA-Z][\w-]{0,40}(?:[\s/>]|$))")
_LINK: Final = re.compile(r"!?\[([^\[\]]{1,300})\](?:\([^()\s]{0,600}(?: \"[^\"]{0,200}\")?\)|\[[^\[\]]{0,80}\])")
_STRONG: Final = re.compile(r"(?<!\w)\*\*(?=\S)|(?<=\S)\*\*(?!\w)")
_EMPHASIS: Final = re.compile(r"(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])")
_TITLE_LEVELS: Final = 6


class LineKind(Enum):
    """What a line is."""

    BLANK = auto()
    HEADING = auto()
    RULE = auto()
    TABLE = auto()
    ITEM = auto()
    MARKUP = auto()
    TEXT = auto()


class Line(NamedTuple):
    """One line: its kind, its text without the marks of that kind, and a heading's level."""

    kind: LineKind
    text: str = ""
    level: int = 0


class Fence(NamedTuple):
    """The marks that opened a code block."""

    marks: str

    def closed_by(self, line: str) -> bool:
        """Tell whether a line closes the block.

        Args:
            line: A line inside the block.

        Returns:
            True for a run of the same mark, at least as long, with nothing after it.
        """
        found = line.strip(" \t>")
        return found.startswith(self.marks) and not found.strip(self.marks[0])


def opened_fence(line: str) -> Fence | None:
    """Read the opening of a code block.

    Args:
        line: A line outside of any code block.

    Returns:
        The fence, or None when the line opens none.
    """
    match = _FENCE.match(line)
    return Fence(match.group(1)) if match else None


def classify(line: str) -> Line:
    """Tell what a line outside of a code block is.

    Args:
        line: A line without its end.

    Returns:
        Its kind, text and level.
    """
    quote = _QUOTE.match(line)
    if quote:
        line = line[quote.end() :]
    text = line.strip()
    if not text:
        return Line(LineKind.BLANK)
    match text[0]:
        case "#":
            return _heading(text)
        case "|":
            return Line(LineKind.TABLE, text)
        case "<" if _MARKUP.match(line):
            return Line(LineKind.MARKUP, text)
        case "=" | "-" | "_" | "*" if _is_rule(text):
            return Line(LineKind.RULE, text[0])
        case _:
            item = _ITEM.match(line)
            if item:
                return Line(LineKind.ITEM, line[item.end() :].strip())
            return Line(LineKind.TEXT, text)


def cells(row: str) -> str:
    """Read a row of a table.

    Args:
        row: A line that begins with a bar.

    Returns:
        The cells' text, separated by " | "; nothing for the line below a table's head.
    """
    if not row.strip("|-: \t"):
        return ""
    return " | ".join(cell for cell in map(str.strip, row.split("|")) if cell)


def plain(text: str) -> str:
    """Take links and emphasis out of a paragraph and join its lines; code spans stay as written.

    Args:
        text: A paragraph of Markdown or of plain text.

    Returns:
        The text on one line with single spaces.
    """
    joined = " ".join(text.split())
    if "`" not in joined:
        return _without_marks(joined)
    spans = joined.split("`")
    # Between back quotes a star is a star: `*_timeout` is a name, not emphasis.
    return "`".join(span if odd % 2 else _without_marks(span) for odd, span in enumerate(spans))


def _without_marks(text: str) -> str:
    if "[" in text:
        text = _LINK.sub(r"\1", text)
    if "**" in text:
        text = _STRONG.sub("", text)
    if "*" in text:
        text = _EMPHASIS.sub("", text)
    return text


def _heading(text: str) -> Line:
    title = text.lstrip("#")
    level = len(text) - len(title)
    # "#tag" and "#1" are words; a heading has a space after its marks.
    if level > _TITLE_LEVELS or (title and not title[0].isspace()):
        return Line(LineKind.TEXT, text)
    return Line(LineKind.HEADING, plain(title.rstrip().rstrip("#")), level)


def _is_rule(text: str) -> bool:
    marks = text.replace(" ", "")
    return len(marks) > 2 and not marks.strip(marks[0])
