"""The summary by a model: only when the run names one, with a bounded excerpt, and honest when the provider fails."""

from __future__ import annotations

import pytest

from examples.review import graph as graph_module
from examples.review.graph import review
from examples.review.provider import EXCERPT_LIMIT_CHARACTERS, excerpt
from examples.review.shelf import Shelf
from riverrun.events.kinds import NodeRetrying
from tests.examples.texts import GUIDE, large_text
from tests.models.dialects import Chat
from tests.models.provider import Reply, providing, refusal

CHAT = Chat()
ANSWER = Reply(frames=[*CHAT.begin(), CHAT.text("All is "), CHAT.text("said."), *CHAT.end()])


@pytest.fixture
def guide(tmp_path):
    """A file to review."""
    path = tmp_path / "guide.md"
    path.write_text(GUIDE, encoding="utf-8")
    return str(path)


@pytest.mark.slow
async def test_a_run_that_names_a_model_has_the_summary_of_that_model(guide, monkeypatch):
    broken = Reply(frames=[*CHAT.begin(), CHAT.text("All")])
    async with providing(broken, ANSWER) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        run = await review.start({"paths": [guide], "model": "m"})
        log = [event async for event in run.events()]
        state = await run.result()
        (_, asked) = provider.requests
    assert "All is said." == state["summary"]
    assert ["E3031"] == [event.error.code for event in log if isinstance(event, NodeRetrying) and event.error]
    assert ("m", "guide.md") == (asked.body["model"], asked.body["messages"][1]["content"].split()[1])


async def test_a_run_that_names_none_asks_nobody(guide, monkeypatch):
    async with providing(ANSWER) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        await review.ainvoke({"paths": [guide]})
        assert [] == provider.requests


async def test_where_the_provider_refuses_the_summary_is_the_extractive_one_and_says_so(guide, monkeypatch):
    async with providing(refusal(401, "no such key")) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        state = await review.ainvoke({"paths": [guide], "model": "m"})
    assert "no such key" in state["summary"]
    assert state["summary"].endswith((await review.ainvoke({"paths": [guide]}))["summary"])


async def test_a_failure_that_is_not_the_models_stays_one(guide, monkeypatch):
    def broken(documents):
        raise ValueError("no summary today")

    monkeypatch.setattr(graph_module, "summarise", broken)
    run = await review.start({"paths": [guide]})
    *_, last = [event async for event in run.events()]
    assert "no summary today" in last.error.message  # type: ignore[attr-defined]


def test_what_is_sent_is_bounded_and_every_document_has_its_share(tmp_path):
    paths = [tmp_path / f"{name}.md" for name in "abc"]
    for path in paths:
        path.write_text(large_text(200_000), encoding="utf-8")
    sent = excerpt(Shelf().documents([str(path) for path in paths]))
    assert EXCERPT_LIMIT_CHARACTERS * 0.5 < len(sent) < EXCERPT_LIMIT_CHARACTERS * 1.01
    assert all(f"# {path.name}" in sent for path in paths)
