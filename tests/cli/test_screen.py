"""The screen is drawn while work goes on, and for the last time at the end."""

from __future__ import annotations

import asyncio
import io

from rich.console import Console
from rich.text import Text

from riverrun.cli.screen import Screen


async def test_it_draws_until_it_is_left_and_keeps_within_the_terminal():
    buffer = io.StringIO()
    console = Console(file=buffer, width=60, height=20, force_terminal=True)
    asked, drawn_twice = [], asyncio.Event()

    def draw(height):
        asked.append(height)
        if len(asked) == 2:
            drawn_twice.set()
        return Text(f"picture {len(asked)}")

    async with Screen(console, draw):
        await drawn_twice.wait()
    assert {19} == set(asked)
    assert f"picture {len(asked)}" in buffer.getvalue()


async def test_a_tiny_terminal_gets_a_picture_all_the_same():
    buffer = io.StringIO()
    console = Console(file=buffer, width=20, height=4, force_terminal=True)
    assert 12 == Screen(console, lambda _: Text("x")).lines
