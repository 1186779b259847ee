"""The harness works, on sizes at which nothing it says is a figure; what it computes is exact; no time is asserted."""

from __future__ import annotations

import importlib.util
import io
import json
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from bench import measure as measuring
from bench import peer_streams
from bench.__main__ import main
from bench.figures import FIGURES, Figure, Metric, Side
from bench.measure import measure
from bench.report import PAGE, kept, remarks, render, rows, show, write
from bench.results import LeftOut, Ratio, Result, compare, decode, encode, middle, percentile, rounded
from bench.scale import FULL, QUICK, TINY

PEERS = (
    "langgraph",
    "langgraph.checkpoint.sqlite",
    "langgraph_api",
    "pydantic_graph",
    "reactivex",
    "sse_starlette",
    "workflows",
)
MISSING = [name for name in PEERS if importlib.util.find_spec(name) is None]
MISSING += [peer_streams.PACKAGE] * (peer_streams.installed() is None)


def result(role="product", subject="riverrun", *, least=1.0, mid=2.0, greatest=4.0, **more):
    return Result(
        bench="chain",
        subject=subject,
        role=role,
        metric="node",
        unit="µs",
        n=3,
        min=least,
        median=mid,
        max=greatest,
        **more,
    )


# --- what it computes ---


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1.0), (25, 1.0), (26, 2.0), (50, 2.0), (75, 3.0), (99, 4.0), (100, 4.0)]
)
def test_a_percentile_is_the_nearest_rank(percent, expected):
    assert expected == percentile([4.0, 1.0, 3.0, 2.0], percent)


def test_a_percentile_of_one_sample_is_the_sample():
    assert percentile([7.0], 99) == 7.0


def test_of_a_hundred_samples_p99_is_the_second_greatest():
    assert percentile([float(each) for each in range(100)], 99) == 98.0


def test_samples_are_told_by_least_median_and_greatest():
    assert (1.0, 2.5, 9.0) == middle([9.0, 1.0, 2.0, 3.0])


def test_numbers_have_four_significant_digits():
    assert [0.001235, 123500.0, 0.0] == [rounded(0.00123456), rounded(123456.0), rounded(0.0)]


def test_a_time_is_compared_as_peer_over_product():
    ratio = compare(result(), result("peer", "langgraph", least=5.0, mid=60.0), higher_is_better=False)
    assert (30.0, 5.0) == (ratio.ratio, ratio.best)


def test_a_rate_is_compared_as_product_over_peer():
    ratio = compare(result(), result("peer", "langgraph", mid=8.0, greatest=8.0), higher_is_better=True)
    assert (0.25, 0.5) == (ratio.ratio, ratio.best)


def test_a_line_survives_its_json():
    lines = [
        result(versions={"riverrun": "0.1.0"}),
        Ratio(bench="chain", metric="node", product="a", peer="b", ratio=1.5, best=2.0),
        LeftOut(bench="chain", subject="b", role="peer", reason="not installed"),
    ]
    assert lines == [decode(encode(line)) for line in lines]


# --- how it measures ---


def figure_of(monkeypatch, **openers):
    """Plant a figure whose sides are made of the given functions."""
    monkeypatch.setattr(measuring, "_opener", lambda _, side: openers[side.subject])
    sides = tuple(Side("product" if name == "ours" else "peer", name, "nowhere") for name in openers)
    return Figure("planted", "planted", (Metric("time", "µs"),), sides)


def opener(taken: list[str], name, *values):
    @asynccontextmanager
    async def open_it(scale):
        left = iter(values)

        async def sample():
            taken.append(name)
            return {"time": next(left)}

        yield sample
        taken.append(f"{name} closed")

    return open_it


async def test_samples_are_interleaved_and_the_warm_up_is_not_counted(monkeypatch):
    taken: list[str] = []
    ours, theirs = opener(taken, "ours", 99.0, 1.0, 3.0), opener(taken, "theirs", 99.0, 4.0, 8.0)
    lines = await measure(figure_of(monkeypatch, ours=ours, theirs=theirs), TINY)
    assert taken == ["ours", "theirs", "ours", "theirs", "ours", "theirs", "theirs closed", "ours closed"]
    mine, other, ratio = lines
    assert isinstance(mine, Result)
    assert isinstance(other, Result)
    assert isinstance(ratio, Ratio)
    assert (2, 1.0, 2.0, 3.0) == (mine.n, mine.min, mine.median, mine.max)
    assert (2, 4.0, 6.0, 8.0) == (other.n, other.min, other.median, other.max)
    assert (3.0, 4.0) == (ratio.ratio, ratio.best)


async def test_a_subject_that_fails_is_left_out_and_the_others_are_measured(monkeypatch):
    ours = opener([], "ours", 99.0, 1.0, 1.0)
    mine, left_out = await measure(figure_of(monkeypatch, ours=ours, theirs=opener([], "theirs", 99.0)), TINY)
    assert isinstance(mine, Result)
    assert isinstance(left_out, LeftOut)
    assert (1.0, "ours") == (mine.median, mine.subject)
    assert ("theirs", True) == (left_out.subject, left_out.failed)


@pytest.mark.parametrize("name", ["langgraph.graph", "pydantic_graph", "workflows.events"])
async def test_a_peer_that_is_not_installed_is_left_out_without_being_a_fault(monkeypatch, name):
    def missing(scale):
        raise ModuleNotFoundError("no", name=name)

    (left_out,) = await measure(figure_of(monkeypatch, theirs=missing), TINY)
    assert isinstance(left_out, LeftOut)
    assert (f"{name} is not installed", False) == (left_out.reason, left_out.failed)


