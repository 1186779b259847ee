"""Plain language inside a paragraph: where sentences end and how a text is handed out word by word.

Rules: pure functions over strings; every pattern is linear in the length of its input, because a
document may be one line of ten megabytes. Knows nothing of files, Markdown structure or graphs.
"""

import re
from collections.abc import Iterator
from typing import Final

# Scripts written without spaces: there a character is the smallest piece that can be shown alone.
UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"

# The upper limit of 48 keeps one unbroken run (base64, a long path) from being one huge chunk.
_PIECE: Final = re.compile(rf"\s+|[{UNSPACED}]\s*|[^\s{UNSPACED}]{{1,48}}\s*")
_UNSPACED_CHARACTER: Final = re.compile(rf"[{UNSPACED}]")
_SPACED_WORD: Final = re.compile(rf"[^\W{UNSPACED}]+(?:['’.-][^\W{UNSPACED}]+)*")

# The look-behind makes a long run of dots one attempt instead of one attempt per dot.
_END: Final = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]`]*+(?=\s)|(?<![。\uff01\uff1f\uff61])[。\uff01\uff1f\uff61]++[」』”’\uff09)\"]*+"
)
_FULL_STOPS: Final = "。\uff01\uff1f\uff61"  # Chinese and Japanese; no space follows them
_OPENERS: Final = "\"'“\u2018«([*_"
_SHORTENED: Final = "e.g i.e cf vs mr mrs ms dr prof st fig eq approx resp incl ca bzw z.b d.h u.a al"
_ABBREVIATIONS: Final = frozenset(_SHORTENED.split())


def words(text: str) -> Iterator[str]:
    """Cut a text into words that keep their whitespace.

    Args:
        text: Any text; languages written without spaces give one piece per character.

    Yields:
        Pieces whose concatenation is exactly ``text``.
    """
    for match in _PIECE.finditer(text):
        yield match.group()


def count_words(text: str) -> int:
    """Count words; a character of an unspaced script counts as one, as word processors do.

    Args:
        text: Any text.

    Returns:
        The number of words.
    """
    spaced = len(text.split())
    if text.isascii():
        return spaced
    unspaced = len(_UNSPACED_CHARACTER.findall(text))
    if not unspaced:
        return spaced
    return unspaced + len(_SPACED_WORD.findall(text))


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences.

    Args:
        text: A paragraph; ends of sentences of English, most European languages, Chinese and
            Japanese are known.

    Returns:
        The sentences in order, trimmed, none empty; together they hold every word of ``text``.
    """
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _ends_sentence(text, start, match):
            found.append(text[start : match.end()].strip())
            start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def shorten(text: str, limit_characters: int) -> str:
    """Cut a text at a word so that it fits, and mark the cut.

    Args:
        text: Any text.
        limit_characters: The greatest length of the result, at least 2.

    Returns:
        ``text`` itself when it fits, else its beginning with an ellipsis.
    """
    if len(text) <= limit_characters:
        return text
    head = text[: limit_characters - 1]
    at_word, space, _ = head.rpartition(" ")
    # A cut that would throw away half of the text is worse than a cut inside a word.
    kept = at_word if space and len(at_word) > limit_characters // 2 else head
    return even_marks(kept.rstrip(" ,;:-–—(")) + "…"


def even_marks(text: str) -> str:
    """Drop back quotes that lost their partner, so that a quotation cannot break its page.

    Args:
        text: A piece of a Markdown text.

    Returns:
        The piece with an even number of back quotes.
    """
    return text.replace("`", "") if text.count("`") % 2 else text


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    mark = text[match.start()]
    if mark in _FULL_STOPS:
        return True
    following = text[match.end() + 1 : match.end() + 3].lstrip().lstrip(_OPENERS)[:1]
    if following.islower():
        return False
    if mark != "." or match.end() - match.start() > 1:
        return True
    # Looking at a few characters only: the sentence before may be megabytes long.
    before = text[max(start, match.start() - 12) : match.start()].rsplit(None, 1)
    last = before[-1].lstrip("([\"'“*_`") if before else ""
    if last.lower() in _ABBREVIATIONS or (len(last) == 1 and last.isupper()):
        return False
    # "1. First step": a number at the beginning counts something, it does not end a sentence.
    return not (last.isdigit() and match.start() - start <= len(last) + 1)
