"""The codes of runs and nodes are all E3, and all of E3; the whole catalogue is put to its rules in `test_codes.py`."""

from __future__ import annotations

from riverrun.base.codes import CODES
from riverrun.base.codes_runs import RUNS


def test_these_are_the_codes_of_runs_and_nodes():
    assert {code for code in CODES if code.startswith("E3")} == set(RUNS)
