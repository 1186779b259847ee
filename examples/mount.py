"""A FastAPI program that serves the review beside its own routes: uvicorn examples.mount:app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from examples.review.graph import review
from riverrun.server import create_app

agents = create_app({"review": review})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the store with the program: FastAPI does not do it for what it mounts."""
    async with agents.state.riverrun:
        yield


app = FastAPI(title="My program", lifespan=lifespan)
app.mount("/agents", agents)


@app.get("/")
async def home() -> dict[str, str]:
    """Say where the graphs are."""
    return {"graphs": "/agents/v1/graphs"}
