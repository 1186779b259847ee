"""What a server writes is what a client reads, and events pass through as the bytes they are."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from riverrun.base.errors import ProtocolFault
from riverrun.events.codec import encode as encode_event
from riverrun.events.record import Record
from riverrun.log.store import Page, RunKey, RunRow
from riverrun.wire import pages
from riverrun.wire.pages import EventPage, GraphEdge, GraphInfo, GraphList, GraphState, RunInfo, RunList
from tests.events.samples import RUN, SAMPLES

LOG = "0a1b2c3d"
RECORDS = [Record(event.seq, data=encode_event(event)) for event in SAMPLES]
ROW = RunRow(
    key=RunKey("tenant", RUN),
    graph="review",
    status="ended",
    epoch=2,
    head=9,
    log=LOG,
    created_ms=1,
    updated_ms=2,
    thread="t",
    ending="stopped",
    worker="w-secret",
    lease_until_ms=99,
)


def read(records, *, head=9, status="running"):
    return Page(records, head, 1, status, LOG, 0)


def test_a_page_carries_the_events_byte_for_byte():
    body = pages.page(read(RECORDS), 0)
    assert b'{"events":[' + b",".join(record.data for record in RECORDS) + b"]," in body
    assert list(SAMPLES) == pages.decode(body, EventPage).decoded()


def test_a_page_says_where_the_log_stands():
    assert {"events": [], "head": 9, "floor": 0, "log": LOG, "ended": False} == json.loads(pages.page(read([]), 9))


@pytest.mark.parametrize(
    ("records", "after", "status", "ended"),
    [
        ([Record(9, data=b"{}")], 8, "ended", True),
        ([Record(8, data=b"{}")], 7, "ended", False),
        ([], 9, "ended", True),
        ([], 8, "ended", False),
        ([], 9, "parked", False),
        ([Record(9, data=b"{}")], 8, "running", False),
    ],
)
def test_a_page_has_ended_with_the_terminal_event(records, after, status, ended):
    assert ended is pages.decode(pages.page(read(records, status=status), after), EventPage).ended


def test_a_run_arrives_without_its_tenant_and_its_worker():
    body = pages.run(ROW)
    assert {
        "run": RUN,
        "graph": "review",
        "status": "ended",
        "ending": "stopped",
        "head": 9,
        "log": LOG,
        "epoch": 2,
        "thread": "t",
        "created_ms": 1,
        "updated_ms": 2,
    } == json.loads(body)
    assert RUN == pages.decode(body, RunInfo).run


def test_what_a_run_does_not_have_is_null():
    fresh = RunRow(
        key=RunKey("t", RUN), graph="g", status="queued", epoch=0, head=1, log=LOG, created_ms=1, updated_ms=1
    )
    told = json.loads(pages.run(fresh))
    assert (None, None) == (told["ending"], told["thread"])


def test_a_list_keeps_its_order():
    listed = pages.decode(pages.runs([ROW, ROW]), RunList).runs
    assert [RUN, RUN] == [info.run for info in listed]
    assert () == pages.decode(pages.runs([]), RunList).runs


def test_graphs_and_states_are_read_with_what_a_newer_server_adds():
    graphs = (
        b'{"graphs":[{"name":"g","nodes":["a"],"edges":[{"source":"a","target":"b","conditional":true,"x":1}],"y":2}]}'
    )
    edge = GraphEdge(source="a", target="b", conditional=True)
    assert (GraphInfo(name="g", nodes=("a",), edges=(edge,)),) == pages.decode(graphs, GraphList).graphs
    assert {"k": [1]} == pages.decode(b'{"run":"r","at":null,"state":{"k":[1]}}', GraphState).state


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"run": 1}', b"[" * 100_000])
@pytest.mark.parametrize("kind", [EventPage, RunInfo, RunList, GraphList, GraphState])
def test_what_is_something_else_is_refused_with_a_code(body, kind):
    with pytest.raises(ProtocolFault) as caught:
        pages.decode(body, kind)
    assert "E5003" == caught.value.code
    assert kind.__name__ in caught.value.message


def test_a_page_with_what_is_no_event_is_refused():
    page = EventPage(events=(Raw(b"{}"),), head=1, floor=0, log=LOG, ended=False)
    with pytest.raises(ProtocolFault):
        page.decoded()
