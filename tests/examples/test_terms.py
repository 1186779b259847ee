"""Key terms: words and phrases with true counts and an example that uses them."""

from __future__ import annotations

import pytest
from hypothesis import given

from examples.review.concordance import EXAMPLE_LIMIT_CHARACTERS
from examples.review.terms import TERM_LIMIT, find, key_terms
from tests.examples.texts import CHINESE, GERMAN, GUIDE, ODD, any_text, document, large_text

NONE = "No key terms: no word of the text comes back often enough to stand out."


def terms_of(text, limit=None):
    return {term.text: term.times for term in find([document(text)], limit).found}


@given(any_text)
def test_terms_occur_in_the_text_at_least_twice(text):
    found = find([document(text)])
    assert len(found.found) <= TERM_LIMIT
    assert all(term.times > 1 for term in found.found)


@given(any_text)
def test_terms_are_the_same_every_time(text):
    assert key_terms([document(text)]) == key_terms([document(text)])


@pytest.mark.parametrize("text", [*ODD, CHINESE, GERMAN, GUIDE])
def test_odd_texts_have_bounded_terms(text):
    assert 0 < len(key_terms([document(text)])) < 4_000


def test_a_text_without_terms_says_so():
    assert [NONE, NONE, NONE] == [key_terms([]), key_terms([document("")]), key_terms([document("Each word once.")])]


def test_the_word_that_comes_back_most_leads():
    assert key_terms([document(GUIDE)]).startswith("- **ferry** ×5 — ")


def test_stop_words_and_code_are_no_terms():
    assert not {"the", "and", "TODO", "leave"} & set(terms_of(GUIDE, 30))


def test_plural_and_singular_and_case_are_one_term_in_its_commonest_form():
    assert {"Boats": 5} == terms_of("Boats go. Boats come. A boat rests. Look: Boats! That boat sleeps.", 1)


def test_a_phrase_takes_the_place_of_its_words():
    found = terms_of(
        "The state machine runs. A state machine stops. One state machine waits. Look, a bell. The bell.", 5
    )
    assert 3 == found["state machine"]
    assert not {"state", "machine"} & found.keys()


def test_words_that_stand_alone_keep_their_place_beside_the_phrase():
    text = "The state machine runs. A state machine stops. " + "The state is kept. " * 5
    assert {"state", "state machine"} <= terms_of(text, 5).keys()


def test_a_mark_parts_a_phrase():
    assert "river bank" not in terms_of("By the river, bank on it. The river: bank there. No river. Bank notes.", 9)


def test_chinese_terms_are_whole_words():
    text = "传统迭代器模式很慢。新的迭代器模式快。我们看迭代器模式。响应式好。"
    assert "迭代器模式" in terms_of(text)


def test_german_terms_are_found_without_a_list():
    found = terms_of(GERMAN, 12)
    assert 12 == found["Fähre"]
    assert "Wasser" in found
    assert not {"die", "der", "und", "den", "das"} & found.keys()


def test_an_example_uses_its_term_and_is_short():
    for term in find([document(GUIDE)]).found[:6]:
        assert term.text.lower() in term.example.lower()
        assert len(term.example) <= EXAMPLE_LIMIT_CHARACTERS + 2


def test_an_example_from_a_long_sentence_keeps_the_term_in_view():
    text = (
        "Before " + "many other words " * 20 + "comes the zeppelin and " + "then much more " * 20 + "follows. Zeppelin!"
    )
    example = next(term.example for term in find([document(text)], 30).found if term.text.lower() == "zeppelin")
    assert example.startswith("…")
    assert example.endswith("…")
    assert "zeppelin" in example


def test_the_name_alone_is_a_better_example_than_a_longer_name():
    text = "Take `ferry.leave` from there now. Some time ago the ferry came back home. The ferry!"
    example = next(term.example for term in find([document(text)], 9).found if term.text == "ferry")
    assert "Some time ago the ferry came back home." == example


def test_a_table_is_an_example_when_there_is_nothing_else():
    assert "ferry | crosses daily" == find([document("| ferry | crosses daily |\n| ferry | sinks |")]).found[0].example


@pytest.mark.slow
def test_ten_megabytes_are_counted_in_a_sample():
    text = key_terms([document(large_text(10_000_000))])
    assert "Counted in an even sample: 0.4 of " in text
    assert len(text) < 4_000
