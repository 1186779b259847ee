"""docs/langgraph.md says of the differences what their table says; to write it anew: RIVERRUN_WRITE_DOCS=1."""

from __future__ import annotations

import os
from pathlib import Path

from tests.differential.compare import Difference
from tests.differential.differences import DIFFERENCES
from tests.differential.page import BEGIN, END, section, written_into
from tests.differential.test_differential import PROGRAMS

PAGE = Path(__file__).parents[2] / "docs" / "langgraph.md"


def test_the_page_of_differences_is_what_the_table_says():
    made = section(DIFFERENCES, len(PROGRAMS))
    if os.environ.get("RIVERRUN_WRITE_DOCS"):
        PAGE.write_text(written_into(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "", made), encoding="utf-8")
    assert made in PAGE.read_text(encoding="utf-8")


def test_every_difference_is_on_the_page_under_its_reason():
    told = section(
        {
            "one": Difference("Because.", {"state": [1]}, {"state": [2]}),
            "two": Difference("Another.", {"error": None}, {"error": "ValueError"}),
            "three": Difference("Because.", {"state": "a|b"}, {"state": "c"}),
        },
        7,
    )
    assert "7 programs run unchanged on both engines; 4 tell exactly the same." in told
    assert 1 == told.count("* Because.")
    rows = [line.strip() for line in told.splitlines() if line.startswith("  | `")]
    assert [
        "| `one` | state | `[1]` | `[2]` |",
        "| `three` | state | `'a\\|b'` | `'c'` |",
        "| `two` | error | nothing | `'ValueError'` |",
    ] == rows


def test_a_long_value_is_cut():
    told = section({"one": Difference("Because.", {"state": "x" * 500}, {"state": ""})}, 1)
    assert 200 > max(len(line) for line in told.splitlines())
    assert "…`" in told


def test_what_was_written_by_hand_stays():
    page = f"# Title\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n"
    made = f"{BEGIN}\nnew\n{END}"
    assert f"# Title\n\nBefore.\n\n{made}\n\nAfter.\n" == written_into(page, made)
    assert f"# Title\n\n{made}\n" == written_into("# Title\n", made)
    assert f"{made}\n" == written_into("", made)
