"""Documents, their blocks by kind, and even samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from examples.review.documents import Kind, spread
from tests.examples.texts import GUIDE, document


def test_spoken_blocks_leave_out_code_and_tables():
    assert {Kind.PROSE, Kind.ITEM} == {block.kind for block in document(GUIDE).blocks()}


def test_words_of_sections_add_up():
    found = document(GUIDE)
    assert found.words == sum(section.words for section in found.sections) > 80


@given(st.lists(st.integers(), max_size=50), st.integers(min_value=1, max_value=60))
def test_a_sample_is_bounded_and_in_order(items, limit):
    places = list(spread(list(range(len(items))), limit))
    assert min(len(items), limit) == len(places)
    assert sorted(set(places)) == places


def test_a_sample_reaches_the_end_of_the_text():
    assert [0, 25, 50, 75] == list(spread(range(100), 4))
