"""`riverrun explain` says what the catalogue says, and lists all of it."""

from __future__ import annotations

import json

import pytest

from riverrun.base.codes import CODES


@pytest.mark.parametrize("given", ["E1003", "e1003", "1003", " E1003 "])
def test_a_code_is_explained_however_it_is_written(cli, given):
    said = cli("explain", given)
    assert 0 == said.status
    assert f"E1003 {CODES['E1003'].title}\n  {CODES['E1003'].why}\n  {CODES['E1003'].mend}\n" == said.out


def test_without_a_code_all_are_listed(cli):
    assert list(CODES) == [line.split()[0] for line in cli("explain").out.splitlines()]


def test_json_has_every_part(cli):
    assert [{"code": "E4004", **CODES["E4004"]._asdict()}] == cli("explain", "E4004", "--json").json()
    assert list(CODES) == [entry["code"] for entry in cli("explain", "--json").json()]


def test_an_unknown_code_is_an_error_with_a_code(cli):
    said = cli("explain", "E9999")
    assert (1, "") == (said.status, said.out)
    assert said.err.startswith("error E6005: there is no error 'E9999'\n")
    assert "E6005" == json.loads(cli("explain", "E9999", "--json").err)["code"]
