"""A FastAPI program keeps its own routes beside the mounted graphs."""

from __future__ import annotations

import httpx

from examples.mount import app


async def test_own_routes_and_mounted_ones_answer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://here") as client,
    ):
        home = await client.get("/")
        graphs = await client.get(home.json()["graphs"])
        assert 200 == graphs.status_code
        assert "review" in graphs.text
