"""The term finder: the words and phrases a text turns on, counted, each with an example of use.

How: phrases are words that stand side by side without a stop word or a mark between them; a term
scores by how often it occurs and in how few paragraphs; a phrase takes the place of its words when
they hardly occur without it. For Chinese and Japanese, runs of two to four characters are counted.
Rules: pure and deterministic; reads an even sample of large texts, so it is always done first.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from .concordance import examples
from .documents import Block, Document, Kind, spread
from .lexicon import complete, grams, ignored_words, is_unspaced, singular, tokens

# Counted in about a fifth of a second on one slow core, before the other agents have cut their sentences.
SAMPLE_LIMIT_CHARACTERS: Final = 400_000
TERM_LIMIT: Final = 14
EXAMPLE_LIMIT: Final = 6
_MOSTLY: Final = 0.7  # of the uses of a word: then it has no life outside of the phrase
_COUNTED: Final = frozenset({Kind.PROSE, Kind.ITEM, Kind.TABLE})


class Term(NamedTuple):
    """A term as it is mostly written, how often it was counted, and one place that uses it."""

    text: str
    times: int
    example: str


class Terms(NamedTuple):
    """The terms, best first, and how much of the text was counted."""

    found: list[Term]
    counted_characters: int
    total_characters: int


class _Tally(NamedTuple):
    """What is counted: by key (words in lower case and singular), and how each key is written."""

    counts: Counter[tuple[str, ...]]
    blocks: Counter[tuple[str, ...]]
    spellings: dict[tuple[str, ...], list[tuple[int, str]]]


def key_terms(documents: Sequence[Document]) -> str:
    """Write the key terms as a Markdown list.

    Args:
        documents: What was read; none is also an answer.

    Returns:
        One line per term with its count and an example, the lesser ones in one line; a line that
        says so when there are none.
    """
    return written(find(documents))


def written(terms: Terms) -> str:
    """Write terms that were found.

    Args:
        terms: The result of ``find``.

    Returns:
        A Markdown list, or one line that says that there are no terms.
    """
    if not terms.found:
        return "No key terms: no word of the text comes back often enough to stand out."
    shown, rest = terms.found[:EXAMPLE_LIMIT], terms.found[EXAMPLE_LIMIT:]
    lines = [f"- **{term.text}** ×{term.times:,}" + f" — {term.example}" * bool(term.example) for term in shown]
    if rest:
        rest.sort(key=lambda term: -term.times)
        lines += ["", "Also: " + ", ".join(f"{term.text} ×{term.times:,}" for term in rest) + "."]
    if terms.counted_characters < terms.total_characters:
        sample, total = terms.counted_characters / 1e6, terms.total_characters / 1e6
        lines += ["", f"Counted in an even sample: {sample:.1f} of {total:.1f} million characters."]
    return "\n".join(lines) + "\n"


def find(documents: Sequence[Document], limit: int | None = None) -> Terms:
    """Find the words and phrases that the documents turn on.

    Args:
        documents: What was read.
        limit: The number of terms wanted; by default it grows with the text, up to 14.

    Returns:
        The terms, best first.
    """
    total = sum(len(block.text) for document in documents for block in document.blocks(_COUNTED))
    share = min(1.0, SAMPLE_LIMIT_CHARACTERS / total) if total else 1.0
    samples = [_sample(document, share) for document in documents]
    tally = _tally([(sample, ignored_words(one)) for sample, one in zip(samples, documents, strict=True)])
    wanted = limit or max(3, min(TERM_LIMIT, tally.counts.total() // 30))
    blocks = [block for sample in samples for block in sample]
    keys = _best(tally, blocks, wanted)
    phrases = sum(_length(key) > 1 for key in keys)
    keys = _interleaved(keys[phrases:], keys[:phrases])
    names = [_spelling(tally, key) for key in keys]
    shown = examples(names[:EXAMPLE_LIMIT], blocks)
    found = [Term(name, tally.counts[key], shown.get(name, "")) for key, name in zip(keys, names, strict=True)]
    counted = sum(len(block.text) for block in blocks)
    return Terms(found, counted, total)


def _interleaved(singles: list[tuple[str, ...]], phrases: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Two words, then a phrase, so that the first few terms show both."""
    mixed: list[tuple[str, ...]] = []
    while singles or phrases:
        mixed += singles[:2] + phrases[:1]
        singles, phrases = singles[2:], phrases[1:]
    return mixed


def _sample(document: Document, share: float) -> Sequence[Block]:
    blocks = list(document.blocks(_COUNTED))
    return spread(blocks, max(1, int(len(blocks) * share)))


