"""Words that carry meaning: English by a list, other languages by frequency, Chinese by pieces."""

# Chinese marks of punctuation are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

from hypothesis import given

from examples.review.lexicon import (
    ENGLISH,
    complete,
    content_words,
    grams,
    ignored_words,
    is_unspaced,
    singular,
    tokens,
)
from tests.examples.texts import CHINESE, GERMAN, GUIDE, any_text, document


def test_tokens_are_words_runs_and_marks():
    assert ["The", "node's", "run.started", "event_log", ",", "UTF-8", "流式", "Flux"] == tokens(
        "The node's run.started event_log, UTF-8 流式Flux"
    )


@given(any_text)
def test_no_token_is_empty_and_no_content_word_is_a_stop_word(text):
    assert all(tokens(text))
    assert not set(content_words(text, ENGLISH)) & {"the", "and", "is"}


def test_pieces_of_a_run_hold_no_particle():
    assert ["处理", "理实", "实现", "处理实", "理实现", "处理实现"] == list(grams("的处理实现"))
    assert is_unspaced("流式")
    assert not is_unspaced("Flux")


def test_a_piece_grows_while_its_neighbour_is_always_the_same():
    text = "用迭代器模式，迭代器模式好，看迭代器模式"
    assert "迭代器模式" == complete("代器模", text)
    assert "流式" == complete("流式", "流式好，流式行")


def test_plurals_count_as_their_singular():
    assert ["run", "pass", "basis", "node", "gas"] == [
        singular(word) for word in ("runs", "pass", "basis", "node's", "gas")
    ]


def test_english_is_known_by_its_stop_words():
    assert ENGLISH == ignored_words(document(GUIDE))
    assert ENGLISH == ignored_words(document(""))


def test_another_language_loses_its_frequent_short_words():
    ignored = ignored_words(document(GERMAN))
    assert {"die", "der", "das", "und", "den"} <= ignored
    assert not {"fähre", "fluss", "glocke"} & ignored


def test_words_in_a_quarter_of_all_paragraphs_are_ignored_too():
    text = "\n\n".join(f"Fährboot zahl{place} kommt jedenfalls" for place in range(20))
    assert "jedenfalls" in ignored_words(document(text))


def test_chinese_is_compared_by_pairs():
    assert ["渡轮", "轮每", "每天", "天过"] == content_words(CHINESE, ENGLISH)[1:5]
