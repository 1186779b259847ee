"""Errors say what, where and how to mend it, and survive a trip to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from riverrun.base import errors
from riverrun.base.codes import CODES
from riverrun.base.errors import Busy, CursorError, Fault, InputError, Misuse, RiverrunError


def leaves(kind):
    children = kind.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [kind]


def below(kind):
    return [kind, *(found for child in kind.__subclasses__() for found in below(child))]


ALL = [kind for kind in below(RiverrunError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_says_code_what_where_and_how_to_mend_it(kind):
    error = kind("E1003", "no node 'x'", where="agent.py:3", mend="Add it.")
    assert "E1003 no node 'x' (agent.py:3). Add it." == str(error)


def test_without_a_place_none_is_shown_and_the_catalogue_gives_the_advice():
    error = InputError("E2007", "'x' is not a cursor")
    assert f"E2007 'x' is not a cursor. {CODES['E2007'].mend}" == str(error)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_survives_pickling_and_copying_whole(kind, travel):
    error = kind("E3010", "what", where="where", mend="mend")
    error.add_note("a note")
    again = travel(error)
    assert kind is type(again)
    assert vars(error) == vars(again)
    assert error.args == again.args


def test_what_a_kind_adds_survives_pickling():
    busy = pickle.loads(pickle.dumps(Busy("E3010", "full", retry_after=7.5)))
    assert 7.5 == busy.retry_after
    place = pickle.loads(pickle.dumps(CursorError("E2006", "beyond", head=9, floor=2)))
    assert (9, 2) == (place.head, place.floor)


def test_a_place_without_bounds_knows_none():
    error = CursorError("E2007", "'x' is not a cursor")
    assert (None, None) == (error.head, error.floor)


def test_every_leaf_is_for_the_caller_or_for_the_world():
    assert all(issubclass(leaf, Misuse) != issubclass(leaf, Fault) for leaf in leaves(RiverrunError))


def test_only_what_may_succeed_later_is_temporary():
    assert {"Busy", "ConnectionFault"} == {kind.__name__ for kind in ALL if kind.temporary}


def test_a_code_that_is_not_in_the_catalogue_needs_advice_of_its_own():
    assert "E9999 newer. Ask." == str(RiverrunError("E9999", "newer", mend="Ask."))
    with pytest.raises(KeyError):
        RiverrunError("E9999", "newer")
