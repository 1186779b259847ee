"""The summariser: the sentences of the documents that say most, in their own words.

How: a sentence scores by the words it shares with the centre of its document, more at the
beginning of a section, less when it is very short, very long or leans on the sentence before it.
Sentences are then taken one by one, each paying for what it repeats (maximal marginal relevance).
Rules: pure and deterministic; whatever the input's size, at most the limits below are compared.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from .documents import Document, Kind, Section, spread
from .lexicon import content_words, ignored_words
from .prose import count_words, even_marks, sentences, shorten

# Limits for one summary. Scoring is linear in candidates, choosing is finalists x chosen.
CANDIDATE_LIMIT: Final = 6_000
FINALIST_LIMIT: Final = 400
CHOSEN_LIMIT: Final = 16
SENTENCE_LIMIT_CHARACTERS: Final = 420

_REPETITION_COST: Final = 0.65
_SAME: Final = 10.0  # far beyond any cosine: the very same sentence is never taken twice
_WORD: Final = re.compile(r"[^\W_]")
_NOTATION: Final = frozenset("()[]{}<>=;:/|`_@#$%^&~+→·0123456789\\\ufffd")
_BACKWARD: Final = """it its this that these those they them their he she his her such so then thus therefore hence
however but and or also otherwise instead there here both another which yet again"""
_LEANING: Final = frozenset(_BACKWARD.split())  # such a sentence needs the one before it


class Sentence(NamedTuple):
    """A candidate: its text, where it stands and how far into its section it comes."""

    text: str
    document: int
    section: str
    order: int
    place: int
    kind: Kind


class Summary(NamedTuple):
    """The chosen sentences in reading order, and out of how many they were chosen."""

    chosen: list[Sentence]
    compared: int
    total: int


class _Scored(NamedTuple):
    score: float
    sentence: Sentence
    weights: dict[str, float]


def summarise(documents: Sequence[Document]) -> str:
    """Write an extractive summary as Markdown.

    Args:
        documents: What was read; none is also an answer.

    Returns:
        A line that says how many of how many sentences follow, and the sentences by document.
    """
    summary = choose(documents)
    if not summary.chosen:
        return "Nothing to summarise: no sentence was found outside of code, tables and headings."
    chosen, total = len(summary.chosen), summary.total
    noun = "sentence" if total == 1 else "sentences"
    lines = [f"{chosen:,} of {total:,} {noun}{_sampled(summary)}."]
    shown = -1
    section = ""
    for sentence in summary.chosen:
        if sentence.document != shown:
            shown, section = sentence.document, ""
            lines += ["", f"**{documents[shown].name}**", ""]
        source = "" if sentence.section == section else sentence.section
        section = sentence.section
        lines.append(f"- {_quoted(sentence.text)}" + (f" — *{shorten(source, 60)}*" * bool(source)))
    return "\n".join(lines) + "\n"


def choose(documents: Sequence[Document], limit: int | None = None) -> Summary:
    """Choose the sentences that say most.

    Args:
        documents: What was read.
        limit: The number of sentences wanted; by default it grows with the text, up to 16.

    Returns:
        The sentences in reading order; fewer than ``limit`` when the text has no more.
    """
    everything = list(_sentences(documents))
    wanted = limit or min(CHOSEN_LIMIT, 3 + round(1.6 * math.log2(1 + len(everything) / 8)))
    candidates = spread(everything, CANDIDATE_LIMIT)
    scored = _score(documents, candidates)
    chosen = _select(scored, max(1, wanted), len({entry.sentence.document for entry in scored}))
    chosen.sort(key=lambda sentence: sentence.order)
    return Summary(chosen, len(candidates), len(everything))


def _sentences(documents: Sequence[Document]) -> Iterator[Sentence]:
    order = 0
    for number, document in enumerate(documents):
        for section in document.sections:
            for place, (text, kind) in enumerate(_spoken(section)):
                yield Sentence(text, number, section.title, order, place, kind)
                order += 1


def _spoken(section: Section) -> Iterator[tuple[str, Kind]]:
    for block in section.blocks:
        if block.kind in {Kind.PROSE, Kind.ITEM}:
            for sentence in sentences(block.text):
                if _WORD.search(sentence):
                    yield sentence, block.kind


def _score(documents: Sequence[Document], candidates: Sequence[Sentence]) -> list[_Scored]:
    scored: list[_Scored] = []
    for number, document in enumerate(documents):
        own = [candidate for candidate in candidates if candidate.document == number]
        ignored = ignored_words(document)
        bags = [Counter(content_words(sentence.text[:2_000], ignored)) for sentence in own]
        rarity = _rarity(bags)
        centre = _centre(bags, rarity)
        for sentence, bag in zip(own, bags, strict=True):
            weights = _normalised({word: (1 + math.log(count)) * rarity[word] for word, count in bag.items()})
            nearness = sum(weight * centre[word] for word, weight in weights.items())
            scored.append(_Scored(nearness * _prior(sentence), sentence, weights))
    return scored


def _rarity(bags: Sequence[Counter[str]]) -> dict[str, float]:
    present = Counter(word for bag in bags for word in bag)
    return {word: math.log(1 + len(bags) / count) for word, count in present.items()}


def _centre(bags: Sequence[Counter[str]], rarity: dict[str, float]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for bag in bags:
        sums.update(bag)
    # The logarithm keeps one word that is in every sentence from deciding everything.
    return _normalised({word: math.log(1 + count) * rarity[word] for word, count in sums.items()})


def _normalised(weights: dict[str, float]) -> dict[str, float]:
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {word: weight / length for word, weight in weights.items()}


def _prior(sentence: Sentence) -> float:
    """Judge a sentence by its form, before its words are looked at."""
    text = sentence.text
    length = count_words(text[:2_000])
    value = 0.35 if length < 6 else min(1.0, 0.55 + length / 30) if length <= 26 else 26 / length
    value *= (1.4, 1.12, 1.0)[min(sentence.place, 2)]
    if text[-1] not in '.!。\uff01…"”’」)' or text[0] in "([{":
        value *= 0.5
    if text.split(None, 1)[0].strip("\"“'`*,").lower() in _LEANING:
        value *= 0.7
    if sentence.kind is Kind.ITEM:
        value *= 0.85
    # Formulas, paths and packed notes are hard to read, whatever words they hold.
    marks = sum(character in _NOTATION for character in text[:2_000])
    return value / (1 + 2.5 * max(0.0, marks / (length + 1) - 0.08))


def _select(scored: Sequence[_Scored], wanted: int, documents: int) -> list[Sentence]:
    ranked = sorted(scored, key=lambda entry: (-entry.score, entry.sentence.order))
    first_of: dict[int, _Scored] = {}
    for entry in ranked:
        first_of.setdefault(entry.sentence.document, entry)
    wanted = min(CHOSEN_LIMIT, max(wanted, documents))
    rest = ranked[:FINALIST_LIMIT]
    # Every document speaks once before any speaks twice, as long as there is room for all.
    taken = list(first_of.values()) if documents <= wanted else []
    best = ranked[0].score or 1.0 if ranked else 1.0
    places = Counter(entry.sentence.document for entry in taken)
    nearest = [max((_likeness(entry, other) for other in taken), default=0.0) for entry in rest]
    while len(taken) < wanted and len(taken) < len(ranked):
        gains = [
            (entry.score / best) * (0.8 ** places[entry.sentence.document]) - _REPETITION_COST * near
            for entry, near in zip(rest, nearest, strict=True)
        ]
        place = max(range(len(rest)), key=gains.__getitem__, default=-1)
        if place < 0 or nearest[place] >= _SAME:
            break
        entry = rest.pop(place)
        nearest.pop(place)
        if entry in taken:
            continue
        taken.append(entry)
        places[entry.sentence.document] += 1
        nearest = [max(near, _likeness(other, entry)) for other, near in zip(rest, nearest, strict=True)]
    return [entry.sentence for entry in taken]


def _likeness(one: _Scored, other: _Scored) -> float:
    if one.sentence.text == other.sentence.text:
        return _SAME
    return sum(weight * other.weights.get(word, 0.0) for word, weight in one.weights.items())


def _quoted(text: str) -> str:
    quoted = even_marks(shorten(text, SENTENCE_LIMIT_CHARACTERS))
    return quoted[0].upper() + quoted[1:]


def _sampled(summary: Summary) -> str:
    if summary.compared == summary.total:
        return ""
    return f" (an even sample of {summary.compared:,} was compared)"
