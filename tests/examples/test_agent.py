"""The example of an agent runs as it stands, without a key."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.house.source import ROOT


@pytest.mark.slow
def test_it_calls_both_tools_tells_of_progress_and_asks_before_it_changes_anything():
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "agent.py")],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")},
    )
    told = [line.strip() for line in done.stdout.splitlines() if line.startswith("[")]
    assert "[allowed: {'old': 'Lee', 'new': 'An Laoi'}]" in told
    assert told.index("[rename started]") > told.index("[allowed: {'old': 'Lee', 'new': 'An Laoi'}]")
    assert {"[search started]", "[search ended]", "[rename ended]"} <= {
        line.split("] ")[0].rstrip("]") + "]" for line in told
    }
    assert 3 == done.stdout.count("[search progress]")
    assert done.stdout.rstrip().endswith("rename says: Lee is now An Laoi")
