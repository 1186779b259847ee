"""One thing is done where the runs are: in a store that is there, or on a server that is told who asks."""

from __future__ import annotations

import pytest

from riverrun.base.errors import InputError, StoreError
from riverrun.cli.where import at
from tests.server.served import serving


async def count(source):
    return len(await source.list(None, None, 10))


def test_a_server_is_told_the_key():
    with serving(keys="me-key:me") as served:
        assert 0 == at(served.url, "me-key", "", count)
        with pytest.raises(InputError, match="E2017"):
            at(served.url, None, "", count)


def test_a_key_from_the_environment_is_used_and_not_shown(cli, monkeypatch):
    with serving(keys="me-secret:me") as served:
        monkeypatch.setenv("RIVERRUN_URL", served.url)
        refused = cli("runs", "list")
        assert refused.err.startswith("error E2017: ")
        assert "RIVERRUN_KEY" in refused.err
        monkeypatch.setenv("RIVERRUN_KEY", "me-secret")
        assert (0, "no runs\n") == cli("runs", "list")[:2]
        for command in (["runs", "list"], ["runs", "resume"], ["run"]):
            assert "me-secret" not in cli(*command, "--help").out


def test_a_store_must_be_there(tmp_path):
    with pytest.raises(StoreError, match="E4001"):
        at(None, None, f"sqlite:///{tmp_path / 'gone.db'}", count)
