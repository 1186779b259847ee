"""What was measured, for people: a table on the terminal, and the page `bench/RESULTS.md` made from a full run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.figures import FIGURES, Figure, Metric
from bench.results import LeftOut, Line, Ratio, Result, decode, encode

HERE = Path(__file__).parent
LINES = HERE / "results" / "newest.jsonl"
PAGE = HERE / "RESULTS.md"

_PREFACE = """\
# Results

The newest run of all figures that was kept (`python -m bench --write`, `--quick` for fewer samples); the lines are in
[results/newest.jsonl](results/newest.jsonl). Medians, least to greatest in brackets.

How to read it:

* The machine is small and shared with other work: absolute numbers move from run to run. Product, peer and bare limit
  take turns, sample by sample, so the column *times better* (ratio of the medians; of the best samples in brackets) is
  what can be relied on. Below 1 the peer is better.
* Everything in process runs on one core; servers run on one core and their load on the other. The garbage collector is
  on; what was loaded before the first sample is hidden from it (`gc.freeze`): nobody pays for another's imports.
* *durable* means: what a reader was shown survives a crash of process and machine (SQLite with `synchronous=FULL`).
  What is not marked is kept in memory only. Where the product is durable and its peer is not, the product does more
  work for its figure.
* LangGraph has no server to compare with but `langgraph dev`, a development server whose queue ticks once a second
  (`langgraph-cli[inmem]`). It is left out: it would show a second where a program of one's own shows milliseconds, and
  it is not in the lock file. Its place has what one would write instead: a FastAPI route that streams a LangGraph graph
  as SSE and keeps nothing.
* pydantic-graph has no stream to a reader: its chunks each start a step, and are counted there. LlamaIndex workflows
  start a step by an event of a type of its own, so a chain of 100 has 100 types.
* Memory is what Python's allocator holds (`tracemalloc`), not what the system gave. It is counted over runs of a graph
  that was compiled before.
* Whether a figure is *flat* is judged inside each sample: what a node costs at a length, less the start of the run,
  divided by the middle of the four. `asyncio` alone shows how much of that is noise.
* Where a figure has two values for Riverrun, the second is that of its client, the first that of a thin reader.
* *delay* knows ten kinds of sources and takes those whose libraries are there; all are in the environment of the tests,
  where its lines were taken (`.venv/bin/python -m bench --quick delay`).
* The bare limit is the same work without a runtime: `asyncio` alone, or SQLite alone.
"""


class Row(NamedTuple):
    """One metric of one figure, put into words."""

    figure: str
    unit: str
    product: str
    peer: str
    ratio: str
    bare: str
    goal: str


_HEAD = Row("figure", "unit", "riverrun", "peer", "times better", "bare limit", "goal")


def rows(lines: Sequence[Line]) -> list[Row]:
    """Put lines into rows, one per metric, in the order of the list of figures.

    Args:
        lines: Of one run.

    Returns:
        The rows of those metrics that were measured.
    """
    found = []
    for figure in FIGURES:
        mine = [line for line in lines if line.bench == figure.name]
        for metric in figure.metrics:
            if any(isinstance(line, Result) and line.metric == metric.name for line in mine):
                found.append(_row(figure, metric, mine))  # noqa: PERF401  # three levels in one expression hide more
    return found


def remarks(lines: Sequence[Line]) -> list[str]:
    """Say, per figure, what must be known for a fair comparison, and what was left out."""
    told: dict[str, None] = {}
    for line in lines:
        if isinstance(line, Result) and (line.remark or line.durable):
            durable = "durable" if line.durable else ""
            told[f"{line.bench}: {line.subject}: {', '.join(filter(None, (durable, line.remark)))}"] = None
        elif isinstance(line, LeftOut):
            told[f"{line.bench}: {line.subject}: left out, {line.reason}"] = None
    return list(told)


def show(lines: Sequence[Line], console: Console | None = None) -> None:
    """Print the table; plain where the output is not a terminal.

    Args:
        lines: Of one run.
        console: Where to; standard error by default, because the lines are on standard output.
    """
    console = console or Console(stderr=True)
    table = Table(*_HEAD)
    for row in rows(lines):
        table.add_row(*row)
    if console.is_terminal:
        console.print(table)
    else:
        for row in (_HEAD, *rows(lines)):
            console.out(" | ".join(row), highlight=False)
    for remark in remarks(lines):
        console.out(remark, style="dim", highlight=False)


def write(lines: Sequence[Line], to: Path = LINES, page: Path = PAGE) -> None:
    """Keep a run, and make the page from it.

    Args:
        lines: Of a run of all figures.
        to: Where the lines go.
        page: Where the page goes.
    """
    to.parent.mkdir(exist_ok=True)
    to.write_text("".join(f"{encode(line)}\n" for line in lines), encoding="utf-8")
    page.write_text(render(lines), encoding="utf-8")


def kept() -> list[Line]:
    """Give the lines of the newest run that was kept."""
    return [decode(line) for line in LINES.read_text(encoding="utf-8").splitlines()]


def render(lines: Sequence[Line]) -> str:
    """Make the page."""
    table = [_HEAD, tuple("---" for _ in _HEAD), *rows(lines)]
    parts = [_PREFACE, *(f"| {' | '.join(row)} |" for row in table), "", "Remarks:", ""]
    parts += [f"* {remark}" for remark in remarks(lines)]
    results = [line for line in lines if isinstance(line, Result)]
    if results:
        first, counts = results[0], sorted({line.n for line in results})
        used = ", ".join(f"{name} {number}" for name, number in first.versions.items())
        parts += ["", f"Python {first.python}, {first.cpus} processors, {used}; samples: {counts[0]}-{counts[-1]}."]
    return "\n".join(parts) + "\n"


def _row(figure: Figure, metric: Metric, lines: Sequence[Line]) -> Row:
    results = [line for line in lines if isinstance(line, Result) and line.metric == metric.name]
    ratios = [line for line in lines if isinstance(line, Ratio) and line.metric == metric.name]
    title = figure.title if len(figure.metrics) == 1 else f"{figure.title}, {metric.name}"
    return Row(
        figure=f"{title} (`{figure.name}`)",
        unit=metric.unit,
        product="; ".join(_told(line) for line in results if line.role == "product") or "not measured",
        peer="; ".join(f"{line.subject} {_told(line)}" for line in results if line.role == "peer") or "–",
        ratio="; ".join(f"{_number(line.ratio)} ({_number(line.best)})" for line in ratios) or "–",
        bare="; ".join(f"{line.subject} {_number(line.median)}" for line in results if line.role == "bare") or "–",
        goal=metric.goal or "–",
    )


def _told(result: Result) -> str:
    durable = " durable" if result.durable else ""
    return f"{_number(result.median)} ({_number(result.min)}–{_number(result.max)}){durable}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
