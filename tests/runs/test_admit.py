"""How many runs there may be at once: now, later, or not at all."""

from __future__ import annotations

import pytest

from riverrun.base.errors import Busy
from riverrun.runs.admit import admit
from riverrun.runs.settings import RunSettings

SETTINGS = RunSettings(max_running=2, max_waiting=1)


@pytest.mark.parametrize(
    ("running", "waiting", "now"), [(0, 0, True), (1, 0, True), (2, 0, False), (3, 0, False)], ids=str
)
def test_a_run_begins_now_while_there_is_a_place(running, waiting, now):
    assert now is admit(running, waiting, SETTINGS)


def test_nobody_overtakes_who_waits():
    assert admit(0, 1, RunSettings(max_running=2, max_waiting=5)) is False


@pytest.mark.parametrize(("running", "waiting"), [(2, 1), (2, 2), (9, 9)])
def test_when_all_places_are_taken_a_start_is_refused_with_the_numbers(running, waiting):
    with pytest.raises(Busy) as caught:
        admit(running, waiting, SETTINGS)
    assert ("E3010", True) == (caught.value.code, caught.value.temporary)
    assert caught.value.retry_after > 0
    assert str(running) in caught.value.message


def test_without_a_waiting_room_a_full_house_refuses():
    with pytest.raises(Busy):
        admit(1, 0, RunSettings(max_running=1, max_waiting=0))
