"""The editor's desk: what was read, the first impression, and the report that joins what the agents found.

Rules: pure, and works on the state of the run alone: facts about the files and the agents' texts, never the files.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from .documents import Document, Kind

FILE_LIMIT: Final = 30
_WORDS_PER_MINUTE: Final = 230
_MUCH: Final = 0.25
_UNITS: Final = ("bytes", "kB", "MB")


class File(TypedDict):
    """Facts about one file, small enough for the log of a run."""

    name: str
    size_bytes: int
    words: int
    sections: int
    paragraphs: int
    code_words: int
    table_words: int


def facts(document: Document) -> File:
    """Count what a report says about a file.

    Args:
        document: What was read.

    Returns:
        The facts.
    """
    counts = dict.fromkeys(Kind, 0)
    for block in document.blocks(frozenset(Kind)):
        counts[block.kind] += block.words
    return File(
        name=document.name,
        size_bytes=document.size_bytes,
        words=sum(counts.values()),
        sections=sum(section.level > 0 for section in document.sections),
        paragraphs=sum(1 for _ in document.blocks()),
        code_words=counts[Kind.CODE] + counts[Kind.UNCLOSED],
        table_words=counts[Kind.TABLE],
    )


def impression(files: Sequence[File], terms: Sequence[str]) -> str:
    """Say in two lines what lies on the desk.

    Args:
        files: What was read.
        terms: The key terms, best first.

    Returns:
        One line about the size of the reading, one about its subject.
    """
    words = sum(file["words"] for file in files)
    if not words:
        return f"{_counted(len(files), 'document')} without a word to read.\nThere is nothing to form an impression of."
    first = f"{_counted(len(files), 'document')}, {_counted(words, 'word')}: {_reading_time(words)}"
    if len(files) > 1:
        longest = max(files, key=lambda file: file["words"])
        first += f", {longest['words'] / words:.0%} of it in {longest['name']}"
    second = f"It turns on {_listed(terms[:4])}" if terms else "No word comes back often enough to name a subject"
    return f"{first}.\n{second}{_aside(files, words)}."


def compose(files: Sequence[File], parts: Mapping[str, str]) -> str:
    """Write the report.

    Args:
        files: What was read.
        parts: The agents' texts under `headline`, `summary`, `terms` and `outline`.

    Returns:
        A Markdown document; the outline brings its own chapter of open questions.
    """
    named = files[0]["name"] if len(files) == 1 else _counted(len(files), "document")
    chapters = {
        "What was read": _table(files),
        "First impression": "  \n".join(parts["headline"].strip().split("\n")),
        "Summary": parts["summary"],
        "Key terms": parts["terms"],
        "Outline": parts["outline"],
    }
    written = [f"## {heading}\n\n{text.strip()}\n" for heading, text in chapters.items()]
    return "\n".join([f"# Review of {named}\n", *written])


def _table(files: Sequence[File]) -> str:
    rows = ["| file | size | words | sections | paragraphs |", "|---|---:|---:|---:|---:|"]
    rows += [_row(file) for file in files[:FILE_LIMIT]]
    if len(files) > FILE_LIMIT:
        rows.append(f"| … and {len(files) - FILE_LIMIT:,} more | | | | |")
    if len(files) > 1:
        rows.append(_row(_total(files)))
    return "\n".join(rows)


def _row(file: File) -> str:
    name = file["name"].replace("|", "\\|")
    return (
        f"| {name} | {_size(file['size_bytes'])} | {file['words']:,} | {file['sections']:,} | {file['paragraphs']:,} |"
    )


def _total(files: Sequence[File]) -> File:
    return File(
        name="**total**",
        size_bytes=sum(file["size_bytes"] for file in files),
        words=sum(file["words"] for file in files),
        sections=sum(file["sections"] for file in files),
        paragraphs=sum(file["paragraphs"] for file in files),
        code_words=sum(file["code_words"] for file in files),
        table_words=sum(file["table_words"] for file in files),
    )


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:,.1f} {_UNITS[unit]}" if unit else f"{size_bytes} {_UNITS[0]}"


def _reading_time(words: int) -> str:
    minutes = words / _WORDS_PER_MINUTE
    if minutes < 1:
        return "less than a minute of reading"
    if minutes < 90:
        return f"about {_counted(round(minutes), 'minute')} of reading"
    return f"about {_counted(round(minutes / 60), 'hour')} of reading"


def _aside(files: Sequence[File], words: int) -> str:
    total = _total(files)
    code, table = total["code_words"] / words, total["table_words"] / words
    if max(code, table) < _MUCH:
        return ""
    return f"; {code:.0%} of the words are code" if code > table else f"; {table:.0%} of the words stand in tables"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _listed(terms: Sequence[str]) -> str:
    marked = [f"**{term}**" for term in terms]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} and {marked[-1]}"