def _tally(samples: Sequence[tuple[Sequence[Block], frozenset[str]]]) -> _Tally:
    """Count as written first and fold once: twice as fast as folding every use of every word."""
    written: Counter[tuple[str, ...]] = Counter()
    present: Counter[tuple[str, ...]] = Counter()
    for blocks, ignored in samples:
        folds: dict[str, str] = {}
        for block in blocks:
            found = _candidates(block.text, ignored, folds)
            written.update(found)
            present.update(set(found))
    tally = _Tally(Counter(), Counter(), {})
    singulars = {word: singular(word.lower()) for spelling in written for word in spelling}
    for spelling, times in written.items():
        key = tuple(map(singulars.__getitem__, spelling))
        tally.counts[key] += times
        tally.blocks[key] += present[spelling]
        tally.spellings.setdefault(key, []).append((times, " ".join(spelling)))
    return tally


def _candidates(text: str, ignored: frozenset[str], folds: dict[str, str]) -> list[tuple[str, ...]]:
    """List the words and phrases of a block as they are written, and remember in `folds` which words count."""
    found: list[tuple[str, ...]] = []
    one = two = ""  # the word before, and the one before that
    for token in tokens(text):
        fold = folds.get(token)
        if fold is None:
            fold = folds[token] = _fold(token, ignored)
        if fold:
            found.append((token,))
            if one:
                found.append((one, token))
                if two:
                    found.append((two, one, token))
            one, two = token, one
        else:
            one = two = ""
            if is_unspaced(token):
                found += [(gram,) for gram in grams(token)]
    return found


def _fold(token: str, ignored: frozenset[str]) -> str:
    lower = token.lower()
    if len(token) == 1 or not token[0].isalpha() or lower in ignored or is_unspaced(token):
        return ""
    return singular(lower)


def _best(tally: _Tally, blocks: Sequence[Block], wanted: int) -> list[tuple[str, ...]]:
    """Choose words and phrases apart, because a word is always counted more often."""
    phrases_wanted = 2 * wanted // 5
    chosen: list[tuple[str, ...]] = []
    for phrases, room in ((True, phrases_wanted), (False, wanted)):
        ranked = sorted(
            (key for key, n in tally.counts.items() if n > 1 and (_length(key) > 1) is phrases),
            key=lambda key: (-_score(tally, key, len(blocks)), key),
        )
        # Some more than wanted are enough: what follows scores too little to displace one.
        for key in _grown(tally, ranked[: 8 * wanted], blocks):
            if len(chosen) == room:
                break
            if not any(_explains(tally, other, key) for other in chosen):
                chosen.append(key)
    return chosen


def _score(tally: _Tally, key: tuple[str, ...], blocks: int) -> float:
    rarity = math.log(1 + blocks / tally.blocks[key])
    # A long phrase that comes back is less of an accident than a short one.
    return tally.counts[key] * rarity * (1 + 0.3 * _length(key))


def _length(key: tuple[str, ...]) -> int:
    return len(key[0]) - 1 if is_unspaced(key[0]) else len(key)


def _grown(tally: _Tally, keys: Sequence[tuple[str, ...]], blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """Complete pieces of longer Chinese or Japanese words: 迭代器模 is always followed by 式."""
    if not any(is_unspaced(key[0]) for key in keys):
        return list(keys)
    text = "\n".join(block.text for block in blocks)
    grown: list[tuple[str, ...]] = []
    for key in keys:
        word = complete(key[0], text) if is_unspaced(key[0]) else key[0]
        whole = (word, *key[1:])
        tally.counts[whole] = tally.counts[whole] or tally.counts[key]
        tally.spellings.setdefault(whole, [(tally.counts[key], word)])
        grown.append(whole)
    return list(dict.fromkeys(grown))


def _explains(tally: _Tally, one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether a chosen term leaves another nothing to say of its own."""
    if " ".join(other) == " ".join(one):
        return True
    if _holds(one, other):
        return tally.counts[one] >= _MOSTLY * tally.counts[other]
    if _holds(other, one):
        return tally.counts[other] < _MOSTLY * tally.counts[one]
    # Overlapping pieces of one longer Chinese word: 流式处 beside 式处理.
    return is_unspaced(one[0]) and is_unspaced(other[0]) and one[0][1:3] == other[0][:2]


def _holds(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return len(" ".join(longer)) > len(" ".join(shorter)) and (
        set(shorter) <= set(longer) or (is_unspaced(shorter[0]) and shorter[0] in longer[0])
    )


def _spelling(tally: _Tally, key: tuple[str, ...]) -> str:
    # The commonest way to write it; a capital at the beginning of a sentence loses a tie.
    return min(tally.spellings[key], key=lambda one: (-one[0], not one[1].islower(), one[1]))[1]
