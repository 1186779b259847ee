"""A summary consists of sentences of the documents, as many as it says, and is the same every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.review.documents import SPOKEN
from examples.review.prose import sentences
from examples.review.summary import CHOSEN_LIMIT, choose, summarise
from tests.examples.texts import CHINESE, GERMAN, GUIDE, ODD, any_text, document, large_text


def spoken(documents):
    return [sentence for one in documents for block in one.blocks(SPOKEN) for sentence in sentences(block.text)]


@given(st.lists(any_text, max_size=3))
def test_every_chosen_sentence_is_a_sentence_of_its_document(texts):
    documents = [document(text) for text in texts]
    found = choose(documents)
    for sentence in found.chosen:
        assert sentence.text in spoken([documents[sentence.document]])
    assert len(found.chosen) <= min(CHOSEN_LIMIT, found.total)


@given(any_text)
def test_a_summary_is_the_same_every_time(text):
    assert summarise([document(text)]) == summarise([document(text)])


@pytest.mark.parametrize("text", [*ODD, CHINESE, GERMAN])
def test_odd_texts_are_summarised_within_bounds(text):
    assert 0 < len(summarise([document(text)])) < 9_000


def test_it_says_how_many_of_how_many():
    assert summarise([document("One ferry crosses the river. Two bells ring.")]).startswith("2 of 2 sentences.\n")
    assert summarise([document("A ferry.")]).startswith("1 of 1 sentence.\n")


def test_nothing_to_summarise_is_said_plainly():
    for documents in ([], [document("")], [document("```\ncode\n```")]):
        assert "Nothing to summarise: no sentence was found outside of code, tables and headings." == summarise(
            documents
        )


def test_the_sentence_that_all_others_turn_on_is_chosen():
    text = summarise([document(GUIDE, "guide.md")])
    assert "The ferry crosses the river four times a day" in text
    assert "**guide.md**" in text
    assert "*Timetable*" in text


def test_code_and_tables_are_never_quoted():
    assert not {"ferry.leave", "| child"} & set(summarise([document(GUIDE)]).split("\n"))
    assert "ferry.leave" not in summarise([document(GUIDE)])


def test_the_same_sentence_is_taken_once():
    assert 1 == len(choose([document("The ferry leaves the bank at noon.\n\n" * 50)]).chosen)


def test_a_near_repetition_gives_way_to_something_new():
    text = (
        "The ferry crosses the wide river at noon. The ferry crosses the wide river at noon today. "
        "Letters reach the village by boat. The ferry crosses the wide river at noon again."
    )
    chosen = [sentence.text for sentence in choose([document(text)], limit=2).chosen]
    assert "Letters reach the village by boat." in chosen


def test_every_document_speaks_as_long_as_there_is_room():
    documents = [document(f"The ferry number {place} crosses the river at noon.", f"{place}.md") for place in range(20)]
    assert set(range(9)) == {sentence.document for sentence in choose(documents[:9]).chosen}
    assert len({sentence.document for sentence in choose(documents).chosen}) <= CHOSEN_LIMIT


def test_sentences_come_in_the_order_of_the_text():
    orders = [sentence.order for sentence in choose([document(GUIDE), document(GERMAN)]).chosen]
    assert sorted(orders) == orders


def test_a_long_sentence_is_cut_and_marked():
    text = summarise([document("The ferry " + "and the river " * 200 + "meet.")])
    assert "…" in text
    assert len(text) < 600


@pytest.mark.slow
def test_ten_megabytes_are_summarised_from_a_sample():
    text = summarise([document(large_text(10_000_000))])
    assert "an even sample of 6,000 was compared" in text
    assert len(text) < 9_000
