"""An outline shows how documents are built and what they leave open, in a bounded number of lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.review.outline import PART_LIMIT, POINT_LIMIT, outline
from tests.examples.texts import CHINESE, GERMAN, GUIDE, ODD, any_text, document, large_text

NOTHING_OPEN = "None: no question, no mark of unfinished work and no empty section was found."


def test_an_outline_reads_like_this():
    assert (
        "**guide.md** — The ferry\n\n- Timetable · 46\n- Tickets · 25\n- Storms · 0\n- Bank · 8\n\n"
        "## Open questions\n\nto do ×2, question ×1, not settled ×1, empty section ×1, ends abruptly ×1.\n\n"
        "- to do: Paint the bell. — *guide.md:11*\n"
    ) in outline([document(GUIDE, "guide.md")])


@given(st.lists(any_text, max_size=3))
def test_an_outline_is_the_same_every_time_and_names_every_document(texts):
    documents = [document(text, f"{place}.md") for place, text in enumerate(texts)]
    found = outline(documents)
    assert found == outline(documents)
    assert all(f"**{one.name}**" in found for one in documents)


@pytest.mark.parametrize("text", [*ODD, CHINESE, GERMAN])
def test_odd_texts_have_a_bounded_outline(text):
    assert 0 < len(outline([document(text)])) < 9_000


def test_nothing_is_said_plainly():
    assert f"Nothing to outline: there are no documents.\n\n## Open questions\n\n{NOTHING_OPEN}\n" == outline([])
    assert f"**a**\n\n- (empty)\n\n## Open questions\n\n{NOTHING_OPEN}\n" == outline([document("", "a")])
    assert "- (one part)" in outline([document("# Title\n\n| a |\n", "a")])


def test_deep_levels_give_way_first_then_short_parts():
    deep = "# A\n\nx\n\n" + "## B\n\nx\n\n### C\n\nx\n\n" * 40
    found = outline([document(deep)])
    assert 40 == found.count("\n- B")
    assert "- C" not in found
    assert "- … lesser parts not shown: 40" in found
    flat = "".join(f"# H{place}\n\n" + "word " * place + "\n\n" for place in range(200))
    lines = [line for line in outline([document(flat)]).split("\n") if line.startswith("- H")]
    assert PART_LIMIT == len(lines)
    assert "- H199 · 199" == lines[-1]


def test_open_points_take_turns_and_the_rest_is_counted():
    found = outline([document("Is this a question? " * 30 + "\n\nTODO: one thing.\n")])
    assert f"{POINT_LIMIT} of 31: question ×30, to do ×1." in found
    assert 11 == found.count("- question: ")
    assert 1 == found.count("- to do: ")


def test_many_documents_are_counted():
    assert "… documents not shown: 5" in outline([document("x", str(place)) for place in range(25)])


@pytest.mark.slow
def test_ten_megabytes_have_a_bounded_outline():
    assert len(outline([document(large_text(10_000_000))])) < 9_000
