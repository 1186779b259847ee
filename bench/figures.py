"""The list of figures: what is measured, who takes part, what the design wants, and what must be said for honesty.

A figure's name is the name of a function in each module that takes part. Goals are those of the design's table of
figures; where it names none, there is none here.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.results import Role
from bench.scale import ANSWERS, CHAINS, LOOPS, MIDDLE, name_of


class Metric(NamedTuple):
    """One number of a figure.

    Attributes:
        name: As in the samples.
        unit: Of the number.
        goal: What the design wants, in its words.
        higher_is_better: Whether it is a rate.
    """

    name: str
    unit: str
    goal: str = ""
    higher_is_better: bool = False


class Side(NamedTuple):
    """One subject of a figure.

    Attributes:
        role: Its part.
        subject: Its name.
        module: Where the figure's function is.
        durable: Whether what it does survives a crash.
        remark: What a reader must know to compare it fairly.
    """

    role: Role
    subject: str
    module: str
    durable: bool = False
    remark: str = ""


class Figure(NamedTuple):
    """Something to measure.

    Attributes:
        name: Its name, also of the functions.
        title: What it is, for people.
        metrics: Its numbers.
        sides: Who takes part; the product first.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    sides: tuple[Side, ...]


# Where chunks come from: models, agents of other machines, agents of other libraries, functions.
SOURCES = (
    "chat completions",
    "responses",
    "anthropic",
    "a2a",
    "langgraph",
    "pydantic ai",
    "openai agents",
    "llama-index",
    "generator",
    "sync generator",
)

PACKAGES = (
    "riverrun",
    "openai",
    "langgraph",
    "langgraph-api",
    "langgraph-checkpoint-sqlite",
    "pydantic-graph",
    "llama-index-workflows",
    "fastapi",
    "sse-starlette",
    "uvicorn",
    "uvloop",
    "apsw",
)

_PRODUCT = Side("product", "riverrun", "bench.product")
_PEER = Side("peer", "langgraph", "bench.peer")
_PYDANTIC = Side("peer", "pydantic-graph", "bench.peer_pydantic")
_LLAMA = Side("peer", "llama-index", "bench.peer_llama")
_BARE = Side("bare", "asyncio", "bench.bare")
_PRODUCT_SQLITE = Side("product", "riverrun", "bench.product_durable", durable=True, remark="SQLite, synchronous=FULL")
_STORE = _PRODUCT_SQLITE._replace(module="bench.product_store")
_BARE_STORE = Side("bare", "apsw", "bench.bare_store", durable=True, remark="one row per append, no rules")
_PRODUCT_HTTP = _PRODUCT_SQLITE._replace(module="bench.product_http")
_PEER_HTTP = Side("peer", "fastapi+langgraph", "bench.peer_http", remark="stream_mode=custom as SSE; keeps nothing")
_SOCKET = _PRODUCT_SQLITE._replace(
    subject="riverrun websocket", module="bench.product_socket", remark="SQLite, synchronous=FULL; over a WebSocket"
)
_DELIVERY = _PRODUCT_SQLITE._replace(module="bench.product_delivery")
_SSE = Side("peer", "sse-starlette", "bench.peer_sse", remark="without a graph; a queue per reader; bare text")
_STREAMS = Side(
    "peer", "durable-streams", "bench.peer_streams", remark="the reference server of its authors, in memory"
)
_PEER_SAVER = Side("peer", "langgraph InMemorySaver", "bench.peer_kept")
_FLAT = "what a run of one node costs is taken off; the collector is on"


_CHAT = Side("product", "riverrun", "bench.product_chat")
_SDK = Side("peer", "OpenAI's SDK", "bench.peer_chat")


def _late(count: int) -> tuple[Metric, ...]:
    goal = "≤ 50" if count == ANSWERS[-1] else ""
    name = name_of(count)
    return (Metric(f"{name}, p99", "ms", goal), Metric(f"{name}, processor", "µs per chunk"))


def _flat(lengths: tuple[int, ...]) -> tuple[Metric, ...]:
    ratios = (Metric(name_of(length), "× middle", "0.9–1.1") for length in lengths)
    return (*ratios, Metric(MIDDLE, "µs per node"))


