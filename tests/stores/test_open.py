"""A store is opened by its name."""

from __future__ import annotations

import pytest

from riverrun.base.errors import StoreError
from riverrun.log.store import RunFilter
from riverrun.stores.memory import MemoryStore
from riverrun.stores.open import open_store
from riverrun.stores.sqlite import SqliteStore
from tests.stores.material import owned


@pytest.mark.parametrize("url", ["memory:", "memory://"])
def test_memory(url):
    assert isinstance(open_store(url), MemoryStore)


async def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///runs.db")
    assert isinstance(store, SqliteStore)
    await store.close()
    assert (tmp_path / "runs.db").is_file()


async def test_an_absolute_path_with_a_space(tmp_path):
    for url in (f"sqlite:///{tmp_path}/my%20runs.db", f"sqlite:///{tmp_path}/my runs.db"):
        store = open_store(url)
        await owned(store)
        assert 1 == len(await store.list("acme", RunFilter()))
        await store.close()
    assert (tmp_path / "my runs.db").is_file()


@pytest.mark.parametrize(
    "url",
    ["", "memory", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///dir/", "sqlite:///a%00b",
     "postgres://x/y", "/srv/runs.db", "file:///srv/runs.db"],
)  # fmt: skip
def test_any_other_name_is_refused(url):
    with pytest.raises(StoreError, match="E4006"):
        open_store(url)
