"""What only responses have; the rest is in `test_provider_faults.py`."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from riverrun.base.errors import Busy, NodeError
from tests.models.dialects import Responses
from tests.models.provider import Reply, providing

DIALECT = Responses()
ASKED = [{"role": "user", "content": "?"}]


async def read(provider, **options):
    model = DIALECT.model(provider, **options)
    try:
        async with aclosing(model.stream(ASKED)) as pieces:
            return [piece async for piece in pieces]
    finally:
        await model.aclose()


@pytest.mark.parametrize(("kind", "error"), [("server_error", Busy), ("invalid_prompt", NodeError)])
async def test_a_response_that_failed_is_raised(kind, error):
    async with providing(Reply(frames=[*DIALECT.begin(), DIALECT.failed(kind, "it broke")])) as provider:
        with pytest.raises(error, match="it broke"):
            await read(provider)


@pytest.mark.parametrize(("options", "stored"), [({}, False), ({"options": {"store": True}}, True)])
async def test_the_provider_keeps_nothing_unless_it_is_told_to(options, stored):
    async with providing(Reply(frames=[*DIALECT.begin(), *DIALECT.end()])) as provider:
        await read(provider, **options)
        assert stored is provider.requests[0].body["store"]


async def test_events_that_are_not_known_are_passed_over():
    frames = [*DIALECT.begin(), DIALECT._event("response.something.new", x=1), DIALECT.text("a"), *DIALECT.end()]
    async with providing(Reply(frames=frames)) as provider:
        assert ["text", "usage", "finish"] == [piece.__struct_config__.tag for piece in await read(provider)]
