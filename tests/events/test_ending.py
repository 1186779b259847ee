"""No way to end forgets its duty, and the tables are those of PROTOCOL.md §8."""

from __future__ import annotations

from pathlib import Path

from riverrun.events.ending import CLOSE_DUTIES, RUN_DUTIES, Close, Duty, Ending

PROTOCOL = Path(__file__).resolve().parents[2] / "PROTOCOL.md"


def rows():
    section = PROTOCOL.read_text(encoding="utf-8").partition("\n## 8. Endings")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return cells[2:]


def test_every_ending_has_a_duty():
    assert set(Ending) == set(RUN_DUTIES)
    assert all(one.duty is RUN_DUTIES[one] for one in Ending)


def test_every_close_has_a_duty():
    assert set(Close) == set(CLOSE_DUTIES)
    assert all(one.duty is CLOSE_DUTIES[one] for one in Close)


def test_the_duties_of_runs_are_those_of_the_protocol():
    told = {row[0]: row[1] for row in rows() if row[0]}
    assert told == {ending.value: ending.duty.value for ending in Ending}


def test_the_duties_of_connections_are_those_of_the_protocol():
    told = {row[3].partition(":")[0]: row[4].split(",")[0] for row in rows()}
    assert told == {close.value: close.duty.value for close in Close}


def test_only_what_the_user_must_know_is_asked():
    assert {Ending.TIMED_OUT, Ending.LOST} == {one for one in Ending if one.duty is Duty.ASK}
    assert {Close.GONE} == {one for one in Close if one.duty is Duty.ASK}
