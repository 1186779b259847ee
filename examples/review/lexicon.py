"""Which words of a text carry its meaning, in English and, by frequency, in other languages.

Rules: pure; no lists for languages other than English and the commonest Chinese particles, because
frequency does the same work for any language. Knows nothing of terms, scores or sentences.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from .documents import SPOKEN, Document, spread
from .prose import UNSPACED

_STOP_WORDS: Final = """
a about above across after again against all almost alone along already also although always am
among an and another any anyone anything are aren't around as at away back be became because
become becomes been before behind being below between both but by came can can't cannot come
comes could couldn't did didn't do does doesn't doing don't done down during e.g each either
else enough etc even ever every everything far few first for from full gave get gets give given
gives go goes going gone good got had hadn't has hasn't have haven't having he her here hers
herself him himself his how however i i'd i'll i'm i've i.e if in into instead is isn't it it's
its itself just keep keeps kept know last least left less let like little long made make makes
making many may maybe me means might mine more most much must my myself near need needs neither
never new next no none nor not nothing now of off often old on once one ones only onto or other
others otherwise our ours out over own part per perhaps put quite rather really right s said
same saw say says second see seem seems seen set several shall she should shouldn't since small
so some something soon still such sure t take taken takes than that that's the their theirs them
themselves then there there's therefore these they thing things third this those though three
through thus till to together too took toward try two under until up upon us use used uses using
usual usually very via want wants was wasn't way ways we well went were weren't what what's
whatever when where whether which while who whole whom whose why will with within without won't
would wouldn't yes yet you you're your yours yourself zero n't vs cf ok ms kb mb gb kib mib µs p50 p99
"""
ENGLISH: Final = frozenset(_STOP_WORDS.split())
_PARTICLES: Final = "的了是在和与及或等中为有不这那其以将被把从对到也都就而之于上下并可会能要个们我你他她它吗呢吧"
_SPACED: Final = rf"[^\W\d_{UNSPACED}][^\W{UNSPACED}]{{0,40}}"

# A word (inner hyphens, dots and apostrophes kept), a run of an unspaced script, or a mark.
_TOKEN: Final = re.compile(rf"{_SPACED}(?:[-'’.][^\W_{UNSPACED}]{{1,40}}){{0,4}}|[{UNSPACED}]{{1,200}}|[^\s\w]|\d+")
_UNSPACED_RUN: Final = re.compile(rf"[{UNSPACED}]")
_PARTICLE: Final = re.compile(rf"[{_PARTICLES}\u3040-\u309f\u30fb\u30fc]+")
_ENGLISH_SHARE: Final = 0.15
_ALWAYS: Final = 0.75
_SAMPLE_BLOCKS: Final = 400


def tokens(text: str) -> list[str]:
    """Cut a text into words, runs of unspaced script and single marks of punctuation.

    Args:
        text: Any text.

    Returns:
        The tokens in order, as written; underscores at the edge of a word are dropped.
    """
    return _TOKEN.findall(text)


def grams(run: str) -> Iterator[str]:
    """Give the possible words of a run of Chinese or Japanese: two to four characters long.

    Args:
        run: A token of an unspaced script.

    Yields:
        Every piece of two, three and four characters that holds no particle.
    """
    for part in _PARTICLE.split(run):
        for size in (2, 3, 4):
            for start in range(len(part) - size + 1):
                yield part[start : start + size]


def complete(gram: str, text: str) -> str:
    """Lengthen a piece of a word of an unspaced script while its neighbour is always the same.

    Args:
        gram: One of ``grams``.
        text: The text that it was counted in.

    Returns:
        The piece, up to four characters longer.
    """
    for _ in range(4):
        places = [match.start() for match in re.finditer(re.escape(gram), text)]
        after = Counter(text[place + len(gram) : place + len(gram) + 1] for place in places)
        before = Counter(text[max(0, place - 1) : place] for place in places)
        (tail, tails), (head, heads) = after.most_common(1)[0], before.most_common(1)[0]
        if tails >= _ALWAYS * len(places) and _continues(tail):
            gram += tail
        elif heads >= _ALWAYS * len(places) and _continues(head):
            gram = head + gram
        else:
            break
    return gram


def _continues(character: str) -> bool:
    return bool(_UNSPACED_RUN.match(character)) and not _PARTICLE.match(character)


def is_unspaced(token: str) -> bool:
    """Tell whether a token is a run of a script written without spaces.

    Args:
        token: One of ``tokens``.

    Returns:
        True when its first character belongs to such a script.
    """
    return not token.isascii() and _UNSPACED_RUN.match(token) is not None


def content_words(text: str, ignored: frozenset[str]) -> list[str]:
    """Reduce a sentence to the words that it can be compared by.

    Args:
        text: A sentence or paragraph.
        ignored: Words without meaning of their own, as ``ignored_words`` gives them.

    Returns:
        The words in lower case, a plain English plural as its singular; of an unspaced run its
        pairs of characters.
    """
    found: list[str] = []
    for token in tokens(text.lower()):
        if is_unspaced(token):
            found += [gram for gram in grams(token) if len(gram) == 2]
        elif token[0].isalpha() and token not in ignored and len(token) > 1:
            found.append(singular(token))
    return found


def singular(word: str) -> str:
    """Fold the plain English plural, so that "run" and "runs" count as one word.

    Args:
        word: A word in lower case.

    Returns:
        The word without a final s or 's, where that is safe to say without a dictionary.
    """
    if word.endswith(("'s", "’s")):
        return word[:-2]
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "suix'’":
        return word[:-1]
    return word


def ignored_words(document: Document) -> frozenset[str]:
    """Find the words that say nothing about a document's subject.

    Args:
        document: A document in any language.

    Returns:
        A stop-word list for English; for another language the words that are frequent and short,
        or that stand in a quarter of all paragraphs.
    """
    blocks = spread(list(document.blocks(SPOKEN)), _SAMPLE_BLOCKS)
    counts: Counter[str] = Counter()
    present: Counter[str] = Counter()
    for block in blocks:
        found = [token for token in tokens(block.text.lower()) if token[0].isalpha()]
        counts.update(found)
        present.update(set(found))
    total = counts.total()
    if not total or sum(counts[word] for word in ENGLISH) >= _ENGLISH_SHARE * total:
        return ENGLISH
    common = counts.most_common(min(150, len(counts) // 12 + 8))
    frequent = {word for word, count in common if count > 1 and len(word) <= 4}
    everywhere = {word for word, blocks_with in present.items() if 4 * blocks_with > len(blocks) > 8}
    short = {word for word in counts if len(word) <= 3 and word < "\u0590"}
    return ENGLISH | frequent | everywhere | short
