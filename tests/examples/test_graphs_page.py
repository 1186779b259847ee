"""docs/graphs.md: the node that asks a provider by its own SDK streams what the provider says."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.examples.pages import blocks, run
from tests.models.dialects import Chat
from tests.models.provider import Reply, providing


@pytest.mark.slow
async def test_a_node_with_a_providers_own_sdk_streams_what_the_provider_says(tmp_path):
    (program,) = [block.text for block in blocks("docs/graphs.md", "python") if "AsyncOpenAI" in block.text]
    (tmp_path / "program.py").write_text(program)
    chat = Chat()
    frames = [*chat.begin(), chat.text("In "), chat.text("Gougane "), chat.text("Barra."), *chat.end()]
    async with providing(Reply(frames=frames)) as provider:
        at = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{provider.url}/v1"}
        done = await asyncio.to_thread(run, [sys.executable, "program.py"], tmp_path, **at)
    assert ("In Gougane Barra.", 0) == (done.stdout, done.returncode), done.stderr
