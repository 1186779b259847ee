"""An error is told with its code, place and advice: plainly, drawn, or as JSON."""

from __future__ import annotations

import json

from riverrun.base.errors import StoreError
from riverrun.cli.failure import defect, tell

ERROR = StoreError("E4001", "the file is [not] there", where="here.db", mend="Put it there.")


def test_a_pipe_gets_plain_lines(capsys):
    tell(ERROR)
    assert [
        "error E4001: the file is [not] there",
        "  where: here.db",
        "  mend:  Put it there.",
        "  more:  riverrun explain E4001",
    ] == capsys.readouterr().err.splitlines()


def test_json_is_one_object(capsys):
    tell(ERROR, as_json=True)
    told = json.loads(capsys.readouterr().err)
    assert {
        "code": "E4001",
        "message": "the file is [not] there",
        "where": "here.db",
        "mend": "Put it there.",
    } == told


def test_a_terminal_gets_colours_and_every_part(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    tell(ERROR)
    said = capsys.readouterr().err
    assert "\x1b[" in said
    for part in ("E4001", "store cannot be opened", "the file is [not] there", "here.db", "Put it there."):
        assert part in said


def test_a_defect_names_its_kind():
    made = defect(KeyError("x"))
    assert ("E6007", "KeyError: 'x'") == (made.code, made.message)
    assert "ZeroDivisionError" == defect(ZeroDivisionError()).message
