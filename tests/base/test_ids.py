"""Ids sort by age, are not guessed, and are taken from outside by one strict pattern only."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.ids import is_run_id, is_tenant, jitter, new_log_id, new_run_id, new_worker_id


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_run_ids_sort_by_age(one, other):
    first, second = new_run_id(one), new_run_id(other)
    assert is_run_id(first)
    assert first != second
    if one != other:
        assert (one < other) == (first < second)


def test_a_clock_beyond_its_48_bits_still_gives_an_id():
    assert is_run_id(new_run_id(2**60 + 5))


def test_ids_are_new_each_time_and_have_their_form():
    assert 100 == len({new_log_id() for _ in range(100)})
    assert re.fullmatch(r"[0-9a-f]{8}", new_log_id())
    assert new_worker_id() != new_worker_id()
    assert re.fullmatch(r"w-[0-9a-f]{12}", new_worker_id())


def test_jitter_is_a_part_of_one():
    thrown = [jitter() for _ in range(200)]
    assert all(0 <= one < 1 for one in thrown)
    assert len(set(thrown)) > 150


@pytest.mark.parametrize(
    "text",
    ["", "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "../" * 10 + "00", "0" * 31 + "%", "\u0660" * 32, "g" * 32],
)
def test_what_is_no_run_id_is_told(text):
    assert not is_run_id(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("A-b_9", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a/b", False),
        ("a.b", False),
        ("a\n", False),
        ("ä", False),
        ("a b", False),
    ],
)
def test_a_tenant_has_a_plain_name(text, good):
    assert good is is_tenant(text)
