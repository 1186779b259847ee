"""What a document leaves open: questions, unfinished work, empty sections, broken-off ends."""

# Chinese marks of punctuation are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import given

from examples.review.questions import open_points
from tests.examples.texts import GUIDE, any_text, document


def points(text):
    return [(point.kind, point.text, point.line) for point in open_points([document(text)])]


def test_all_open_points_of_a_document_are_found_with_their_lines():
    assert [
        ("to do", "Paint the bell.", 11),
        ("to do", "TODO: read the timetable from a file", 14),
        ("question", "Should children pay?", 20),
        ("not settled", "The price for bicycles is not yet decided.", 20),
        ("empty section", "Storms", 26),
        ("ends abruptly", "The river bank is soft after rain, and", 30),
    ] == points(GUIDE)


@pytest.mark.parametrize(
    "text",
    [
        "Send `WHERE epoch=?` to it.",
        "a URL like /path?x=1 in a line",
        "Y = yes; ? = not checked",
        "Why?",
        "| what works? | ? |",
        "An open source program opens the file. Everything is known.",
        "Complete. The end.",
        "## Part\n\n### Its own part\n\nText.",
    ],
)
def test_what_only_looks_open_is_left_out(text):
    assert [] == points(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("FIXME later, please.", "to do"),
        ("Whether it holds is still open.", "not settled"),
        ("| case | default not checked |", "not settled"),
        ("孩子需要买票吗？", "question"),
        ("问题待确认。", "not settled"),
        ("## Not verified\n\nAll of it.", "heading"),
        ("```\nend", "code block is never closed"),
        ("This one here is not yet finished,", "ends abruptly"),
    ],
)
def test_each_kind_is_known(text, kind):
    assert [kind] == [point[0] for point in points(text)]


@given(any_text)
def test_any_text_has_points_with_lines_inside_it(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(0 < line <= lines for _, _, line in points(text))
