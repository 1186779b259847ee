"""How much is measured: the sizes of the work, how often it is repeated, and when repeating ends."""

from __future__ import annotations

from typing import NamedTuple

# The lengths that the figures of flatness name.
CHAINS = (10, 100, 1_000, 10_000)  # nodes
LOOPS = (10, 1_000, 10_000, 100_000)  # turns
ANSWERS = (100, 300, 1_000)  # at once
MIDDLE = "middle"  # what all of them are set beside


class Scale(NamedTuple):
    """Sizes of one run of the harness.

    Attributes:
        repeats: Samples of each subject, at most.
        seconds: After this time a figure takes no further round of samples (but it takes two in any case).
        rounds: How often one sample does what is over in a few milliseconds.
        nodes: Nodes of the chain.
        turns: Turns of the loop.
        branches: Nodes of the fan.
        chunks: Chunks of a stream in process.
        firsts: Runs of which one sample takes the median time to the first chunk.
        runs: Runs that are started for one sample of the start rate.
        posts: Starts over HTTP for one sample of their p50 and p99.
        stream: Chunks of a stream over HTTP.
        batches: Appends to the store, each of `batch` events.
        batch: Events of one append.
        appends: Texts that the run writes whose stored bytes are weighed.
        chains: Lengths of the chains of which a node should cost the same.
        loops: Turns of the loops of which a node should cost the same.
        flat_nodes: Nodes that each of these lengths is given at least, by repeating the short ones.
        writers: Runs that append to the store at once.
        turns_of_writers: Appends that each of them makes, of 100 chunks.
        words: Chunks whose way to a reader is timed.
        replayed: Events of the log that is read from the store, and weighed.
        recovered: Events of the runs that are brought back.
        parked: Runs that wait for an answer while they are weighed.
        readers: Readers of one stream.
        told: Chunks that they are told as fast as they come.
        beats: Chunks that they are told fifty times a second.
        answers: Answers of a model that are read at once, each at the pace of `beats`.
        waiting: Readers of a silent stream, who are weighed.
        held: Readers who are there at once.
        held_seconds: For how long, in whole seconds.
        again: Chunks of a stream that is attached to at its end, and read again.
        cuts: How often a reader is cut off for one sample.
    """

    repeats: int
    seconds: float
    rounds: int
    nodes: int
    turns: int
    branches: int
    chunks: int
    firsts: int
    runs: int
    posts: int
    stream: int
    batches: int
    batch: int
    appends: int
    chains: tuple[int, ...]
    loops: tuple[int, ...]
    flat_nodes: int
    writers: int
    turns_of_writers: int
    words: int
    replayed: int
    recovered: int
    parked: int
    readers: int
    told: int
    beats: int
    answers: tuple[int, ...]
    waiting: int
    held: int
    held_seconds: int
    again: int
    cuts: int


FULL = Scale(
    repeats=15,
    seconds=24.0,
    rounds=5,
    nodes=100,
    turns=1000,
    branches=100,
    chunks=10_000,
    firsts=20,
    runs=1000,
    posts=100,
    stream=50_000,
    batches=300,
    batch=100,
    appends=200,
    chains=CHAINS,
    loops=LOOPS,
    flat_nodes=10_000,
    writers=100,
    turns_of_writers=20,
    words=500,
    replayed=160_000,
    recovered=100_000,
    parked=10_000,
    readers=200,
    told=2000,
    beats=150,
    answers=ANSWERS,
    waiting=1000,
    held=5000,
    held_seconds=60,
    again=160_000,
    cuts=30,
)

# Some minutes: the same sizes where the figure names them, fewer repeats.
QUICK = FULL._replace(repeats=3, seconds=3.0, rounds=3, firsts=10, runs=300, posts=40, stream=10_000, batches=100,
                      words=200, parked=300, told=500, beats=100, held_seconds=5,
                      again=60_000, cuts=10)  # fmt: skip

# For the tests of the harness itself: nothing that it gives is a figure.
TINY = Scale(
    repeats=2,
    seconds=0.0,
    rounds=2,
    nodes=3,
    turns=3,
    branches=3,
    chunks=20,
    firsts=2,
    runs=3,
    posts=2,
    stream=20,
    batches=2,
    batch=5,
    appends=3,
    chains=(20, 30, 40, 50),
    loops=(20, 30, 40, 50),
    flat_nodes=50,
    writers=3,
    turns_of_writers=2,
    words=4,
    replayed=300,
    recovered=400,
    parked=4,
    readers=3,
    told=20,
    beats=3,
    answers=(2, 3, 4),
    waiting=5,
    held=5,
    held_seconds=1,
    again=60,
    cuts=2,
)


def name_of(length: int) -> str:
    """Give the name of the metric that says what a node costs at a length."""
    return f"{length:,}"
