"""What a page of the documents shows, as files and programs, so that tests run what people copy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.house.source import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"`([\w/]+\.\w+)`[^`\n]*:\n+$")


class Block(NamedTuple):
    """One block of code.

    Attributes:
        language: Behind the fence.
        text: What stands in it.
        name: The file that the line above names, if it names one.
        printed: What the page says that it prints: the `text` block right below.
        line: Where it begins.
    """

    language: str
    text: str
    name: str
    printed: str | None
    line: int


def blocks(page: str, language: str = "") -> list[Block]:
    """Read the blocks of a page.

    Args:
        page: Its path below the root.
        language: Only these; empty for all.

    Returns:
        In order.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    made = []
    for place, match in enumerate(found):
        name = _NAME.search(text, 0, match.start())
        after = found[place + 1] if place + 1 < len(found) else None
        below = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        line = text.count("\n", 0, match.start()) + 1
        made.append(
            Block(match[1], match[2], name[1] if name else "", after[2] if below and after is not None else None, line)
        )
    return [block for block in made if language in ("", block.language)]


def write_files(page: str, folder: Path) -> None:
    """Write the files that a page names."""
    for block in blocks(page):
        if block.name:
            (folder / block.name).write_text(block.text, encoding="utf-8")


def environment(**more: str) -> dict[str, str]:
    """Give what a program of a page is run with: the commands of this environment, and no provider's key."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RIVERRUN_"))}
    return {**given, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', '')}", **more}


def run(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, to its end."""
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=120, check=False
    )
