"""Where a command finds runs, said in the same words by every command: a server with a key, or a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from riverrun.cli.source import Source, open_source

Result = TypeVar("Result")

Url = Annotated[str | None, typer.Option("--url", envvar="RIVERRUN_URL", help="A server, such as http://host:8787.")]
# Not shown as a default: help is read by whoever looks over a shoulder.
Key = Annotated[
    str | None, typer.Option("--key", envvar="RIVERRUN_KEY", show_default=False, help="Says to the server who asks.")
]
Store = Annotated[str, typer.Option("--store", envvar="RIVERRUN_STORE", help="A store, when no server is named.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of it.")]


def at(url: str | None, key: str | None, store: str, work: Callable[[Source], Awaitable[Result]]) -> Result:
    """Do one thing where the runs are.

    Args:
        url: Of a server; None looks into `store`.
        key: For the server, if it asks who comes.
        store: Name of a store that is there.
        work: What to do.

    Returns:
        What it gave.

    Raises:
        StoreError: E4001, E4003 or E4006, the store cannot be opened.
        InputError: E6006, `url` or `key` cannot be taken.
    """

    async def there() -> Result:
        async with open_source(url, store, key) as source:
            return await work(source)

    return asyncio.run(there())
