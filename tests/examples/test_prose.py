"""Sentences and words of plain language, in any language and of any length."""

# Chinese marks of punctuation are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.review.prose import count_words, even_marks, sentences, shorten, words
from tests.examples.texts import CHINESE, GUIDE, ODD, any_text


@given(any_text)
def test_words_put_together_are_the_text(text):
    assert text == "".join(words(text))


@pytest.mark.parametrize("text", [*ODD, GUIDE, CHINESE])
def test_words_of_odd_texts_put_together_are_the_text(text):
    assert text == "".join(words(text))


def test_a_word_keeps_the_space_after_it():
    assert ["One ", "two\n\n", "three"] == list(words("One two\n\nthree"))


def test_a_script_without_spaces_streams_by_character():
    assert ["渡", "轮", ", ", "ok"] == list(words("渡轮, ok"))


def test_an_unbroken_run_streams_in_bounded_pieces():
    assert 48 == max(map(len, words("x" * 1_000)))


@given(any_text)
def test_sentences_hold_every_character_that_is_not_space(text):
    assert "".join(text.split()) == "".join("".join(sentences(text)).split())


@given(any_text)
def test_no_sentence_is_empty(text):
    assert all(sentence.strip() for sentence in sentences(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("He said: “No.” Then he left.", ["He said: “No.”", "Then he left."]),
        ("Use a boat, e.g. the ferry. See Dr. Smith.", ["Use a boat, e.g. the ferry.", "See Dr. Smith."]),
        ("J. Smith wrote it in v2.0 of U. Eco.", ["J. Smith wrote it in v2.0 of U. Eco."]),
        ("1. First one. 2 follows.", ["1. First one.", "2 follows."]),
        ("It stops ... and goes on. Really?! Yes.", ["It stops ... and goes on.", "Really?!", "Yes."]),
        ("渡轮离岸。真的吗？好！", ["渡轮离岸。", "真的吗？", "好！"]),
        ("The end. `code` begins here.", ["The end.", "`code` begins here."]),
        ("no mark at all", ["no mark at all"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_say_so(text, expected):
    assert expected == sentences(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("two words", 2), ("", 0), ("渡轮 ok", 3), ("don't stop", 2), ("渡轮。don't", 3), ("näher – ran", 3)],
)
def test_words_are_counted_as_word_processors_do(text, expected):
    assert expected == count_words(text)


@given(any_text, st.integers(min_value=2, max_value=50))
def test_a_shortened_text_fits(text, limit):
    assert len(shorten(text, limit)) <= limit


def test_a_text_is_cut_at_a_word_and_marked():
    assert "one two…" == shorten("one two three", 10)
    assert "one two three" == shorten("one two three", 13)


def test_a_back_quote_that_lost_its_partner_is_dropped():
    assert "run code" == even_marks("run `code")
    assert "run `code`" == even_marks("run `code`")
