"""Texts that the tests of the review share: one of each sort that a reader may bring, and any text at all."""

# Chinese marks of punctuation are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import random

from hypothesis import strategies as st

from examples.review.documents import Document
from examples.review.splitter import split

GUIDE = """# The ferry

The ferry crosses the river four times a day and carries letters, bicycles and people.
Nobody has ever missed it twice. The pilot reads the water before the ferry leaves the bank.

## Timetable

The ferry leaves at eight, at noon, at four and at dusk. In winter the last crossing is cancelled.

- The bell rings twice before the ferry leaves.
- [ ] Paint the bell.

```python
# TODO: read the timetable from a file
ferry.leave()  # is this a question?
```

## Tickets

A ticket for the ferry costs two coins. Should children pay? The price for bicycles is not yet decided.

| who | price |
|---|---|
| child | 1 |

## Storms

## Bank

The river bank is soft after rain, and
"""

CHINESE = "# 渡轮\n\n渡轮每天过河四次。渡轮运送信件和自行车。船长在渡轮离岸之前观察水面！孩子需要买票吗？\n"

GERMAN = (
    "Die Fähre fährt vier Mal am Tag über den Fluss und bringt Briefe, Räder und Leute. "
    "Der Fährmann liest das Wasser, bevor die Fähre das Ufer verlässt. "
    "Im Winter fährt die Fähre nicht, wenn der Fluss zu viel Wasser hat. "
    "Die Glocke läutet zwei Mal, bevor die Fähre fährt. Das Ufer ist nach dem Regen weich. "
) * 3

ODD = [
    "",
    " \n\t\r\n",
    "\ufeff# BOM\r\n\r\nOne line.\r\nAnother line.\r\n",
    "\x00\x1b[31mred\x1b[0m \x07 and a bell",
    "one word",
    "?" * 300,
    "```\nnever closed",
    "- \n- \n- ",
    "| | |\n|-|-|",
    "# \n## \n### ",
    "a" * 20_000,
    "\u200b\u200d👩‍👩‍👧 \U0001f600 ｗｉｄｅ",
    "مرحبا بالعالم. كيف حالك؟ هذا نص.",
    "---\ntitle: x\n---\n\nText after the front matter.",
]

any_text = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(
            ["# ", "## ", "- ", "> ", "|", "```", "~~~", "\n", "\n\n", "\r\n", " ", ". ", "? ", "。", "**", "`", "[",
             "]", "(", ")", "word", "The bank", "流式", "TODO", "===", "---", "1. ", "…", "e.g. ", "42"]
        ),
        max_size=60,
    ).map("".join),
)  # fmt: skip


def document(text: str, name: str = "text.md") -> Document:
    """Split a text under a name."""
    return split(text, name)


def large_text(size_characters: int) -> str:
    """Make prose of a made-up language with headings, lists and questions; the same every time."""
    chance = random.Random(7)
    vocabulary = ["".join(chance.choices("abdeiklmnorstu", k=chance.randint(2, 9))) for _ in range(5_000)]
    parts: list[str] = []
    size = 0
    while size < size_characters:
        words = chance.choices(vocabulary[: chance.choice([40, 400, 5_000])], k=chance.randint(4, 30))
        mark = chance.choice([". ", ". ", ". ", "? ", ".\n\n", ".\n\n- ", ".\n\n## A heading\n\n"])
        parts.append(" ".join(words).capitalize() + mark)
        size += len(parts[-1])
    return "".join(parts)
