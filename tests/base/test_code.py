"""An entry of the catalogue has three texts, and nothing else."""

from __future__ import annotations

from riverrun.base.code import Code


def test_an_entry_is_title_why_and_how_to_mend_it():
    assert ("title", "why", "mend") == Code._fields == tuple(Code("title", "why", "mend"))
