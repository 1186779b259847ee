"""The screen fits the terminal, keeps what was taken back in sight, and never grows over its height."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from riverrun.cli.panes import Panes
from riverrun.wire.pages import GraphEdge
from tests.cli.happenings import Story

NODES = ("read", "summary", "terms", "outline", "first_look", "editor")
EDGES = [
    GraphEdge(source=source, target=target)
    for source, target in [
        ("__start__", "read"),
        ("read", "summary"),
        ("read", "terms"),
        ("read", "outline"),
        ("terms", "first_look"),
        ("summary", "editor"),
        ("outline", "editor"),
        ("first_look", "editor"),
    ]
]


def printed(panes, width=80, height=20):
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, height=height + 1, color_system=None)
    console.print(panes.drawn(height))
    return buffer.getvalue().splitlines()


def line_of(lines, words):
    return next(number for number, line in enumerate(lines) if words in line)


@pytest.fixture
def panes():
    """The demo's graph."""
    return Panes(NODES, EDGES)


def test_what_runs_side_by_side_stands_side_by_side(panes):
    lines = printed(panes)
    assert line_of(lines, "summary") == line_of(lines, "terms") == line_of(lines, "outline")
    assert line_of(lines, "first_look") < line_of(lines, "editor")


def test_a_node_that_said_nothing_becomes_a_line(panes):
    story = Story()
    panes.take(story.start("read"))
    panes.take(story.complete("read"))
    assert printed(panes)[0].startswith("✓ read done")


def test_the_end_of_a_text_is_shown_and_counted(panes):
    story = Story()
    panes.take(story.start("summary"))
    for number in range(200):
        panes.take(story.chunk("summary", f"w{number} "))
    text = "\n".join(printed(panes))
    assert "w199" in text
    assert "w0 " not in text
    assert "890 characters" in text


def test_text_that_was_taken_back_stays_until_as_much_is_said_again(panes):
    story = Story()
    panes.take(story.start("summary"))
    panes.take(story.chunk("summary", "old old old"))
    panes.take(story.retry("summary"))
    text = "\n".join(printed(panes))
    assert "retrying" in text
    assert "old old old" in text
    assert "−11 taken back" in text
    assert 11 == panes.voided
    panes.take(story.chunk("summary", "new "))
    text = "\n".join(printed(panes))
    assert "attempt 2" in text
    assert "old" in text
    panes.take(story.chunk("summary", "and longer"))
    text = "\n".join(printed(panes))
    assert "old" not in text
    assert "−11" in text


def test_a_failure_and_an_end_are_shown(panes):
    story = Story()
    for node in ("summary", "terms"):
        panes.take(story.start(node))
        panes.take(story.chunk(node, "word "))
    panes.take(story.fail("summary"))
    panes.take(story.stop())
    text = "\n".join(printed(panes))
    assert "summary failed" in text
    assert "it burst" in text
    assert "terms ended" in text


def test_a_node_that_nobody_told_of_is_shown_all_the_same(panes):
    panes.take(Story().start("newcomer"))
    assert "newcomer" in "\n".join(printed(panes, height=30))


def test_values_that_are_no_text_are_shown(panes):
    story = Story()
    panes.take(story.start("summary"))
    panes.take(story.chunk("summary", {"n": 1}))
    assert '{"n":1}' in "\n".join(printed(panes))


def test_without_nodes_there_is_nothing():
    assert [] == [line for line in printed(Panes((), ())) if line.strip()]


@example(width=40, height=8, moves=[("first_look", "start")])
@given(
    width=st.integers(40, 200),
    height=st.integers(8, 60),
    moves=st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(["start", "chunk", "retry", "complete", "fail"]))),
)
def test_it_is_never_larger_than_its_place(width, height, moves):
    story, panes = Story(), Panes(NODES, EDGES)
    for node, move in moves:
        panes.take(story.chunk(node, "some words ") if move == "chunk" else getattr(story, move)(node))
    lines = printed(panes, width, height)
    assert height >= len(lines)
    assert width >= max(map(len, lines))


def test_a_node_that_asks_is_shown_and_one_that_is_cancelled_loses_its_text():
    story, panes = Story(), Panes(("a", "b"), [])
    for event in (story.start("a"), story.chunk("a", "some words"), story.start("b"), story.ask("b")):
        panes.take(event)
    assert line_of(printed(panes), "? b asking") >= 0
    panes.take(story.cancel("a"))
    assert len("some words") == panes.voided
    assert any("− a cancelled" in line for line in printed(panes))
    panes.take(story.stop())
    assert any("b ended" in line for line in printed(panes))


def test_a_failure_that_voids_takes_back_its_text():
    story, panes = Story(), Panes(("a",), [])
    panes.take(story.chunk("a", "some words"))
    panes.take(replace(story.fail("a"), voids=("a:1/said",), tolerated=True))
    assert len("some words") == panes.voided
    assert any("✗ a failed" in line for line in printed(panes))
