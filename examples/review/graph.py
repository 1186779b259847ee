"""The review as a graph: one node reads, three agents work at once, one follows the fastest, an editor joins all.

    read ─┬─ summary ──────────────┐
          ├─ outline ──────────────┼─ editor
          └─ terms ─── first_look ─┘

Rules: the state holds paths, facts and what the agents wrote, never the texts of the files: the state goes into the
log of the run. Agents take the documents from the shelf of their process, so after a crash another one reads on.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final, TypedDict, TypeVar

from riverrun import END, START, RetryPolicy, StateGraph
from riverrun.graph.step import Failure

from .documents import Document
from .outline import outline as draw
from .prose import words
from .provider import excerpt, summarised_by
from .report import File, compose, facts, impression
from .shelf import Shelf
from .summary import summarise
from .terms import find, written

T = TypeVar("T")

PACE_LIMIT: Final = 1.0
_PIECES_AT_ONCE: Final = 16
_shelf: Final = Shelf()


class Review(TypedDict, total=False):
    """The state: `paths`, `pace` and `model` come in, the rest is written here.

    `pace` is seconds between two words, 0 by default. With a `model` the summary is written by that one of the
    provider of the environment; else nobody is asked.
    """

    paths: list[str]
    pace: float
    model: str
    files: list[File]
    summary: str
    terms: str
    top_terms: list[str]
    outline: str
    headline: str
    report: str


Update = dict[str, Any]


async def read(state: Review) -> Update:
    """Read the files and count what is in them.

    Args:
        state: Needs `paths`; `pace` is checked.

    Returns:
        The facts about each file.

    Raises:
        OSError: A file is missing or cannot be read; the message names it.
        ValueError: `paths` or `pace` is not what it should be.
    """
    _check_paths(state.get("paths"))
    _pace(state)
    return {
        "files": await _from_documents(state["paths"], lambda documents: [facts(document) for document in documents])
    }


async def summary(state: Review) -> Update:
    """Stream the sentences that say most; or what a model has to say, where the run was started with one."""
    model = state.get("model")
    if isinstance(model, str) and model:
        return {"summary": summarised_by(model, await _from_documents(state["paths"], excerpt))}
    return {"summary": paced(words(await _from_documents(state["paths"], summarise)), _pace(state))}


async def extract(state: Review, failure: Failure) -> Update:
    """Stream the sentences that say most after all, where the model did not answer."""
    if not state.get("model"):
        raise failure.error
    told = f"*The model did not answer: {failure.error}*\n\n"
    summarised = await _from_documents(state["paths"], summarise)
    return {"summary": paced(words(told + summarised), _pace(state))}


async def terms(state: Review) -> Update:
    """Stream the key terms, as the fastest agent: it reads a sample of a large text and speaks at twice the pace."""
    found = await _from_documents(state["paths"], find)
    return {
        "terms": paced(words(written(found)), _pace(state) / 2),
        "top_terms": [term.text for term in found.found],
    }


async def outline(state: Review) -> Update:
    """Stream the outline and the open questions."""
    return {"outline": paced(words(await _from_documents(state["paths"], draw)), _pace(state))}


async def first_look(state: Review) -> Update:
    """Stream a first impression as soon as the terms are known, while the other agents still work."""
    return {"headline": paced(words(impression(state["files"], state["top_terms"])), _pace(state))}


async def editor(state: Review) -> Update:
    """Stream the report that joins what all others wrote."""
    parts = {key: str(state.get(key, "")) for key in ("headline", "summary", "terms", "outline")}
    return {"report": paced(words(compose(state["files"], parts)), _pace(state))}


async def paced(pieces: Iterator[str], pace: float) -> AsyncIterator[str]:
    """Hand out pieces no faster than a reader likes.

    Args:
        pieces: What to hand out.
        pace: Seconds between two pieces; 0 for as fast as possible.

    Yields:
        The pieces, unchanged.
    """
    for count, piece in enumerate(pieces, 1):
        yield piece
        if pace > 0:
            await asyncio.sleep(pace)
        elif count % _PIECES_AT_ONCE == 0:
            # Without a pause the other branches would wait until this text is through.
            await asyncio.sleep(0)


async def _from_documents(paths: Sequence[str], work: Callable[[list[Document]], T]) -> T:
    # In a thread: counting ten megabytes of words takes seconds, and the event loop must not wait for it.
    return await asyncio.to_thread(lambda: work(_shelf.documents(paths)))


def _check_paths(paths: object) -> None:
    """Look closely: what a run is started with came over a network."""
    if not isinstance(paths, list) or not paths:
        raise ValueError(f'"paths" should be a list of at least one file name, not {paths!r}')
    for path in paths:
        if not isinstance(path, str) or not path or "\0" in path:
            raise ValueError(f'"paths" holds {path!r}, which is no file name')


def _pace(state: Review) -> float:
    pace: object = state.get("pace", 0.0)
    if isinstance(pace, bool) or not isinstance(pace, int | float) or not math.isfinite(pace) or pace < 0:
        raise ValueError(f'"pace" should be seconds between two words, from 0 to {PACE_LIMIT:g}, not {pace!r}')
    return min(float(pace), PACE_LIMIT)


builder = StateGraph(Review)
builder.add_node("read", read, agent="Reader")
builder.add_node("summary", summary, agent="Summariser", retry_policy=RetryPolicy(), error_handler=extract)
builder.add_node("terms", terms, agent="Term finder")
builder.add_node("outline", outline, agent="Outliner")
builder.add_node("first_look", first_look, agent="First reader")
builder.add_node("editor", editor, agent="Editor")
builder.add_edge(START, "read")
for _agent in ("summary", "terms", "outline"):
    builder.add_edge("read", _agent)
builder.add_edge("terms", "first_look")
for _source in ("summary", "outline", "first_look"):
    builder.add_edge(_source, "editor")
builder.add_edge("editor", END)

review = builder.compile(name="review")