FIGURES = (
    Figure(
        "chain",
        "a chain of 100 nodes, in memory",
        (Metric("node", "µs per node", "≤ 12; LangGraph ÷ 30"),),
        (_PRODUCT, _PEER, _PYDANTIC, _LLAMA, _BARE._replace(remark="a task per node")),
    ),
    Figure(
        "loop",
        "a loop of 1,000 through a conditional edge, in memory",
        (Metric("node", "µs per node", "≤ 12; LangGraph ÷ 50"),),
        (
            _PRODUCT._replace(remark="sync router"),
            _PEER._replace(remark="sync router"),
            _PYDANTIC._replace(remark="a decision"),
            _LLAMA._replace(remark="the step itself decides"),
            _BARE._replace(remark="a task per node"),
        ),
    ),
    Figure(
        "loop_async",
        "the same loop, its router a coroutine",
        (Metric("node", "µs per node"),),
        (_PRODUCT, _PEER),
    ),
    Figure(
        "fan",
        "fan-out to 100 nodes and join",
        (Metric("round", "ms", "≤ 1.5 ms"),),
        (
            _PRODUCT,
            _PEER,
            _PYDANTIC,
            _LLAMA._replace(remark="one step with 100 workers"),
            _BARE._replace(remark="gather"),
        ),
    ),
    Figure(
        "chunks",
        "10,000 chunks from a node to a reader in process",
        (Metric("chunk", "µs per chunk", "≤ 7"),),
        (
            _PRODUCT,
            _PEER._replace(remark="stream_mode=custom"),
            _PYDANTIC._replace(remark="no reader: each item starts a step"),
            _LLAMA._replace(remark="write_event_to_stream"),
            _BARE._replace(remark="deque and future"),
            Side("bare", "source alone", "bench.source", remark="sleep(0) before each chunk"),
        ),
    ),
    Figure(
        "first",
        "from the call to the first chunk, in process",
        (Metric("first chunk", "µs", "≤ 150"),),
        (
            _PRODUCT,
            _PEER._replace(remark="stream_mode=custom"),
            _PYDANTIC._replace(remark="until the step that the item starts"),
            _LLAMA._replace(remark="write_event_to_stream"),
            _BARE._replace(remark="deque and future"),
        ),
    ),
    Figure(
        "starts",
        "runs started until all are in their first node",
        (Metric("runs", "runs/s", "≥ 15,000", higher_is_better=True),),
        (_PRODUCT, _PEER, _PYDANTIC, _LLAMA, _BARE._replace(remark="two tasks per run")),
    ),
    Figure(
        "idle",
        "memory of a run that waits in its first node",
        (Metric("run", "KiB", "≤ 12"),),
        (
            _PRODUCT._replace(remark="its log and store included"),
            _PEER,
            _PYDANTIC,
            _LLAMA,
            _BARE._replace(remark="two tasks per run"),
        ),
    ),
    Figure(
        "checkpoint",
        "bytes kept of 200 steps that append 1 KB each",
        (Metric("stored", "kB", "≤ 500"), Metric("log", "kB")),
        (
            _PRODUCT_SQLITE._replace(remark="stored: the file of the store; log: the JSON of all events"),
            _PEER_SAVER._replace(remark="its blobs and writes"),
            _PEER_SAVER._replace(
                subject="langgraph DeltaChannel", module="bench.peer_delta", remark="its blobs and writes; a beta"
            ),
            Side("peer", "langgraph AsyncSqliteSaver", "bench.peer_durable", durable=True, remark="its file"),
            Side("bare", "the text", "bench.keeping"),
        ),
    ),
    Figure(
        "flat_chain",
        "cost of a node in a chain of so many, beside the middle one",
        _flat(CHAINS),
        (_PRODUCT._replace(module="bench.product_flat", remark=_FLAT), _BARE._replace(remark="a task per node")),
    ),
    Figure(
        "flat_loop",
        "cost of a turn in a loop of so many, beside the middle one",
        _flat(LOOPS),
        (_PRODUCT._replace(module="bench.product_flat", remark=_FLAT), _BARE._replace(remark="a task per node")),
    ),
    Figure(
        "durable",
        "a chain of 100 nodes, durable in SQLite",
        (Metric("node", "µs per node", "≤ 40"),),
        (_PRODUCT_SQLITE, Side("peer", "langgraph", "bench.peer_durable", durable=True, remark="AsyncSqliteSaver")),
    ),
    Figure(
        "append",
        "append at the store, 100 events of 200 bytes at a time",
        (Metric("events", "events/s", "≥ 300,000", higher_is_better=True),),
        (
            _PRODUCT_SQLITE,
            Side("bare", "apsw", "bench.bare_sqlite", durable=True, remark="one row per append, no rules"),
        ),
    ),
    Figure(
        "append_runs",
        "100 runs append at once, 100 chunks of four characters at a time",
        (Metric("chunks", "chunks/s", "≥ 300,000", higher_is_better=True),),
        (_STORE, _BARE_STORE),
    ),
    Figure(
        "visible",
        "how much later than its acknowledgement a reader of the same process has a chunk, p99",
        (Metric("idle", "ms", "≤ 1"), Metric("load", "ms", "≤ 12")),
        (
            _STORE._replace(remark="load: 100 runs beside it, 30 chunks each every 10 ms"),
            _BARE_STORE._replace(remark="a read on another connection"),
        ),
    ),
    Figure(
        "abroad",
        "how much later than its acknowledgement a waiting reader of another process has a chunk",
        (Metric("p50", "ms"), Metric("p99", "ms", "≤ 50")),
        (_STORE,),
    ),
    Figure(
        "replay",
        "a log of 160,000 chunks (30 MB as JSON): attach at its end, read all of it",
        (Metric("attach", "ms", "≤ 2"), Metric("replay", "ms", "≤ 40")),
        (_STORE, _BARE_STORE._replace(subject="a file", durable=False, remark="its lines, read and split")),
    ),
    Figure(
        "weight",
        "what a chunk of four characters takes in the file",
        (Metric("live", "bytes", "≤ 40"), Metric("compacted", "bytes", "≤ 6")),
        (_STORE, _BARE_STORE._replace(subject="the JSON, the text", durable=False, remark="")),
    ),
    Figure(
        "recovery",
        "a run of 100,000 events is brought back whose owner is gone",
        (Metric("chunks", "ms", "≤ 300"), Metric("nodes", "ms", "≤ 300")),
        (
            _STORE._replace(remark="with its checkpoint; chunks: one node that streams, nodes: 50,000 turns of a loop"),
            _BARE_STORE._replace(subject="decoding", durable=False, remark="its lines read and decoded, no fold"),
        ),
    ),
    Figure(
        "parked",
        "memory of a run that waits for an answer",
        (Metric("run", "KiB", "≤ 5"),),
        (
            _STORE,
            Side("peer", "langgraph", "bench.peer_store", durable=True, remark="AsyncSqliteSaver"),
            _BARE_STORE._replace(subject="the question", durable=False, remark="as JSON"),
        ),
    ),
    Figure(
        "post",
        "POST to the first chunk over HTTP",
        (Metric("p50", "ms", "≤ 5"), Metric("p99", "ms", "≤ 20")),
        (
            _PRODUCT_HTTP,
            _PRODUCT_HTTP._replace(
                subject="riverrun client",
                module="bench.product_client",
                remark="SQLite, synchronous=FULL; start, then attach: two requests",
            ),
            _SOCKET._replace(remark="start over HTTP, then attach over an open WebSocket: two requests"),
            _PEER_HTTP,
            _SSE._replace(remark="without a graph: a generator; keeps nothing"),
            Side("bare", "apsw", "bench.bare_sqlite", durable=True, remark="one commit, of which a start needs one"),
        ),
    ),
    Figure(
        "stream",
        "one stream over SSE to one thin reader (a socket and a buffer)",
        (Metric("chunks", "chunks/s", "≥ 100,000", higher_is_better=True),),
        (_PRODUCT_HTTP, _SOCKET, _PEER_HTTP, _SSE._replace(remark="without a graph: a generator; keeps nothing")),
    ),
    Figure(
        "read",
        "one stream over SSE to one real client that decodes every event",
        (Metric("chunks", "chunks/s", higher_is_better=True),),
        (
            _PRODUCT_HTTP._replace(remark="SQLite, synchronous=FULL; its own client"),
            _PEER_HTTP._replace(remark="stream_mode=custom as SSE, read with httpx and json; keeps nothing"),
        ),
    ),
    Figure(
        "crowd",
        "one run to 200 readers over SSE, as fast as it comes: events that arrive",
        (Metric("events", "events/s", "≥ 300,000", higher_is_better=True),),
        (_DELIVERY, _SOCKET, _SSE, _STREAMS),
    ),
    Figure(
        "beat",
        "one run of 50 events a second to 200 readers: from the producer to a reader's socket",
        (
            Metric("p50", "ms"),
            Metric("p99", "ms", "≤ 6"),
            Metric("processor", "µs of the server per event that arrives"),
        ),
        (_DELIVERY._replace(remark="SQLite, synchronous=FULL: on the disk before it is sent"), _SOCKET, _SSE, _STREAMS),
    ),
    Figure(
        "waiting",
        "what a server's process grows by for a reader that waits",
        (Metric("reader", "KiB", "≤ 20"),),
        (_DELIVERY._replace(remark="resident memory, as the system counts it"), _SOCKET, _SSE, _STREAMS),
    ),
    Figure(
        "held",
        "5,000 readers at once, each told something every second: those who missed nothing, and how late it was",
        (Metric("readers", "readers", "5,000", higher_is_better=True), Metric("p99", "ms")),
        (_DELIVERY._replace(remark="50 runs of 100 readers; one minute in a full run"), _SSE, _STREAMS),
    ),
    Figure(
        "tail",
        "attach over HTTP at the end of a run of 160,000 chunks (30 MB as JSON), and of one of ten; both go on",
        (Metric("long", "ms", "≤ 2"), Metric("short", "ms")),
        (_DELIVERY._replace(remark="median of a sample; a new connection each time"), _SSE, _STREAMS),
    ),
    Figure(
        "again",
        "replay over SSE: 160,000 chunks, and the last 10 MB of that",
        (
            Metric("10 MB", "ms"),
            Metric("10 MB, server", "ms of processor", "≤ 40"),
            Metric("all", "ms"),
            Metric("all, server", "ms of processor"),
        ),
        (
            _DELIVERY._replace(remark="an event is about 200 bytes on the wire"),
            _SSE._replace(remark="a list in memory; a chunk is about 50 bytes on the wire"),
            _STREAMS._replace(remark="in memory, over SSE; all of it is about 10 MB on the wire"),
        ),
    ),
    Figure(
        "reconnect",
        "the next event, seen by a reader whose connection is cut",
        (Metric("median", "ms", "< 300"), Metric("worst", "ms", "< 3,000")),
        (
            _DELIVERY._replace(
                subject="riverrun client",
                module="bench.product_reconnect",
                remark="an event every 10 ms; cut at any byte: reset, polite end, or a 502",
            ),
            Side("bare", "a request", "bench.bare_reconnect", durable=True, remark="a new connection, at once"),
        ),
    ),
    Figure(
        "adopted",
        "a LangGraph graph served over HTTP: POST to its first chunk, and chunks from there",
        (
            Metric("first chunk", "ms", "langgraph dev ÷ 50"),
            Metric("chunks", "chunks/s", "langgraph dev × 5", higher_is_better=True),
        ),
        (
            _PRODUCT_HTTP._replace(module="bench.product_adopted"),
            Side(
                "peer",
                "langgraph dev",
                "bench.peer_langgraph_dev",
                remark="in memory; a queue, not the graph, is what its first chunk waits for",
            ),
        ),
    ),
    Figure(
        "chat",
        "a chat node: from OpenAI's protocol on a socket to the reader of the run",
        (Metric("chunk", "µs of processor per chunk", "the SDK + 10"),),
        (
            _CHAT._replace(remark="the SDK asks; what it streams is read off its response"),
            _SDK._replace(remark="its own stream, read and joined"),
        ),
    ),
    Figure(
        "chats",
        "many chat nodes at once, each answer of 50 chunks a second: from the provider to the reader of the run",
        tuple(each for count in ANSWERS for each in _late(count)),
        (
            _CHAT,
            _SDK._replace(remark="1,000 at once would take it half a minute, and are left out"),
        ),
    ),
    Figure(
        "paced",
        "the same with a model of timers in the process, so that nothing but chat nodes and the engine runs",
        tuple(each for count in ANSWERS for each in _late(count)),
        (
            _CHAT._replace(module="bench.product_paced"),
            Side("bare", "the model alone", "bench.paced", remark="read with nothing around it"),
        ),
    ),
    Figure(
        "stop",
        "from the stop of a run to the end of its connection, as the provider of its model sees it",
        (Metric("median", "ms"), Metric("worst", "ms")),
        (_CHAT,),
    ),
    Figure(
        "delay",
        "how late a chunk is with the reader of a run, 50 a second, by the source that it comes from (p99)",
        tuple(each for name in SOURCES for each in (Metric(name, "ms", "< 20"), Metric(f"{name}, median", "ms"))),
        (Side("product", "riverrun", "bench.product_delay", remark="sources whose library is there"),),
    ),
    Figure(
        "pushed",
        "from a stream that is pulled, through what pushes, to one that is pulled",
        (Metric("callback", "µs per value", "≤ 15"), Metric("queue", "µs per value", "≤ 15")),
        (
            _PRODUCT._replace(module="bench.product_adopted", remark="callback: a buffer that holds all; queue: of 64"),
            Side("peer", "reactivex", "bench.peer_reactivex", remark="Subject and a queue without bounds"),
        ),
    ),
)
