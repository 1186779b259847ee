"""What one line of Markdown is, and its text without the marks."""

from __future__ import annotations

import pytest
from hypothesis import given

from examples.review.markdown import Line, LineKind, cells, classify, opened_fence, plain
from tests.examples.texts import any_text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("   ", Line(LineKind.BLANK)),
        ("## Two words ##", Line(LineKind.HEADING, "Two words", 2)),
        ("#", Line(LineKind.HEADING, "", 1)),
        ("#tag", Line(LineKind.TEXT, "#tag")),
        ("####### seven", Line(LineKind.TEXT, "####### seven")),
        ("| a | b |", Line(LineKind.TABLE, "| a | b |")),
        ("---", Line(LineKind.RULE, "-")),
        ("* * *", Line(LineKind.RULE, "*")),
        ("- item", Line(LineKind.ITEM, "item")),
        ("12) item", Line(LineKind.ITEM, "item")),
        ("-5 degrees", Line(LineKind.TEXT, "-5 degrees")),
        ("> quoted", Line(LineKind.TEXT, "quoted")),
        ("> - item", Line(LineKind.ITEM, "item")),
        ("<p align=center>", Line(LineKind.MARKUP, "<p align=center>")),
        ("<!-- note -->", Line(LineKind.MARKUP, "<!-- note -->")),
        ("<3 you", Line(LineKind.TEXT, "<3 you")),
        ("**bold** start", Line(LineKind.TEXT, "**bold** start")),
    ],
)
def test_a_line_is_known_by_its_marks(line, expected):
    assert expected == classify(line)


@given(any_text)
def test_any_line_is_something(line):
    assert classify(line).kind in LineKind


def test_a_fence_closes_with_its_own_mark_only():
    fence = opened_fence("  ~~~~ python")
    assert fence is not None
    assert [False, False, True, True] == [fence.closed_by(line) for line in ("```", "~~~", "~~~~", " ~~~~~ ")]
    assert not fence.closed_by("~~~~ more")


def test_a_code_span_opens_no_fence():
    assert opened_fence("```code``` in a line") is None
    assert opened_fence("text") is None


def test_a_row_is_read_by_cells():
    assert "a | b" == cells("| a | b |")
    assert "" == cells("|---|:-:|")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n  b", "a b"),
        ("see [the guide](https://example.org/a_b) now", "see the guide now"),
        ('![a picture](x.png "title")', "a picture"),
        ("[text][ref]", "text"),
        ("**bold** and *soft*", "bold and soft"),
        ("2**8 and 3 * 4", "2**8 and 3 * 4"),
        ("`*_timeout` stays, **this** goes", "`*_timeout` stays, this goes"),
        ("[1] is a number", "[1] is a number"),
    ],
)  # fmt: skip
def test_marks_are_taken_out_of_prose_and_left_in_code(text, expected):
    assert expected == plain(text)
