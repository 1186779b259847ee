"""The outliner: how the documents are built, and what they leave open.

Rules: pure and deterministic; the output is bounded whatever the input's size, and says what it
leaves out. Where parts and open points come from is the business of `topics` and `questions`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from .documents import Document, spread
from .prose import even_marks, shorten
from .questions import Point, open_points
from .topics import Part, parts, title

PART_LIMIT: Final = 48
DOCUMENT_LIMIT: Final = 20
POINT_LIMIT: Final = 12
_TEXT_LIMIT_CHARACTERS: Final = 140
_NAME_LIMIT_CHARACTERS: Final = 90
_KEPT_PER_KIND: Final = 2_000


def outline(documents: Sequence[Document]) -> str:
    """Write the outline and the open questions as Markdown.

    Args:
        documents: What was read; none is also an answer.

    Returns:
        The parts of each document with their words, then a heading and what is left open.
    """
    shown = documents[:DOCUMENT_LIMIT]
    lines: list[str] = []
    for document in shown:
        lines += _drawn(document, max(3, PART_LIMIT // len(shown)))
    if len(documents) > len(shown):
        lines += [f"… documents not shown: {len(documents) - len(shown):,}", ""]
    if not lines:
        lines = ["Nothing to outline: there are no documents.", ""]
    lines += ["## Open questions", "", *_left_open(documents)]
    return "\n".join(lines) + "\n"


def _drawn(document: Document, room: int) -> Iterator[str]:
    heading = title(document)
    yield f"**{document.name}**" + f" — {_named(heading)}" * bool(heading)
    yield ""
    found = parts(document)
    shown = _fitting(found, room)
    for part in shown:
        yield f"{'  ' * part.depth}- {_named(part.name)} · {part.words:,}"
    if not found:
        yield "- (one part)" if document.sections else "- (empty)"
    elif len(shown) < len(found):
        yield f"- … lesser parts not shown: {len(found) - len(shown):,}"
    yield ""


def _fitting(found: Sequence[Part], room: int) -> Sequence[Part]:
    """Leave out the deepest levels first, then the shortest parts."""
    if len(found) <= room:
        return found
    depths = Counter(part.depth for part in found)
    depth, total = 0, depths[0]
    while total + depths[depth + 1] <= room:
        depth += 1
        total += depths[depth]
    fitting = [part for part in found if part.depth <= depth]
    longest = sorted(range(len(fitting)), key=lambda place: (-fitting[place].words, place))[:room]
    return [fitting[place] for place in sorted(longest)]


def _left_open(documents: Sequence[Document]) -> Iterator[str]:
    totals: Counter[str] = Counter()
    kept: dict[str, list[Point]] = {}
    for point in open_points(documents):
        totals[point.kind] += 1
        points = kept.setdefault(point.kind, [])
        if len(points) < _KEPT_PER_KIND:
            points.append(point)
    if not totals:
        yield "None: no question, no mark of unfinished work and no empty section was found."
        return
    shown = _chosen(kept)
    more = f"{len(shown):,} of {totals.total():,}: " if totals.total() > len(shown) else ""
    yield more + ", ".join(f"{kind} ×{count:,}" for kind, count in totals.most_common()) + "."
    yield ""
    for point in shown:
        text = even_marks(shorten(point.text, _TEXT_LIMIT_CHARACTERS))
        yield f"- {point.kind}: {text} — *{point.document}:{point.line}*"


def _chosen(kept: dict[str, list[Point]]) -> list[Point]:
    """Take turns between the kinds; within a kind from all over the text."""
    shares = dict.fromkeys(kept, 0)
    left = min(POINT_LIMIT, sum(map(len, kept.values())))
    while left:
        for kind, points in kept.items():
            if left and shares[kind] < len(points):
                shares[kind] += 1
                left -= 1
    return [point for kind, points in kept.items() if shares[kind] for point in spread(points, shares[kind])]


def _named(text: str) -> str:
    return even_marks(shorten(text, _NAME_LIMIT_CHARACTERS))
