"""Text concatenates and is counted in UTF-16 code units; everything else makes a list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riverrun.graph.fold import Fold

TEXTS = st.lists(st.text(alphabet="ab é€🌊", max_size=4))


@given(TEXTS)
def test_text_concatenates_and_every_piece_knows_its_place(pieces):
    fold = Fold("m", "key", "text")
    starts = [fold.add(piece) for piece in pieces]
    before = [len("".join(pieces[:place]).encode("utf-16-le")) // 2 for place in range(len(pieces))]
    assert before == starts
    assert ("text", "".join(pieces)) == (fold.how, fold.value)


@given(
    st.lists(st.one_of(st.text(max_size=2), st.integers(), st.none(), st.lists(st.integers(), max_size=2)), min_size=1)
)
def test_anything_else_makes_a_list_of_all_that_came(pieces):
    fold = Fold("m", "key", "text")
    starts = [fold.add(piece) for piece in pieces]
    if all(isinstance(piece, str) for piece in pieces):
        assert "".join(pieces) == fold.value
        return
    assert ("list", pieces) == (fold.how, fold.value)
    other = next(place for place, piece in enumerate(pieces) if not isinstance(piece, str))
    assert all(start is not None for start in starts[:other])
    assert all(start is None for start in starts[other:])


def test_what_nothing_came_of_is_what_its_key_says():
    assert ("text", "") == (Fold("m", "k", "text").how, Fold("m", "k", "text").value)
    assert ("list", []) == (Fold("m", "k", "list").how, Fold("m", "k", "list").value)


def test_the_value_is_nobody_elses_list():
    fold = Fold("m", "k", "list")
    fold.add(1)
    value = fold.value
    fold.add(2)
    assert [1] == value
