"""The demo's one table: what became of every event, counted by comparing the reader's journal with the log.

The verdict is here too: what must be true for the demo to have succeeded. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from riverrun.observe.audit import Audit


class Outcome(NamedTuple):
    """What the demo observed, beside what can be counted afterwards.

    Attributes:
        run: Id of the run.
        ending: How it ended, as its last event says; empty when that never came.
        documents: How many files were read.
        size_bytes: Of all of them.
        report: Path of the report.
        same_report: Whether the text of the chunks equals the state of the graph.
        cuts: Connections that were cut.
        kills: Servers that were killed.
        reconnects: Streams that were granted again.
        first_chunk_seconds: From the start of the run (POST) to the first chunk applied.
        seconds: From the start of the run to its last event.
        pace: Seconds between two words.
    """

    run: str
    ending: str
    documents: int
    size_bytes: int
    report: str
    same_report: bool
    cuts: int
    kills: int
    reconnects: int
    first_chunk_seconds: float
    seconds: float
    pace: float


def complaints(audit: Audit, outcome: Outcome) -> list[str]:
    """Say everything that keeps the demo from having succeeded.

    Args:
        audit: What was counted.
        outcome: What was observed.

    Returns:
        Sentences; none when all went as it must.
    """
    counts = {"lost": audit.lost, "repeated": audit.repeated, "reordered": audit.reordered, "made up": audit.foreign}
    said = [f"{count:,} events were {how}" for how, count in counts.items() if count]
    if outcome.ending != "completed":
        said.append(f"the run ended as {outcome.ending or 'nothing: its last event never came'}")
    if not outcome.cuts:
        said.append("the connection was not cut: the run was over before it could be (choose a slower --pace)")
    if not outcome.kills:
        said.append("the server was not killed: the run was over before it could be (choose a slower --pace)")
    if outcome.kills and not audit.takeovers:
        said.append("the run was not taken over: it was over when the server was killed (choose a slower --pace)")
    if not outcome.same_report:
        said.append("the report that was streamed is not the one in the state of the graph")
    return said


def as_json(audit: Audit, outcome: Outcome) -> dict[str, object]:
    """Give the table for programs.

    Args:
        audit: What was counted.
        outcome: What was observed.

    Returns:
        Names with their units, and values.
    """
    return {
        "ok": not complaints(audit, outcome),
        "run": outcome.run,
        "ending": outcome.ending,
        "events": audit.events,
        "chunks": audit.chunks,
        "lost": audit.lost,
        "repeated": audit.repeated,
        "reordered": audit.reordered,
        "foreign": audit.foreign,
        "voided_utf16": audit.voided,
        "cuts": outcome.cuts,
        "kills": outcome.kills,
        "reconnects": outcome.reconnects,
        "takeovers": audit.takeovers,
        "first_chunk_ms": round(outcome.first_chunk_seconds * 1000, 1),
        "chunks_per_second": round(audit.chunks / outcome.seconds, 1) if outcome.seconds else 0.0,
        "seconds": round(outcome.seconds, 2),
        "pace_seconds": outcome.pace,
        "documents": outcome.documents,
        "bytes": outcome.size_bytes,
        "report": outcome.report,
        "complaints": complaints(audit, outcome),
    }


def rows(audit: Audit, outcome: Outcome) -> list[tuple[str, str, str]]:
    """Give the table for people.

    Args:
        audit: What was counted.
        outcome: What was observed.

    Returns:
        What, how much, and a word of explanation.
    """
    speed = audit.chunks / outcome.seconds if outcome.seconds else 0.0
    return [
        ("events", f"{audit.events:,}", "in the log, read anew from the store"),
        ("chunks", f"{audit.chunks:,}", "of them, word by word"),
        ("lost", f"{audit.lost:,}", "in the log, but never applied"),
        ("repeated", f"{audit.repeated:,}", "applied more than once"),
        ("reordered", f"{audit.reordered:,}", "applied after a later one"),
        ("text voided", f"{audit.voided:,}", "characters (UTF-16) taken back by the takeover"),
        (
            "reconnects",
            f"{outcome.reconnects:,}",
            f"after {outcome.cuts} cut of the network and {outcome.kills} SIGKILL",
        ),
        ("takeovers", f"{audit.takeovers:,}", "by the new server, from the log"),
        ("first chunk", f"{outcome.first_chunk_seconds * 1000:,.0f} ms", "from POST to the first chunk applied"),
        ("chunks/s", f"{speed:,.0f}", f"with both outages, at {outcome.pace * 1000:g} ms per word"),
        ("duration", f"{outcome.seconds:,.1f} s", "from POST to the last event"),
    ]


def drawn(audit: Audit, outcome: Outcome) -> RenderableType:
    """Draw the table.

    Args:
        audit: What was counted.
        outcome: What was observed.

    Returns:
        Something that rich can print.
    """
    good = not complaints(audit, outcome)
    said = "✓ every event applied exactly once, in order" if good else "✗ not as it must be"
    title = Text(said, "bold green" if good else "bold red")
    table = Table(
        title=title,
        box=ROUNDED,
        border_style="green" if good else "red",
        show_header=False,
        title_justify="left",
        padding=(0, 1),
    )
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim")
    exact = {"lost", "repeated", "reordered"}
    for name, value, words in rows(audit, outcome):
        style = ("bold green" if value == "0" else "bold red") if name in exact else "bold cyan"
        table.add_row(name, Text(value, style), words)
    return table
