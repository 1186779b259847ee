"""A server process of our own: it says where it listens, is killed for real, and says why it did not start."""

from __future__ import annotations

import os
import sys

import pytest

from riverrun.base.errors import RiverrunError
from riverrun.cli.child import Child
from riverrun.client import Client

pytestmark = pytest.mark.slow


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_listens_is_killed_and_can_be_started_again_on_its_port(folder):
    arguments = ["dev", "planted.py:graph", "--store", "sqlite:///runs.db", "--json", "--port"]
    first = Child([*arguments, "0"], folder / "log")
    said = await first.start()
    assert "listening" == said.event
    assert alive(said.pid)
    async with Client(said.url) as client:
        assert ["graph"] == [graph.name for graph in await client.graphs()]
    assert said.pid == await first.kill()
    assert not alive(said.pid)
    again = Child([*arguments, said.url.rpartition(":")[2]], folder / "log")
    assert said.url == (await again.start()).url
    await again.end()
    await again.end()
    assert not alive(again.listening.pid)
    assert "" == (folder / "log").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["planted.py:gone"], "E6002"),
        (["planted.py:graph", "--store", "sqlite:////proc/none/x.db"], "E4001"),
        (["planted.py:graph", "--host", "256.0.0.1"], "E6006"),
    ],
)
async def test_why_it_did_not_start_is_said_in_its_own_words(folder, arguments, code):
    child = Child(["dev", *arguments, "--port", "0", "--json"], folder / "log")
    with pytest.raises(RiverrunError) as raised:
        await child.start()
    assert code == raised.value.code
    assert raised.value.where


async def test_words_that_are_no_error_of_ours_are_shown_as_they_are(folder, monkeypatch):
    stub = folder / "stub.sh"
    stub.write_text("#!/bin/sh\necho 'this Python is broken' >&2\n")
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    child = Child(["dev"], folder / "log")
    with pytest.raises(RiverrunError, match=r"E5001 .*this Python is broken"):
        await child.start()


async def test_one_that_was_never_started_can_be_ended(tmp_path):
    child = Child([], tmp_path / "log")
    await child.end()
    assert 0 == await child.kill()
