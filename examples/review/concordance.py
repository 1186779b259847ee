"""Words in their context: for each term the sentence, or the part of one, that shows its use best.

Rules: pure; stops looking after a few uses of a term. Knows nothing of how terms were found.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from .documents import Block, Kind
from .lexicon import is_unspaced
from .prose import even_marks, sentences

EXAMPLE_LIMIT_CHARACTERS: Final = 90
_USES_COMPARED: Final = 8


def examples(names: Sequence[str], blocks: Sequence[Block]) -> dict[str, str]:
    """Find an example of use for each term.

    Args:
        names: The terms as they are written; the best one first, because a sentence is shown twice only for
            want of another.
        blocks: Where to look; rows of tables only when there is nothing else.

    Returns:
        By term at most 90 characters around a use; a term without a use that shows it is left out.
    """
    found: dict[str, str] = {}
    used: set[str] = set()
    spoken = [block for block in blocks if block.kind is not Kind.TABLE] or blocks
    for name in names:
        hits: list[re.Match[str]] = []
        for pattern in _patterns(name):
            hits = hits or list(islice(_uses(pattern, spoken, used), _USES_COMPARED))
        hits = hits or list(islice(_uses(_patterns(name)[-1], spoken, set()), _USES_COMPARED))
        if hits:
            best = min(hits, key=lambda hit: abs(len(hit.string) - 2 * EXAMPLE_LIMIT_CHARACTERS // 3))
            used.add(best.string)
            found[name] = _window(best)
    return found


def _patterns(name: str) -> tuple[re.Pattern[str], ...]:
    anywhere = re.compile(re.escape(name), re.IGNORECASE)
    if is_unspaced(name):
        return (anywhere,)
    # Best not inside a longer name: `node.completed` is a poor example of "node".
    alone = re.compile(rf"(?<![\w./`-]){re.escape(name)}(?![\w/`-]|\.\w)", re.IGNORECASE)
    return (alone, anywhere)


def _uses(pattern: re.Pattern[str], blocks: Sequence[Block], used: set[str]) -> Iterator[re.Match[str]]:
    for block in blocks:
        if pattern.search(block.text):
            for sentence in sentences(block.text):
                match = pattern.search(sentence)
                if match and sentence not in used and len(sentence) > 2 * len(match.group()):
                    yield match


def _window(match: re.Match[str]) -> str:
    """Cut the words around a use, so that the term stays in view."""
    text = match.string
    if len(text) <= EXAMPLE_LIMIT_CHARACTERS:
        return even_marks(text)
    room = max(0, EXAMPLE_LIMIT_CHARACTERS - len(match.group())) // 2
    start = max(0, min(match.start() - room, len(text) - EXAMPLE_LIMIT_CHARACTERS))
    stop = min(len(text), start + EXAMPLE_LIMIT_CHARACTERS)
    head, tail = text[start : match.start()], text[match.end() : stop]
    # Half a word at either end is dropped; where there are no spaces the cut stays.
    if start and " " in head:
        head = head.partition(" ")[2]
    if stop < len(text) and " " in tail:
        tail = tail.rpartition(" ")[0]
    before, after = "…" * bool(start), "…" * (stop < len(text))
    return f"{before}{even_marks(head + match.group() + tail)}{after}"
