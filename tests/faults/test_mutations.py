"""The kit is worth what it finds: with one test taken out of the store or the pen, some world must go wrong."""

from __future__ import annotations

import pytest

from riverrun.log.log import check_append
from riverrun.runs import writer
from riverrun.stores import memory
from tests.faults.seeds import live, quiet_logs

ENOUGH = 150


def found():
    """What the first seed that finds something says."""
    with quiet_logs():
        return next((problems for seed in range(ENOUGH) if (problems := live(seed)[1])), [])


def without_the_epoch(stored_epoch, stored_head, status, epoch, expected_seq, events):
    check_append(stored_epoch, stored_head, status, stored_epoch, expected_seq, events)


def without_the_head(stored_epoch, stored_head, status, epoch, expected_seq, events):
    check_append(stored_epoch, events[0].seq - 1, status, epoch, events[0].seq - 1, events)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [without_the_epoch, without_the_head])
def test_each_test_of_an_append_is_needed(monkeypatch, rule):
    monkeypatch.setattr(memory, "check_append", rule)
    assert found()


@pytest.mark.slow
@pytest.mark.parametrize("answer", [True, False])
def test_the_look_at_the_tail_is_needed(monkeypatch, answer):
    monkeypatch.setattr(writer, "settle", lambda *_: answer)
    assert found()


@pytest.mark.slow
def test_with_everything_in_its_place_nothing_is_found():
    assert [] == found()
