"""The parts of a document: headings with all their words, or where the subject shifts."""

from __future__ import annotations

from hypothesis import given

from examples.review.topics import PART_LIMIT, Part, parts, title
from tests.examples.texts import GUIDE, any_text, document


def test_a_heading_above_all_others_is_the_title():
    assert "The ferry" == title(document(GUIDE))
    assert ["", ""] == [title(document(text)) for text in ("# One\n\n# Two\n", "no heading")]


def test_parts_count_the_words_below_them():
    text = "# A\n\none two\n\n## B\n\nthree\n\n### C\n\nfour\n\n# D\n\nfive\n"
    assert [Part("A", 0, 4), Part("B", 1, 2), Part("C", 2, 1), Part("D", 0, 1)] == parts(document(text))


def test_a_jump_over_a_level_is_one_step_deeper():
    assert [0, 1, 0] == [part.depth for part in parts(document("# A\n\n### B\n\n# C\n"))]


def test_a_heading_without_words_is_named():
    assert "(no title)" == parts(document("## \n\n# B"))[0].name


def test_a_text_without_headings_is_divided_where_its_words_shift():
    river = "The ferry crosses the river and the pilot watches the water.\n\n"
    kitchen = "The cook bakes bread with butter and salt in the oven.\n\n"
    found = parts(document(river * 10 + kitchen * 10))
    assert 0 < len(found) <= PART_LIMIT
    assert kitchen.strip() in [part.name for part in found]
    assert 20 * 11 == sum(part.words for part in found)


def test_a_short_text_is_one_part_named_by_its_first_full_sentence():
    assert [Part("The ferry leaves at noon.", 0, 6)] == parts(document("Look! The ferry leaves at noon."))


@given(any_text)
def test_parts_without_headings_lose_no_word(text):
    found = document(text)
    if not any(section.level for section in found.sections):
        # A cut at a Chinese full stop may part what counts as one word, so there can be more but never fewer.
        assert sum(block.words for block in found.blocks()) <= sum(part.words for part in parts(found))
