"""What docs/langgraph.md says of the intended differences, made from their table, so that it cannot say anything else.

The rest of the page is written by hand; what is made stands between two marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.differential.compare import Difference

BEGIN = (
    "<!-- differences: made from tests/differential/differences.py; RIVERRUN_WRITE_DOCS=1 make fast writes it anew -->"
)
END = "<!-- end of differences -->"
_WIDE = 100  # characters of a value that are shown


def section(differences: Mapping[str, Difference], count: int) -> str:
    """Say what differs, grouped by reason, each with the program that shows it.

    Args:
        differences: The table.
        count: How many programs are compared in all.

    Returns:
        Markdown, with both marks.
    """
    lines = [
        BEGIN,
        "",
        f"{count} programs run unchanged on both engines; {count - len(differences)} tell exactly the same.",
        "The others:",
        "",
    ]
    for reason in dict.fromkeys(one.reason for one in differences.values()):
        lines += [f"* {reason}", "", "  | program | field | LangGraph | Riverrun |", "  |---|---|---|---|"]
        lines += [
            f"  | `{name}` | {field} | {_shown(one.langgraph[field])} | {_shown(one.riverrun[field])} |"
            for name, one in differences.items()
            if one.reason == reason
            for field in one.langgraph
        ]
        lines.append("")
    return "\n".join([*lines, END])


def written_into(page: str, made: str) -> str:
    """Put the section in its place on the page: between the marks, or at the end where there are none."""
    before, mark, rest = page.partition(BEGIN)
    if not mark:
        return f"{page.rstrip()}\n\n{made}\n" if page.strip() else f"{made}\n"
    return before + made + rest.partition(END)[2]


def _shown(value: Any) -> str:
    text = "nothing" if value is None else f"`{value!r}`"
    text = text if len(text) <= _WIDE else f"{text[: _WIDE - 2]}…`"
    return text.replace("|", "\\|")
