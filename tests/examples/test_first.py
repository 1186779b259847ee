"""The README's first example runs as it stands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.source import ROOT


@pytest.mark.slow
def test_both_branches_stream_in_turn_and_are_joined():
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "first.py")],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    lines = [line.split("|", 1) for line in done.stdout.splitlines()]
    nodes = [node.strip() for node, _ in lines]
    assert ["both"] * 11 == nodes[10:]
    assert {"loud": 5, "backwards": 5} == {node: nodes[:10].count(node) for node in nodes[:10]}
    # Neither branch is through before the other has begun.
    assert {"loud", "backwards"} == set(nodes[:2])
    assert "A RUN IS A LOG / log a is run a" == "".join(text[1:] for _, text in lines[10:]).strip()


def test_it_can_be_copied_in_one_look():
    lines = (ROOT / "examples" / "first.py").read_text(encoding="utf-8").splitlines()
    assert 40 >= len([line for line in lines if line])


def test_the_readme_shows_it_to_the_letter():
    code = (ROOT / "examples" / "first.py").read_text(encoding="utf-8").rstrip()
    assert f"```python\n{code}\n```" in (ROOT / "README.md").read_text(encoding="utf-8")
