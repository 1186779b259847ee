"""The text of a remote agent grows and is never taken back, however it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.agents.output import SEPARATOR, Output
from riverrun.base.errors import NodeError

TEXTS = st.lists(st.text("abc ", max_size=4), max_size=5)


def is_empty(output):
    return output.empty


def is_unsure(output):
    return output.unsure


def test_pieces_are_given_as_they_come():
    output = Output()
    assert is_empty(output)
    assert "one " == output.add("a", "one ", appended=False, whole=False)
    assert "two" == output.add("a", "two", appended=True, whole=True)
    assert not is_empty(output)
    assert "" == output.finish()


def test_an_artifact_that_grows_beside_another_waits_for_it():
    output = Output()
    assert "a1" == output.add("a", "a1", appended=False, whole=False)
    assert "" == output.add("b", "b1", appended=False, whole=False)
    assert "a2" == output.add("a", "a2", appended=True, whole=False)
    assert f"a3{SEPARATOR}b1" == output.add("a", "a3", appended=True, whole=True)
    assert "b2" == output.add("b", "b2", appended=True, whole=False)


def test_an_artifact_that_is_said_to_be_whole_and_is_not_loses_nothing():
    output = Output()
    assert "a1" == output.add("a", "a1", appended=False, whole=True)
    assert f"{SEPARATOR}b1" == output.add("b", "b1", appended=False, whole=False)
    assert "a2" == output.add("a", "a2", appended=True, whole=False)
    assert "b2" == output.add("b", "b2", appended=True, whole=False)


def test_after_a_break_only_what_is_new_is_given():
    output = Output()
    output.add("a", "one ", appended=False, whole=False)
    assert "two three" == output.replace([("a", "one two three")])
    assert "" == output.replace([("a", "one two three")])
    assert f"{SEPARATOR}more" == output.replace([("a", "one two three"), ("b", "more")]) + output.finish()


def test_what_takes_the_place_of_what_nobody_has_seen_is_taken():
    output = Output()
    output.add("a", "a", appended=False, whole=False)
    output.add("b", "draft", appended=False, whole=False)
    output.add("b", "final", appended=False, whole=False)
    assert f"{SEPARATOR}final" == output.finish()


@pytest.mark.parametrize("again", [[("a", "other")], [("a", "on")], []])
def test_what_was_given_is_not_taken_back(again):
    output = Output()
    output.add("a", "one", appended=False, whole=False)
    with pytest.raises(NodeError) as caught:
        output.replace(again)
    assert "E3061" == caught.value.code


def test_parts_that_are_no_text_are_told_once():
    output = Output()
    assert [1] == output.news("a", [1], appended=False)
    assert [2] == output.news("a", [2], appended=True)
    assert [3] == output.news("a", [1, 2, 3], appended=False)
    assert [] == output.news("a", [1, 2, 3], appended=False)


def test_a_piece_that_is_told_again_after_a_break_is_given_once():
    output = Output()
    output.add("a", "one ", appended=False, whole=False)
    assert "two " == output.replace([("a", "one two ")], resumed=True)
    assert "" == output.add("a", "two ", appended=True, whole=False)
    assert is_unsure(output)  # the agent may also have said it twice
    assert "" == output.add("a", "three", appended=True, whole=True)
    assert "three" == output.replace([("a", "one two three")])
    assert not is_unsure(output)
    assert "" == output.finish()


def test_a_piece_that_is_new_after_a_break_is_given_at_once():
    output = Output()
    output.add("a", "one ", appended=False, whole=False)
    output.replace([("a", "one two ")], resumed=True)
    assert "three" == output.add("a", "three", appended=True, whole=False)
    assert not is_unsure(output)


def test_a_piece_that_fits_in_several_places_waits_until_it_is_known_where_it_belongs():
    output = Output()
    output.add("a", "ab", appended=False, whole=False)
    output.replace([("a", "abab")], resumed=True)
    assert "" == output.add("a", "ab", appended=True, whole=False)
    assert is_unsure(output)  # the first, the second, or a third
    assert "ab" == output.replace([("a", "ababab")])
    assert is_unsure(output)
    assert "x" == output.add("a", "x", appended=True, whole=False)  # that fits behind the third only
    assert not is_unsure(output)


def test_an_artifact_that_is_told_from_its_beginning_again_is_followed_from_there():
    output = Output()
    output.add("a", "one ", appended=False, whole=False)
    assert "two " == output.replace([("a", "one two ")], resumed=True)
    assert "" == output.add("a", "one ", appended=False, whole=False)
    assert "" == output.add("a", "two ", appended=True, whole=False)
    assert "three" == output.add("a", "three", appended=True, whole=False)


def test_pieces_that_fit_nowhere_are_refused():
    output = Output()
    output.replace([("a", "one ")], resumed=True)
    with pytest.raises(NodeError) as caught:
        output.add("a", "two ", appended=False, whole=False)
    assert "E3061" == caught.value.code


PIECES = st.lists(st.tuples(st.sampled_from("abc"), st.text("xyz", max_size=3), st.booleans()), max_size=12)


@given(PIECES, st.dictionaries(st.integers(0, 12), st.integers(0, 3)))
def test_nothing_is_lost_or_repeated_whatever_grows_and_wherever_it_breaks(pieces, breaks):
    """At a break some pieces came while nobody listened, and some of those are told again."""
    output, given_on, whole = Output(), "", set()
    texts: dict[str, str] = {}
    past: list[tuple[str, str, bool]] = []
    for place, (name, text, last) in enumerate(pieces):
        if name in whole:
            continue
        first = name not in texts
        texts[name] = texts.get(name, "") + text
        past.append((name, text, first))
        if place in breaks:
            given_on += output.replace(texts.items(), resumed=True)
            for old, again, was_first in past[len(past) - breaks[place] :] if breaks[place] else ():
                given_on += output.add(old, again, appended=not was_first, whole=False)
            continue
        given_on += output.add(name, text, appended=not first, whole=last)
        if last:
            whole.add(name)
        if output.unsure:
            given_on += output.replace(texts.items())
        assert SEPARATOR.join(text for text in texts.values() if text).startswith(given_on) or len(texts) > 1
    given_on += output.replace(texts.items()) + output.finish()
    assert sorted("".join(texts.values())) == sorted(given_on.replace(SEPARATOR, ""))
    if len(texts) == 1:
        assert next(iter(texts.values())) == given_on
