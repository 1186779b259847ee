"""Every program on the page about agents runs as it stands there and prints what stands below it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from riverrun.agents.adopt import LIBRARIES
from tests.house.source import ROOT

PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
_PROGRAM = re.compile(
    r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```\n+^```text\n(.*?)^```", re.DOTALL | re.MULTILINE
)
PROGRAMS = _PROGRAM.findall(PAGE)


def test_there_is_a_program_for_a_function_and_for_each_library():
    assert 1 + len(LIBRARIES) == len(PROGRAMS) == PAGE.count("```python")
    assert all(library.module.replace("_", "-") in PAGE for library in LIBRARIES)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "program", "printed"), PROGRAMS, ids=[title for title, _, _ in PROGRAMS])
def test_a_program_prints_what_the_page_says(title, program, printed, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=False)
    assert (printed, 0) == (done.stdout, done.returncode), done.stderr
