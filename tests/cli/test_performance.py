"""A performance in this process: its journal equals the log; a server that does not start is an error of its own."""

from __future__ import annotations

from time import monotonic

import pytest

from riverrun.base.errors import RiverrunError
from riverrun.cli.figures import complaints
from riverrun.cli.material import documents, review_target
from riverrun.cli.performance import Performance
from riverrun.cli.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def stage():
    """A stage that tells nobody."""
    began = monotonic()
    return Stage(lambda: monotonic() - began)


async def test_every_event_is_applied_once_and_the_report_is_that_of_the_state(folder, stage):
    (folder / "a.md").write_text("# A\n\nSome words about cats. Why are there cats? Nobody knows.\n")
    seen: list[Stage] = []
    performance = Performance(review_target(), documents(["a.md"]), 0.02, folder, stage)
    performance.watch = seen.append
    audit, outcome = await performance.run(folder / "report.md")
    assert [] == complaints(audit, outcome)
    assert audit.events == audit.applied == len(seen)
    assert 0 < outcome.first_chunk_seconds < outcome.seconds
    assert (folder / "report.md").read_text().startswith("# Review of a.md")


async def test_a_server_that_does_not_start_says_why(folder, stage):
    performance = Performance(f"{folder}/gone.py:review", documents(["planted.py"]), 0.02, folder, stage)
    with pytest.raises(RiverrunError, match="E6004 there is no file"):
        await performance.run(folder / "report.md")


async def test_a_server_that_does_not_come_back_is_an_error_too(folder, stage, monkeypatch):
    (folder / "a.md").write_text("# A\n\nSome words about cats. Why are there cats? Nobody knows.\n")
    performance = Performance(review_target(), documents(["a.md"]), 0.02, folder, stage)
    # From the kill on the store is not to be had: its file becomes that of another program.
    killed = []

    def spoil(what, style=""):
        if "SIGKILL" in what:
            killed.append(what)
            performance._store = "post:it"

    monkeypatch.setattr(stage, "happened", spoil)
    with pytest.raises(RiverrunError, match="E4006"):
        await performance.run(folder / "report.md")
    assert killed
