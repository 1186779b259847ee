"""Nine verbs, and every store has exactly them, with the same parameters."""

from __future__ import annotations

import inspect

import pytest

from riverrun.log.store import AppendsAtOnce, KeepsCheckpoints, LogStore
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore

VERBS = ("create", "claim", "append", "renew", "read", "wait", "control", "list", "sweep", "compact")


def public(kind):
    return {name: member for name, member in vars(kind).items() if not name.startswith("_") and callable(member)}


def form(method):
    signature = inspect.signature(method)
    return inspect.iscoroutinefunction(method), signature.parameters, signature.return_annotation


def test_the_contract_is_ten_verbs_and_close():
    assert {*VERBS, "close"} == set(public(LogStore))


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
def test_a_store_has_the_verbs_as_the_contract_says(kind):
    for name, method in public(LogStore).items():
        assert form(method) == form(vars(kind)[name]), name


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
def test_both_stores_keep_checkpoints(kind):
    for name, method in public(KeepsCheckpoints).items():
        assert form(method) == form(getattr(kind, name)), name


def test_the_memory_store_appends_at_once():
    assert form(AppendsAtOnce.append_now) == form(MemoryStore.append_now)
    assert not hasattr(SqliteStore, "append_now")
