"""Every code that the source uses is in the catalogue, and every entry says something of its own."""

from __future__ import annotations

import ast
import re

import pytest

from riverrun.base.codes import CODES
from tests.house.source import ROOT, modules

CODE = re.compile(r"E[1-6]\d{3}")


def used():
    """Every code that stands as a string of its own somewhere in the package, with its file."""
    return {
        (node.value, module.path)
        for module in modules(ROOT)
        if module.path != "src/riverrun/base/codes.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }


def test_every_code_that_is_used_is_in_the_catalogue():
    assert set() == {(code, path) for code, path in used() if code not in CODES}


def test_codes_are_well_formed_and_in_order():
    assert all(CODE.fullmatch(code) for code in CODES)
    assert sorted(CODES) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_entry_says_what_why_and_how_to_mend_it(code):
    title, why, mend = CODES[code]
    assert title[0].islower() or title.split()[0].isupper()
    assert not title.endswith(".")
    assert why.endswith(".")
    assert mend.endswith((".", "?"))


def test_titles_are_told_apart():
    assert len(CODES) == len({entry.title for entry in CODES.values()})
