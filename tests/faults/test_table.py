"""The table at the end sums what all tests counted, also when several processes ran them, and when some failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest
from riverrun.testing.verdict import Tally

@pytest.mark.parametrize("number", range(10))
def test_counts(tally, number):
    tally.add(Tally(faults=1000, runs=2, acknowledged=number, repeated=1))
    assert number != 3

def test_counts_nothing(): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_table_sums_what_was_counted(tmp_path, processes):
    here, faults = Path(__file__).parent, tmp_path / "tests" / "faults"
    faults.mkdir(parents=True)
    (faults / "conftest.py").write_text((here / "conftest.py").read_text(encoding="utf-8"))
    (faults / "test_suite.py").write_text(SUITE)
    (faults.parent / "conftest.py").write_text((here.parent / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", processes, "tests"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    begins = ("tests ", "faults ", "runs ", "events ")
    rows = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.startswith(begins))
    assert {
        "tests": "10",
        "faults injected": "10,000",
        "runs": "20",
        "events acknowledged": "45",
        "events lost": "0",
        "events repeated": "10",
        "events reordered": "0",
    } == rows, done.stdout
