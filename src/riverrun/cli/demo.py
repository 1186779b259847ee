"""`riverrun demo`: the main job on real text, with its connection cut once and its server killed once on the way.

A real server process on a SQLite file, a relay of its own between the two so that the cut is one of the network, a run
of the review graph, and at the end one table that compares what the reader applied with what the log holds. Everything
it starts it ends, by its id, however it is left.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from riverrun.base.errors import InputError
from riverrun.cli import figures, output
from riverrun.cli.capture import Capture
from riverrun.cli.faults import pace_for
from riverrun.cli.figures import Outcome
from riverrun.cli.material import Documents, documents, review_target
from riverrun.cli.performance import Performance
from riverrun.cli.provider import provider_of
from riverrun.cli.screen import Screen
from riverrun.cli.stage import Stage
from riverrun.observe.audit import Audit

_TERMINATED = 128 + signal.SIGTERM


def demo(
    files: Annotated[
        list[str] | None, typer.Argument(help="Text files; our own Markdown documents by default.")
    ] = None,
    pace: Annotated[float | None, typer.Option("--pace", min=0.0, max=1.0, help="Seconds between two words.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the report is written.")] = Path("out/report.md"),
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no provider, even where OPENAI_API_KEY or OPENAI_BASE_URL is set.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Only the table, as one JSON object.")] = False,
    capture: Annotated[Path | None, typer.Option("--capture", hidden=True, help="Pictures for a README.")] = None,
) -> None:
    """Review documents live, cut the connection and kill the server on the way, and count what was lost.

    Takes about half a minute; the exit status is 0 only if nothing was lost, repeated or reordered. Where
    OPENAI_API_KEY or OPENAI_BASE_URL is set, the model OPENAI_MODEL of that provider writes the summary and is sent an
    excerpt of the documents.
    """
    read = documents(files or ())
    _writable(out)
    speed = pace_for(read.size_bytes) if pace is None else pace
    if not as_json:
        noun = "document" if len(read.paths) == 1 else "documents"
        output.say(f"reviewing {len(read.paths)} {noun}, {read.size_bytes:,} bytes, {speed * 1000:g} ms per word")
    provider = None if offline else provider_of(os.environ)
    if provider is not None and not as_json:
        output.say(provider.told)
    model = provider.model if provider is not None and provider.usable else None
    audit, outcome = asyncio.run(_perform(read, speed, out, as_json=as_json, capture=capture, model=model))
    wrong = figures.complaints(audit, outcome)
    _put(audit, outcome, wrong, as_json=as_json)
    if capture is not None:
        Capture(capture).table(figures.drawn(audit, outcome))
    if wrong:
        raise typer.Exit(1)


async def _perform(
    read: Documents, pace: float, out: Path, *, as_json: bool, capture: Path | None, model: str | None
) -> tuple[Audit, Outcome]:
    """Do it, on the screen that there is."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    ended = False

    def terminated() -> None:
        nonlocal ended
        ended = True
        task.cancel()

    # SIGTERM leaves by the same door as Ctrl-C, so that no server stays behind.
    loop.add_signal_handler(signal.SIGTERM, terminated)
    began = monotonic()
    people = output.for_people() and not as_json
    say: Callable[[str], None] | None = None if people or as_json else output.say
    stage = Stage(lambda: monotonic() - began, say)
    screen: AbstractAsyncContextManager[object] = Screen(output.console(), stage.drawn) if people else nullcontext()
    try:
        with tempfile.TemporaryDirectory(prefix="riverrun-demo-") as folder:
            performance = Performance(review_target(), read, pace, Path(folder), stage, model)
            if capture is not None:
                performance.watch = Capture(capture).frame
            async with screen:
                return await performance.run(out)
    except asyncio.CancelledError:
        if ended:
            raise typer.Exit(_TERMINATED) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _writable(out: Path) -> None:
    """Make the folder of the report before the work, not after it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        target = out if out.exists() else out.parent
        if out.is_dir() or not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is a folder" if out.is_dir() else "no right to write there")
    except OSError as error:
        what = f"the report cannot be written: {error.strerror or error}"
        raise InputError("E6006", what, where=str(out), mend="Name another file with --out.") from None


def _put(audit: Audit, outcome: Outcome, wrong: list[str], *, as_json: bool) -> None:
    if as_json:
        output.say_json(figures.as_json(audit, outcome))
        return
    if output.for_people():
        output.console().print(figures.drawn(audit, outcome))
    else:
        output.say()
        for name, value, words in figures.rows(audit, outcome):
            output.say(f"{name:12} {value:>10}  {words}")
        output.say()
    output.say(f"report: {outcome.report}")
    for sentence in wrong:
        output.say(f"not as it must be: {sentence}")
