"""What `make fuzz` names is there: each target is a property test that takes the bytes of a search."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.fuzz.targets import TARGETS
from tests.house.source import ROOT


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_a_law_that_can_be_searched(name):
    target = TARGETS[name]
    import_module(target.watched)
    search = getattr(import_module(target.module), target.law).hypothesis.fuzz_one_input
    assert any(search(bytes([byte]) * size) is not None for byte in (0, 1, 255) for size in (0, 64, 512))


def test_make_searches_every_target():
    named = re.search(r"^FUZZED +=(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named is not None
    assert [*TARGETS] == named[1].split()
