"""The report joins facts and the agents' texts, and needs nothing but the state of the run."""

from __future__ import annotations

import json

from hypothesis import given

from examples.review.report import FILE_LIMIT, compose, facts, impression
from tests.examples.texts import GUIDE, any_text, document

PARTS = {
    "headline": "Line one.\nLine two.",
    "summary": "S\n",
    "terms": "T\n",
    "outline": "O\n\n## Open questions\n\nQ\n",
}


def file(words, name="a.md", **changes):
    return facts(document("word " * words, name)) | changes


@given(any_text)
def test_facts_are_json(text):
    found = facts(document(text))
    assert found == json.loads(json.dumps(found))


def test_facts_count_what_was_read():
    assert {
        "name": "guide.md",
        "size_bytes": len(GUIDE.encode()),
        "words": 111,
        "sections": 5,
        "paragraphs": 6,
        "code_words": 14,
        "table_words": 6,
    } == facts(document(GUIDE, "guide.md"))


def test_a_first_impression_is_two_lines():
    assert (
        "1 document, 460 words: about 2 minutes of reading.\nIt turns on **ferry** and **bell**."
        == impression([file(460)], ["ferry", "bell"])
    )  # fmt: skip
    assert "less than a minute" in impression([file(1)], ["ferry"])
    assert "1 document, 1 word:" in impression([file(1)], ["ferry"])
    assert "about 7 hours" in impression([file(100_000)], [])
    assert "75% of it in b.md" in impression([file(10), file(30, "b.md")], [])


def test_a_first_impression_is_honest_about_what_is_missing():
    assert "1 document without a word to read.\nThere is nothing to form an impression of." == impression([file(0)], [])
    assert impression([file(9)], []).endswith("\nNo word comes back often enough to name a subject.")


def test_a_first_impression_mentions_much_code_and_many_tables():
    assert "; 50% of the words are code." in impression([file(10, code_words=5, table_words=3)], ["x"])
    assert "; 30% of the words stand in tables." in impression([file(10, table_words=3)], ["x"])


def test_a_report_has_its_chapters_in_order():
    found = compose([file(9, "a|b.md", size_bytes=1_500)], PARTS)
    chapters = [line for line in found.split("\n") if line.startswith("#")]
    expected = ["What was read", "First impression", "Summary", "Key terms", "Outline", "Open questions"]
    assert ["# Review of a|b.md", *(f"## {name}" for name in expected)] == chapters
    assert "| a\\|b.md | 1.5 kB | 9 | 0 | 1 |" in found
    assert "Line one.  \nLine two." in found


def test_a_report_adds_up_its_files_and_shows_a_bounded_number():
    found = compose([file(2, size_bytes=2_000_000)] * (FILE_LIMIT + 5), PARTS)
    assert f"# Review of {FILE_LIMIT + 5} documents" in found
    assert "| … and 5 more | | | | |" in found
    assert "| **total** | 70.0 MB | 70 | 0 | 35 |" in found
    assert FILE_LIMIT == found.count("| a.md |")