async def test_a_module_of_our_own_that_is_not_there_is_a_fault(monkeypatch):
    def missing(scale):
        raise ModuleNotFoundError("no", name="bench.gone")

    (left_out,) = await measure(figure_of(monkeypatch, theirs=missing), TINY)
    assert isinstance(left_out, LeftOut)
    assert left_out.failed


async def test_a_peer_without_one_of_the_metrics_is_compared_by_the_others(monkeypatch):
    @asynccontextmanager
    async def ours(scale):
        async def sample():
            return {"time": 1.0, "bytes": 2.0}

        yield sample

    figure = figure_of(monkeypatch, ours=ours, theirs=opener([], "theirs", 4.0, 4.0, 4.0))
    lines = await measure(figure._replace(metrics=(Metric("time", "µs"), Metric("bytes", "kB"))), TINY)
    told = [(line.subject, line.metric) for line in lines if isinstance(line, Result)]
    assert [("ours", "time"), ("theirs", "time"), ("ours", "bytes")] == told
    assert [("time", 4.0)] == [(line.metric, line.ratio) for line in lines if isinstance(line, Ratio)]


def test_every_figure_names_its_metrics_and_sides_once():
    for figure in FIGURES:
        assert len({metric.name for metric in figure.metrics}) == len(figure.metrics)
        assert len({(side.role, side.subject) for side in figure.sides}) == len(figure.sides)
        assert figure.sides[0].role == "product"


async def test_a_figure_ends_when_its_time_is_over_but_takes_two_rounds(monkeypatch):
    taken: list[str] = []
    await measure(figure_of(monkeypatch, ours=opener(taken, "ours", *map(float, range(9)))), TINY._replace(repeats=8))
    assert 3 == taken.count("ours")  # one of them to warm up


def test_a_quick_run_takes_less_than_a_full_one():
    assert all(getattr(QUICK, name) <= getattr(FULL, name) for name in FULL._fields)


# --- what it prints ---


def lines_of_a_run():
    peer = result("peer", "langgraph", least=10.0, mid=20.0, greatest=40.0, remark="no checkpointer")
    return [
        result(durable=True, versions={"riverrun": "0.1.0"}, python="3.11.7", cpus=2),
        peer,
        compare(result(), peer, higher_is_better=False),
        LeftOut(bench="loop", subject="langgraph", role="peer", reason="langgraph is not installed"),
    ]


def test_a_row_holds_product_peer_ratio_and_goal():
    (row,) = rows(lines_of_a_run())
    assert "a chain of 100 nodes, in memory (`chain`)" == row.figure
    assert ("2 (1–4) durable", "langgraph 20 (10–40)", "10 (10)") == (row.product, row.peer, row.ratio)
    assert ("–", "≤ 12; LangGraph ÷ 30") == (row.bare, row.goal)


def test_remarks_say_what_is_durable_and_what_was_left_out():
    assert [
        "chain: riverrun: durable",
        "chain: langgraph: no checkpointer",
        "loop: langgraph: left out, langgraph is not installed",
    ] == remarks(lines_of_a_run())


@pytest.mark.parametrize("terminal", [True, False])
def test_the_table_is_drawn_on_a_terminal_and_plain_elsewhere(terminal):
    written = io.StringIO()
    show(lines_of_a_run(), Console(file=written, force_terminal=terminal, width=200))
    assert ("┃" in written.getvalue()) is terminal
    assert "langgraph" in written.getvalue()


def test_a_full_run_is_kept_as_lines_and_as_a_page(tmp_path):
    write(lines_of_a_run(), tmp_path / "results" / "newest.jsonl", tmp_path / "RESULTS.md")
    kept = (tmp_path / "results" / "newest.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines_of_a_run() == [decode(line) for line in kept]
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert render(lines_of_a_run()) == page
    assert "| 10 (10) |" in page
    assert "Python 3.11.7, 2 processors, riverrun 0.1.0; samples:" in page


def test_the_page_in_the_tree_is_made_from_the_lines_beside_it():
    assert render(kept()) == PAGE.read_text(encoding="utf-8")


# --- the command ---


@pytest.mark.parametrize("arguments", [["nothing"], ["chain", "--write"]])
def test_what_cannot_be_asked_for_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert 2 == refused.value.code
    assert "error:" in capsys.readouterr().err


@pytest.mark.slow
def test_every_figure_of_the_product_can_be_measured(monkeypatch, capfd):
    monkeypatch.setattr("bench.__main__.pin_load", lambda: None)
    assert 0 == main(["--json"], TINY)
    lines = [decode(line) for line in capfd.readouterr().out.splitlines()]
    measured = {line.bench for line in lines if isinstance(line, Result) and line.role == "product"}
    assert {figure.name for figure in FIGURES} == measured
    assert all(line.min > 0 for line in lines if isinstance(line, Result))


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"allowed: not installed in the test environment: {', '.join(MISSING)}")
def test_every_peer_of_every_figure_gives_a_ratio(monkeypatch, capfd):
    monkeypatch.setattr("bench.__main__.pin_load", lambda: None)
    assert 0 == main(["--json"], TINY)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    wanted = {(figure.name, side.subject) for figure in FIGURES for side in figure.sides if side.role == "peer"}
    assert wanted == {(line["bench"], line["peer"]) for line in lines if line["line"] == "ratio"}
