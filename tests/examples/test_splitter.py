"""A text becomes sections and blocks, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given

from examples.review.documents import Kind
from examples.review.splitter import BLOCK_LIMIT_CHARACTERS, split
from tests.examples.texts import CHINESE, GUIDE, ODD, any_text, document, large_text

ALL = frozenset(Kind)


def blocks(text, name="text.md"):
    return [(block.kind, block.text) for block in split(text, name).blocks(ALL)]


def headings(text, name="text.md"):
    return [(section.level, section.title, section.line) for section in split(text, name).sections]


def test_headings_make_sections_with_their_line():
    expected = [(1, "The ferry", 1), (2, "Timetable", 6), (2, "Tickets", 18), (2, "Storms", 26), (2, "Bank", 28)]
    assert expected == headings(GUIDE)


def test_each_kind_of_block_is_told_apart():
    kinds = [kind for kind, _ in blocks(GUIDE)]
    expected = [Kind.PROSE, Kind.PROSE, Kind.ITEM, Kind.ITEM, Kind.CODE, Kind.PROSE, Kind.TABLE, Kind.TABLE, Kind.PROSE]
    assert expected == kinds


def test_underlined_lines_are_headings_and_rules_are_not():
    assert [(1, "Title", 1), (2, "Part", 4)] == headings("Title\n===\n\nPart\n---\n\none\ntwo\n---\n")


def test_what_stands_before_the_first_heading_is_a_section_without_title():
    assert [(0, "", 1), (1, "H", 3)] == headings("intro\n\n# H\n")


def test_lines_of_a_paragraph_are_joined_and_item_lines_too():
    assert [(Kind.PROSE, "one two"), (Kind.ITEM, "three four")] == blocks("one\ntwo\n- three\n  four\n")


def test_front_matter_is_left_out():
    assert [(Kind.PROSE, "text")] == blocks("---\ntitle: x\n---\ntext\n")
    assert [(Kind.PROSE, "text")] == blocks("---\ntext\n")


def test_indented_code_is_known_in_markdown_only():
    text = "para\n\n    code()\n"
    assert [(Kind.PROSE, "para"), (Kind.CODE, "code()")] == blocks(text)
    assert [(Kind.PROSE, "para"), (Kind.PROSE, "code()")] == blocks(text, "text.txt")
    assert [(Kind.ITEM, "item"), (Kind.PROSE, "more of it")] == blocks("- item\n\n    more of it\n")


def test_a_code_block_without_end_says_so():
    assert [(Kind.UNCLOSED, "code")] == blocks("```\ncode")


def test_comments_of_source_code_are_no_headings():
    assert [(0, "", 1)] == headings("# comment\nx = 1\n", "program.py")


def test_plain_text_has_chapters():
    text = "CHAPTER ONE\n\nIt was dark.\n\nChapter 2. The bank\n\nIt was light.\n\nTHE END OF IT\n\nNo.\n"
    assert ["CHAPTER ONE", "Chapter 2. The bank", "THE END OF IT"] == [title for _, title, _ in headings(text, "a.txt")]


def test_line_ends_and_control_characters_are_made_plain():
    assert [(Kind.PROSE, "a b"), (Kind.PROSE, "c [31m d")] == blocks("a\r\nb\r\rc\x1b[31m\x00d")


def test_a_huge_paragraph_is_cut_into_bounded_blocks_that_lose_nothing():
    for text in ("word " * 20_000, "x" * 100_000, "One sentence. " * 9_000, "渡轮离岸。" * 9_000):
        found = [block for _, block in blocks(text)]
        assert max(map(len, found)) <= BLOCK_LIMIT_CHARACTERS
        assert "".join(text.split()) == "".join("".join(found).split())


def test_sizes_are_counted():
    assert (len(CHINESE.encode()), 38) == (document(CHINESE).size_bytes, document(CHINESE).words)
    assert 7 == split("text", "a", 7).size_bytes


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_split(text):
    assert split(text, "odd.md") == split(text, "odd.md")


@given(any_text)
def test_every_word_of_plain_prose_is_in_a_block_or_heading(text):
    letters = "".join(character for character in text if character.isalnum())
    found = split(text, "text.txt")
    kept = "".join(section.title + "".join(block.text for block in section.blocks) for section in found.sections)
    # Numbers of list items are marks and not words; link targets and front matter are left out on purpose.
    if not any(mark in text for mark in "]0123456789\u00a0`~") and "---" not in text:
        assert letters == "".join(character for character in kept if character.isalnum())


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["- a b\n", "## t x\n", "| a | b |\n", "```\n", "\n", "**a* [", "x" * 50, "> "])
def test_ten_megabytes_of_one_thing_are_split(unit):
    found = split((unit * (10_000_000 // len(unit) + 1))[:10_000_000], "large.md")
    assert 10_000_000 == found.size_bytes


@pytest.mark.slow
def test_ten_megabytes_of_prose_are_split():
    assert split(large_text(10_000_000), "large.md").words > 1_000_000
